"""The pairs opened for subjects, and their compiled consents.

A consent that changed is in the outbox, under the topic `CONSENTS`, from the commit of its document until
every open pair that it concerns has it on the ledger.

`requested_consents` has the consents that the ledger was ever asked to put into each pair. A row is durable
before the ledger is asked and is never deleted: a request may be committed long after its caller gave up.

`grants` has the recipients that were given something and have no open pair yet, so that a search without a
patient can open it.
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

from exchange.store.engine.dialect import BIGINT, bounded_text, upsert
from exchange.store.engine.freshness import freshness
from exchange.store.records import outbox
from exchange.store.records.documents import TOKEN_BYTES
from exchange.store.records.outbox import OutboxEntry
from exchange.store.records.schema import metadata
from exchange.store.records.watched import COMPILED, CONSENTS

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

compiled_consents = Table(
    "compiled_consents",
    metadata,
    Column("subject", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("reference", LargeBinary(TOKEN_BYTES), primary_key=True),
    Column("version", BIGINT, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

requested_consents = Table(
    "requested_consents",
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


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair of one subject: its pseudonym, and whether the ledger has confirmed its opening."""

    recipient: str
    pair: str
    opened: bool


@dataclass(frozen=True, slots=True)
class CompiledRow:
    """A consent of one subject, compiled and sealed."""

    reference: bytes
    version: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SubjectSnapshot:
    """All that decides which terms the pairs of one subject should hold, as of one moment.

    `requested` has the references of the consents that the ledger was asked to put into each recipient's
    pair; `waiting` are the subject's entries in the outbox.
    """

    pairs: tuple[PairRow, ...]
    consents: tuple[CompiledRow, ...]
    requested: Mapping[str, frozenset[bytes]]
    waiting: tuple[OutboxEntry, ...]


def pairs_of(connection: Connection, subject: bytes) -> list[PairRow]:
    """Return every pair of `subject` that was opened or begun."""
    statement = select(pairs.c.recipient, pairs.c.pair, pairs.c.opened).where(pairs.c.subject == subject)
    return [PairRow(*row) for row in connection.execute(statement.order_by(pairs.c.recipient))]


def opened_pairs(connection: Connection, recipient: str, tokens: Sequence[bytes]) -> set[bytes]:
    """Return those of `tokens` with a pair towards `recipient` that the ledger has confirmed."""
    statement = select(pairs.c.subject).where(
        pairs.c.subject.in_(list(tokens)), pairs.c.recipient == recipient, pairs.c.opened
    )
    return set(connection.execute(statement).scalars())


def open_towards(connection: Connection, recipient: str, limit: int) -> list[bytes]:
    """Return up to `limit` subjects with a confirmed pair towards `recipient`, sorted."""
    statement = select(pairs.c.subject).where(pairs.c.recipient == recipient, pairs.c.opened)
    return list(connection.execute(statement.order_by(pairs.c.subject).limit(limit)).scalars())


def granted_towards(connection: Connection, recipient: str, limit: int) -> list[bytes]:
    """Return up to `limit` subjects that gave `recipient` something and have no open pair yet, sorted."""
    statement = select(grants.c.subject).where(grants.c.recipient == recipient)
    return list(connection.execute(statement.order_by(grants.c.subject).limit(limit)).scalars())


def record_requests(
    connection: Connection,
    opening: Sequence[tuple[bytes, str, str]],
    asking: Sequence[tuple[bytes, str, bytes]],
) -> None:
    """Record the requests that are about to go to the ledger; they must be durable before they go.

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
        connection.execute(upsert(connection, requested_consents).on_conflict_do_nothing(), rows)


def confirm_pairs(connection: Connection, names: Sequence[str]) -> None:
    """Mark pairs as open on the ledger."""
    wanted = list(names)
    connection.execute(update(pairs).where(pairs.c.pair.in_(wanted)).values(opened=True))
    done = select(pairs.c.recipient, pairs.c.subject).where(pairs.c.pair.in_(wanted))
    connection.execute(delete(grants).where(tuple_(grants.c.recipient, grants.c.subject).in_(done)))


def unconfirm_pairs(connection: Connection, recipient: str, tokens: Sequence[bytes]) -> None:
    """Mark the pairs of `tokens` towards `recipient` as not open on the ledger."""
    wanted = pairs.c.recipient == recipient, pairs.c.subject.in_(list(tokens))
    connection.execute(update(pairs).where(*wanted).values(opened=False))


def consents_of(connection: Connection, subject: bytes) -> tuple[CompiledRow, ...]:
    """Return every consent of `subject`, active or not.

    Raises:
        DamagedError: they are not those that were stored last.
    """
    statement = select(
        compiled_consents.c.reference, compiled_consents.c.version, compiled_consents.c.sealed
    ).where(compiled_consents.c.subject == subject)
    found = connection.execute(statement.order_by(compiled_consents.c.reference))
    rows = tuple(CompiledRow(*row) for row in found)
    known = freshness(connection)
    stamp = known.stamp(COMPILED, subject, [_fields(row) for row in rows])
    known.check(connection, COMPILED, {subject: stamp})
    return rows


def _fields(row: CompiledRow) -> tuple[bytes, int, bytes]:
    return row.reference, row.version, row.sealed


def consent_of(connection: Connection, subject: bytes, reference: bytes) -> CompiledRow | None:
    """Return the consent of `subject` that was stored under `reference`."""
    return next((row for row in consents_of(connection, subject) if row.reference == reference), None)


def snapshot(connection: Connection, subject: bytes) -> SubjectSnapshot:
    """Return the state of `subject` as one transaction sees it."""
    asked = select(requested_consents.c.recipient, requested_consents.c.reference)
    requested: dict[str, set[bytes]] = {}
    for recipient, reference in connection.execute(asked.where(requested_consents.c.subject == subject)):
        requested.setdefault(recipient, set()).add(reference)
    return SubjectSnapshot(
        pairs=tuple(pairs_of(connection, subject)),
        consents=consents_of(connection, subject),
        requested={recipient: frozenset(references) for recipient, references in requested.items()},
        waiting=outbox.entries_of(connection, CONSENTS, subject),
    )


def with_consents(connection: Connection, recipient: str, tokens: Sequence[bytes]) -> set[bytes]:
    """Return those of `tokens` that have a consent, or a pair towards `recipient` that may be open."""
    wanted = list(tokens)
    consented = select(compiled_consents.c.subject).where(compiled_consents.c.subject.in_(wanted))
    begun = select(pairs.c.subject).where(pairs.c.subject.in_(wanted), pairs.c.recipient == recipient)
    return set(connection.execute(consented.union(begun)).scalars())


def put_consent(connection: Connection, subject: bytes, consent: CompiledRow, *, due: int) -> None:
    """Store the newest compiled form of a consent, and have it published: by the caller, or from `due` on."""
    before = consent_of(connection, subject, consent.reference)
    values = {
        "subject": subject,
        "reference": consent.reference,
        "version": consent.version,
        "sealed": consent.sealed,
    }
    statement = upsert(connection, compiled_consents).values(values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[compiled_consents.c.subject, compiled_consents.c.reference],
            set_={"version": consent.version, "sealed": consent.sealed},
        )
    )
    gone = [] if before is None else [_fields(before)]
    freshness(connection).stage(COMPILED, subject, removed=gone, added=[_fields(consent)])
    outbox.put(connection, CONSENTS, subject, consent.reference, due=due)


def mark_published(
    connection: Connection, subject: bytes, entries: Sequence[OutboxEntry], granted: Sequence[str]
) -> None:
    """Remove consents of `subject` from the outbox.

    `granted` are the recipients that all its consents give something, and towards which there is no pair yet.
    """
    outbox.remove(connection, [entry.sequence for entry in entries])
    connection.execute(delete(grants).where(grants.c.subject == subject))
    if granted:
        connection.execute(insert(grants), [{"subject": subject, "recipient": one} for one in granted])
