"""Subjects' wrapped keys, the pairs opened for them, and the consent drafts that pairs are filed from.

`filings` is an outbox: a consent change stays there, in the same commit as its document, until every
open pair that it concerns has it on the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from exchange.store.documents import TOKEN_BYTES
from exchange.store.schema import metadata

subjects = Table(
    "subjects",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created", Integer, nullable=False),
)

pairs = Table(
    "pairs",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("recipient", String(255), primary_key=True),
    Column("pair", String(32), nullable=False, index=True),
    Column("opened", Boolean, nullable=False),
    Index("pairs_towards", "recipient", "opened", "subject"),
    sqlite_with_rowid=False,
)

Index(None, pairs.c.recipient, pairs.c.opened, pairs.c.subject)

drafts = Table(
    "drafts",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("reference", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

filings = Table(
    "filings",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("reference", LargeBinary(TOKEN_BYTES), primary_key=True),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair of one subject: its pseudonym, and whether the ledger has confirmed its opening."""

    recipient: str
    pair: str
    opened: bool


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A consent of one subject, compiled and sealed."""

    reference: bytes
    version: int
    sealed: bytes


def wrapped_keys(connection: Connection, tokens: Sequence[bytes]) -> dict[bytes, bytes]:
    """The wrapped keys of those of `tokens` that are subjects here."""
    statement = select(subjects.c.subject, subjects.c.wrapped).where(subjects.c.subject.in_(list(tokens)))
    return {row.subject: row.wrapped for row in connection.execute(statement)}


def add_subjects(connection: Connection, rows: Sequence[tuple[bytes, bytes, int]]) -> None:
    """Add (token, wrapped keys, time in ms) of new subjects."""
    connection.execute(
        insert(subjects),
        [{"subject": token, "wrapped": wrapped, "created": at} for token, wrapped, at in rows],
    )


def pairs_of(connection: Connection, subject: bytes) -> list[PairRow]:
    """Every pair that was opened, or began to be, for `subject`."""
    statement = select(pairs.c.recipient, pairs.c.pair, pairs.c.opened).where(pairs.c.subject == subject)
    return [PairRow(*row) for row in connection.execute(statement.order_by(pairs.c.recipient))]


def opened_pairs(connection: Connection, recipient: str, tokens: Sequence[bytes]) -> set[bytes]:
    """Those of `tokens` whose pair towards `recipient` the ledger has confirmed."""
    statement = select(pairs.c.subject).where(
        pairs.c.subject.in_(list(tokens)), pairs.c.recipient == recipient, pairs.c.opened
    )
    return set(connection.execute(statement).scalars())


def open_towards(connection: Connection, recipient: str, limit: int) -> list[bytes]:
    """Up to `limit` subjects whose pair towards `recipient` the ledger has confirmed, sorted."""
    statement = select(pairs.c.subject).where(pairs.c.recipient == recipient, pairs.c.opened)
    return list(connection.execute(statement.order_by(pairs.c.subject).limit(limit)).scalars())


def noted_towards(connection: Connection, recipient: str, limit: int) -> list[bytes]:
    """Up to `limit` subjects whose pair towards `recipient` is noted and not confirmed."""
    statement = select(pairs.c.subject).where(pairs.c.recipient == recipient, ~pairs.c.opened)
    return list(connection.execute(statement.order_by(pairs.c.subject).limit(limit)).scalars())


def subjects_of_pairs(connection: Connection, names: Sequence[str]) -> dict[str, bytes]:
    """The subject of each of the pair pseudonyms `names` that this gateway opened."""
    statement = select(pairs.c.pair, pairs.c.subject).where(pairs.c.pair.in_(list(names)))
    return {row.pair: row.subject for row in connection.execute(statement)}


def note_pairs(connection: Connection, rows: Sequence[tuple[bytes, str, str]]) -> None:
    """Write down (subject, recipient, pair) before the ledger is asked to open them."""
    statement = upsert(pairs).on_conflict_do_nothing()
    connection.execute(
        statement,
        [
            {"subject": subject, "recipient": recipient, "pair": pair, "opened": False}
            for subject, recipient, pair in rows
        ],
    )


def confirm_pairs(connection: Connection, names: Sequence[str]) -> None:
    """Mark pairs as open on the ledger."""
    connection.execute(update(pairs).where(pairs.c.pair.in_(list(names))).values(opened=True))


def drafts_of(connection: Connection, subject: bytes) -> list[DraftRow]:
    """Every consent of `subject`, active or not."""
    statement = select(drafts.c.reference, drafts.c.version, drafts.c.sealed).where(
        drafts.c.subject == subject
    )
    return [DraftRow(*row) for row in connection.execute(statement.order_by(drafts.c.reference))]


def put_draft(connection: Connection, subject: bytes, draft: DraftRow) -> None:
    """Keep the newest compiled form of a consent and put its filing into the outbox."""
    values = {
        "subject": subject,
        "reference": draft.reference,
        "version": draft.version,
        "sealed": draft.sealed,
    }
    statement = upsert(drafts).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[drafts.c.subject, drafts.c.reference],
            set_={"version": draft.version, "sealed": draft.sealed},
        )
    )
    outbox = {"subject": subject, "reference": draft.reference}
    connection.execute(upsert(filings).values(outbox).on_conflict_do_nothing())


def unfiled(connection: Connection, limit: int) -> list[tuple[bytes, bytes]]:
    """Up to `limit` (subject, reference) whose newest consent is not on every pair yet."""
    statement = select(filings.c.subject, filings.c.reference).limit(limit)
    return [(subject, reference) for subject, reference in connection.execute(statement)]


def filed(connection: Connection, subject: bytes, reference: bytes, version: int) -> None:
    """Take a consent out of the outbox, unless a newer version has come meanwhile."""
    newest = select(drafts.c.version).where(drafts.c.subject == subject, drafts.c.reference == reference)
    if connection.execute(newest).scalar() == version:
        connection.execute(
            delete(filings).where(filings.c.subject == subject, filings.c.reference == reference)
        )
