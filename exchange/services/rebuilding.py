"""Builds the projection of the access log anew from a verified ledger, beside the one that is there.

1. The sealed details stand nowhere else, so they are copied first, as many as can be read, and the old
   file is kept under another name: nothing here ever deletes one.
2. The entries come from the ledger in batches, each with its checkpoint in the same commit. Whoever ends
   this half-way calls it again: it goes on behind the checkpoint.
3. The new file takes the old one's place in one step.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from exchange.core.errors import DamagedError
from exchange.ledger.port import Checkpoint, Reader
from exchange.ledger.projection import projected
from exchange.services.verification import Progress
from exchange.store import log
from exchange.store.database import Database

_BATCH = 5_000
_COLUMNS = [column.name for column in log.details.columns]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the new projection holds. `unread` says that some of the old file's details could not be read.

    `kept` is where the old file is now; None where there was none.
    """

    entries: int
    details: int
    unread: bool
    kept: Path | None


def rebuild(path: Path, ledger: Reader, progress: Progress) -> Rebuilt:
    """Put a projection of `ledger` in place of the one at `path`, which nobody may have open.

    Raises:
        DamagedError: what an earlier call left half-built can't be used.
    """
    fresh = path.with_name(path.name + ".new")
    database = Database(fresh, log.metadata, durable=False)
    try:
        with database.engine.begin() as connection:
            unread = _copy_details(connection, path)
        _add_entries(database, ledger, progress)
        with database.engine.connect() as connection:
            entries = log.count(connection)
            details = int(connection.execute(select(func.count()).select_from(log.details)).scalar_one())
    finally:
        database.close()
    return Rebuilt(entries, details, unread, _exchange(path, fresh))


def _add_entries(database: Database, ledger: Reader, progress: Progress) -> None:
    with database.engine.connect() as connection:
        reached = log.checkpoint(connection)
        done = log.count(connection)
    ledger.catch_up()
    rows: list[log.EntryRow] = []
    last = None if reached is None else Checkpoint(*reached)
    if last is not None and not ledger.has_place(last.block, last.index):
        raise DamagedError("a rebuilding that was begun belongs to another ledger; remove log.db.new")
    for place, raw in ledger.records(last):
        if len(rows) >= _BATCH and last is not None and place != last:  # an event's records stay together
            done += _write(database, rows, last)
            progress("entries", done, done)
            rows = []
        rows.append(projected(raw, place.block))
        last = place
    if last is not None:
        _write(database, rows, last)


def _write(database: Database, rows: list[log.EntryRow], last: Checkpoint) -> int:
    with database.engine.begin() as connection:
        log.project(connection, rows, last.block, last.index)
    return len(rows)


def _copy_details(connection: Connection, path: Path) -> bool:
    """Copy what can be read of the old file's details; whether there was more."""
    if not path.is_file():
        return False
    old = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        ends = [_details(old, order) for order in ("ASC", "DESC")]
        damaged = False
        for rows in ends:  # around a damaged page, from both ends
            damaged = False
            try:
                for row in rows:
                    connection.execute(insert(log.details).prefix_with("OR REPLACE"), row)
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                damaged = True
            if not damaged:
                break
        return damaged
    finally:
        old.close()


def _details(old: sqlite3.Connection, order: str) -> Iterator[dict[str, object]]:
    names = ", ".join(_COLUMNS)
    for row in old.execute(f"SELECT {names} FROM details ORDER BY tx {order}, n {order}"):  # noqa: S608  # our own names
        yield dict(zip(_COLUMNS, row, strict=True))


def _exchange(path: Path, fresh: Path) -> Path | None:
    """Put the fresh file in the old one's place, and keep that under a name that is free."""
    kept = None
    if path.exists():
        kept = _free(path)
        kept.hardlink_to(path)
    # A write-ahead log belongs to the old file; applied to the new one it would damage it.
    for rest in ("-wal", "-shm"):
        companion = path.with_name(path.name + rest)
        if companion.exists():
            companion.rename((kept or path).with_name((kept or path).name + rest))
    fresh.rename(path)
    _flush(path.parent)
    return kept


def _free(path: Path) -> Path:
    number = 1
    while (name := path.with_name(f"{path.name}.before-{number}")).exists():
        number += 1
    return name


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
