"""Work to be done elsewhere, such as on the ledger: stored with the change that causes it.

1. An entry is put in by the transaction that makes the change, so neither exists without the other.
2. Entries of one subject within one topic are delivered in the order of their `sequence`.
3. A newer entry for the same (topic, subject, reference) replaces the older one, at the end of that order.
4. An entry is removed by its sequence: one that was replaced during its delivery stays.
5. After a failed delivery all entries of the subject wait until `due`; a new entry ends that wait.

Times are milliseconds since 1970 UTC. `sealed` is encrypted by the service that put the entry in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Index,
    LargeBinary,
    Table,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from exchange.store.engine.dialect import BIGINT, bounded_text, insert_many, run
from exchange.store.engine.freshness import freshness
from exchange.store.records.documents import TOKEN_BYTES
from exchange.store.records.schema import metadata
from exchange.store.records.watched import CONSENTS, WAITING

LONGEST_DELAY_MS: Final = 60 * 60 * 1000
"""Milliseconds; nothing is ever postponed for longer."""

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", BIGINT, primary_key=True),
    Column("topic", bounded_text(64), nullable=False),
    Column("subject", LargeBinary(TOKEN_BYTES), nullable=False),
    Column("reference", LargeBinary(TOKEN_BYTES), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("attempts", BIGINT, nullable=False),
    Column("due", BIGINT, nullable=False),
    UniqueConstraint("topic", "subject", "reference"),
    Index(None, "topic", "due"),
    sqlite_autoincrement=True,  # a sequence that was removed must not come again
)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One entry: its place in the order, the thing it is about, and the deliveries that failed so far."""

    sequence: int
    reference: bytes
    sealed: bytes
    attempts: int


def put(
    connection: Connection,
    topic: str,
    subject: bytes,
    reference: bytes,
    *,
    due: int,
    sealed: bytes = b"",
) -> None:
    """Add an entry, in place of an older one for the same reference, and have the subject tried at `due`."""
    here = _of(topic, subject)
    replaced = connection.execute(delete(outbox).where(here, outbox.c.reference == reference)).rowcount
    if topic == CONSENTS:
        row = (reference,)
        freshness(connection).stage(WAITING, subject, removed=[row] * replaced, added=[row])
    connection.execute(update(outbox).where(here).values(attempts=0, due=due))
    values = {
        "topic": topic,
        "subject": subject,
        "reference": reference,
        "sealed": sealed,
        "attempts": 0,
        "due": due,
    }
    connection.execute(insert(outbox).values(values))


def put_new(
    connection: Connection, topic: str, rows: Sequence[tuple[bytes, bytes, bytes]], *, due: int
) -> None:
    """Add an entry for each (subject, reference, sealed), none of which is there yet."""
    head = "INSERT INTO outbox (topic, subject, reference, sealed, attempts, due)"
    kinds = ("text", "bytea", "bytea", "bytea", "bigint", "bigint")
    insert_many(connection, head, kinds, [(topic, *row, 0, due) for row in rows])


def remove_places(connection: Connection, topic: str, places: Sequence[tuple[bytes, bytes]]) -> None:
    """Remove the entry of each (subject, reference), where it is there."""
    if places:
        statement = "DELETE FROM outbox WHERE topic = ? AND subject = ? AND reference = ?"
        run(connection, statement, [(topic, *place) for place in places])


def entries_of(connection: Connection, topic: str, subject: bytes) -> tuple[OutboxEntry, ...]:
    """Return the entries of `subject` in their order.

    Raises:
        DamagedError: they are consents, and not those that wait.
    """
    statement = select(outbox.c.sequence, outbox.c.reference, outbox.c.sealed, outbox.c.attempts)
    rows = connection.execute(statement.where(_of(topic, subject)).order_by(outbox.c.sequence))
    found = tuple(OutboxEntry(*row) for row in rows)
    if topic == CONSENTS:
        known = freshness(connection)
        stamp = known.stamp(WAITING, subject, [(one.reference,) for one in found])
        known.check(connection, WAITING, {subject: stamp})
    return found


def subjects_waiting(connection: Connection, topic: str) -> list[bytes]:
    """Return every subject with an entry, the one that waits longest first."""
    statement = select(outbox.c.subject).where(outbox.c.topic == topic).group_by(outbox.c.subject)
    return list(connection.execute(statement.order_by(func.min(outbox.c.sequence))).scalars())


def subjects_due(connection: Connection, topic: str, now: int, limit: int) -> list[bytes]:
    """Return up to `limit` subjects with due entries, the one that has been due longest first.

    One that is due later than any is postponed was postponed by a clock that was ahead: it is due.
    """
    statement = (
        select(outbox.c.subject)
        .where(outbox.c.topic == topic, or_(outbox.c.due <= now, outbox.c.due > now + LONGEST_DELAY_MS))
        .group_by(outbox.c.subject)
        .order_by(func.min(outbox.c.due), func.min(outbox.c.sequence))
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def remove(connection: Connection, sequences: Sequence[int]) -> None:
    """Remove delivered entries, by their sequences."""
    gone = delete(outbox).where(outbox.c.sequence.in_(list(sequences)))
    known = freshness(connection)
    for topic, subject, reference in connection.execute(
        gone.returning(outbox.c.topic, outbox.c.subject, outbox.c.reference)
    ):
        if topic == CONSENTS:
            known.stage(WAITING, subject, removed=[(reference,)])


def postpone(connection: Connection, topic: str, subject: bytes, due: int, *, failed: bool) -> None:
    """Leave `subject` alone until `due`; with `failed`, count one more failed delivery."""
    values = {"attempts": outbox.c.attempts + (1 if failed else 0), "due": due}
    connection.execute(update(outbox).where(_of(topic, subject)).values(values))


def all_waiting(connection: Connection, topic: str) -> set[tuple[bytes, bytes]]:
    """Return (subject, reference) of every entry."""
    statement = select(outbox.c.subject, outbox.c.reference).where(outbox.c.topic == topic)
    return {(subject, reference) for subject, reference in connection.execute(statement)}


def count(connection: Connection, topic: str) -> int:
    """Return how many entries wait."""
    statement = select(func.count()).select_from(outbox).where(outbox.c.topic == topic)
    return int(connection.execute(statement).scalar_one())


def _of(topic: str, subject: bytes) -> ColumnElement[bool]:
    return and_(outbox.c.topic == topic, outbox.c.subject == subject)
