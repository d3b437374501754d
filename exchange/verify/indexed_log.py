"""Checks the index of the log against the entries and their sealed details, from which it is made.

Without a row of it an entry is not found by user, record or kind; a row too many finds an entry for another.
`consentry rebuild` makes the index anew. Entries behind its mark are still to be read: they may have fewer
terms, and no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.crypto.references import References
from exchange.errors import DamagedError
from exchange.services.access.details import open_search
from exchange.services.audit.log_index import open_word, said, token_of
from exchange.store.engine.database import Database
from exchange.store.keys.wrapped_keys import every_wrapped_key
from exchange.store.log import log_tables, log_terms
from exchange.store.log.log_terms import UnreadEntry
from exchange.verify.reports import CheckedPart, Progress, WrongError, check_part, open_keys, snapshot

_REPAIR = "run `consentry rebuild`"
_SUM = 2**128


class IndexChecks:
    """The check of the log's index of one node."""

    def __init__(
        self, *, records: Database, entries: Database, ring: KeyRing, references: References
    ) -> None:
        self._records = records
        self._entries = entries
        self._ring = ring
        self._references = references
        self._keys: dict[bytes, SubjectKeys] = {}
        self._wrapped: dict[bytes, bytes] = {}

    def check_index(self, progress: Progress) -> CheckedPart:
        """Check that the index has a row for all that the details say, and none besides."""
        with snapshot(self._entries) as log, snapshot(self._records) as records:
            self._wrapped = every_wrapped_key(
                records
            )  # read second: each detail's subject was there before it
            return check_part("log index", self._check(log), progress, lambda: log_terms.mark(log))

    def _check(self, log: Connection) -> Iterator[None]:
        if log_terms.mark(log) > log_tables.last_sequence(log):
            raise WrongError("checkpoint", f"is ahead of the entries; {_REPAIR}")
        numbers = self._words(log)
        expected = 0
        for row in log_terms.every_read(log):
            expected += sum(_weight(term, row.sequence) for term in self._terms(row, numbers))
            yield
        found = sum(_weight(*one) for one in log_terms.every_term(log))
        if expected % _SUM != found % _SUM:
            self._name(log, numbers)
        self._behind_mark(log, numbers)
        self._searches(log)

    def _words(self, log: Connection) -> dict[bytes, int]:
        numbers: dict[bytes, int] = {}
        for number, token, sealed in log_terms.words_after(log, -1):
            place = f"word {number}"
            try:
                word = open_word(self._directory(), token, sealed)
            except DamagedError:
                raise WrongError(place, f"does not open; {_REPAIR}") from None
            if token != token_of(self._references, word):
                raise WrongError(place, f"is found as another; {_REPAIR}")
            numbers[token] = number
        negative = select(func.count()).select_from(log_tables.words).where(log_tables.words.c.id < 1)
        if log.execute(negative).scalar_one():
            raise WrongError("words", f"have a number that is none; {_REPAIR}")
        return numbers

    def _terms(self, row: UnreadEntry, numbers: dict[bytes, int], *, is_read: bool = True) -> set[int]:
        if row.subject is not None and row.subject not in self._keys and row.subject in self._wrapped:
            self._keys[row.subject] = open_keys(self._ring, row.subject, self._wrapped)
        words, others = said(self._references, row, self._keys)
        tokens = [token_of(self._references, word) for word in words]
        if is_read and not all(token in numbers for token in tokens):
            raise WrongError(f"entry {row.tx[:12]}-{row.n}", f"has a word that is missing; {_REPAIR}")
        return {*(numbers[token] for token in tokens if token in numbers), *others}

    def _name(self, log: Connection, numbers: dict[bytes, int]) -> None:
        """Raise the error that names the first entry whose terms differ."""
        stored: dict[int, set[int]] = {}
        for term, sequence in log_terms.every_term(log):
            stored.setdefault(sequence, set()).add(term)
        for row in log_terms.every_read(log):
            if stored.pop(row.sequence, set()) != self._terms(row, numbers):
                raise WrongError(f"entry {row.tx[:12]}-{row.n}", f"has other terms in the index; {_REPAIR}")
        raise WrongError("terms", f"hold a row of no entry; {_REPAIR}")

    def _behind_mark(self, log: Connection, numbers: dict[bytes, int]) -> None:
        stored: dict[int, set[int]] = {}
        for term, sequence in log_terms.terms_behind_mark(log):
            stored.setdefault(sequence, set()).add(term)
        for row in log_terms.unread_among(log, list(stored)):
            if not stored.pop(row.sequence) <= self._terms(row, numbers, is_read=False):
                raise WrongError(f"entry {row.tx[:12]}-{row.n}", f"has other terms in the index; {_REPAIR}")
        if stored:
            raise WrongError("terms", f"hold a row of no entry; {_REPAIR}")

    def _searches(self, log: Connection) -> None:
        entry = log_tables.entries.c
        for row in log.execute(select(log_tables.searches)):
            place = f"search {row.tx[:12]}-{row.first}"
            try:
                open_search(self._directory(), row.tx, row.first, row.sealed)
            except DamagedError:
                raise WrongError(place, "does not open with the key of the directory") from None
            of_transaction = log_tables.of_transactions([row.tx])
            there = select(func.count()).where(
                of_transaction, entry.n >= row.first, entry.n < row.first + row.entries
            )
            is_projected = select(func.count()).where(of_transaction)
            if log.execute(is_projected).scalar_one() and (
                row.entries < 1 or log.execute(there).scalar_one() != row.entries
            ):
                raise WrongError(place, "is about other entries than its transaction has")

    def _directory(self) -> SubjectKeys:
        return open_keys(self._ring, self._references.directory, self._wrapped)


def _weight(term: int, sequence: int) -> int:
    packed = term.to_bytes(8, "big", signed=True) + sequence.to_bytes(8, "big", signed=True)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=16).digest(), "big")
