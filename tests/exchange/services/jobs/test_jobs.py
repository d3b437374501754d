"""Jobs end, fail, wait, repeat and are cancelled as they should; parameters are checked and sealed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from exchange.auth.principal import Principal
from exchange.errors import (
    BadRequestError,
    DamagedError,
    ForbiddenError,
    NotFoundError,
    ThrottledError,
    TooCostlyError,
    UnavailableError,
)
from exchange.runtime import quota
from exchange.runtime.quota import COPIES_IN_MEMORY, FREE_BYTES, MemoryQuota, NoQuotaError
from exchange.services.jobs import runner
from exchange.services.jobs.kinds import Finished, JobKind, JobKinds, NextStep, StepContext
from exchange.services.jobs.queue import PARAMETER_BYTES, UNFINISHED_JOBS, JobList, milliseconds
from exchange.services.jobs.remove_expired import RETENTION_MS, NoParameters, Rounds, remove_expired
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.records import clients, jobs
from exchange.store.records.jobs import JobState
from tests.support.jobs_site import (
    LEASE,
    SEAL,
    SYSTEM,
    Count,
    Counted,
    counting,
    numbers,
    opened,
    queue_of,
    row_of,
    runner_of,
)

SECRET = "Ada-Okoro-1815"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    if request.param == "sqlite":
        return tmp_path / "records.db"
    return Schema(request.getfixturevalue("postgres").new_database(), "records")


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    database = opened(place)
    yield database
    database.close()


def kind_of(step: Any, **settings: Any) -> JobKind[Count, Counted]:
    return JobKind("count", Count, Counted(), step, **settings)


async def change(database: Database, job: str, **values: Any) -> None:
    await database.write(lambda c: c.execute(update(jobs.jobs).where(jobs.jobs.c.id == job).values(values)))


async def until(database: Database, job: str, state: JobState) -> None:
    async with asyncio.timeout(30):
        while (await row_of(database, job)).state is not state:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


# -- several runners ---------------------------------------------------------------


@pytest.mark.parametrize("column", ["due", "lease"])
async def test_a_job_that_a_clock_ahead_put_off_or_leased_is_free(database: Database, column: str) -> None:
    job = await queue_of(database, counting()).add(SYSTEM, "count", {"steps": 1})
    ahead = milliseconds() + 400 * 24 * 3600 * 1000
    await change(database, job, state="queued" if column == "due" else "running", **{column: ahead})
    assert await runner_of(database, counting()).run_next()


async def test_runners_of_several_processes_do_each_step_of_each_job_once(
    place: Place, database: Database
) -> None:
    others = [opened(place) for _ in range(2)]
    queue = queue_of(database)
    added = [await queue.add(SYSTEM, "count", {"steps": 4}) for _ in range(12)]
    runners = [asyncio.create_task(runner_of(one, lease=30.0).keep_running()) for one in (database, *others)]
    for job in added:
        await until(database, job, JobState.DONE)
        assert await numbers(database, job) == [0, 1, 2, 3]
    for running in runners:
        running.cancel()
    await asyncio.gather(*runners, return_exceptions=True)
    for one in others:
        one.close()


async def test_a_slow_step_keeps_its_lease(place: Place, database: Database) -> None:
    async def slow(_at: int) -> None:
        await asyncio.sleep(2 * LEASE)

    job = await queue_of(database).add(SYSTEM, "count", {"steps": 1})
    running = asyncio.create_task(runner_of(database, counting(wait=slow)).run_next())
    await until(database, job, JobState.RUNNING)
    await asyncio.sleep(1.5 * LEASE)
    assert not await runner_of(database).run_next()
    await running
    assert (await row_of(database, job)).state is JobState.DONE


async def test_a_runner_whose_lease_ended_while_it_slept_commits_nothing(database: Database) -> None:
    """The step blocks its whole process, as a paused machine does: the lease is not renewed."""
    job = await queue_of(database).add(SYSTEM, "count", {"steps": 2})
    began, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(_at: int) -> None:
        began.set()
        await go_on.wait()

    slept = asyncio.create_task(runner_of(database, counting(wait=sleep), lease=60).run_next())
    await began.wait()
    await change(database, job, lease=0)
    assert await runner_of(database).run_next()
    go_on.set()
    assert await slept
    row = await row_of(database, job)
    assert (row.state, row.step) == (JobState.DONE, 2)
    assert await numbers(database, job) == [0, 1]


# -- how jobs end -----------------------------------------------------------------


async def test_a_cancelled_job_does_no_further_step(database: Database) -> None:
    job = await queue_of(database).add(SYSTEM, "count", {"steps": 5})
    stopped = asyncio.Event()

    async def wait_at(at: int) -> None:
        if at == 2:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

    running = asyncio.create_task(runner_of(database, counting(wait=wait_at)).run_next())
    async with asyncio.timeout(30):
        while await numbers(database, job) != [0, 1]:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
    await JobList(database).cancel(job)
    async with asyncio.timeout(30):
        await stopped.wait()  # the step is ended, not only its commit refused
    await running
    row = await row_of(database, job)
    assert (row.state, row.sealed, row.cursor) == (JobState.CANCELLED, b"", b"")
    assert await numbers(database, job) == [0, 1]
    with pytest.raises(NotFoundError):
        await JobList(database).cancel(job)


async def test_a_queued_job_can_be_cancelled(database: Database) -> None:
    job = await queue_of(database).add(SYSTEM, "count", {"steps": 5})
    await JobList(database).cancel(job)
    assert not await runner_of(database).run_next()
    assert [row.state for row in await JobList(database).newest()] == [JobState.CANCELLED]


async def test_a_runner_that_is_told_to_end_gives_its_job_back_at_once(database: Database) -> None:
    job = await queue_of(database).add(SYSTEM, "count", {"steps": 2})

    async def for_ever(_at: int) -> None:
        await asyncio.Event().wait()

    running = asyncio.create_task(runner_of(database, counting(wait=for_ever), lease=60).keep_running())
    await until(database, job, JobState.RUNNING)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await row_of(database, job)).state is JobState.QUEUED
    assert await runner_of(database).run_next()
    assert await numbers(database, job) == [0, 1]


@pytest.mark.parametrize("error", [UnavailableError, ThrottledError])
async def test_a_failure_that_may_pass_is_tried_again_later_and_later(
    database: Database, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.05)
    failures = iter(range(3))

    async def step(_context: StepContext[Count], cursor: Counted) -> NextStep[Counted] | Finished:
        if next(failures, None) is not None:
            raise error("not now")
        return Finished()

    job = await queue_of(database).add(SYSTEM, "count", {"steps": 1})
    pauses = []
    for attempt in range(3):
        began = milliseconds()
        assert await runner_of(database, kind_of(step)).run_next()
        row = await row_of(database, job)
        assert (row.state, row.attempts, row.error) == (
            JobState.QUEUED,
            attempt + 1,
            f"{error.code}: not now",
        )
        pauses.append(row.due - began)
        await change(database, job, due=0)
    assert pauses[0] >= 50
    assert pauses[1] >= 100
    assert pauses[2] >= 200
    assert await runner_of(database, kind_of(step)).run_next()
    assert (await row_of(database, job)).state is JobState.DONE


@pytest.mark.parametrize(
    ("error", "told"),
    [(ForbiddenError("no longer"), "forbidden: no longer"), (ValueError(SECRET), "ValueError")],
)
async def test_any_other_failure_ends_the_job_and_says_why_without_a_value(
    database: Database, error: Exception, told: str
) -> None:
    async def step(_context: StepContext[Count], _cursor: Counted) -> NextStep[Counted] | Finished:
        raise error

    job = await queue_of(database).add(SYSTEM, "count", {"steps": 1})
    assert await runner_of(database, kind_of(step)).run_next()
    row = await row_of(database, job)
    assert (row.state, row.error) == (JobState.FAILED, told)


async def test_an_effect_that_fails_takes_its_cursor_with_it(database: Database) -> None:
    def fail(when: str, at: int) -> None:
        if (when, at) == ("within", 1):
            raise RuntimeError

    job = await queue_of(database).add(SYSTEM, "count", {"steps": 3})
    assert await runner_of(database, counting(hook=fail)).run_next()
    row = await row_of(database, job)
    assert (row.state, row.step, row.done) == (JobState.FAILED, 1, 1)
    assert await numbers(database, job) == [0]


async def test_a_commit_with_a_lost_answer_is_not_done_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await queue_of(database).add(SYSTEM, "count", {"steps": 3})
    write, lost = database.write, iter([2])

    async def losing(work: Any) -> Any:
        answer = await write(work)
        if await numbers(database, job) == [0, 1] and next(lost, None):
            raise UnavailableError("the document store can't commit now")
        return answer

    monkeypatch.setattr(database, "write", losing)
    assert await runner_of(database).run_next()
    await change(database, job, due=0)
    assert await runner_of(database).run_next()
    assert (await row_of(database, job)).state is JobState.DONE
    assert await numbers(database, job) == [0, 1, 2]


# -- jobs that repeat --------------------------------------------------------------


async def test_a_job_that_repeats_is_queued_once_and_begins_anew(database: Database) -> None:
    async def step(context: StepContext[Count], cursor: Counted) -> NextStep[Counted] | Finished:
        rounds.append(cursor.at)
        return Finished() if cursor.at else NextStep(Counted(1))

    rounds: list[int] = []
    kind = kind_of(step, every=60.0)
    queue = queue_of(database, kind)
    job = await queue.schedule(SYSTEM, kind, {"steps": 0})
    assert await queue.schedule(SYSTEM, kind, {"steps": 0}) == job
    assert len(await JobList(database).newest()) == 1
    for _ in range(2):
        assert await runner_of(database, kind).run_next()
        row = await row_of(database, job)
        assert row.state is JobState.QUEUED
        assert row.due > milliseconds() + 50_000
        assert not await runner_of(database, kind).run_next()
        await change(database, job, due=0)
    assert rounds == [0, 1, 0, 1]
    await JobList(database).cancel(job)
    await queue.schedule(SYSTEM, kind, {"steps": 0})
    assert (await row_of(database, job)).state is JobState.QUEUED


async def test_what_has_expired_is_removed_and_nothing_else(database: Database) -> None:
    now = milliseconds()
    kind = remove_expired(database)
    queue = queue_of(database, kind, counting())

    def fill(connection: Any) -> None:
        for number in range(1_300):
            expires = now - 1 if number < 1_200 else now + 60_000
            clients.use_assertion(connection, "lab", str(number), expires)
        for name, expires in ((b"old", now - 1), (b"new", now + 60_000)):
            clients.store_token(connection, name, client_id="lab", principal=b"", expires=expires)

    await database.write(fill)
    ended = [await queue.add(SYSTEM, "count", {"steps": 1}) for _ in range(2)]
    for job in ended:
        await JobList(database).cancel(job)
    await change(database, ended[0], changed=now - RETENTION_MS - 1)
    await queue.schedule(SYSTEM, kind, {})
    assert await runner_of(database, kind).run_next()

    def left(connection: Any) -> tuple[int, list[bool]]:
        uses = connection.exec_driver_sql("SELECT count(*) FROM used_assertions").scalar()
        return uses, [clients.find_token(connection, name) is None for name in (b"old", b"new")]

    assert await database.read(left) == (100, [True, False])
    there = {row.id for row in await JobList(database).newest()}
    assert ended[1] in there
    assert ended[0] not in there


# -- what jobs are given -----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    [
        ("none", {"steps": 1}, BadRequestError),
        ("count", {}, BadRequestError),
        ("count", {"steps": "1"}, BadRequestError),
        ("count", {"steps": 1, "more": SECRET}, BadRequestError),
        ("count", [SECRET], BadRequestError),
        ("count", {"steps": 1.5}, BadRequestError),
        ("count", None, BadRequestError),
        ("count", {"steps": 1, "secret": "x" * PARAMETER_BYTES}, TooCostlyError),
    ],
)
async def test_hostile_parameters_are_refused_without_an_echo(
    database: Database, kind: str, parameters: Any, error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        await queue_of(database).add(SYSTEM, kind, parameters)
    assert SECRET not in str(refused.value)
    assert await JobList(database).newest() == []


async def test_a_client_has_so_many_unfinished_jobs_and_others_are_not_kept_out(database: Database) -> None:
    queue = queue_of(database)
    for _ in range(UNFINISHED_JOBS):
        last = await queue.add(SYSTEM, "count", {"steps": 1})
    with pytest.raises(ThrottledError):
        await queue.add(SYSTEM, "count", {"steps": 1})
    await queue.add(msgspec.structs.replace(SYSTEM, client_id="other"), "count", {"steps": 1})
    await JobList(database).cancel(last)
    await queue.add(SYSTEM, "count", {"steps": 1})


async def test_parameters_and_cursors_are_sealed_and_open_in_their_own_place_alone(
    database: Database,
) -> None:
    class Named(msgspec.Struct, frozen=True):
        name: str

    async def step(_context: StepContext[Count], cursor: Named) -> NextStep[Named] | Finished:
        return NextStep(Named(SECRET)) if not cursor.name else Finished()

    kind = JobKind("count", Count, Named(""), step)
    queue = queue_of(database, kind)
    job, other = [await queue.add(SYSTEM, "count", {"steps": 1, "secret": SECRET}) for _ in range(2)]
    row, foreign = await row_of(database, job), await row_of(database, other)
    for sealed in (row.sealed, row.cursor):
        assert SECRET.encode() not in sealed
        assert SYSTEM.organization.encode() not in sealed
    await change(database, other, due=milliseconds() + 600_000)
    as_stored = {"sealed": row.sealed, "cursor": row.cursor, "step": 0, "fence": 0, "losses": 0}
    for values in (
        {"sealed": foreign.sealed},
        {"cursor": foreign.cursor},
        {"step": 1},
        {"sealed": row.cursor},
        {"sealed": row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])},
        {"cursor": b""},
    ):
        await change(database, job, **(as_stored | {"state": "queued", "due": 0} | values))
        assert await runner_of(database, kind).run_next()
        failed = await row_of(database, job)
        assert (failed.state, "does not verify" in failed.error) == (JobState.FAILED, True)


async def test_a_damaged_row_keeps_no_other_job_waiting(tmp_path: Path) -> None:
    database = opened(tmp_path / "records.db")  # SQLite: elsewhere no column holds another kind of value
    queue = queue_of(database)
    damaged, good = [await queue.add(SYSTEM, "count", {"steps": 1}) for _ in range(2)]
    await database.write(
        lambda c: c.exec_driver_sql("UPDATE jobs SET done = 'x', due = 0 WHERE id = ?", (damaged,))
    )
    assert await runner_of(database).run_next()
    assert await numbers(database, good) == [0]
    assert not await runner_of(database).run_next()
    with pytest.raises(DamagedError):
        await JobList(database).newest()
    database.close()


async def test_a_kind_of_another_release_waits_for_a_runner_that_knows_it(database: Database) -> None:
    async def step(_context: StepContext[Count], _cursor: Counted) -> NextStep[Counted] | Finished:
        return Finished()

    newer = JobKind("newer", Count, Counted(), step)
    job = await queue_of(database, newer).add(SYSTEM, "newer", {"steps": 1})
    assert not await runner_of(database).run_next()
    assert await runner_of(database, newer).run_next()
    assert (await row_of(database, job)).state is JobState.DONE


def test_two_kinds_of_one_name_are_a_defect() -> None:
    with pytest.raises(ValueError, match="count"):
        JobKinds([counting(), counting()])


@given(place=st.integers(-1, 2**63 - 1), other=st.integers(-1, 2**63 - 1), data=st.binary())
def test_the_seal_binds_to_job_kind_and_place(place: int, other: int, data: bytes) -> None:
    sealed = SEAL.seal("a", "kind", place, data)
    assert SEAL.open("a", "kind", place, sealed) == data
    for where in (("b", "kind", place), ("a", "kin", place), ("a", "kind", other)):
        if where != ("a", "kind", place):
            with pytest.raises(DamagedError):
                SEAL.open(*where, sealed)


# -- memory, and the principal ---------------------------------------------------------


async def test_steps_of_all_jobs_share_a_memory_quota_of_their_own(database: Database) -> None:
    memory = MemoryQuota(2 * FREE_BYTES)
    larger: list[int] = []

    async def step(_context: StepContext[Count], cursor: Counted) -> NextStep[Counted] | Finished:
        quota.current().reserve(larger[0])
        assert memory.used == COPIES_IN_MEMORY * larger[0] - FREE_BYTES
        return Finished() if cursor.at else NextStep(Counted(1))

    queue = queue_of(database)
    for size, state in ((FREE_BYTES, JobState.DONE), (2 * FREE_BYTES, JobState.FAILED)):
        larger[:] = [size]
        job = await queue.add(SYSTEM, "count", {"steps": 1})
        assert await runner_of(database, kind_of(step), quota=memory).run_next()
        row = await row_of(database, job)
        assert row.state is state
        assert memory.used == 0
    assert row.error.startswith("too-costly")
    with pytest.raises(NoQuotaError):
        quota.current().reserve(0)


async def test_a_step_acts_for_the_principal_that_started_the_job(database: Database) -> None:
    seen: list[Principal] = []

    async def step(context: StepContext[Count], _cursor: Counted) -> NextStep[Counted] | Finished:
        seen.append(context.principal)
        return Finished()

    principal = msgspec.structs.replace(SYSTEM, client_id="lab", purpose="HRESCH", role="x|y")
    await queue_of(database).add(principal, "count", {"steps": 1})
    assert await runner_of(database, kind_of(step)).run_next()
    assert seen == [principal]


async def test_the_jobs_of_a_disabled_client_are_cancelled(asking: Any) -> None:
    queue = queue_of(asking.database)
    lab = msgspec.structs.replace(SYSTEM, client_id="lab")
    mine, other = await queue.add(lab, "count", {"steps": 1}), await queue.add(SYSTEM, "count", {"steps": 1})
    await asking.tokens.clients.disable("lab")
    assert (await row_of(asking.database, mine)).state is JobState.CANCELLED
    assert (await row_of(asking.database, other)).state is JobState.QUEUED


def test_the_kind_that_removes_what_expired_takes_no_parameters() -> None:
    assert msgspec.json.encode(NoParameters()) == b"{}"
    assert Rounds().done == 0
