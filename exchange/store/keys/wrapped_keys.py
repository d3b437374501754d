"""The wrapped keys of subjects, and the check values of the epoch keys under which they are wrapped.

They stand in a database of their own, so that a backup of the documents holds none of them. It is opened
beside that of the records: a statement there sees both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Connection, LargeBinary, MetaData, Table, select

from exchange.store.engine.dialect import BIGINT, upsert
from exchange.store.engine.freshness import WatchedTable, freshness

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})

_TOKEN_BYTES = 16
_AT_ONCE = 5_000
"""Subjects that a statement names: PostgreSQL allows 65,535 values, and a Bundle may be about more."""

subject_keys = Table(
    "subject_keys",
    metadata,
    Column("subject", LargeBinary(_TOKEN_BYTES), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created", BIGINT, nullable=False),
    sqlite_with_rowid=False,
)

epoch_keys = Table(
    "epoch_keys",
    metadata,
    Column("epoch", BIGINT, primary_key=True, autoincrement=False),
    Column("fingerprint", LargeBinary(10), nullable=False),
)

SUBJECT_KEYS = WatchedTable("subject_keys", "subject, wrapped", "the keys of a patient")


def find(connection: Connection, tokens: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the wrapped keys of those of `tokens` that are subjects here.

    Raises:
        DamagedError: they are not those that were stored last.
    """
    table = subject_keys.c
    found: dict[bytes, bytes] = {}
    for start in range(0, len(tokens), _AT_ONCE):
        wanted = table.subject.in_(list(tokens[start : start + _AT_ONCE]))
        rows = connection.execute(select(table.subject, table.wrapped).where(wanted))
        found |= {row.subject: row.wrapped for row in rows}
    known = freshness(connection)
    if known.watches(SUBJECT_KEYS):
        stamps = {
            token: known.stamp(SUBJECT_KEYS, token, [(found[token],)] if token in found else [])
            for token in tokens
        }
        known.check(connection, SUBJECT_KEYS, stamps, cached=False)
    return found


def any_wrapped_key(connection: Connection) -> dict[bytes, bytes]:
    """Return one subject with its wrapped keys; none on a node without any."""
    row = connection.execute(select(subject_keys.c.subject, subject_keys.c.wrapped).limit(1)).first()
    return {} if row is None else {row.subject: row.wrapped}


def every_wrapped_key(connection: Connection) -> dict[bytes, bytes]:
    """Return the wrapped keys of all subjects."""
    statement = select(subject_keys.c.subject, subject_keys.c.wrapped)
    return {row.subject: row.wrapped for row in connection.execute(statement)}


def add_subjects(connection: Connection, rows: Sequence[tuple[bytes, bytes, int]]) -> None:
    """Add (token, wrapped keys, time in ms) of new subjects; those that are there stay as they are."""
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(
            upsert(connection, subject_keys).on_conflict_do_nothing(),
            [
                {"subject": token, "wrapped": wrapped, "created": at}
                for token, wrapped, at in rows[start : start + _AT_ONCE]
            ],
        )
    known = freshness(connection)
    for token, wrapped, _ in rows:
        known.stage(SUBJECT_KEYS, token, added=[(wrapped,)], alone=True)


def record_epochs(connection: Connection, fingerprints: Mapping[int, bytes]) -> None:
    """Say under which epoch keys the subjects' keys are wrapped, where that is not said yet."""
    rows = [{"epoch": epoch, "fingerprint": one} for epoch, one in fingerprints.items()]
    if rows:
        connection.execute(upsert(connection, epoch_keys).on_conflict_do_nothing(), rows)


def recorded_epochs(connection: Connection) -> dict[int, bytes]:
    """Return the check value of each epoch key under which subjects' keys are wrapped, by its number."""
    return {row.epoch: row.fingerprint for row in connection.execute(select(epoch_keys))}
