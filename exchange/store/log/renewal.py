"""A log made anew beside the old one, which it replaces in one step; the old one stays under another name.

The sealed details of the old one, as far as they can be read, are copied first: no other copy exists.
Nothing here ever deletes a log, and the next call continues a renewal that a crash interrupted.

Beside `log.db` that is the file `log.db.new`. On PostgreSQL it is the schema `consentry_log_new`. Its
renewal also holds the lock of the gateway that serves from the database, and both change their names in
a transaction of the connection that holds this lock: without it nothing changes its name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, TextClause, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from exchange.errors import UnavailableError
from exchange.store.engine import postgres
from exchange.store.engine.dialect import run
from exchange.store.engine.place import Place, Schema, flush_folder
from exchange.store.log import log_tables

_COLUMNS = [column.name for column in log_tables.details.columns]


class Renewal(Protocol):
    """One log's renewal: `fresh` is where the new one is made."""

    @property
    def fresh(self) -> Place:
        """Where the new log is made."""

    def copy_details(self, connection: Connection) -> bool:
        """Copy the readable details of the old log to `connection`; return whether there were others.

        Raises:
            UnavailableError: the database can't do it now.
        """

    def replace(self) -> Place | None:
        """Replace the old log by the new one, which no process may have open; return the old one's new place.

        Raises:
            UnavailableError: the database can't do it now, or is not ours alone any more.
        """


@contextmanager
def renewing(place: Place) -> Iterator[Renewal]:
    """Open the renewal of the log at `place`. The caller locks files.

    Raises:
        UnavailableError: a gateway serves from the database, or it can't be reached.
    """
    if isinstance(place, Path):
        yield _OfFile(place)
        return
    engine = postgres.open_engine(place, durable=True, exclusive=True)
    try:
        try:
            holder = engine.connect()
        except SQLAlchemyError as why:
            raise UnavailableError(f"{place} can't be opened ({postgres.reason(why)})") from None
        with holder:
            yield _OfSchema(place, holder)
    finally:
        engine.dispose()


class _OfFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.fresh = path.with_name(path.name + ".new")

    def copy_details(self, connection: Connection) -> bool:
        if not self._path.is_file():
            return False
        old = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            ends = [_details(old, order) for order in ("ASC", "DESC")]
            damaged = False
            for rows in ends:  # around a damaged page, from both ends
                damaged = False
                try:
                    for row in rows:
                        run(connection, _REPLACE, row)
                except (sqlite3.DatabaseError, UnicodeDecodeError):
                    damaged = True
                if not damaged:
                    break
            return damaged
        finally:
            old.close()

    def replace(self) -> Path | None:
        path, old = self._path, None
        if path.exists():
            old = self._free()
            old.hardlink_to(path)
        # A write-ahead log belongs to the old file; applied to the new one it would damage it.
        for rest in ("-wal", "-shm"):
            companion = path.with_name(path.name + rest)
            if companion.exists():
                companion.rename((old or path).with_name((old or path).name + rest))
        self.fresh.rename(path)
        flush_folder(path.parent)
        return old

    def _free(self) -> Path:
        number = 1
        while (name := self._path.with_name(f"{self._path.name}.before-{number}")).exists():
            number += 1
        return name


_REPLACE = (
    f"INSERT OR REPLACE INTO details ({', '.join(_COLUMNS)}) "  # noqa: S608  # our own names
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


def _details(old: sqlite3.Connection, order: str) -> Iterator[tuple[object, ...]]:
    yield from old.execute(f"SELECT {', '.join(_COLUMNS)} FROM details ORDER BY rowid {order}")  # noqa: S608  # our own names


_THERE = text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")
_PAGES = text("SELECT pg_relation_size(to_regclass(:table)) / current_setting('block_size')::int")
_NO_SUCH = ("42703", "42804", "42P01")
"""SQLSTATEs that say: there are no such details here at all."""
_UNREADABLE = ("22", "23", "58", "XX")
"""The beginnings of SQLSTATEs that say: a row or a page is not as it was written."""


class _OfSchema:
    def __init__(self, place: Schema, holder: Connection) -> None:
        self._place, self._holder = place, holder
        self.fresh = Schema(place.url, f"{place.name}_new")

    def copy_details(self, connection: Connection) -> bool:
        old = self._place.name
        if not _is_there(connection, old):
            return False
        spans = [(0, int(connection.execute(_PAGES, {"table": f"{old}.details"}).scalar() or 0))]
        damaged = False
        while spans:
            first, end = spans.pop()
            try:
                with connection.begin_nested():
                    connection.execute(_copy(old), {"first": f"({first},0)", "end": f"({end},0)"})
            except DBAPIError as why:
                state = str(getattr(why.orig, "sqlstate", None))
                if state in _NO_SUCH:
                    return True
                if not state.startswith(_UNREADABLE):
                    raise UnavailableError(f"{self._place} can't be read ({postgres.reason(why)})") from None
                damaged = True
                if end - first > 1:  # the readable part of each half, down to the single page
                    spans += [(first, (first + end) // 2), ((first + end) // 2, end)]
        return damaged

    def replace(self) -> Schema | None:
        try:
            with self._holder.begin():
                return self._renamed(self._holder)
        except SQLAlchemyError as why:
            raise UnavailableError(
                f"{self._place} could not be replaced ({postgres.reason(why)}); call again, it goes on"
            ) from None

    def _renamed(self, connection: Connection) -> Schema | None:
        old, renamed = self._place.name, None
        if _is_there(connection, old):
            # Wait for readers of the old log in one transaction: its names would become the new one's.
            present = set(inspect(connection).get_table_names(schema=old)) & set(log_tables.metadata.tables)
            if present:
                tables = ", ".join(f"{old}.{name}" for name in sorted(present))
                connection.exec_driver_sql(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
            number = 1
            while _is_there(connection, f"{old}_before_{number}"):
                number += 1
            renamed = Schema(self._place.url, f"{old}_before_{number}")
            connection.exec_driver_sql(f"ALTER SCHEMA {old} RENAME TO {renamed.name}")
        connection.exec_driver_sql(f"ALTER SCHEMA {self.fresh.name} RENAME TO {old}")
        return renamed


def _is_there(connection: Connection, schema: str) -> bool:
    return bool(connection.execute(_THERE, {"name": schema}).scalar())


def _copy(old: str) -> TextClause:
    names = ", ".join(_COLUMNS)
    values = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
    return text(
        f"INSERT INTO details ({names}) SELECT DISTINCT ON (tx, n) {names} FROM {old}.details "  # noqa: S608  # our own names
        "WHERE ctid >= CAST(:first AS tid) AND ctid < CAST(:end AS tid) "
        f"ON CONFLICT (substr(tx, 1, 8), n) DO UPDATE SET {values}"
    )
