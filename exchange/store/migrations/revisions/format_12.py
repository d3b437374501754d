"""The wrapped keys of subjects leave the records for a key store of their own."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint

from exchange.store.migrations.revision import Revision

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _records(operations: Operations, _folder: Path | None) -> None:
    # `consentry migrate` has read them, and wraps them under an epoch key, which takes the vault.
    operations.drop_table("subjects")


def _log(_operations: Operations) -> None:
    pass


def _keys(operations: Operations) -> None:
    operations.create_table(
        "subject_keys",
        Column("subject", LargeBinary(16), nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
        Column("created", _NUMBER, nullable=False),
        PrimaryKeyConstraint("subject", name="pk_subject_keys"),
        sqlite_with_rowid=False,
    )
    operations.create_table(
        "epoch_keys",
        Column("epoch", _NUMBER, nullable=False, autoincrement=False),
        Column("fingerprint", LargeBinary(10), nullable=False),
        PrimaryKeyConstraint("epoch", name="pk_epoch_keys"),
    )


REVISION = Revision(12, "patients' keys get a store of their own", _records, _log, _keys)
