"""Changes become entries of the ledger: the tables that this needs."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, String

from exchange.store.migrations.revision import Revision


def _text(length: int) -> String:
    return String(length).with_variant(String(collation="C"), "postgresql")


def _records(operations: Operations, _folder: Path | None) -> None:
    _make_recorded_settings(operations)
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


def _close_pairs(operations: Operations) -> None:
    # On the ledger a pair's key names its custodian now, so each opens anew at its next request.
    operations.execute(
        "INSERT INTO grants (recipient, subject) SELECT recipient, subject FROM pairs WHERE NOT EXISTS "
        "(SELECT 1 FROM grants WHERE grants.recipient = pairs.recipient AND grants.subject = pairs.subject)"
    )
    operations.execute("DELETE FROM pairs")
    operations.execute("DELETE FROM requested_consents")


def _log(_operations: Operations) -> None:
    pass


REVISION = Revision(7, "every change becomes an entry of the ledger", _records, _log)
