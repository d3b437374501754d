"""Checks the notes of what was released against their roots on the ledger, and counts what the log lacks.

A sealed note that another one replaced, or that was put back, has no root on the ledger. A detail or note
that is missing is counted and is no finding: a power cut costs the last ones, a process that is killed the
newest notes, and a log that was made anew from a damaged one as many as could not be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Select, func, select

from chaincode.access.model import RecordedAction
from exchange.crypto.keys import KeyRing
from exchange.crypto.pseudonyms import PatientSecret
from exchange.errors import DamagedError
from exchange.ledger.port import LedgerReader
from exchange.services.access.releases import open_release
from exchange.store.engine.database import Database
from exchange.store.keys.wrapped_keys import every_wrapped_key
from exchange.store.log import log_tables
from exchange.verify.reports import CheckedPart, Progress, WrongError, check_part, open_keys, snapshot

_PART = "releases"


@dataclass(frozen=True, slots=True)
class LogGaps:
    """The number of the custodian's own entries without a name, and of permitted ones without a note."""

    nameless: int
    not_noted: int


class ReleaseChecks:
    """The check of one node's notes of releases; it is the custodian `msp_id`."""

    def __init__(
        self, *, msp_id: str, records: Database, entries: Database, ledger: LedgerReader, ring: KeyRing
    ) -> None:
        self._msp_id = msp_id
        self._records = records
        self._entries = entries
        self._ledger = ledger
        self._ring = ring

    def check(self, progress: Progress) -> CheckedPart:
        """Check that every note has its root on the ledger, but for those that still wait for it."""
        with snapshot(self._records) as records, snapshot(self._entries) as log:
            total = select(func.count()).where(log_tables.details.c.released.is_not(None))
            return check_part(
                _PART, self._check(log, records), progress, lambda: int(log.execute(total).scalar_one())
            )

    def _check(self, log: Connection, records: Connection) -> Iterator[None]:
        wrapped = every_wrapped_key(records)
        late = {(found.tx, found.n) for found in log.execute(select(log_tables.late_releases))}
        entry, row = log_tables.entries.c, log_tables.details.c
        same = log_tables.is_same_entry(log_tables.entries, log_tables.details)
        statement = (
            select(row.tx, row.n, row.subject, row.released, entry.recipient)
            .select_from(log_tables.details.join(log_tables.entries, same))
            .where(row.released.is_not(None))
            .execution_options(yield_per=1_000)
        )
        # A root is on the ledger before its note is in the log, so those of the snapshot are all there now.
        with log.execute(statement) as rows, self._roots() as roots:
            for found in rows:
                place = f"note of {found.tx[:12]}-{found.n}"
                try:
                    keys = open_keys(self._ring, found.subject, wrapped)
                    note = open_release(keys, found.tx, found.n, found.released)
                except DamagedError:
                    raise WrongError(place, "does not open with its subject's key") from None
                salt = PatientSecret(keys.secret).salt(found.recipient)
                root = bytes.fromhex(note.root(salt, found.tx, found.n))
                if not roots.holds(root) and (found.tx, found.n) not in late:
                    raise WrongError(place, "says what the ledger has not")
                yield

    @contextmanager
    def _roots(self) -> Iterator[_Roots]:
        self._ledger.catch_up()
        roots = _Roots(self._ledger.release_roots(self._msp_id))
        try:
            yield roots
        finally:
            roots.close()

    def gaps(self, others: Set[str]) -> LogGaps:
        """Count the custodian's own entries that have no detail, and those that have no note.

        Those under the pairs of `others` are another gateway's. Its attempts can't be told from others, so
        they count.
        """
        entry, row = log_tables.entries.c, log_tables.details.c
        same = log_tables.is_same_entry(log_tables.details, log_tables.entries)
        joined = log_tables.entries.outerjoin(log_tables.details, same)
        own = entry.custodian == self._msp_id
        accesses = entry.action.not_in([action.value for action in RecordedAction])
        by_pair = select(entry.pair, func.count().label("entries")).select_from(joined).group_by(entry.pair)
        nameless = by_pair.where(own, row.tx.is_(None))
        not_noted = by_pair.where(own, row.released.is_(None), entry.outcome == "permit", accesses)

        def count(statement: Select[str, int]) -> int:
            return sum(found.entries for found in log.execute(statement) if found.pair not in others)

        with snapshot(self._entries) as log:
            return LogGaps(count(nameless), count(not_noted))


class _Roots:
    """A set of roots that spills to disk: there are as many as permitted accesses."""

    def __init__(self, roots: Iterator[str]) -> None:
        self._db = sqlite3.connect("")  # a file of SQLite's own, removed when it is closed
        self._db.execute("CREATE TABLE roots (root BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.executemany(
            "INSERT OR IGNORE INTO roots VALUES (?)", ((bytes.fromhex(one),) for one in roots)
        )

    def holds(self, root: bytes) -> bool:
        """Return whether `root` is one of them."""
        return self._db.execute("SELECT 1 FROM roots WHERE root = ?", (root,)).fetchone() is not None

    def close(self) -> None:
        """Remove the file."""
        self._db.close()
