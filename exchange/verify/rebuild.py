"""Builds the projection of the access log anew from a verified ledger, beside the one that is there.

1. No other copy of the sealed details exists, so they are copied first, as many as can be read, and the old
   log stays under another name: nothing here ever deletes one.
2. The entries come from the ledger in batches, each with its checkpoint in the same commit. A call that
   was interrupted is made again: it goes on behind the checkpoint.
3. The new log replaces the old one in one step.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from exchange.errors import DamagedError, FormatError, UnavailableError
from exchange.ledger.port import Checkpoint, LedgerReader
from exchange.ledger.projection import project_entry
from exchange.store.engine.check_value import record_fingerprint
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place
from exchange.store.log import log_tables
from exchange.store.log.renewal import Renewal
from exchange.store.migrations.create import create_log
from exchange.verify.reports import Progress

_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The content of the new projection. `unread` says that some of the old log's details could not be read.

    `previous` is where the old log is now; None where there was none.
    """

    entries: int
    details: int
    unread: bool
    previous: Place | None


def rebuild(renewal: Renewal, ledger: LedgerReader, progress: Progress, *, fingerprint: bytes) -> Rebuilt:
    """Put a projection of `ledger` in place of the log that is renewed; `fingerprint` is the root key's.

    Raises:
        DamagedError: the unfinished log of an earlier call can't be used.
        UnavailableError: the database went away, or another process has it now; call again, it goes on.
    """

    def begin(connection: Connection) -> None:
        create_log(connection)
        record_fingerprint(connection, log_tables.log_root_key, fingerprint)

    try:
        database = Database(renewal.fresh, log_tables.metadata, durable=False, begin=begin)
    except FormatError:
        raise DamagedError(
            f"a rebuilding that was begun by another release can't go on; remove {renewal.fresh}"
        ) from None
    try:
        with database.engine.begin() as connection:
            unread = renewal.copy_details(connection)
        _add_entries(database, renewal.fresh, ledger, progress)
        with database.engine.connect() as connection:
            entries = log_tables.count(connection)
            details = int(
                connection.execute(select(func.count()).select_from(log_tables.details)).scalar_one()
            )
    except SQLAlchemyError as why:
        raise UnavailableError(
            f"{renewal.fresh} can't be written now ({type(why).__name__}); call again, it goes on"
        ) from None
    finally:
        database.close()
    return Rebuilt(entries, details, unread, renewal.replace())


def _add_entries(database: Database, fresh: Place, ledger: LedgerReader, progress: Progress) -> None:
    with database.engine.connect() as connection:
        reached = log_tables.checkpoint(connection)
        done = log_tables.count(connection)
    ledger.catch_up()
    rows: list[log_tables.EntryRow] = []
    last = None if reached is None else Checkpoint(*reached)
    if last is not None and not ledger.has_place(last.block, last.index):
        raise DamagedError(f"a rebuilding that was begun belongs to another ledger; remove {fresh}")
    for event, position, entry in ledger.entries(last):
        if len(rows) >= _BATCH and last is not None and event != last:  # an event's records stay together
            done += _write(database, rows, last)
            progress("entries", done, done)
            rows = []
        rows.append(project_entry(position, entry, event.block))
        last = event
    if last is not None:
        _write(database, rows, last)


def _write(database: Database, rows: list[log_tables.EntryRow], last: Checkpoint) -> int:
    with database.engine.begin() as connection:
        log_tables.project(connection, rows, last.block, last.index)
    return len(rows)
