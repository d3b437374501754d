"""The log holds ids and pseudonyms as bytes, and finds entries and details by the first bytes of an id."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, PrimaryKeyConstraint, String, text
from sqlalchemy.schema import SchemaItem

from exchange.store.migrations.revision import Revision

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_BYTES = {
    "entries": {"tx": 32, "pair": 16},
    "details": {"tx": 32},
    "searches": {"tx": 32},
    "late_releases": {"tx": 32},
}
"""The columns of each table that were hexadecimal digits, and the number of bytes that they have now."""


def _text(length: int) -> String:
    return String(length).with_variant(String(collation="C"), "postgresql")


def _records(_operations: Operations, _folder: Path | None) -> None:
    pass


def _log(operations: Operations) -> None:
    operations.drop_index("entries_tx", "entries")
    if operations.get_bind().dialect.name == "postgresql":
        _change_types(operations)
    else:
        _make_anew(operations)
    beginning = text("substr(tx, 1, 8)")
    operations.create_index("entries_tx", "entries", [beginning])
    operations.create_index("details_tx", "details", [beginning, text("n")], unique=True)


def _change_types(operations: Operations) -> None:
    operations.drop_constraint("details_pkey", "details")
    for table, columns in _BYTES.items():
        for name, length in columns.items():
            operations.alter_column(
                table, name, type_=LargeBinary(length), postgresql_using=f"decode({name}, 'hex')"
            )


def _make_anew(operations: Operations) -> None:
    # SQLite changes no column's type, and 3.40 has no function that reads digits.
    connection = operations.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("there is no connection to the database")
    connection.create_function("bytes_of_digits", 1, bytes.fromhex, deterministic=True)
    for index in ("entries_pair", "entries_time", "entries_refused"):
        operations.drop_index(index, "entries")
    operations.drop_index("details_attempts", "details")
    tables = {
        "entries": _entries(),
        "details": _details(),
        "searches": _searches(),
        "late_releases": _late_releases(),
    }
    for name, columns in tables.items():
        old = f"{name}_of_digits"
        operations.rename_table(name, old)
        keyless = name in {"entries", "details"}
        operations.create_table(name, *columns, sqlite_with_rowid=keyless)
        names = [column.name for column in columns if isinstance(column, Column)]
        values = (f"bytes_of_digits({one})" if one in _BYTES[name] else f'"{one}"' for one in names)
        into = ", ".join(f'"{one}"' for one in names)
        operations.execute(f"INSERT INTO {name} ({into}) SELECT {', '.join(values)} FROM {old}")  # noqa: S608 - our own words
        operations.drop_table(old)
    operations.create_index("entries_pair", "entries", ["pair", "sequence"])
    operations.create_index("entries_time", "entries", ["time"])
    operations.create_index("entries_refused", "entries", ["sequence"], sqlite_where=text("outcome = 'deny'"))
    operations.create_index("details_attempts", "details", ["subject"], sqlite_where=text("attempt = 1"))


def _entries() -> list[SchemaItem]:
    return [
        Column("sequence", _NUMBER, primary_key=True, nullable=False),
        Column("tx", LargeBinary(32), nullable=False),
        Column("n", _NUMBER, nullable=False),
        Column("block", _NUMBER, nullable=False),
        Column("time", _NUMBER, nullable=False),
        Column("pair", LargeBinary(16), nullable=False),
        Column("custodian", _text(255), nullable=False),
        Column("recipient", _text(255), nullable=False),
        Column("user", _text(32), nullable=False),
        Column("action", _text(16), nullable=False),
        Column("purpose", _text(16), nullable=False),
        Column("outcome", _text(8), nullable=False),
        Column("record", LargeBinary, nullable=False),
    ]


def _details() -> list[SchemaItem]:
    return [
        Column("tx", LargeBinary(32), nullable=False),
        Column("n", _NUMBER, nullable=False),
        Column("subject", LargeBinary(16), nullable=False),
        Column("attempt", Boolean, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("released", LargeBinary, nullable=True),
    ]


def _searches() -> list[SchemaItem]:
    return [
        Column("tx", LargeBinary(32), nullable=False),
        Column("first", _NUMBER, nullable=False),
        Column("entries", _NUMBER, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("tx", "first"),
    ]


def _late_releases() -> list[SchemaItem]:
    return [
        Column("tx", LargeBinary(32), nullable=False),
        Column("n", _NUMBER, nullable=False),
        PrimaryKeyConstraint("tx", "n"),
    ]


REVISION = Revision(10, "the log holds ids and pseudonyms as bytes", _records, _log)
