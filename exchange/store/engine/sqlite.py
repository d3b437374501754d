"""SQLite databases as this project opens them: write-ahead log, bounded caches, one writer.

`durable` databases flush at every commit (`synchronous=FULL`): what was acknowledged survives a power
cut. The others survive the death of the process (`NORMAL`); only what can be rebuilt lives there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from exchange.errors import DamagedError, UnavailableError
from exchange.store.engine.format import FORMAT, Begin, check_format

_APPLICATION_ID = 0x436E7472  # "Cntr": distinguishes this project's files from any other database
_CACHE_KIB = 32 * 1024
_BESIDE = "beside"


def open_engine(path: Path, *, durable: bool, beside: Path | None = None) -> Engine:
    """Return an engine over the database at `path`; each connection belongs to one thread.

    The tables of the file `beside` are seen on the same connections. A transaction that writes to both is one
    step for a process that dies, and not for a machine that does.
    """
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below, not the driver's implicit one
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        if beside is not None:
            cursor.execute(f"ATTACH ? AS {_BESIDE}", (str(beside),))
        for file in ("main",) if beside is None else ("main", _BESIDE):
            cursor.execute(f"PRAGMA {file}.journal_mode=WAL")
            cursor.execute(f"PRAGMA {file}.synchronous={'FULL' if durable else 'NORMAL'}")
            cursor.execute(f"PRAGMA {file}.secure_delete=ON")  # erased keys must not linger in free pages
            cursor.execute(f"PRAGMA {file}.cache_size=-{_CACHE_KIB}")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        mode = "DEFERRED" if connection.get_execution_options().get("read_only") else "IMMEDIATE"
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def open_together(path: Path, others: Mapping[str, Path]) -> Engine:
    """Return an engine over files that change in one commit; `others` are attached under their names.

    One that is not there is made, and empty. A commit over several files is one step only with a rollback
    journal; a transaction has all files for itself.

    Raises:
        UnavailableError: from its transactions, where another process has one of the files open.
    """
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        for name, other in others.items():
            cursor.execute(f"ATTACH ? AS {name}", (str(other),))
        for file in ("main", *others):
            cursor.execute(f"PRAGMA {file}.journal_mode=DELETE")
            cursor.execute(f"PRAGMA {file}.synchronous=FULL")
            cursor.execute(f"PRAGMA {file}.secure_delete=ON")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        for file, at in (("main", path), *others.items()):
            if connection.exec_driver_sql(f"PRAGMA {file}.journal_mode").scalar_one() != "delete":
                raise UnavailableError(f"another process has {at} open; end it first")

    return engine


def prepare(engine: Engine, *, path: Path, begin: Begin | None, beside: Path | None = None) -> None:
    """Create the tables in a new file with `begin`, or check that one is ours and of this release's format.

    A file `beside` has to be there, with its tables.

    Raises:
        DamagedError: the file is no database, or not ours.
        FormatError: it is of another format.
    """
    with readable(path), engine.begin() as connection:
        found, owner = _marks(connection, "main")
        if (found, owner) == (0, 0) and begin is not None:
            begin(connection)
            write_format(connection, FORMAT)
            mark_ours(connection)
            return
        other = None if beside is None else read_format(connection, beside, name=_BESIDE)
    _check_owner(owner, path)
    check_format(found)
    if other is not None:
        check_format(other)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say of a file that can't be read as a database which one it is.

    Raises:
        DamagedError: the file is no database.
        UnavailableError: another process has it locked, or the disk is full.
    """
    try:
        yield
    except DatabaseError as why:
        code = getattr(why.orig, "sqlite_errorcode", 0) & 0xFF  # without the part that extends it
        if code == sqlite3.SQLITE_BUSY:
            raise UnavailableError(f"another process has {path} open; end it first") from None
        if code == sqlite3.SQLITE_FULL:
            raise UnavailableError(f"{path} can't be written: the disk is full; make room first") from None
        raise DamagedError(f"{path} can't be opened as a database ({why.orig})") from None
    except UnicodeDecodeError:  # SQLite's own message would quote content of a damaged schema
        raise DamagedError(f"{path} can't be opened as a database (its schema is damaged)") from None


def read_format(connection: Connection, path: Path, *, name: str = "main") -> int:
    """Return the format of the database at `path`, which `connection` has under `name`.

    Raises:
        DamagedError: the file is not ours.
    """
    found, owner = _marks(connection, name)
    _check_owner(owner, path)
    return found


def write_format(connection: Connection, number: int, *, name: str = "main") -> None:
    """Say that the database is of format `number` from this transaction on."""
    connection.exec_driver_sql(f"PRAGMA {name}.user_version={number}")


def mark_ours(connection: Connection, *, name: str = "main") -> None:
    """Say that the file which `connection` has under `name` is this project's."""
    connection.exec_driver_sql(f"PRAGMA {name}.application_id={_APPLICATION_ID}")


def is_new(connection: Connection, *, name: str) -> bool:
    """Return whether the file that `connection` has under `name` is empty."""
    return _marks(connection, name) == (0, 0)


def write_nothing(connection: Connection) -> None:
    """Write the number of the format again: an error shows that the disk takes no writes."""
    write_format(connection, connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _marks(connection: Connection, name: str) -> tuple[int, int]:
    found = connection.exec_driver_sql(f"PRAGMA {name}.user_version").scalar_one()
    owner = connection.exec_driver_sql(f"PRAGMA {name}.application_id").scalar_one()
    return found, owner


def _check_owner(owner: int, path: Path) -> None:
    if owner != _APPLICATION_ID:
        raise DamagedError(f"{path} is a database of another program")
