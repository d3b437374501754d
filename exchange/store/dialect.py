"""What SQLite and PostgreSQL spell differently: placeholders, upserts, many rows at once, whole numbers.

Hot statements go to the driver as text, written with SQLite's `?`; nothing in them but a placeholder may
be a question mark or a percent sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, CursorResult, Integer, Table
from sqlalchemy.dialects import postgresql, sqlite

WHOLE = BigInteger().with_variant(Integer(), "sqlite")
"""A signed number of 64 bits, such as a time in milliseconds; SQLite's INTEGER is one."""


def is_postgres(connection: Connection) -> bool:
    """Whether `connection` leads to PostgreSQL."""
    return connection.dialect.name == "postgresql"


def run(connection: Connection, statement: str, values: Any) -> CursorResult[Any]:
    """The result of `statement` as the driver runs it; a list of tuples as `values` runs it for each."""
    if is_postgres(connection):
        statement = _for_psycopg(statement)
    return connection.exec_driver_sql(statement, values)


@lru_cache(maxsize=512)
def _for_psycopg(statement: str) -> str:
    return statement.replace("?", "%s")


def insert_many(
    connection: Connection, head: str, kinds: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Have `head` (`INSERT INTO table (columns)`) take all `rows`, of which there is at least one.

    `kinds` are the columns' types in PostgreSQL: there each column goes as one array in binary form, which
    costs the client a twentieth of a message for each row.
    """
    if is_postgres(connection):
        arrays = ", ".join(f"%b::{kind}[]" for kind in kinds)
        statement = f"{head} SELECT * FROM unnest({arrays})"  # noqa: S608 - our own types' names
        connection.exec_driver_sql(statement, tuple(list(column) for column in zip(*rows, strict=True)))
    else:
        run(connection, f"{head} VALUES ({', '.join('?' * len(kinds))})", rows)


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT into `table` that can say what to do `ON CONFLICT`."""
    return postgresql.insert(table) if is_postgres(connection) else sqlite.insert(table)
