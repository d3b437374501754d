"""Patients sign in: codes for a first passkey, passkeys, and sessions of browsers."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, String

from exchange.store.migrations.revision import Revision, unchanged

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _text(length: int) -> String:
    return String(length).with_variant(String(collation="C"), "postgresql")


def _records(operations: Operations, _folder: Path | None) -> None:
    operations.create_table(
        "enrolment_codes",
        Column("selector", _text(8), nullable=False),
        Column("subject", LargeBinary(16), nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("tries", Integer, nullable=False),
        Column("expires", _NUMBER, nullable=False),
        PrimaryKeyConstraint("selector", name="pk_enrolment_codes"),
        sqlite_with_rowid=False,
    )
    operations.create_index("ix_enrolment_codes_subject", "enrolment_codes", ["subject"])
    operations.create_index("ix_enrolment_codes_expires", "enrolment_codes", ["expires"])
    operations.create_table(
        "passkeys",
        Column("credential", LargeBinary, nullable=False),
        Column("subject", LargeBinary(16), nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("signatures", _NUMBER, nullable=False),
        Column("used", _NUMBER, nullable=False),
        PrimaryKeyConstraint("credential", name="pk_passkeys"),
        sqlite_with_rowid=False,
    )
    operations.create_index("ix_passkeys_subject", "passkeys", ["subject"])
    operations.create_table(
        "sessions",
        Column("digest", LargeBinary(32), nullable=False),
        Column("client_id", _text(255), nullable=False),
        Column("subject", LargeBinary(16), nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("seen", _NUMBER, nullable=False),
        Column("expires", _NUMBER, nullable=False),
        PrimaryKeyConstraint("digest", name="pk_sessions"),
        sqlite_with_rowid=False,
    )
    operations.create_index("ix_sessions_client_id", "sessions", ["client_id"])
    operations.create_index("ix_sessions_subject", "sessions", ["subject"])
    operations.create_index("ix_sessions_expires", "sessions", ["expires"])


REVISION = Revision(11, "patients sign in with passkeys", _records, unchanged)
