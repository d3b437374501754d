"""Brings both databases of a node to this release's format, in one transaction over both.

1. Until that transaction commits, the node is of its old format, and the release before opens it; after that
   it is of the new one. However the program ends, there is no third state.
2. On SQLite the log is attached to the connection of the records. A commit over two files is one step only
   with a rollback journal, so both files leave the write-ahead log meanwhile; the next program that opens
   them restores it.
3. On PostgreSQL both are schemas of one database. The lock of a gateway that serves from them is acquired.
4. Each database has a format of its own until then: a copy from a backup of an older one is brought to the
   others' format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from exchange.store.engine import postgres, sqlite
from exchange.store.engine.format import FORMAT, OLDEST, check_format
from exchange.store.engine.place import Place, Schema
from exchange.store.migrations.revision import NodeDatabase, Revision
from exchange.store.migrations.revisions import REVISIONS

Told = Callable[[Revision], None]
"""Hears of each revision before it is applied to the node's databases."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """The formats that the records and the log were of before."""

    records: int
    log: int

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return (self.records, self.log) != (FORMAT, FORMAT)


Finish = Callable[[Connection, NodeDatabase, int], None]
"""Fills tables of a database, in the same transaction; gets the format that it was of before."""


def migrate(records: Place, log: Place, folder: Path, told: Told, finish: Finish) -> Migrated:
    """Bring both databases to this release's format, and `finish` both; `folder` is the node's.

    Raises:
        FormatError: one of them is newer than this release, or too old.
        DamagedError: one of them is no database of a node.
        UnavailableError: the database can't be reached, or another process has it open.
    """
    with _opened(records, log) as (connection, databases):
        before = {database: databases.read(database) for database in NodeDatabase}
        for number in before.values():
            if not OLDEST <= number <= FORMAT:
                check_format(number)
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
        return Migrated(before[NodeDatabase.RECORDS], before[NodeDatabase.LOG])


class _Databases(Protocol):
    """Both databases on one connection, in one transaction."""

    def read(self, database: NodeDatabase) -> int:
        """Read its format."""

    def write(self, database: NodeDatabase, number: int) -> None:
        """Write its format."""

    @contextmanager
    def entered(self, database: NodeDatabase) -> Iterator[None]:
        """Let names of tables without a schema mean those of `database`."""


@contextmanager
def _opened(records: Place, log: Place) -> Iterator[tuple[Connection, _Databases]]:
    if isinstance(records, Path) and isinstance(log, Path):
        engine = sqlite.open_together(records, log, name=NodeDatabase.LOG)
        with sqlite.readable(records), engine.begin() as connection:
            yield connection, _Files(connection, {NodeDatabase.RECORDS: records, NodeDatabase.LOG: log})
    elif isinstance(records, Schema) and isinstance(log, Schema):
        engine = postgres.open_engine(log, durable=True, exclusive=True)
        with postgres.reachable(records), engine.begin() as connection:
            postgres.hold_writers(connection, records)
            yield connection, _Schemas(connection, {NodeDatabase.RECORDS: records, NodeDatabase.LOG: log})
    else:
        raise TypeError("the databases of one node are both files or both schemas")


class _Files:
    def __init__(self, connection: Connection, files: dict[NodeDatabase, Path]) -> None:
        self._connection, self._files = connection, files

    def read(self, database: NodeDatabase) -> int:
        return sqlite.read_format(self._connection, self._files[database], name=_attached(database))

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
        return postgres.read_format(self._connection, self._schemas[database])

    def write(self, database: NodeDatabase, number: int) -> None:
        postgres.write_format(self._connection, self._schemas[database], number)

    @contextmanager
    def entered(self, database: NodeDatabase) -> Iterator[None]:
        postgres.enter(self._connection, self._schemas[database])
        yield
