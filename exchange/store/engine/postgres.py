"""PostgreSQL as this project opens it: one schema for each database of a node, one writer at a time.

A reading transaction is one snapshot (REPEATABLE READ, READ ONLY). Writing ones wait for each other at an
advisory lock of the schema, as they do for SQLite's file lock, and each statement of theirs then sees all
that was committed (READ COMMITTED): no two writers of two processes ever decide on the same state.

`durable` schemas commit synchronously. The others do not wait for the disk; what a crash of the server
takes from them comes again from the ledger.

The password never passes through here: libpq finds it (a `passfile` in the URL, PGPASSFILE, ~/.pgpass).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema, DropSchema

from exchange.errors import DamagedError, UnavailableError
from exchange.store.engine.format import FORMAT, Begin, check_format
from exchange.store.engine.place import Schema

_OWNER = "Consentry"
_READ_ONLY = "25006"  # SQLSTATE read_only_sql_transaction
_LOCK_TIMEOUT = "10s"  # for a lock, as SQLite's busy_timeout
# A machine that vanishes is detected within half a minute: by us, so that requests are refused, not stuck;
# by the server, so that the lock of a gateway that vanished does not keep out the one that follows it.
_CONNECTION = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
_AT_THE_SERVER = (
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25000"),
)


def open_engine(
    place: Schema,
    *,
    durable: bool,
    exclusive: bool = False,
    timeout: bool = False,
    beside: Schema | None = None,
) -> Engine:
    """Return an engine over the schema at `place`; the tables of the schema `beside` are seen with it.

    With `timeout` a server that does not answer is given up (`exchange.store.engine.timeout`): requests want
    that; an administrator's work has no bound.

    With `exclusive` each writing connection holds the schema until it ends: a second process that asks
    for the same gets none, and neither does this one, should it have lost its connection meanwhile.

    Raises:
        UnavailableError: from its connections, where `exclusive` and another process holds the schema.
    """
    engine = create_engine(
        "postgresql+psycopg://",
        poolclass=NullPool,
        creator=lambda: _connect(
            place,
            path=place.name if beside is None else f"{place.name}, {beside.name}",
            durable=durable,
            timeout=timeout,
            held=_key("held", place) if exclusive else None,
        ),
        hide_parameters=True,
    )
    lock = _key("write", place)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("read_only"):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")

    return engine


def _connect(place: Schema, *, path: str, durable: bool, timeout: bool, held: int | None) -> Any:
    import psycopg  # noqa: PLC0415 - a node on SQLite does without it
    from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 - as above

    from exchange.store.engine.timeout import TimeoutConnection  # noqa: PLC0415 - as above

    said = _CONNECTION | conninfo_to_dict(place.url) | {"application_name": "consentry"}
    kind: type[psycopg.Connection[Any]] = TimeoutConnection if timeout else psycopg.Connection
    connection = kind.connect(make_conninfo("", **said))
    try:
        _begin_session(connection, place, path=path, durable=durable, held=held)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin_session(connection: Any, place: Schema, *, path: str, durable: bool, held: int | None) -> None:
    connection.autocommit = True
    for name, value in (
        *_AT_THE_SERVER,
        ("search_path", path),
        ("synchronous_commit", "on" if durable else "off"),
        ("lock_timeout", _LOCK_TIMEOUT),
        ("default_transaction_isolation", "read committed"),
        ("timezone", "UTC"),
    ):
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    if held is not None:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (held,)).fetchone()
        if row != (True,):
            raise UnavailableError(f"another gateway, or a rebuilding, has {place} open; end it first")
    connection.autocommit = False


def _key(purpose: str, place: Schema) -> int:
    # Advisory locks are shared by the database: 32 bits name their program, and 32 their use.
    return zlib.crc32(_OWNER.encode()) >> 1 << 32 | zlib.crc32(f"{purpose} {place.name}".encode())


def prepare(engine: Engine, metadata: MetaData, *, place: Schema, begin: Begin | None) -> None:
    """Check that the schema is ours, complete and of this format; make one that is absent with `begin`.

    Raises:
        DamagedError: it is absent, not ours or incomplete.
        FormatError: it is of another format.
        UnavailableError: the server can't be reached, or refuses.
    """
    with reachable(place), engine.begin() as connection:
        found = _found(connection, place)
        if found is None and begin is not None:
            connection.execute(CreateSchema(place.name))
            begin(connection)
            write_format(connection, place, FORMAT)
            return
        there = set(inspect(connection).get_table_names(schema=place.name))
    if found is None:
        raise DamagedError(f"{place} is missing")
    check_format(found)
    missing = sorted(set(metadata.tables) - there)
    if missing:
        raise DamagedError(f"{place} has lost its table {missing[0]}")


@contextmanager
def reachable(place: Schema) -> Iterator[None]:
    """Say of a schema that the server does not give which one it is, and why.

    Raises:
        UnavailableError: the server can't be reached, or refuses.
    """
    try:
        yield
    except SQLAlchemyError as why:
        raise UnavailableError(
            f"{place} can't be opened ({reason(why)}); see to the server and the URL"
        ) from None


def read_format(connection: Connection, place: Schema) -> int:
    """Return the format of the schema at `place`.

    Raises:
        DamagedError: it is absent, or not ours.
    """
    found = _found(connection, place)
    if found is None:
        raise DamagedError(f"{place} is missing")
    return found


def write_format(connection: Connection, place: Schema, number: int) -> None:
    """Say that the schema is of format `number` from this transaction on."""
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {place.name} IS '{_OWNER} {number}'")


def write_nothing(connection: Connection, tables: Iterable[str]) -> None:
    """Delete no row of `tables` in a transaction that commits: an error shows that no writes are taken."""
    for table in tables:
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE false")  # noqa: S608 - a table of the schema
    connection.exec_driver_sql("SELECT pg_current_xact_id()")  # so that there is something to commit


def is_read_only(why: SQLAlchemyError) -> bool:
    """Return whether the server refused a write because the session is read-only.

    A session keeps what it began with, so one that began in a read-only minute has to end.
    """
    return isinstance(why, DBAPIError) and getattr(why.orig, "sqlstate", None) == _READ_ONLY


def enter(connection: Connection, place: Schema) -> None:
    """Let names without a schema mean that of `place`, up to the end of the transaction."""
    connection.execute(text("SELECT set_config('search_path', :name, true)"), {"name": place.name})


def hold_writers(connection: Connection, place: Schema) -> None:
    """Lock other writers out of `place` until this transaction has ended."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_key('write', place)})")


_COMMENT = text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name")


def _found(connection: Connection, place: Schema) -> int | None:
    told = connection.execute(_COMMENT, {"name": place.name}).first()
    if told is None:
        return None
    owner, _, number = (told[0] or "").partition(" ")
    if owner != _OWNER or not number.isdecimal():
        raise DamagedError(f"{place} is another program's")
    return int(number)


def schema_exists(place: Schema) -> bool:
    """Return whether there is a schema of this name already, be it empty.

    Raises:
        UnavailableError: the server can't be reached, or refuses.
    """
    engine = open_engine(place, durable=True)
    try:
        with reachable(place), engine.connect() as connection:
            return is_there(connection, place)
    finally:
        engine.dispose()


@contextmanager
def making(place: Schema) -> Iterator[None]:
    """Keep other processes from making a node in the database of `place` inside.

    Raises:
        UnavailableError: another process makes one, or the server can't be reached.
    """
    engine = open_engine(place, durable=True)
    try:
        with reachable(place), engine.connect() as connection:
            lock = f"SELECT pg_try_advisory_lock({_key('making', place)})"
            if connection.exec_driver_sql(lock).scalar_one() is not True:
                raise UnavailableError("another process is making a node in this database; wait for it")
            connection.commit()
            yield
    finally:
        engine.dispose()


def count_rows(place: Schema, tables: Iterable[str]) -> int:
    """Return how many rows those of `tables` hold together that the schema at `place` has.

    Raises:
        DamagedError: the schema is absent, or not ours.
        UnavailableError: the server can't be reached, or refuses.
    """
    engine = open_engine(place, durable=True)
    try:
        with reachable(place), engine.connect() as connection:
            read_format(connection, place)
            there = set(inspect(connection).get_table_names(schema=place.name))
            counts = [
                f"SELECT count(*) FROM {table}"  # noqa: S608 - a table of the schema
                for table in tables
                if table in there
            ]
            return sum(connection.exec_driver_sql(count).scalar_one() for count in counts)
    finally:
        engine.dispose()


def is_there(connection: Connection, place: Schema) -> bool:
    """Return whether there is a schema of this name in the database that `connection` leads to."""
    return connection.execute(_COMMENT, {"name": place.name}).first() is not None


def remove(place: Schema) -> None:
    """Drop the schema and all that is in it, if it is there."""
    engine = open_engine(place, durable=True)
    try:
        with engine.begin() as connection:
            connection.execute(DropSchema(place.name, cascade=True, if_exists=True))
    finally:
        engine.dispose()


def reason(why: SQLAlchemyError) -> str:
    """Return the server's or libpq's message in one line; it never has a value of a row or a password."""
    if not isinstance(why, DBAPIError) or why.orig is None:
        return type(why).__name__
    diagnostic = getattr(why.orig, "diag", None)
    said = getattr(diagnostic, "message_primary", None) or str(why.orig)
    return " ".join(said.split())
