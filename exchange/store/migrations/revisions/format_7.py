"""Changes become entries of the ledger: the tables that this needs."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, String

from exchange.store.migrations.revision import Revision

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _text(length: int) -> String:
    return String(length).with_variant(String(collation="C"), "postgresql")


def _records(operations: Operations, _folder: Path | None) -> None:
    _make_recorded_settings(operations)
    _make_written(operations)
    operations.add_column("access_tokens", Column("holder", LargeBinary, nullable=True))
    _close_pairs(operations)


def _make_recorded_settings(operations: Operations) -> None:
    # `consentry migrate` fills it, which has the key and the file that is recorded.
    operations.create_table(
        "recorded_settings",
        Column("name", _text(32), nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("mac", LargeBinary(32), nullable=False),
        PrimaryKeyConstraint("name", name="pk_recorded_settings"),
        sqlite_with_rowid=False,
    )


def _make_written(operations: Operations) -> None:
    # Empty: the sums need the subjects' keys, so a node makes those of older records when it opens.
    operations.create_table(
        "written",
        Column("subject", LargeBinary(16), nullable=False),
        Column("versions", _NUMBER, nullable=False),
        Column("total", LargeBinary, nullable=False),
        Column("root", LargeBinary, nullable=False),
        PrimaryKeyConstraint("subject", name="pk_written"),
        sqlite_with_rowid=False,
    )


def _close_pairs(operations: Operations) -> None:
    # On the ledger a pair's key names its custodian now, so each opens anew at its next request.
    operations.execute(
        "INSERT INTO grants (recipient, subject) SELECT recipient, subject FROM pairs WHERE NOT EXISTS "
        "(SELECT 1 FROM grants WHERE grants.recipient = pairs.recipient AND grants.subject = pairs.subject)"
    )
    operations.execute("DELETE FROM pairs")
    operations.execute("DELETE FROM requested_consents")


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
        Column("tx", _text(64), primary_key=True, nullable=False),
        Column("first", _NUMBER, primary_key=True, nullable=False, autoincrement=False),
        Column("entries", _NUMBER, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


REVISION = Revision(7, "every change becomes an entry of the ledger", _records, _log)
