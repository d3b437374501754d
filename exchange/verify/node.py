"""Checks a whole node without trusting it: the ledger, the projection of its log, every stored document.

Each part names the first thing that is wrong. Nothing here shows a record: documents are authenticated
and dropped. The rows that stand between the two, keys, pairs, consents and details of log
entries, are checked in `exchange.verify.consents`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, func, or_, select

from chaincode.access.model import LogEntryValue
from exchange.crypto.documents import is_sound
from exchange.crypto.keys import KeyRing
from exchange.errors import DamagedError
from exchange.ledger.embedded.verify import LedgerReport, PinnedBlock, verify
from exchange.ledger.port import Checkpoint, LedgerReader
from exchange.store.engine.database import Database
from exchange.store.engine.dialect import is_postgres
from exchange.store.keys.wrapped_keys import every_wrapped_key
from exchange.store.log import log_tables
from exchange.store.records import documents
from exchange.verify.reports import (
    CheckedPart,
    NodeFinding,
    Progress,
    WrongError,
    check_part,
    open_keys,
    snapshot,
)


def check_ledger_to_serve(path: Path, key: Ed25519PublicKey) -> CheckedPart:
    """Check all that a gateway relies on in the embedded ledger: everything but older blocks' signatures.

    These are checked where something is wrong, to name the block.
    """
    report = verify(path, key, every_signature=False)
    if report.finding is not None:
        named = verify(path, key)
        report = report if named.finding is None else named
    return checked_ledger(report)


def check_ledger(
    path: Path,
    key: Ed25519PublicKey,
    progress: Progress,
    *,
    replay: bool,
    pinned: tuple[PinnedBlock, ...] = (),
) -> tuple[CheckedPart, LedgerReport]:
    """Check every block, signature, transaction and state row of the embedded ledger."""
    report = verify(path, key, lambda done, of: progress("ledger", done, of), replay=replay, pinned=pinned)
    return checked_ledger(report), report


def checked_ledger(report: LedgerReport) -> CheckedPart:
    """Return the report of a ledger's verifier as that of a part of the node."""
    found = report.finding
    finding = None if found is None else NodeFinding("ledger", f"{found.table} {found.row}", found.what)
    return CheckedPart("ledger", report.values, finding)


def check_log(ledger: LedgerReader, entries: Database, progress: Progress) -> CheckedPart:
    """Check every projected entry against the ledger's own record, and that none is missing."""
    with snapshot(entries) as connection:
        return check_part("log", _log(connection, ledger), progress, lambda: log_tables.count(connection))


def _log(connection: Connection, ledger: LedgerReader) -> Iterator[None]:
    _check_pages(connection)
    ledger.catch_up()  # a gateway may run meanwhile: the ledger must not be the older of the two
    recorded = ledger.entries(None)
    count, last = 0, Checkpoint(0, 0)
    with closing(log_tables.numbered_entries(connection)) as rows:
        for sequence, row in rows:
            name = f"entry {row.tx[:12]}-{row.n}"
            if sequence != count + 1:
                raise WrongError(name, "is out of order, or the one before it is missing")
            found = next(recorded, None)
            if (
                found is None
                or (row.time, row.tx, row.n) != found.position
                or row.block != found.checkpoint.block
            ):
                raise WrongError(name, "is not the next that the ledger holds")
            if row.record != found.value:
                raise WrongError(name, "not as on the ledger")
            record = _record.decode(row.record)
            if any(getattr(record, column) != getattr(row, column) for column in _COLUMNS):
                raise WrongError(name, "its columns differ")
            count, last = count + 1, found.checkpoint
            yield
    reached = log_tables.checkpoint(connection)
    if reached is None:
        if count:
            raise WrongError("checkpoint", "is missing")
        return
    if not ledger.has_place(*reached):
        raise WrongError("checkpoint", "names a transaction that the ledger does not hold")
    end = Checkpoint(*reached)
    missing = sum(1 for _ in takewhile(lambda found: found.checkpoint <= end, recorded))
    if missing or last > end:
        raise WrongError("entries", f"{count} are there, and the ledger has others up to the checkpoint")


_record = msgspec.json.Decoder(LogEntryValue)
_COLUMNS = ("pair", "custodian", "recipient", "user", "action", "purpose", "outcome")


def check_documents(records: Database, ring: KeyRing, progress: Progress) -> CheckedPart:
    """Check every version of every document, its row, and the index that finds it."""
    with snapshot(records) as connection:
        checked = check_part(
            "documents", _documents(connection, ring), progress, lambda: documents.count(connection)
        )
        if checked.finding is not None:
            return checked
        stray = check_part("documents", _index(connection), progress, lambda: 1)
        return CheckedPart("documents", checked.count, stray.finding)


def _documents(connection: Connection, ring: KeyRing) -> Iterator[None]:
    _check_frame(connection)
    wrapped = every_wrapped_key(connection)
    expected = 1
    for stored, is_current, newest in documents.every_version(connection):
        place = f"row {stored.sequence}"
        if stored.sequence != expected:
            raise WrongError(f"row {expected}", "is missing, or has another number")
        try:
            keys = [open_keys(ring, token, wrapped) for token in stored.subjects]
        except DamagedError as why:
            raise WrongError(place, f"its key does not open ({why})") from None
        if not keys or not is_sound(keys, stored.envelope):
            raise WrongError(place, "does not verify")
        if is_current != newest:
            raise WrongError(place, "is marked current wrongly")
        expected += 1
        yield


def _check_pages(connection: Connection) -> None:
    # Rows are found by one structure or another: SQLite's own check says that all of them agree. Of a
    # PostgreSQL server it is the operator's (pg_amcheck), because it needs more than a gateway's rights.
    if is_postgres(connection):
        return
    (message,) = connection.exec_driver_sql("PRAGMA integrity_check(1)").one()
    if message != "ok":
        raise WrongError("pages", message)


def _check_frame(connection: Connection) -> None:
    _check_pages(connection)
    table = documents.documents.c
    strange = select(table.sequence).where(
        or_(table.deleted.not_in([False, True]), table.current.not_in([False, True]))
    )
    found = connection.execute(strange.limit(1)).scalar()
    if found is not None:
        raise WrongError(f"row {found}", "has a flag that is neither 0 nor 1")
    gaps = select(func.min(table.sequence)).group_by(table.reference)
    found = connection.execute(gaps.having(func.count() != func.max(table.version)).limit(1)).scalar()
    if found is not None:
        raise WrongError(f"row {found}", "is of a document of which a version is missing")


def _index(connection: Connection) -> Iterator[None]:
    stray = documents.index_difference(connection)
    if stray is not None:
        raise WrongError(stray, "the search index differs")
    yield
