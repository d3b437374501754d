"""Notes of the records that were released on each permission, collected while a request is answered.

1. The code that puts a record into an answer says so (`Release.give`); a record that is opened and left out,
   by a filter, a page's end or a count, is not released.
2. A request ends once (`Exchange`). An answer that failed, was refused, or whose connection was lost has
   released nothing; of these the first and the last are failures.
3. The note is sealed beside the entry, and its root goes to the ledger, with those of all other requests that
   ended meanwhile. No request waits for this, so a process that is killed loses the newest notes: an entry
   without one says that it is not known whether anything was released, never that nothing was.
4. Where the ledger or the log can't take a note, it waits and is tried again. A sealed note that
   waits for the ledger outlasts the process. The names of a request whose log was away are kept likewise.

Outside of a request nothing is noted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, NamedTuple

import structlog
from sqlalchemy import Connection

from chaincode.access.model import BATCH_LIMIT
from exchange.crypto.documents import open_metadata, seal_metadata
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.release_notes import ReleasedRecord, ReleaseNote, decode_note, release_note
from exchange.errors import DamagedError, ExchangeError, UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.services.access.details import open_detail
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.store.engine.database import Database
from exchange.store.log import log_tables

NOTED_EVERY: Final = 1.0
"""Seconds between two batches of notes."""
MOST_WAITING: Final = 50_000
"""Entries whose notes wait in memory; beyond, the oldest stay without."""

_FAILURES = 500  # and above: statuses of answers that failed

_log = structlog.get_logger()


class Unkept(NamedTuple):
    """Details that the log could not take when their entries were made."""

    details: Sequence[log_tables.DetailRow]
    search: log_tables.SearchRow | None


class PermittedEntry(NamedTuple):
    """One permitted entry of a transaction: its number, and the keys of its subject."""

    n: int
    keys: SubjectKeys


class Release:
    """The records that are given on one answer of the ledger. `ended` takes it when the request has ended."""

    __slots__ = ("_ended", "_given", "entries", "failed", "recipient", "tx_id", "unkept")

    def __init__(
        self,
        tx_id: str,
        recipient: str,
        entries: Sequence[PermittedEntry],
        ended: Callable[[Release], None],
    ) -> None:
        self.tx_id = tx_id
        self.recipient = recipient
        self.entries = entries
        self.failed = False
        self.unkept: Unkept | None = None
        self._given: dict[ReleasedRecord, frozenset[bytes]] = {}
        self._ended = ended

    def give(self, record: ReleasedRecord, subjects: Iterable[bytes]) -> None:
        """Count `record`, which is of `subjects`, as released: it goes into the answer."""
        self._given[record] = frozenset(subjects)

    def withdraw(self) -> None:
        """Count nothing as released: the answer is not sent."""
        self._given.clear()

    def end(self, *, failed: bool) -> None:
        """Hand this over to be noted."""
        self.failed = failed
        if self.entries or self.unkept:
            self._ended(self)

    def note(self, keys: SubjectKeys) -> ReleaseNote:
        """Return the note of the entry about the subject with `keys`."""
        records = [record for record, subjects in self._given.items() if keys.token in subjects]
        return release_note(records, failed=self.failed)


class Exchange:
    """A request and its answer, or one entry of a Bundle and its: a context manager, inside which `current`
    finds it.

    An error that leaves it is the answer. Within another one, it ends with that.
    """

    __slots__ = ("_failed", "_is_over", "_outer", "_releases", "_token")

    def __init__(self) -> None:
        self._releases: list[Release] = []
        self._failed = self._is_over = False
        self._outer: Exchange | None = None
        self._token: Token[Exchange | None] | None = None

    def __enter__(self) -> Exchange:
        self._outer = _exchange.get()
        self._token = _exchange.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _exchange.reset(self._token)
        if error is not None:
            self.lose(status=error.status if isinstance(error, ExchangeError) else _FAILURES)
        self._is_over = True
        for release in self._releases:
            self._hand_on(release)
        self._releases = []

    def add(self, release: Release) -> None:
        """Have `release` end with this; at once, and as failed, where the request is over already."""
        if self._is_over:
            release.end(failed=True)
        else:
            self._releases.append(release)

    def lose(self, *, status: int = _FAILURES) -> None:
        """Take note that the answer is a refusal with `status`, or is not sent at all."""
        self._failed = self._failed or status >= _FAILURES
        for release in self._releases:
            release.withdraw()

    def _hand_on(self, release: Release) -> None:
        if self._failed or self._outer is None:
            release.end(failed=self._failed)
        else:
            self._outer.add(release)


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current() -> Exchange | None:
    """Return the exchange that this task works for."""
    return _exchange.get()


class _Noted(NamedTuple):
    row: log_tables.ReleaseRow
    root: str


class ReleaseNotes:
    """Notes what was released on the entries of one custodian's gateway."""

    def __init__(self, *, ledger: LedgerClient, entries: Database, keys: SubjectKeyStore) -> None:
        self._ledger = ledger
        self._entries = entries
        self._keys = keys
        self._ended: deque[Release] = deque()
        self._waiting = 0
        self._unwritten: list[log_tables.ReleaseRow] = []
        self._behind = True  # what an earlier process left
        self._lock = asyncio.Lock()

    def put(self, release: Release) -> None:
        """Take a release whose request has ended."""
        self._ended.append(release)
        self._waiting += len(release.entries)
        while self._waiting > MOST_WAITING:
            self._waiting -= len(self._ended.popleft().entries)
            _log.error("releases.not_noted")

    async def keep_noting(self) -> None:
        """Note what has been released, again and again, until cancelled; and once more then."""
        try:
            while True:
                await asyncio.sleep(NOTED_EVERY)
                with suppress(UnavailableError):
                    await self.note_all()
                    await self.note_late()
        finally:
            with suppress(UnavailableError):
                await self.note_all()

    async def note_all(self) -> None:
        """Note all releases that have ended.

        Raises:
            UnavailableError: the log can't be written now; they wait.
        """
        async with self._lock:
            while self._ended or self._unwritten:
                await self._note_some()

    async def note_late(self) -> None:
        """Note on the ledger what it could not take before.

        Raises:
            UnavailableError: the log can't be read or written now.
        """
        async with self._lock:
            while self._behind:
                rows = await self._entries.read(lambda c: log_tables.list_late(c, BATCH_LIMIT))
                if not rows:
                    self._behind = False
                    return
                roots = await self._roots(rows)
                if roots and not await self._on_ledger(roots):
                    return
                places = [(row.tx, row.n) for row in rows]
                await self._entries.write(lambda c, places=places: log_tables.release_noted(c, places))  # type: ignore[misc]

    async def _note_some(self) -> None:
        batch: list[Release] = []
        size = 0
        while self._ended and size + len(self._ended[0].entries) <= BATCH_LIMIT:
            batch.append(self._ended.popleft())
            size += len(batch[-1].entries)
        self._waiting -= size
        unkept = [one.unkept for one in batch if one.unkept is not None]
        try:
            noted = await asyncio.to_thread(_notes, batch)
            is_late = bool(noted) and not await self._on_ledger([one.root for one in noted])
        except asyncio.CancelledError:  # roots are the same each time, so a second try does no harm
            self._ended.extendleft(reversed(batch))
            self._waiting += size
            raise
        self._behind = self._behind or is_late
        rows = [*self._unwritten, *(one.row._replace(is_late=is_late) for one in noted)]

        def work(connection: Connection) -> None:
            log_tables.add_details(connection, [row for one in unkept for row in one.details])
            log_tables.add_searches(connection, [one.search for one in unkept if one.search is not None])
            log_tables.set_releases(connection, rows)

        self._unwritten = []
        try:
            await self._entries.write(work)
        except UnavailableError:
            self._unwritten = rows[-MOST_WAITING:]
            for one in reversed(batch):
                if one.unkept is not None:
                    one.entries = ()  # noted already
                    self._ended.appendleft(one)
            raise

    async def _on_ledger(self, roots: Sequence[str]) -> bool:
        try:
            await self._ledger.note_releases(roots)
        except (UnavailableError, RefusedError) as why:
            if not self._behind:
                _log.warning("releases.late", reason=str(why), count=len(roots))
            return False
        return True

    async def _roots(self, rows: Sequence[log_tables.LateRelease]) -> list[str]:
        keys = await self._keys.find([row.subject for row in rows])
        roots: list[str] = []
        for row in rows:
            if row.subject in keys:  # otherwise its patient was erased
                with suppress(DamagedError):  # `consentry verify` names it
                    known = keys[row.subject]
                    recipient = open_detail(known, row.tx, row.n, row.sealed).organization
                    note = open_release(known, row.tx, row.n, row.released)
                    roots.append(note.root(PatientSecret(known.secret).salt(recipient), row.tx, row.n))
        return roots


def _notes(batch: Sequence[Release]) -> list[_Noted]:
    noted: list[_Noted] = []
    for release in batch:
        for n, keys in release.entries:
            note = release.note(keys)
            sealed = seal_metadata(keys, _label(release.tx_id, n), note.encoded())
            root = note.root(PatientSecret(keys.secret).salt(release.recipient), release.tx_id, n)
            noted.append(_Noted(log_tables.ReleaseRow(release.tx_id, n, sealed, is_late=False), root))
    return noted


def open_release(keys: SubjectKeys, tx_id: str, n: int, sealed: bytes) -> ReleaseNote:
    """Return the note that was sealed for entry `n` of `tx_id`.

    Raises:
        DamagedError: it does not open with these keys.
    """
    return decode_note(open_metadata(keys, _label(tx_id, n), sealed))


def _label(tx_id: str, n: int) -> bytes:
    return f"release/{tx_id}/{n}".encode()
