"""Codes for a first passkey, the passkeys of patients, and the sessions of their browsers.

A row has its patient as a keyed token; all else that tells of a person is sealed. Times are milliseconds
since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    Table,
    delete,
    insert,
    select,
    update,
)

from exchange.store.engine.dialect import BIGINT, bounded_text
from exchange.store.records.schema import metadata

enrolment_codes = Table(
    "enrolment_codes",
    metadata,
    Column("selector", bounded_text(8), primary_key=True),
    Column("subject", LargeBinary(16), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("expires", BIGINT, nullable=False, index=True),
    sqlite_with_rowid=False,
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential", LargeBinary, primary_key=True),
    Column("subject", LargeBinary(16), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("signatures", BIGINT, nullable=False),
    Column("used", BIGINT, nullable=False),
    sqlite_with_rowid=False,
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("client_id", bounded_text(255), nullable=False, index=True),
    Column("subject", LargeBinary(16), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("seen", BIGINT, nullable=False),
    Column("expires", BIGINT, nullable=False, index=True),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A code as it is stored: its public part, its patient, the wrong tries until now, and its end."""

    selector: str
    subject: bytes
    sealed: bytes
    tries: int
    expires: int


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """A passkey as it is stored; `signatures` is its counter, 0 without one; `used` is the last time."""

    credential: bytes
    subject: bytes
    sealed: bytes
    signatures: int
    used: int


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as it is stored; `client_id` names its principal, and `seen` is its last request."""

    digest: bytes
    client_id: str
    subject: bytes
    sealed: bytes
    seen: int
    expires: int


def put_code(connection: Connection, row: CodeRow) -> None:
    """Store a code in place of all others of its patient."""
    connection.execute(delete(enrolment_codes).where(enrolment_codes.c.subject == row.subject))
    connection.execute(insert(enrolment_codes), _values(row))


def find_code(connection: Connection, selector: str) -> CodeRow | None:
    """Return the code with that public part."""
    statement = select(enrolment_codes).where(enrolment_codes.c.selector == selector)
    row = connection.execute(statement.with_for_update()).first()
    return None if row is None else CodeRow(*row)


def count_try(connection: Connection, selector: str) -> None:
    """Count a wrong try at a code."""
    table = enrolment_codes
    connection.execute(update(table).where(table.c.selector == selector).values(tries=table.c.tries + 1))


def use_code(connection: Connection, selector: str, sealed: bytes) -> bool:
    """Remove a code; False if it was used or replaced before."""
    table = enrolment_codes
    statement = delete(table).where(table.c.selector == selector, table.c.sealed == sealed)
    return connection.execute(statement).rowcount == 1


def put_passkey(connection: Connection, row: PasskeyRow) -> None:
    """Store a new passkey; its credential id is taken if that raises IntegrityError."""
    connection.execute(insert(passkeys), _values(row))


def find_passkey(connection: Connection, credential: bytes, *, lock: bool = False) -> PasskeyRow | None:
    """Return the passkey with that credential id; with `lock` it stays so until the transaction ends."""
    statement = select(passkeys).where(passkeys.c.credential == credential)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return None if row is None else PasskeyRow(*row)


def passkeys_of(connection: Connection, subject: bytes) -> list[PasskeyRow]:
    """Return the passkeys of a patient, the one used last first."""
    table = passkeys.c
    statement = select(passkeys).where(table.subject == subject)
    return [PasskeyRow(*row) for row in connection.execute(statement.order_by(table.used.desc()))]


def note_use(connection: Connection, credential: bytes, *, signatures: int, used: int) -> None:
    """Note that a passkey was used."""
    statement = update(passkeys).where(passkeys.c.credential == credential)
    connection.execute(statement.values(signatures=signatures, used=used))


def remove_passkey(connection: Connection, subject: bytes, credential: bytes) -> bool:
    """Remove a passkey of a patient; False if there is none."""
    table = passkeys
    statement = delete(table).where(table.c.subject == subject, table.c.credential == credential)
    return connection.execute(statement).rowcount == 1


def remove_passkeys(connection: Connection, subject: bytes) -> int:
    """Remove all passkeys of a patient, and return how many there were."""
    return connection.execute(delete(passkeys).where(passkeys.c.subject == subject)).rowcount


def put_session(connection: Connection, row: SessionRow) -> None:
    """Store a new session."""
    connection.execute(insert(sessions), _values(row))


def find_session(connection: Connection, digest: bytes) -> SessionRow | None:
    """Return the session whose token has that digest."""
    row = connection.execute(select(sessions).where(sessions.c.digest == digest)).first()
    return None if row is None else SessionRow(*row)


def sessions_of(connection: Connection, subject: bytes, now: int) -> list[SessionRow]:
    """Return the sessions of a patient that have not expired at `now`, the one seen last first."""
    table = sessions.c
    statement = select(sessions).where(table.subject == subject, table.expires > now)
    return [SessionRow(*row) for row in connection.execute(statement.order_by(table.seen.desc()))]


def see_session(connection: Connection, digest: bytes, seen: int) -> None:
    """Note that a session had a request."""
    connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen=seen))


def remove_session(connection: Connection, digest: bytes) -> bool:
    """Remove a session; False if there is none."""
    return connection.execute(delete(sessions).where(sessions.c.digest == digest)).rowcount == 1


def sweep(connection: Connection, now: int, *, limit: int) -> int:
    """Delete up to `limit` expired codes and as many expired sessions; how many rows went."""
    gone = 0
    for table, key in _EXPIRING:
        old = select(key).where(table.c.expires <= now).order_by(table.c.expires).limit(limit)
        gone += connection.execute(delete(table).where(key.in_(old))).rowcount
    return gone


def has_expired(connection: Connection, now: int) -> bool:
    """Return whether `sweep` would delete anything."""
    return any(
        connection.execute(select(key).where(table.c.expires <= now).limit(1)).first() is not None
        for table, key in _EXPIRING
    )


_EXPIRING = ((enrolment_codes, enrolment_codes.c.selector), (sessions, sessions.c.digest))


def _values(row: CodeRow | PasskeyRow | SessionRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}
