"""SQLite databases as this project opens them: write-ahead log, bounded caches, one writer.

`durable` databases flush at every commit (`synchronous=FULL`): what was acknowledged survives a power
cut. The others survive the death of the process (`NORMAL`); only what can be rebuilt lives there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from exchange.errors import DamagedError

_APPLICATION_ID = 0x436E7472  # "Cntr": tells this project's files from any other database
_CACHE_KIB = 32 * 1024


def open_engine(path: Path, *, durable: bool) -> Engine:
    """An engine over the database at `path`; each connection belongs to one thread."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below, not the driver's implicit one
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute("PRAGMA secure_delete=ON")  # erased keys must not linger in free pages
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        mode = "DEFERRED" if connection.get_execution_options().get("read_only") else "IMMEDIATE"
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def prepare(engine: Engine, metadata: MetaData, *, path: Path, version: int, begin: bool) -> None:
    """Create the tables in a new file if `begin`, or check that one is ours and of this version.

    Raises:
        DamagedError: the file is no database, not ours, or of another schema version.
    """
    try:
        with engine.begin() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
            if (found, owner) == (0, 0) and begin:
                metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version={version}")
                connection.exec_driver_sql(f"PRAGMA application_id={_APPLICATION_ID}")
                return
    except DatabaseError as why:
        raise DamagedError(f"{path} can't be opened as a database ({why.orig})") from None
    except UnicodeDecodeError:  # SQLite's own message quoted what a damaged schema holds
        raise DamagedError(f"{path} can't be opened as a database (its schema is damaged)") from None
    if owner != _APPLICATION_ID:
        raise DamagedError(f"{path} is a database of another program")
    if found != version:
        raise DamagedError(f"{path} has schema version {found}; this program reads {version}")
