"""The differences between SQLite and PostgreSQL: placeholders, upserts, many rows at once, numbers, texts.

Hot statements go to the driver as text, written with SQLite's `?`; nothing in them but a placeholder may
be a question mark or a percent sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import BigInteger, Connection, CursorResult, Integer, String, Table
from sqlalchemy.dialects import postgresql, sqlite

from exchange.store.engine.rows import insert

IN_BYTE_ORDER = String(collation="C")
"""PostgreSQL's type for texts that are compared as SQLite compares them."""
BIGINT = BigInteger().with_variant(Integer(), "sqlite")
"""A signed number of 64 bits, such as a time in milliseconds; SQLite's INTEGER is one."""


def bounded_text(length: int) -> String:
    """Return the type of texts that are in order of their bytes; on PostgreSQL they are of any length."""
    return String(length).with_variant(IN_BYTE_ORDER, "postgresql")


def is_postgres(connection: Connection) -> bool:
    """Return whether `connection` leads to PostgreSQL."""
    return connection.dialect.name == "postgresql"


def run(connection: Connection, statement: str, values: Any) -> CursorResult[Any]:
    """Run `statement` in the driver and return its result; a list of tuples in `values` runs it for each."""
    if is_postgres(connection):
        statement = _for_psycopg(statement)
    return connection.exec_driver_sql(statement, values)


@lru_cache(maxsize=512)
def _for_psycopg(statement: str) -> str:
    return statement.replace("?", "%s")


def insert_many(
    connection: Connection, head: str, kinds: Sequence[str], rows: Sequence[Sequence[Any]], *, tail: str = ""
) -> None:
    """Insert all `rows` with `head` (`INSERT INTO table (columns)`), and `tail` behind them.

    `kinds` are the columns' types in PostgreSQL: there each column goes as one array in binary form, which
    costs the client a twentieth of a message for each row.
    """
    if not rows:
        return
    if is_postgres(connection):
        run(connection, f"{head} SELECT * FROM {unnest(kinds)} {tail}", columns(rows))  # noqa: S608 - our own words
    else:
        insert(partial(run, connection), head, rows, tail=tail)


def unnest(kinds: Sequence[str]) -> str:
    """Return PostgreSQL's rows of the arrays that `columns` makes, of columns of the types `kinds`."""
    return f"unnest({', '.join(f'%b::{kind}[]' for kind in kinds)})"


def columns(rows: Sequence[Sequence[Any]]) -> tuple[list[Any], ...]:
    """Return the values of at least one row, by columns."""
    return tuple(list(column) for column in zip(*rows, strict=True))


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT into `table` that can have a clause `ON CONFLICT`."""
    return postgresql.insert(table) if is_postgres(connection) else sqlite.insert(table)
