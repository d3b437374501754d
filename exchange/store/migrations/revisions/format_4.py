"""The tables of the last release without migrations, made in an empty database.

Texts on PostgreSQL are in order of their bytes, as in SQLite, whatever the database's locale.
"""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)

from exchange.store.migrations.revision import Revision

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_IN_BYTE_ORDER = String(collation="C")


def _text(length: int) -> String:
    return String(length).with_variant(_IN_BYTE_ORDER, "postgresql")


def _records(operations: Operations, _folder: Path | None) -> None:
    _documents(operations)
    _subjects(operations)
    _consents(operations)
    _clients(operations)


def _documents(operations: Operations) -> None:
    operations.create_table(
        "documents",
        Column("sequence", _NUMBER, nullable=False),
        Column("reference", LargeBinary(16), nullable=False),
        Column("version", _NUMBER, nullable=False),
        Column("subjects", LargeBinary, nullable=False),
        Column("written", _NUMBER, nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("current", Boolean, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("tokens", LargeBinary, nullable=False),
        PrimaryKeyConstraint("sequence", name="pk_documents"),
        UniqueConstraint("reference", "version", name="uq_documents_reference_version"),
        sqlite_autoincrement=True,
    )
    operations.create_table(
        "search_tokens",
        Column("token", LargeBinary(16), nullable=False),
        Column("sequence", _NUMBER, nullable=False, autoincrement=False),
        PrimaryKeyConstraint("token", "sequence", name="pk_search_tokens"),
        sqlite_with_rowid=False,
    )


def _subjects(operations: Operations) -> None:
    operations.create_table(
        "subjects",
        Column("subject", LargeBinary(16), nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
        Column("created", _NUMBER, nullable=False),
        PrimaryKeyConstraint("subject", name="pk_subjects"),
    )
    operations.create_table(
        "pairs",
        Column("subject", LargeBinary(16), nullable=False),
        Column("recipient", _text(255), nullable=False),
        Column("pair", _text(32), nullable=False),
        Column("opened", Boolean, nullable=False),
        PrimaryKeyConstraint("subject", "recipient", name="pk_pairs"),
        sqlite_with_rowid=False,
    )
    towards = ["recipient", "opened", "subject"]
    operations.create_index("pairs_towards", "pairs", towards)
    operations.create_index("ix_pairs_recipient_opened_subject", "pairs", towards)
    operations.create_index("ix_pairs_pair", "pairs", ["pair"])


def _consents(operations: Operations) -> None:
    operations.create_table(
        "drafts",
        Column("subject", LargeBinary(16), nullable=False),
        Column("reference", LargeBinary(16), nullable=False),
        Column("version", _NUMBER, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("subject", "reference", name="pk_drafts"),
        sqlite_with_rowid=False,
    )
    operations.create_table(
        "notes",
        Column("subject", LargeBinary(16), nullable=False),
        Column("recipient", _text(255), nullable=False),
        Column("reference", LargeBinary(16), nullable=False),
        PrimaryKeyConstraint("subject", "recipient", "reference", name="pk_notes"),
        sqlite_with_rowid=False,
    )
    operations.create_table(
        "grants",
        Column("recipient", _text(255), nullable=False),
        Column("subject", LargeBinary(16), nullable=False),
        PrimaryKeyConstraint("recipient", "subject", name="pk_grants"),
        sqlite_with_rowid=False,
    )
    operations.create_table(
        "filings",
        Column("subject", LargeBinary(16), nullable=False),
        Column("reference", LargeBinary(16), nullable=False),
        PrimaryKeyConstraint("subject", "reference", name="pk_filings"),
        sqlite_with_rowid=False,
    )


def _clients(operations: Operations) -> None:
    operations.create_table(
        "clients",
        Column("client_id", _text(255), nullable=False),
        Column("name", _text(255), nullable=False),
        Column("organization", _text(255), nullable=False),
        Column("keys", LargeBinary, nullable=False),
        Column("scopes", Text().with_variant(_IN_BYTE_ORDER, "postgresql"), nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("disabled", BigInteger),
        Column("purpose", _text(255), nullable=False),
        Column("mac", LargeBinary(32), nullable=False),
        PrimaryKeyConstraint("client_id", name="pk_clients"),
    )
    operations.create_table(
        "access_tokens",
        Column("digest", LargeBinary(32), nullable=False),
        Column("client_id", _text(255), nullable=False),
        Column("principal", LargeBinary, nullable=False),
        Column("expires", BigInteger, nullable=False),
        PrimaryKeyConstraint("digest", name="pk_access_tokens"),
        sqlite_with_rowid=False,
    )
    operations.create_index("ix_access_tokens_client_id", "access_tokens", ["client_id"])
    operations.create_index("ix_access_tokens_expires", "access_tokens", ["expires"])
    operations.create_table(
        "used_assertions",
        Column("client_id", _text(255), nullable=False),
        Column("jti", _text(255), nullable=False),
        Column("expires", BigInteger, nullable=False),
        PrimaryKeyConstraint("client_id", "jti", name="pk_used_assertions"),
        sqlite_with_rowid=False,
    )
    operations.create_index("ix_used_assertions_expires", "used_assertions", ["expires"])


def _log(operations: Operations) -> None:
    _entries(operations)
    operations.create_table(
        "details",
        Column("tx", _text(64), primary_key=True, nullable=False),
        Column("n", _NUMBER, primary_key=True, nullable=False),
        Column("subject", LargeBinary(16), nullable=False),
        Column("attempt", Boolean, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    operations.create_index(
        "details_attempts",
        "details",
        ["subject"],
        sqlite_where=text("attempt = 1"),
        postgresql_where=text("attempt"),
    )
    operations.create_table(
        "checkpoints",
        Column("name", _text(32), primary_key=True, nullable=False),
        Column("block", _NUMBER, nullable=False),
        Column("position", _NUMBER, nullable=False),
    )


def _entries(operations: Operations) -> None:
    operations.create_table(
        "entries",
        Column("sequence", _NUMBER, primary_key=True, nullable=False),
        Column("tx", _text(64), nullable=False),
        Column("n", _NUMBER, nullable=False),
        Column("block", _NUMBER, nullable=False),
        Column("time", _NUMBER, nullable=False),
        Column("pair", _text(32), nullable=False),
        Column("custodian", _text(255), nullable=False),
        Column("recipient", _text(255), nullable=False),
        Column("user", _text(32), nullable=False),
        Column("action", _text(16), nullable=False),
        Column("purpose", _text(16), nullable=False),
        Column("outcome", _text(8), nullable=False),
        Column("record", LargeBinary, nullable=False),
    )
    operations.create_index("entries_tx", "entries", ["tx", "n"], unique=True)
    operations.create_index("entries_pair", "entries", ["pair", "sequence"])
    operations.create_index("entries_time", "entries", ["time"])
    refused = text("outcome = 'deny'")
    operations.create_index(
        "entries_refused", "entries", ["sequence"], sqlite_where=refused, postgresql_where=refused
    )


REVISION = Revision(4, "the tables of the release before migrations", _records, _log)
