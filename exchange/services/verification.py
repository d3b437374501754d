"""Checks a whole node without trusting it: the ledger, the projection of its log, every stored document.

Each part names the first thing that is wrong. Nothing here shows a record: documents are authenticated
and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from chaincode.access.model import Record
from exchange.core.errors import DamagedError
from exchange.crypto.documents import is_sound
from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.ledger.embedded.reader import LedgerReader
from exchange.ledger.embedded.verify import Report, verify
from exchange.store import documents, log, subjects
from exchange.store.database import Database
from exchange.vault.errors import VaultError

Progress = Callable[[str, int, int], None]
"""Called now and then with the part being checked, how much is done and how much there is."""

_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong in one part of a node."""

    part: str
    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.part}: {self.place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked of a part, and what is wrong with it, if anything."""

    part: str
    count: int
    finding: Finding | None


def check_ledger(
    path: Path, key: Ed25519PublicKey, progress: Progress, *, replay: bool
) -> tuple[Checked, Report]:
    """Every block, signature, transaction and state row of the embedded ledger."""
    report = verify(path, key, lambda done, of: progress("ledger", done, of), replay=replay)
    finding = None
    if report.finding is not None:
        found = report.finding
        finding = Finding("ledger", f"{found.table} {found.row}", found.what)
    return Checked("ledger", report.values, finding), report


def check_log(ledger: LedgerReader, entries: Database, progress: Progress) -> Checked:
    """Every projected entry against the ledger's own record, and that none is missing."""
    count = 0
    try:
        with entries.engine.connect() as connection:
            place = log.checkpoint(connection)
            total = log.count(connection)
            for row in log.every_entry(connection):
                if ledger.record(row.pair, row.time, row.tx, row.n) != row.record:
                    return Checked(
                        "log", count, Finding("log", f"entry {row.tx[:12]}-{row.n}", "not as on the ledger")
                    )
                if not _columns_agree(row):
                    return Checked(
                        "log", count, Finding("log", f"entry {row.tx[:12]}-{row.n}", "its columns differ")
                    )
                count += 1
                if count % _EVERY == 0:
                    progress("log", count, total)
            if place is not None:
                expected = ledger.count_records(place[0])
                if count < expected:
                    missing = f"{expected - count} of the ledger's entries are missing"
                    return Checked("log", count, Finding("log", "entries", missing))
    except DatabaseError as why:
        return Checked("log", count, Finding("log", "file", f"can't be read ({why.orig})"))
    return Checked("log", count, None)


def _columns_agree(row: log.EntryRow) -> bool:
    record = msgspec.json.decode(row.record, type=Record)
    said = (record.tx, record.n, record.time, record.pair, record.custodian, record.recipient)
    more = (record.user, record.action, record.purpose, record.outcome)
    return (row.tx, row.n, row.time, row.pair, row.custodian, row.recipient) == said and more == (
        row.user,
        row.action,
        row.purpose,
        row.outcome,
    )


def check_documents(records: Database, ring: KeyRing, progress: Progress) -> Checked:
    """Every version of every document, its row, and the index that finds it."""
    count = 0
    try:
        with records.engine.connect() as connection:
            total = documents.count(connection)
            for finding in _documents(connection, ring):
                if finding is not None:
                    return Checked("documents", count, finding)
                count += 1
                if count % _EVERY == 0:
                    progress("documents", count, total)
            stray = documents.index_difference(connection)
            if stray is not None:
                return Checked("documents", count, Finding("documents", stray, "the search index differs"))
    except DatabaseError as why:
        return Checked("documents", count, Finding("documents", "file", f"can't be read ({why.orig})"))
    return Checked("documents", count, None)


def _documents(connection: Connection, ring: KeyRing) -> Iterator[Finding | None]:
    wrapped = {
        row.subject: row.wrapped
        for row in connection.execute(select(subjects.subjects.c.subject, subjects.subjects.c.wrapped))
    }
    for stored, is_current, newest in documents.every_version(connection):
        place = f"row {stored.sequence}"
        try:
            keys = [_keys(ring, token, wrapped) for token in stored.subjects]
        except (VaultError, DamagedError) as why:
            yield Finding("documents", place, f"its key does not open ({why})")
            continue
        if not keys or not is_sound(keys, stored.envelope):
            yield Finding("documents", place, "does not verify")
        elif is_current != newest:
            yield Finding("documents", place, "is marked current wrongly")
        else:
            yield None


def _keys(ring: KeyRing, token: bytes, wrapped: dict[bytes, bytes]) -> SubjectKeys:
    if token not in wrapped:
        raise DamagedError("no such subject")
    return ring.cached(token) or ring.open(token, wrapped[token])
