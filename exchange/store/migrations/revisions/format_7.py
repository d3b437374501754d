"""Changes become entries of the ledger: the tables that this needs."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String

from exchange.store.migrations.revision import Revision

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_TEXT = String(64).with_variant(String(collation="C"), "postgresql")


def _records(_operations: Operations, _folder: Path | None) -> None:
    pass


def _log(operations: Operations) -> None:
    _make_terms(operations)


def _make_terms(operations: Operations) -> None:
    # Empty: they follow from the details, whose keys a node has when it opens.
    operations.create_table(
        "words",
        Column("id", _NUMBER, primary_key=True, nullable=False, autoincrement=False),
        Column("token", LargeBinary(16), nullable=False, unique=True),
        Column("sealed", LargeBinary, nullable=False),
    )
    operations.create_table(
        "terms",
        Column("term", _NUMBER, primary_key=True, nullable=False, autoincrement=False),
        Column("sequence", _NUMBER, primary_key=True, nullable=False, autoincrement=False),
        sqlite_with_rowid=False,
    )
    operations.create_table(
        "searches",
        Column("tx", _TEXT, primary_key=True, nullable=False),
        Column("first", _NUMBER, primary_key=True, nullable=False, autoincrement=False),
        Column("entries", _NUMBER, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


REVISION = Revision(7, "every change becomes an entry of the ledger", _records, _log)
