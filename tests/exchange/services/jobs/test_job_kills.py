"""A runner that is killed at any moment of any step leaves a job that is resumed, each step once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.records.jobs import JobState
from tests.support.jobs_site import (
    LEASE,
    SYSTEM,
    Moment,
    numbers,
    opened,
    queue_of,
    row_of,
    runner_of,
)

STEPS = 3
ROOT = Path(__file__).parents[4]


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


@pytest.fixture
def kill_at(place: Place) -> Iterator[Callable[[int, Moment], Awaitable[None]]]:
    """Run what is due in another process, which is killed at this moment of this step."""
    where = (place.url, place.name) if isinstance(place, Schema) else (str(place), "")
    command = [sys.executable, "-m", "tests.support.jobs_site", *where]
    with subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        write, read = process.stdin.write, process.stdout.readline

        async def kill(step: int, moment: Moment) -> None:
            await asyncio.to_thread(write, f"{step} {moment}\n")
            assert await asyncio.to_thread(read) == "-9\n"

        yield kill
        process.stdin.close()


async def test_a_job_is_resumed_after_a_kill_at_each_moment_of_each_step(
    database: Database, kill_at: Callable[[int, Moment], Awaitable[None]]
) -> None:
    queue = queue_of(database)
    jobs: list[str] = []
    moments: tuple[Moment, ...] = ("before", "within", "after")
    for step in range(STEPS):
        for moment in moments:
            job = await queue.add(SYSTEM, "count", {"steps": STEPS})
            await kill_at(step, moment)
            left = await numbers(database, job)
            assert left == list(range(step + (moment == "after")))
            row = await row_of(database, job)
            assert (row.state, row.step) == (JobState.RUNNING, len(left))
            await asyncio.sleep(LEASE * 1.1)
            assert await runner_of(database).run_next()
            jobs.append(job)
    for job in jobs:
        row = await row_of(database, job)
        assert (row.state, row.done, row.total) == (JobState.DONE, STEPS, STEPS)
        assert await numbers(database, job) == list(range(STEPS))


async def test_a_job_that_ends_its_runner_again_and_again_is_given_up(
    database: Database, kill_at: Callable[[int, Moment], Awaitable[None]]
) -> None:
    job = await queue_of(database).add(SYSTEM, "count", {"steps": STEPS})
    for _ in range(5):
        await kill_at(1, "within")
        await asyncio.sleep(LEASE * 1.1)
    assert not await runner_of(database).run_next()
    row = await row_of(database, job)
    assert (row.state, row.error) == (JobState.FAILED, "its runners ended without a word")
    assert await numbers(database, job) == [0]
