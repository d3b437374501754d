"""Brings the databases of a node to this release's format, in one transaction over all of them.

1. Until that transaction commits, the node is of its old format, and the release before opens it; after that
   it is of the new one. However the program ends, there is no third state.
2. On SQLite the log and the key store are attached to the connection of the records. A commit over several
   files is one step only with a rollback journal, so all files leave the write-ahead log meanwhile; the next
   program that opens them restores it.
3. On PostgreSQL all are schemas of one database. The lock of a gateway that serves from them is acquired.
4. Each database has a format of its own until then: a copy from a backup of an older one is brought to the
   others' format.
5. The key store is made beside records from before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.schema import CreateSchema

from exchange.errors import DamagedError
from exchange.store.engine import postgres, sqlite
from exchange.store.engine.format import FORMAT, KEYS_FROM, OLDEST, check_format
from exchange.store.engine.place import Place, Schema
from exchange.store.migrations.revision import NodeDatabase, Revision
from exchange.store.migrations.revisions import REVISIONS

Told = Callable[[Revision], None]
"""Hears of each revision before it is applied to the node's databases."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """The formats of before: of records, log and key store, which is 0 where it was made."""

    records: int
    log: int
    keys: int

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return (self.records, self.log, self.keys) != (FORMAT, FORMAT, FORMAT)


Work = Callable[[Connection, NodeDatabase, int], None]
"""Works on a database in the same transaction; gets the format that it was of before."""


def migrate(
    places: Mapping[NodeDatabase, Place], folder: Path, told: Told, *, begin: Work, finish: Work
) -> Migrated:
    """Bring the databases to this release's format; `folder` is the node's.

    `begin` reads from each that was there before anything is changed, `finish` fills its tables afterwards.

    Raises:
        FormatError: one of them is newer than this release, or too old.
        DamagedError: one of them is no database of a node, or missing.
        UnavailableError: the database can't be reached, or another process has it open.
    """
    with _opened(places) as (connection, databases):
        before = {database: databases.read(database) for database in NodeDatabase}
        _check_before(places, before)
        for database in NodeDatabase:
            if before[database]:
                with databases.entered(database):
                    begin(connection, database, before[database])
            else:
                databases.make(database)
        for revision in REVISIONS:
            due = [database for database, number in before.items() if number < revision.format]
            if due:
                told(revision)
            for database in due:
                with databases.entered(database):
                    revision.apply(connection, database, folder)
                databases.write(database, revision.format)
        for database in NodeDatabase:
            with databases.entered(database):
                finish(connection, database, before[database])
        return Migrated(*(before[one] for one in (NodeDatabase.RECORDS, NodeDatabase.LOG, NodeDatabase.KEYS)))


def _check_before(places: Mapping[NodeDatabase, Place], before: Mapping[NodeDatabase, int]) -> None:
    for database, number in before.items():
        if number == 0 and database is NodeDatabase.KEYS and before[NodeDatabase.RECORDS] >= KEYS_FROM:
            raise DamagedError(f"{places[database]} is missing; restore it from a backup")
        if not OLDEST <= number <= FORMAT and (number or database is not NodeDatabase.KEYS):
            check_format(number)


class _Databases(Protocol):
    """The databases on one connection, in one transaction."""

    def read(self, database: NodeDatabase) -> int:
        """Read its format; 0 for a key store that is not there yet."""

    def make(self, database: NodeDatabase) -> None:
        """Make it, without tables."""

    def write(self, database: NodeDatabase, number: int) -> None:
        """Write its format."""

    @contextmanager
    def entered(self, database: NodeDatabase) -> Iterator[None]:
        """Let names of tables without a schema mean those of `database`."""


@contextmanager
def _opened(places: Mapping[NodeDatabase, Place]) -> Iterator[tuple[Connection, _Databases]]:
    files = {database: place for database, place in places.items() if isinstance(place, Path)}
    schemas = {database: place for database, place in places.items() if isinstance(place, Schema)}
    if len(files) == len(NodeDatabase):
        records = files[NodeDatabase.RECORDS]
        others = {_attached(one): path for one, path in files.items() if one is not NodeDatabase.RECORDS}
        engine = sqlite.open_together(records, others)
        with sqlite.readable(records), engine.begin() as connection:
            yield connection, _Files(connection, files)
    elif len(schemas) == len(NodeDatabase):
        engine = postgres.open_engine(schemas[NodeDatabase.LOG], durable=True, exclusive=True)
        with postgres.reachable(schemas[NodeDatabase.RECORDS]), engine.begin() as connection:
            postgres.hold_writers(connection, schemas[NodeDatabase.RECORDS])
            yield connection, _Schemas(connection, schemas)
    else:
        raise TypeError("the databases of one node are all files or all schemas")


class _Files:
    def __init__(self, connection: Connection, files: dict[NodeDatabase, Path]) -> None:
        self._connection, self._files = connection, files

    def read(self, database: NodeDatabase) -> int:
        name = _attached(database)
        if database is NodeDatabase.KEYS and sqlite.is_new(self._connection, name=name):
            return 0
        return sqlite.read_format(self._connection, self._files[database], name=name)

    def make(self, database: NodeDatabase) -> None:
        sqlite.mark_ours(self._connection, name=_attached(database))

    def write(self, database: NodeDatabase, number: int) -> None:
        sqlite.write_format(self._connection, number, name=_attached(database))

    @contextmanager
    def entered(self, database: NodeDatabase) -> Iterator[None]:
        self._connection.execution_options(schema_translate_map={None: _attached(database)})
        yield
        self._connection.execution_options(schema_translate_map=None)


def _attached(database: NodeDatabase) -> str:
    return "main" if database is NodeDatabase.RECORDS else database


class _Schemas:
    def __init__(self, connection: Connection, schemas: dict[NodeDatabase, Schema]) -> None:
        self._connection, self._schemas = connection, schemas

    def read(self, database: NodeDatabase) -> int:
        place = self._schemas[database]
        if database is NodeDatabase.KEYS and not postgres.is_there(self._connection, place):
            return 0
        return postgres.read_format(self._connection, place)

    def make(self, database: NodeDatabase) -> None:
        self._connection.execute(CreateSchema(self._schemas[database].name))

    def write(self, database: NodeDatabase, number: int) -> None:
        postgres.write_format(self._connection, self._schemas[database], number)

    @contextmanager
    def entered(self, database: NodeDatabase) -> Iterator[None]:
        postgres.enter(self._connection, self._schemas[database])
        yield
