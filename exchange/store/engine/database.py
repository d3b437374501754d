"""A database as the services see it: it runs functions that read or write, and returns their results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, MetaData

from exchange.errors import DamagedError, UnavailableError
from exchange.store.engine import postgres, sqlite
from exchange.store.engine.format import Begin
from exchange.store.engine.freshness import OPTION, SETTLED, Freshness, UnsettledError, WatchedTable
from exchange.store.engine.place import Place, Schema
from exchange.store.engine.worker import Work, Worker

T = TypeVar("T")

_READERS = 4
"""Connections that read from PostgreSQL: a server answers several at once, a file's cache one."""


def read_format(place: Place) -> int:
    """Read the format of the database at `place`, whichever it is.

    Raises:
        DamagedError: it is no database of this program, or absent.
        UnavailableError: the server can't be reached, or another process has the file locked.
    """
    if isinstance(place, Schema):
        engine = postgres.open_engine(place, durable=True)
        with postgres.reachable(place), engine.connect().execution_options(read_only=True) as connection:
            return postgres.read_format(connection, place)
    if not place.is_file():  # opening it would make one
        raise DamagedError(f"{place} is missing")
    engine = sqlite.open_engine(place, durable=True)
    with sqlite.readable(place), engine.connect().execution_options(read_only=True) as connection:
        return sqlite.read_format(connection, place)


def _named(place: Place) -> AbstractContextManager[None]:
    return postgres.reachable(place) if isinstance(place, Schema) else sqlite.readable(place)


@dataclass(frozen=True, slots=True)
class OpenedBeside:
    """Another database of the same kind, the tables of which are seen on the same connections."""

    place: Place
    metadata: MetaData


def _schema_of(beside: OpenedBeside | None) -> Schema | None:
    if beside is None:
        return None
    if not isinstance(beside.place, Schema):
        raise TypeError("the databases of one node are all files or all schemas")
    return beside.place


def _file_of(beside: OpenedBeside | None) -> Path | None:
    """Return the file of `beside`.

    Raises:
        DamagedError: it is missing.
    """
    if beside is None:
        return None
    if not isinstance(beside.place, Path):
        raise TypeError("the databases of one node are all files or all schemas")
    if not beside.place.is_file():  # attaching it would make one
        raise DamagedError(f"{beside.place} is missing")
    return beside.place


class Database:
    """One SQLite file or PostgreSQL schema, with threads that read and one that writes.

    One that is absent is made with `begin`, and missed without it. With `exclusive` no second process has the
    schema so; files are locked by those who open them. The database `beside` has to be there.

    Raises:
        DamagedError: it is no database of this program, or absent.
        FormatError: it is of another format than this release reads.
        UnavailableError: the server can't be reached, or another process has it exclusively.
    """

    def __init__(
        self,
        place: Place,
        metadata: MetaData,
        *,
        durable: bool,
        begin: Begin | None = None,
        exclusive: bool = False,
        beside: OpenedBeside | None = None,
    ) -> None:
        self._place = place
        if isinstance(place, Schema):
            other = _schema_of(beside)
            self._engine = postgres.open_engine(place, durable=durable, beside=other)
            postgres.prepare(self._engine, metadata, place=place, begin=begin)
            if beside is not None and other is not None:
                postgres.prepare(self._engine, beside.metadata, place=other, begin=None)
            reading = postgres.open_engine(place, durable=durable, timeout=True, beside=other)
            # A reading connection must not hold the schema.
            writing = postgres.open_engine(
                place, durable=durable, timeout=True, exclusive=exclusive, beside=other
            )
            name, readers = place.name, _READERS
            tables = sorted(metadata.tables)[:1]
            self._write_nothing: Work = lambda c: postgres.write_nothing(c, tables)
        else:
            file = _file_of(beside)
            self._engine = reading = writing = sqlite.open_engine(place, durable=durable, beside=file)
            sqlite.prepare(self._engine, path=place, begin=begin, beside=file)
            name, readers = place.stem, 1
            self._write_nothing = sqlite.write_nothing
        self._freshness = Freshness()
        writing = writing.execution_options(**{OPTION: self._freshness, SETTLED: True})
        self._writer = Worker(writing, writes=True, name=f"{name}-write", freshness=self._freshness)
        reading = reading.execution_options(**{OPTION: self._freshness, "read_only": True})
        try:
            self._reader = Worker(reading, writes=False, name=f"{name}-read", threads=readers)
        except UnavailableError:
            self._writer.close()
            raise

    @property
    def engine(self) -> Engine:
        """For set-up and administration outside of requests."""
        return self._engine

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give one state of the database to read from, outside of requests.

        Raises:
            DamagedError: the file is no database.
            UnavailableError: the database can't be reached.
        """
        with _named(self._place), self._engine.execution_options(read_only=True).connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection that commits at the end, outside of requests.

        Raises:
            DamagedError: the file is no database.
            UnavailableError: the database can't be reached, or takes no writes.
        """
        with _named(self._place), self._engine.begin() as connection:
            yield connection

    async def watch(self, tables: Iterable[WatchedTable], *, like: Freshness | None = None) -> None:
        """Check from now on that the rows of `tables` are those that are there now, and those written since.

        This object has to be the only one that writes them.

        Raises:
            DamagedError: they are not the rows that `like` has learned.
        """
        await self._writer.run(lambda c: self._freshness.learn(c, tables, like=like))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one snapshot of the database, and return its result.

        Raises:
            DamagedError: a row of a watched table is not the one that was written last.
        """
        try:
            return await self._reader.run(work)
        except UnsettledError:  # between two writes no row is on its way
            return await self._writer.run(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, commit its writes, and return its result; if it raises, nothing was written."""
        return await self._writer.run(work)

    async def check_writable(self) -> None:
        """Commit a write that changes nothing.

        Raises:
            UnavailableError: the database takes no writes now.
        """
        await self._writer.run(self._write_nothing)

    def close(self) -> None:
        """Finish queued work and release the database."""
        self._reader.close()
        self._writer.close()
        self._engine.dispose()
