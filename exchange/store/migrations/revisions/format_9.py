"""Entries say what was released: a sealed note beside each detail, and the notes that wait for the ledger."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, String

from exchange.store.migrations.revision import Revision

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _records(_operations: Operations, _folder: Path | None) -> None:
    pass


def _log(operations: Operations) -> None:
    # Empty: of an entry of before it is not known whether anything was released.
    operations.add_column("details", Column("released", LargeBinary, nullable=True))
    operations.create_table(
        "late_releases",
        Column("tx", String(64).with_variant(String(collation="C"), "postgresql"), nullable=False),
        Column("n", _NUMBER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("tx", "n"),
        sqlite_with_rowid=False,
    )


REVISION = Revision(9, "entries say what was released", _records, _log)
