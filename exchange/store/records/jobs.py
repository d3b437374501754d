"""Jobs: long work in steps, with the lease that lets one runner at a time commit a step of each.

1. A runner leases a job for a time (`lease`) and gets a number (`fence`) that grows with every lease.
2. Every later statement of that runner names its fence. Where another runner leased the job, or it was
   cancelled, the number has moved on, the statement raises `LeaseLostError`, and its transaction is void.
3. A step's effect and its cursor are committed by one transaction, so a step counts once or not at all.
4. Safety never rests on clocks. They only decide when another runner may lease a job that its runner lost.
5. A job that `MOST_LOSSES` runners leased and lost without a step ends as failed: the job itself may end
   them.

`sealed` (parameters and principal) and `cursor` are encrypted; `client_id` is not, so that disabling
a client cancels its jobs. Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Index,
    LargeBinary,
    RowMapping,
    Select,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from exchange.errors import DamagedError
from exchange.store.engine.dialect import BIGINT, bounded_text, upsert
from exchange.store.records.schema import metadata

LONGEST_AHEAD_MS: Final = 60 * 60 * 1000
"""Milliseconds; no job is put off, and none leased, for longer."""
MOST_LOSSES: Final = 5
"""The number of runners that may lease a job and vanish without a step of it."""


class JobState(StrEnum):
    """The states of a job; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_FINAL = (JobState.DONE.value, JobState.FAILED.value, JobState.CANCELLED.value)

jobs = Table(
    "jobs",
    metadata,
    Column("id", bounded_text(32), primary_key=True),
    Column("kind", bounded_text(64), nullable=False),
    Column("client_id", bounded_text(255), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("state", bounded_text(16), nullable=False),
    Column("step", BIGINT, nullable=False),
    Column("cursor", LargeBinary, nullable=False),
    Column("done", BIGINT, nullable=False),
    Column("total", BIGINT),
    Column("owner", bounded_text(64), nullable=False),
    Column("fence", BIGINT, nullable=False),
    Column("lease", BIGINT, nullable=False),
    Column("attempts", BIGINT, nullable=False),
    Column("losses", BIGINT, nullable=False),
    Column("error", bounded_text(255), nullable=False),
    Column("created", BIGINT, nullable=False),
    Column("due", BIGINT, nullable=False),
    Column("changed", BIGINT, nullable=False),
    Index(None, "state", "due"),
)


class LeaseLostError(Exception):
    """Another runner has the job now, or it was cancelled: nothing of this transaction may stand."""


class JobRow(msgspec.Struct, frozen=True):
    """A job as it is stored.

    `step` counts the steps that are committed and `cursor` is where the next one begins; `done` of `total`
    is the progress; `attempts` counts failures in a row that may pass, `losses` runners that vanished.
    """

    id: str
    kind: str
    client_id: str
    sealed: bytes
    state: JobState
    step: int
    cursor: bytes
    done: int
    total: int | None
    owner: str
    fence: int
    lease: int
    attempts: int
    losses: int
    error: str
    created: int
    due: int
    changed: int


@dataclass(frozen=True, slots=True)
class JobLease:
    """A lease on a job: its commits count until another runner leases the job."""

    id: str
    fence: int


def add(
    connection: Connection,
    id_: str,
    kind: str,
    *,
    client_id: str,
    sealed: bytes,
    cursor: bytes,
    now: int,
    again: bool = False,
) -> bool:
    """Queue a job that has done no step; return whether it was added.

    One of that id that is queued or runs stays as it is; one that has ended is queued anew if `again`.
    """
    values: dict[str, Any] = {
        "id": id_,
        "kind": kind,
        "client_id": client_id,
        "sealed": sealed,
        "cursor": cursor,
        "state": JobState.QUEUED.value,
        "owner": "",
        "error": "",
    }
    values |= dict.fromkeys(("step", "done", "fence", "lease", "attempts", "losses"), 0)
    values |= dict.fromkeys(("created", "due", "changed"), now)
    if again:
        # In place, with a fence that grows: a runner of the job that has ended must not hold this one.
        ended = update(jobs).where(jobs.c.id == id_, jobs.c.state.in_(_FINAL))
        anew = values | {"fence": jobs.c.fence + 1, "total": None}
        if connection.execute(ended.values(anew)).rowcount:
            return True
    statement = upsert(connection, jobs).values(values).on_conflict_do_nothing().returning(jobs.c.id)
    return connection.execute(statement).first() is not None


def acquire(
    connection: Connection, kinds: Collection[str], owner: str, *, now: int, until: int
) -> JobRow | None:
    """Lease the job of one of `kinds` that has been due longest, until `until`; None if none is due.

    A job whose runners vanished too often, or whose row can't be read, ends as failed, and the next is
    leased.
    """
    while True:
        found = connection.execute(
            select(jobs.c.id)
            .where(jobs.c.kind.in_(list(kinds)), _is_free(now))
            .order_by(jobs.c.due, jobs.c.id)
            .limit(1)
        ).scalar()
        if found is None:
            return None
        values = {
            "state": JobState.RUNNING.value,
            "owner": owner,
            "fence": jobs.c.fence + 1,
            "lease": until,
            "losses": jobs.c.losses + 1,
            "changed": now,
        }
        connection.execute(update(jobs).where(jobs.c.id == found).values(values))
        try:
            row = find(connection, found)
        except DamagedError:
            _end_broken(connection, found, "its row can't be read", now)
            continue
        if row is not None and row.losses > MOST_LOSSES:
            _end_broken(connection, found, "its runners ended without a word", now)
            continue
        return row


def is_due(connection: Connection, kinds: Collection[str], now: int) -> bool:
    """Return whether `acquire` would find a job."""
    statement = select(jobs.c.id).where(jobs.c.kind.in_(list(kinds)), _is_free(now)).limit(1)
    return connection.execute(statement).first() is not None


def renew(connection: Connection, lease: JobLease, until: int) -> None:
    """Prolong the lease.

    Raises:
        LeaseLostError: the job is another runner's, or ended.
    """
    _change(connection, lease, {"lease": until})


def advance(
    connection: Connection,
    lease: JobLease,
    *,
    step: int,
    cursor: bytes,
    done: int,
    total: int | None,
    until: int,
    now: int,
) -> None:
    """Record that the steps before `step` are done, and prolong the lease.

    Raises:
        LeaseLostError: the job is another runner's, or ended; the transaction must not commit.
    """
    values = {
        "step": step,
        "cursor": cursor,
        "done": done,
        "total": total,
        "lease": until,
        "attempts": 0,
        "losses": 1,  # the lease that this runner has not ended yet
        "error": "",
        "changed": now,
    }
    _change(connection, lease, values)


def release(
    connection: Connection, lease: JobLease, values: Mapping[str, Any], *, due: int, now: int
) -> None:
    """Put the job back into the queue until `due`, with these columns changed.

    Raises:
        LeaseLostError: the job is another runner's, or ended.
    """
    base = {"state": JobState.QUEUED.value, "owner": "", "lease": 0, "losses": 0, "due": due, "changed": now}
    _change(connection, lease, base | dict(values))


def end(connection: Connection, lease: JobLease, state: JobState, *, error: str = "", now: int) -> None:
    """End the job in a final state; its parameters and cursor are no longer needed and go.

    Raises:
        LeaseLostError: the job is another runner's, or ended.
    """
    _change(connection, lease, _ended(state, error, now))


def cancel(connection: Connection, id_: str, now: int) -> bool:
    """End a job that is queued or runs; from then on no step of it commits. Return whether there was one."""
    return _cancel(connection, jobs.c.id == id_, now) > 0


def cancel_of_client(connection: Connection, client_id: str, now: int) -> int:
    """End every job of a client; return how many."""
    return _cancel(connection, jobs.c.client_id == client_id, now)


def find(connection: Connection, id_: str) -> JobRow | None:
    """Return the job with this id.

    Raises:
        DamagedError: its row is of another kind than any that was written.
    """
    row = connection.execute(select(jobs).where(jobs.c.id == id_)).mappings().first()
    return None if row is None else _read(row)


def newest(connection: Connection, limit: int) -> list[JobRow]:
    """Return up to `limit` jobs, the newest first.

    Raises:
        DamagedError: a row is of another kind than any that was written.
    """
    statement = select(jobs).order_by(jobs.c.created.desc(), jobs.c.id).limit(limit)
    return [_read(row) for row in connection.execute(statement).mappings()]


def count_unfinished(connection: Connection, client_id: str) -> int:
    """Return how many jobs of a client are queued or run."""
    statement = select(func.count()).select_from(jobs)
    statement = statement.where(jobs.c.client_id == client_id, jobs.c.state.not_in(_FINAL))
    return int(connection.execute(statement).scalar_one())


def has_ended(connection: Connection, before: int) -> bool:
    """Return whether some job ended before `before`."""
    return connection.execute(_ended_before(before).limit(1)).first() is not None


def remove_ended(connection: Connection, before: int, *, limit: int) -> int:
    """Delete up to `limit` jobs that ended before `before`; return how many."""
    old = _ended_before(before).limit(limit)
    return connection.execute(delete(jobs).where(jobs.c.id.in_(old))).rowcount


def _ended_before(before: int) -> Select[tuple[str]]:
    return select(jobs.c.id).where(jobs.c.state.in_(_FINAL), jobs.c.changed < before)


def _is_free(now: int) -> Any:
    # A time further ahead than any is set was set by a clock that was ahead.
    queued = and_(jobs.c.state == JobState.QUEUED.value, _is_reached(jobs.c.due, now))
    return or_(queued, and_(jobs.c.state == JobState.RUNNING.value, _is_reached(jobs.c.lease, now)))


def _is_reached(time: Any, now: int) -> Any:
    return or_(time <= now, time > now + LONGEST_AHEAD_MS)


def _change(connection: Connection, lease: JobLease, values: Mapping[str, Any]) -> None:
    mine = and_(jobs.c.id == lease.id, jobs.c.fence == lease.fence, jobs.c.state == JobState.RUNNING.value)
    if connection.execute(update(jobs).where(mine).values(dict(values))).rowcount != 1:
        raise LeaseLostError(f"job {lease.id} is no longer this runner's")


def _cancel(connection: Connection, which: Any, now: int) -> int:
    values = _ended(JobState.CANCELLED, "", now)
    statement = update(jobs).where(which, jobs.c.state.not_in(_FINAL)).values(values)
    return connection.execute(statement).rowcount


def _end_broken(connection: Connection, id_: str, error: str, now: int) -> None:
    values = _ended(JobState.FAILED, error, now)
    connection.execute(update(jobs).where(jobs.c.id == id_).values(values))


def _ended(state: JobState, error: str, now: int) -> dict[str, Any]:
    return {
        "state": state.value,
        "sealed": b"",
        "cursor": b"",
        "owner": "",
        "lease": 0,
        "fence": jobs.c.fence + 1,
        "error": error,
        "changed": now,
    }


def _read(row: RowMapping) -> JobRow:
    # SQLite stores any kind of value in any column.
    try:
        values = {name: row[name] for name in JobRow.__struct_fields__}
        return msgspec.convert(values, JobRow, builtin_types=(bytes,))
    except msgspec.ValidationError:
        raise DamagedError("a job's row can't be read; run `consentry verify`") from None
