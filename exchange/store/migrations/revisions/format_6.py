"""Jobs get a table; consents wait for publication in an outbox; two tables get plainer names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.operations import Operations
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
)

from exchange.store.migrations.revision import Revision, unchanged

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _text(length: int) -> String:
    return String(length).with_variant(String(collation="C"), "postgresql")


def _records(operations: Operations, _folder: Path | None) -> None:
    _rename_consents(operations)
    _make_outbox(operations)
    _make_jobs(operations)


def _rename_consents(operations: Operations) -> None:
    # Made anew and filled: a renamed table would keep the old names of its constraints.
    _replace(
        operations,
        "drafts",
        "compiled_consents",
        Column("subject", LargeBinary(16), nullable=False),
        Column("reference", LargeBinary(16), nullable=False),
        Column("version", _NUMBER, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("subject", "reference", name="pk_compiled_consents"),
    )
    _replace(
        operations,
        "notes",
        "requested_consents",
        Column("subject", LargeBinary(16), nullable=False),
        Column("recipient", _text(255), nullable=False),
        Column("reference", LargeBinary(16), nullable=False),
        PrimaryKeyConstraint("subject", "recipient", "reference", name="pk_requested_consents"),
    )


def _replace(operations: Operations, old: str, new: str, *parts: Any) -> None:
    operations.create_table(new, *parts, sqlite_with_rowid=False)
    names = ", ".join(part.name for part in parts if isinstance(part, Column))
    operations.execute(f"INSERT INTO {new} ({names}) SELECT {names} FROM {old}")  # noqa: S608 - our own words
    operations.drop_table(old)


def _make_outbox(operations: Operations) -> None:
    operations.create_table(
        "outbox",
        Column("sequence", _NUMBER, nullable=False),
        Column("topic", _text(64), nullable=False),
        Column("subject", LargeBinary(16), nullable=False),
        Column("reference", LargeBinary(16), nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("attempts", _NUMBER, nullable=False),
        Column("due", _NUMBER, nullable=False),
        PrimaryKeyConstraint("sequence", name="pk_outbox"),
        UniqueConstraint("topic", "subject", "reference", name="uq_outbox_topic_subject_reference"),
        sqlite_autoincrement=True,
    )
    operations.create_index("ix_outbox_topic_due", "outbox", ["topic", "due"])
    empty = "''::bytea" if operations.get_bind().dialect.name == "postgresql" else "x''"
    operations.execute(
        "INSERT INTO outbox (topic, subject, reference, sealed, attempts, due) "  # noqa: S608 - as above
        f"SELECT 'consents', subject, reference, {empty}, 0, 0 FROM filings ORDER BY subject, reference"
    )
    operations.drop_table("filings")


def _make_jobs(operations: Operations) -> None:
    operations.create_table(
        "jobs",
        Column("id", _text(32), nullable=False),
        Column("kind", _text(64), nullable=False),
        Column("client_id", _text(255), nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("state", _text(16), nullable=False),
        Column("step", _NUMBER, nullable=False),
        Column("cursor", LargeBinary, nullable=False),
        Column("done", _NUMBER, nullable=False),
        Column("total", _NUMBER),
        Column("owner", _text(64), nullable=False),
        Column("fence", _NUMBER, nullable=False),
        Column("lease", _NUMBER, nullable=False),
        Column("attempts", _NUMBER, nullable=False),
        Column("losses", _NUMBER, nullable=False),
        Column("error", _text(255), nullable=False),
        Column("created", _NUMBER, nullable=False),
        Column("due", _NUMBER, nullable=False),
        Column("changed", _NUMBER, nullable=False),
        PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    operations.create_index("ix_jobs_client_id", "jobs", ["client_id"])
    operations.create_index("ix_jobs_state_due", "jobs", ["state", "due"])


REVISION = Revision(6, "jobs, and an outbox for consents to be published", _records, unchanged)
