"""Subjects' wrapped keys, the pairs opened for them, and the consent drafts that pairs are filed from.

`filings` is an outbox: a consent change stays there, in the same commit as its document, until every
open pair that it concerns has it on the ledger.

`notes` say which consents the ledger was ever asked to put into a pair. A note is durable before the
ledger is asked, and it is never taken back: what was asked may come true long after nobody waits for it.

`grants` say who was given something whose pair is not open yet, so that a search which names nobody can
open it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    LargeBinary,
    Table,
    delete,
    insert,
    select,
    tuple_,
    update,
)

from exchange.store.engine.dialect import WHOLE, bounded_text, upsert
from exchange.store.records.documents import TOKEN_BYTES
from exchange.store.records.schema import metadata

_AT_ONCE = 5_000
"""Subjects that a statement names: PostgreSQL takes 65,535 values, and a Bundle may be about more."""

subjects = Table(
    "subjects",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created", WHOLE, nullable=False),
)

pairs = Table(
    "pairs",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("recipient", bounded_text(255), primary_key=True),
    Column("pair", bounded_text(32), nullable=False, index=True),
    Column("opened", Boolean, nullable=False),
    Index("pairs_towards", "recipient", "opened", "subject"),
    sqlite_with_rowid=False,
)

drafts = Table(
    "drafts",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("reference", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("version", WHOLE, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

notes = Table(
    "notes",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("recipient", bounded_text(255), primary_key=True),
    Column("reference", LargeBinary(TOKEN_BYTES), primary_key=True),
    sqlite_with_rowid=False,
)

grants = Table(
    "grants",
    metadata,
    Column("recipient", bounded_text(255), primary_key=True),
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
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


@dataclass(frozen=True, slots=True)
class Standing:
    """All that decides what the pairs of one subject should hold.

    `noted` has the references of the consents noted for each recipient; `waiting` is the subject's part of
    the outbox.
    """

    pairs: tuple[PairRow, ...]
    drafts: tuple[DraftRow, ...]
    noted: Mapping[str, frozenset[bytes]]
    waiting: tuple[bytes, ...]


def wrapped_keys(connection: Connection, tokens: Sequence[bytes]) -> dict[bytes, bytes]:
    """The wrapped keys of those of `tokens` that are subjects here."""
    found: dict[bytes, bytes] = {}
    for start in range(0, len(tokens), _AT_ONCE):
        wanted = subjects.c.subject.in_(list(tokens[start : start + _AT_ONCE]))
        rows = connection.execute(select(subjects.c.subject, subjects.c.wrapped).where(wanted))
        found |= {row.subject: row.wrapped for row in rows}
    return found


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


def granted_towards(connection: Connection, recipient: str, limit: int) -> list[bytes]:
    """Up to `limit` subjects who gave `recipient` something, and whose pair is not open yet; sorted."""
    statement = select(grants.c.subject).where(grants.c.recipient == recipient)
    return list(connection.execute(statement.order_by(grants.c.subject).limit(limit)).scalars())


def note(
    connection: Connection,
    opening: Sequence[tuple[bytes, str, str]],
    asking: Sequence[tuple[bytes, str, bytes]],
) -> None:
    """Write down what the ledger is about to be asked for, before it is.

    `opening` are (subject, recipient, pair) to open, `asking` (subject, recipient, reference) of the
    consents that go to a pair.
    """
    if opening:
        rows: list[dict[str, object]] = [
            {"subject": subject, "recipient": recipient, "pair": pair, "opened": False}
            for subject, recipient, pair in opening
        ]
        connection.execute(upsert(connection, pairs).on_conflict_do_nothing(), rows)
    if asking:
        rows = [
            {"subject": subject, "recipient": recipient, "reference": reference}
            for subject, recipient, reference in asking
        ]
        connection.execute(upsert(connection, notes).on_conflict_do_nothing(), rows)


def confirm_pairs(connection: Connection, names: Sequence[str]) -> None:
    """Mark pairs as open on the ledger."""
    wanted = list(names)
    connection.execute(update(pairs).where(pairs.c.pair.in_(wanted)).values(opened=True))
    done = select(pairs.c.recipient, pairs.c.subject).where(pairs.c.pair.in_(wanted))
    connection.execute(delete(grants).where(tuple_(grants.c.recipient, grants.c.subject).in_(done)))


def drafts_of(connection: Connection, subject: bytes) -> tuple[DraftRow, ...]:
    """Every consent of `subject`, active or not."""
    statement = select(drafts.c.reference, drafts.c.version, drafts.c.sealed).where(
        drafts.c.subject == subject
    )
    rows = connection.execute(statement.order_by(drafts.c.reference))
    return tuple(DraftRow(*row) for row in rows)


def standing(connection: Connection, subject: bytes) -> Standing:
    """What there is of `subject`, in one snapshot."""
    of_notes = select(notes.c.recipient, notes.c.reference).where(notes.c.subject == subject)
    noted: dict[str, set[bytes]] = {}
    for recipient, reference in connection.execute(of_notes):
        noted.setdefault(recipient, set()).add(reference)
    of_filings = select(filings.c.reference).where(filings.c.subject == subject)
    return Standing(
        pairs=tuple(pairs_of(connection, subject)),
        drafts=drafts_of(connection, subject),
        noted={recipient: frozenset(references) for recipient, references in noted.items()},
        waiting=tuple(connection.execute(of_filings).scalars()),
    )


def with_consents(connection: Connection, recipient: str, tokens: Sequence[bytes]) -> set[bytes]:
    """Those of `tokens` that have a consent, or a pair towards `recipient` that may be open."""
    wanted = list(tokens)
    consented = select(drafts.c.subject).where(drafts.c.subject.in_(wanted))
    begun = select(pairs.c.subject).where(pairs.c.subject.in_(wanted), pairs.c.recipient == recipient)
    return set(connection.execute(consented.union(begun)).scalars())


def put_draft(connection: Connection, subject: bytes, draft: DraftRow) -> None:
    """Keep the newest compiled form of a consent and put its filing into the outbox."""
    values = {
        "subject": subject,
        "reference": draft.reference,
        "version": draft.version,
        "sealed": draft.sealed,
    }
    statement = upsert(connection, drafts).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[drafts.c.subject, drafts.c.reference],
            set_={"version": draft.version, "sealed": draft.sealed},
        )
    )
    outbox = {"subject": subject, "reference": draft.reference}
    connection.execute(upsert(connection, filings).values(outbox).on_conflict_do_nothing())


def unfiled(connection: Connection, limit: int | None) -> list[tuple[bytes, bytes]]:
    """Up to `limit` (subject, reference) whose newest consent is not on every pair yet; all if None."""
    statement = select(filings.c.subject, filings.c.reference).limit(limit)
    return [(subject, reference) for subject, reference in connection.execute(statement)]


def unfiled_subjects(connection: Connection) -> list[bytes]:
    """Every subject that has a consent in the outbox."""
    return list(connection.execute(select(filings.c.subject).distinct()).scalars())


def filed(
    connection: Connection, subject: bytes, references: Sequence[bytes], granted: Sequence[str]
) -> None:
    """Take consents of `subject` out of the outbox; nobody may have written a newer version meanwhile.

    `granted` are the recipients to whom all of them give something, and towards whom there is no pair yet.
    """
    connection.execute(
        delete(filings).where(filings.c.subject == subject, filings.c.reference.in_(list(references)))
    )
    connection.execute(delete(grants).where(grants.c.subject == subject))
    if granted:
        connection.execute(insert(grants), [{"subject": subject, "recipient": one} for one in granted])
