"""A step is committed once, in order, by the runner that holds its job, in any course of events.

A machine takes, commits, renews, gives back, ends and cancels jobs by several runners over one database, with
a clock of its own. CONSENTRY_TEST_SCALE lengthens it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, delete, insert, select

from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.records import jobs as store
from exchange.store.records.jobs import JobLease, JobState, LeaseLostError, jobs
from tests.support.jobs_site import counted, opened

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
LEASE = 10
RUNNERS = st.integers(0, 2)


@dataclass
class Known:
    """A job as it must be: its committed steps, when it may be taken, and the runner that holds it."""

    due: int
    state: JobState = JobState.QUEUED
    step: int = 0
    holder: tuple[int, int] | None = None
    lease: int = 0
    losses: int = 0


class Leases(RuleBasedStateMachine):
    """`held` is each runner's belief of the job that it holds; belief and truth part when a lease ends."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.now = 1_000
        self.known: dict[str, Known] = {}
        self.held: dict[int, tuple[JobLease, int]] = {}
        self.connection = database.engine.connect()
        self.run(lambda c: (c.execute(delete(jobs)), c.execute(delete(counted))))

    def teardown(self) -> None:
        self.connection.close()

    def run(self, work: Callable[[Connection], Any]) -> Any:
        with self.connection.begin():
            return work(self.connection)

    def holds(self, runner: int) -> bool:
        """Return whether this runner holds the job that it believes to hold."""
        lease, _ = self.held[runner]
        return self.known[lease.id].holder == (runner, lease.fence)

    def as_holder(self, runner: int, work: Callable[[Connection, JobLease], None]) -> bool:
        """Run `work` of a runner: it counts where the runner holds the job, and is void otherwise."""
        if runner not in self.held:
            return False
        lease, _ = self.held[runner]
        if self.holds(runner):
            self.run(lambda c: work(c, lease))
            return True
        with pytest.raises(LeaseLostError):
            self.run(lambda c: work(c, lease))
        del self.held[runner]
        return False

    @rule(later=st.integers(0, 2 * LEASE))
    def pass_time(self, later: int) -> None:
        self.now += later

    @rule()
    def add(self) -> None:
        name = f"{len(self.known):032x}"
        self.known[name] = Known(due=self.now)
        assert self.run(
            lambda c: store.add(c, name, "count", client_id="x", sealed=b"", cursor=b"", now=self.now)
        )

    @rule(runner=RUNNERS)
    def take(self, runner: int) -> None:
        if runner in self.held:
            return
        free = {name: known for name, known in self.known.items() if self.is_free(known)}
        assert self.run(lambda c: store.is_due(c, ["count"], self.now)) == bool(free)
        until = self.now + LEASE
        row = self.run(lambda c: store.acquire(c, ["count", "other"], str(runner), now=self.now, until=until))
        for name in sorted(free, key=lambda name: (free[name].due, name)):
            known = free[name]
            known.losses += 1
            if known.losses > store.MOST_LOSSES:
                known.state, known.holder = JobState.FAILED, None
                continue
            known.state, known.holder, known.lease = JobState.RUNNING, (runner, row.fence), until
            assert (row.id, row.step) == (name, known.step)
            self.held[runner] = JobLease(name, row.fence), row.step
            return
        assert row is None

    def is_free(self, known: Known) -> bool:
        if known.state is JobState.QUEUED:
            return known.due <= self.now
        return known.state is JobState.RUNNING and known.lease <= self.now

    @rule(runner=RUNNERS)
    def commit(self, runner: int) -> None:
        def work(connection: Connection, lease: JobLease) -> None:
            connection.execute(insert(counted).values(n=step, job=lease.id))  # before the check, on purpose
            store.advance(
                connection,
                lease,
                step=step + 1,
                cursor=b"",
                done=step,
                total=None,
                until=self.now + LEASE,
                now=self.now,
            )

        if runner not in self.held:
            return
        lease, step = self.held[runner]
        try:
            counts = self.as_holder(runner, work)
        except Exception:
            assert not self.holds(runner)
            raise
        if counts:
            known = self.known[lease.id]
            known.step, known.lease, known.losses = step + 1, self.now + LEASE, 1
            self.held[runner] = lease, step + 1

    @rule(runner=RUNNERS)
    def renew(self, runner: int) -> None:
        if self.as_holder(runner, lambda c, lease: store.renew(c, lease, self.now + LEASE)):
            self.known[self.held[runner][0].id].lease = self.now + LEASE

    @rule(runner=RUNNERS, later=st.integers(0, LEASE))
    def give_back(self, runner: int, later: int) -> None:
        due = self.now + later
        if self.as_holder(runner, lambda c, lease: store.release(c, lease, {}, due=due, now=self.now)):
            known = self.known[self.held.pop(runner)[0].id]
            known.state, known.due, known.holder, known.losses = JobState.QUEUED, due, None, 0

    @rule(runner=RUNNERS, state=st.sampled_from([JobState.DONE, JobState.FAILED]))
    def end(self, runner: int, state: JobState) -> None:
        if self.as_holder(runner, lambda c, lease: store.end(c, lease, state, now=self.now)):
            known = self.known[self.held.pop(runner)[0].id]
            known.state, known.holder = state, None

    @rule(runner=RUNNERS)
    def vanish(self, runner: int) -> None:
        self.held.pop(runner, None)

    @rule(place=st.integers(0, 20))
    def cancel(self, place: int) -> None:
        if not self.known:
            return
        name = sorted(self.known)[place % len(self.known)]
        known = self.known[name]
        was = self.run(lambda c: store.cancel(c, name, self.now))
        assert was == (known.state in {JobState.QUEUED, JobState.RUNNING})
        if was:
            known.state, known.holder = JobState.CANCELLED, None

    @invariant()
    def every_step_is_there_once(self) -> None:
        rows = self.run(lambda c: {row.id: row for row in store.newest(c, 1_000)})
        written = self.run(lambda c: c.execute(select(counted.c.job, counted.c.n)).all())
        assert rows.keys() == self.known.keys()
        for name, known in self.known.items():
            assert (rows[name].state, rows[name].step) == (known.state, known.step)
            assert sorted(n for job, n in written if job == name) == list(range(known.step))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    place: Place = tmp_path / "records.db"
    if request.param == "postgresql":
        place = Schema(request.getfixturevalue("postgres").new_database(), "records")
    database = opened(place)
    yield database
    database.close()


def test_no_step_is_committed_twice_or_by_a_runner_that_lost_its_lease(database: Database) -> None:
    run_state_machine_as_test(
        lambda: Leases(database),
        settings=settings(
            max_examples=max(1, round(15 * SCALE)),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_job_that_is_queued_anew_is_not_held_by_a_runner_of_before(tmp_path: Path) -> None:
    database = opened(tmp_path / "records.db")

    def add(connection: Connection) -> bool:
        return store.add(
            connection, "0" * 32, "count", client_id="x", sealed=b"", cursor=b"", now=0, again=True
        )

    def acquired(connection: Connection) -> JobLease:
        row = store.acquire(connection, ["count"], "a", now=0, until=LEASE)
        assert row is not None
        return JobLease(row.id, row.fence)

    with database.engine.begin() as connection:
        assert add(connection)
        before = acquired(connection)
        store.cancel(connection, before.id, 0)
        assert add(connection)
        now = acquired(connection)
        with pytest.raises(LeaseLostError):
            store.renew(connection, before, 2 * LEASE)
        store.renew(connection, now, 2 * LEASE)
    database.close()
