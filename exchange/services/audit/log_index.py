"""The index of the log: what the sealed details say, as terms by which entries are found.

The details are read behind the accesses, a few entries at a time, and before each search that needs them, so
that no access waits for it. A search waits for a few seconds at most: where the index is further behind, as
when it is made anew, it hears how far the index has come. An entry whose detail has not come yet is looked at
again for an hour: by then it is lost. So is one whose note of what was released has not come yet.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog
from cachetools import FIFOCache

from chaincode.access.model import Reason
from exchange.crypto.documents import open_metadata, seal_metadata
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.references import References
from exchange.errors import DamagedError, UnavailableError
from exchange.fhir.audit_event import records_of
from exchange.fhir.search import Term
from exchange.services.access.details import Detail, open_detail
from exchange.services.access.releases import open_release
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.store.engine.database import Database
from exchange.store.log import log_terms
from exchange.store.log.log_terms import UnreadEntry

_AT_ONCE = 250
_CACHE_SIZE = 10_000  # words whose tokens are at hand
_PATIENCE = 3_600_000
_LONGEST_WAIT: Final = 3.0
"""Seconds that a search waits for the index."""
_PAUSE, _REST = 0.05, 5.0
_LOCAL = re.compile(r"(patient|officer)-")

_log = structlog.get_logger()


class Requester(msgspec.Struct, frozen=True, tag="who"):
    """The asking party: many entries have the same one. The sessions of one person at the portal are one."""

    organization: str
    user: str
    user_name: str = ""
    role: str = ""
    client: str = ""


class Asked(msgspec.Struct, frozen=True, tag="what"):
    """The request: the interaction, the kinds of records, and whether a patient was concerned."""

    interaction: str
    classes: tuple[str, ...] = ()
    person: bool = False


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """An answer that failed although it was permitted."""


Word = Requester | Asked | Failed


class _Entry(msgspec.Struct, frozen=True):
    """The fields of an entry on the ledger that its terms depend on."""

    outcome: str
    reason: str
    classes: tuple[str, ...] = ()


_entry = msgspec.json.Decoder(_Entry).decode


@dataclass(frozen=True, slots=True)
class IndexedLog:
    """All words by their numbers, and the sequence up to which every entry is found by them."""

    words: Mapping[int, Word]
    reached: int


@dataclass(slots=True)
class _Known:
    """The words that have been opened, and the number of the last one."""

    numbers: dict[bytes, int] = field(default_factory=dict)
    words: dict[int, Word] = field(default_factory=dict)
    last: int = 0


class LogIndex:
    """The terms of the entries of the custodian `msp_id`."""

    def __init__(
        self, *, msp_id: str, references: References, keys: SubjectKeyStore, entries: Database
    ) -> None:
        self._msp_id = msp_id
        self._references = references
        self._keys = keys
        self._entries = entries
        self._known = _Known()
        self._tokens: FIFOCache[Word, bytes] = FIFOCache(_CACHE_SIZE)
        self._lock = asyncio.Lock()
        self._reached: int | None = None
        self._stored = 0
        self._missing: set[int] = set()

    async def keep_indexing(self) -> None:
        """Index the entries that come, until cancelled; and the last ones then."""
        try:
            while True:
                try:
                    more = await self._some()
                except UnavailableError as why:
                    _log.warning("log.index-behind", reason=str(why))
                    more = False
                await asyncio.sleep(_PAUSE if more else _REST)
        finally:
            with suppress(UnavailableError):
                await self._some()

    async def caught_up(self) -> IndexedLog:
        """Index the entries of the log for some seconds, and return how far that came."""
        deadline, more = time.monotonic() + _LONGEST_WAIT, True
        while more:
            more = await self._some() and time.monotonic() < deadline
        async with self._lock:
            await self._learn(await self._directory())
            return IndexedLog(self._known.words, await self._place())

    def number_of(self, term: Term) -> int:
        """Return the number that stands for a record or a session, as a search parameter has it."""
        return number_of(self._references, term)

    async def _place(self) -> int:
        # A server that crashed may come back without the last commits: then what it has is indexed once more.
        stored = await self._entries.read(log_terms.mark)
        if self._reached is None or stored != self._stored:
            self._reached, self._stored, self._missing, self._known = stored, stored, set(), _Known()
        return self._reached

    async def _some(self) -> bool:
        """Index some entries; return whether there may be more."""
        async with self._lock:
            reached, missing = await self._place(), sorted(self._missing)
            rows = await self._entries.read(lambda c: log_terms.unread(c, reached, _AT_ONCE))
            late = await self._entries.read(lambda c: log_terms.unread_among(c, missing)) if missing else []
            if rows or late:
                await self._add([*late, *rows], rows[-1].sequence if rows else reached)
            return len(rows) == _AT_ONCE

    async def _add(self, rows: Sequence[UnreadEntry], reached: int) -> None:
        keys = await self._keys.find([row.subject for row in rows if row.subject is not None])
        directory = await self._directory()
        found = [(row.sequence, said(self._references, row, keys)) for row in rows]
        await self._number({word for _, said in found for word in said[0]}, directory)
        terms = [
            (term, sequence)
            for sequence, (words, others) in found
            for term in (*(self._known.numbers[self._token(word)] for word in words), *others)
        ]
        recent = time.time_ns() // 1_000_000 - _PATIENCE
        missing = {
            row.sequence
            for row in rows
            if row.time > recent and row.custodian == self._msp_id and _is_incomplete(row)
        }
        mark = min(missing) - 1 if missing else reached
        await self._entries.write(lambda c: log_terms.add_terms(c, terms, mark))
        self._reached, self._stored, self._missing = reached, mark, missing

    async def _number(self, words: set[Word], directory: SubjectKeys) -> None:
        await self._learn(directory)
        new = [(self._token(word), word) for word in words]
        new = [(token, word) for token, word in new if token not in self._known.numbers]
        if new:
            rows = [
                (token, seal_metadata(directory, _label(token), msgspec.json.encode(word)))
                for token, word in new
            ]
            await self._entries.write(lambda c: log_terms.add_words(c, rows))
            await self._learn(directory)

    def _token(self, word: Word) -> bytes:
        token = self._tokens.get(word)
        if token is None:
            token = self._tokens[word] = token_of(self._references, word)
        return token

    async def _learn(self, directory: SubjectKeys) -> None:
        known = self._known
        for number, token, sealed in await self._entries.read(lambda c: log_terms.words_after(c, known.last)):
            known.words[number] = open_word(directory, token, sealed)
            known.numbers[token], known.last = number, number

    async def _directory(self) -> SubjectKeys:
        token = self._references.directory
        return (await self._keys.ensure({token: ""}))[token]


def said(
    references: References, row: UnreadEntry, keys: Mapping[bytes, SubjectKeys]
) -> tuple[list[Word], list[int]]:
    """Return the words of an entry, and the numbers of its record and session; none without a detail."""
    known = keys.get(row.subject) if row.subject is not None else None
    if known is None or row.sealed is None:
        return [], []
    try:
        detail = open_detail(known, row.tx, row.n, row.sealed)
        classes = _entry(row.record).classes
        note = None if row.released is None else open_release(known, row.tx, row.n, row.released)
    except (DamagedError, msgspec.MsgspecError):
        return [], []  # `consentry verify` names it
    words: list[Word] = [_requester(detail), Asked(detail.interaction, classes, bool(detail.patient))]
    records = records_of(detail.target)
    if note is not None:
        records += records_of(",".join(note.named))
        words += [Failed()] if note.failed else []
    others = [number_of(references, Term("entity", f"r{record}")) for record in dict.fromkeys(records)]
    if _LOCAL.match(detail.client):
        others.append(number_of(references, Term("altid", f"F={detail.client.casefold()}")))
    return words, others


def number_of(references: References, term: Term) -> int:
    """Return the number that stands for a record or a session, as a search parameter has it."""
    token = references.log_term(f"{term.parameter}\0{term.text}")
    return -(int.from_bytes(token[:8]) >> 1) - 1


def token_of(references: References, word: Word) -> bytes:
    """Return the keyed hash by which a word is found."""
    return references.log_term(f"word\0{msgspec.json.encode(word).decode()}")


def open_word(directory: SubjectKeys, token: bytes, sealed: bytes) -> Word:
    """Return the word that is sealed under its token.

    Raises:
        DamagedError: the row does not verify.
    """
    opened: Word = msgspec.json.decode(open_metadata(directory, _label(token), sealed), type=Word)
    return opened


def _label(token: bytes) -> bytes:
    return b"word" + token


def _is_incomplete(row: UnreadEntry) -> bool:
    """Return whether more may come: the detail, or the note of what was released on a permission."""
    if row.sealed is None:
        return True
    if row.released is not None:
        return False
    entry = _entry(row.record)
    return entry.outcome == "permit" and entry.reason != Reason.RECORDED


def _requester(detail: Detail) -> Requester:
    client = "" if _LOCAL.match(detail.client) else detail.client
    return Requester(detail.organization, detail.user, detail.user_name, detail.role, client)
