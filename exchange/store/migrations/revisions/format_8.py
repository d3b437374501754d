"""Databases know their root key, and clients may publish their keys at an address."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, String

from exchange.store.migrations.revision import Revision


def _text(length: int) -> String:
    return String(length).with_variant(String(collation="C"), "postgresql")


def _records(operations: Operations, _folder: Path | None) -> None:
    operations.add_column("clients", Column("jwks_url", _text(1000), nullable=True))
    # Empty, as that of the log: `consentry init` and `consentry migrate` fill them, which have the key.
    operations.create_table(
        "records_root_key",
        Column("fingerprint", LargeBinary(10), nullable=False),
        PrimaryKeyConstraint("fingerprint", name="pk_records_root_key"),
        sqlite_with_rowid=False,
    )


def _log(operations: Operations) -> None:
    operations.create_table(
        "log_root_key",
        Column("fingerprint", LargeBinary(10), primary_key=True, nullable=False),
        sqlite_with_rowid=False,
    )


REVISION = Revision(8, "databases know their root key", _records, _log)
