"""Jobs that count into a table, on SQLite or PostgreSQL; as a program, runners that kill themselves.

The program is given a place (a path and "", or a URL and a schema). For each line `STEP MOMENT` that it reads
it forks a runner that dies at this moment, and prints how that ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

from exchange.auth.principal import Principal
from exchange.crypto.job_seal import JobSeal
from exchange.runtime.quota import MemoryQuota
from exchange.services.access.enforcement import Enforcement
from exchange.services.jobs.kinds import Finished, JobKind, JobKinds, NextStep, StepContext
from exchange.services.jobs.queue import JobQueue
from exchange.services.jobs.runner import JobRunner
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.migrations.create import create_records
from exchange.store.records import jobs as store
from exchange.store.records.jobs import JobRow
from exchange.store.records.tables import metadata

SEAL = JobSeal(bytes(range(32)))
SYSTEM: Principal = Principal.for_operator("CityMSP", "test")
Moment = Literal["before", "within", "after", "never"]
LEASE = 0.3

counted = Table(
    "counted",
    MetaData(),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("job", String(32), primary_key=True),
)


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number to count to."""

    steps: int
    secret: str = ""


class Counted(msgspec.Struct, frozen=True):
    """The number that comes next."""

    at: int = 0


async def _at_once(_at: int) -> None:
    pass


def counting(
    *,
    hook: Callable[[str, int], None] = lambda *_: None,
    wait: Callable[[int], Awaitable[None]] = _at_once,
) -> JobKind[Count, Counted]:
    """Return a kind of job that writes each number once: a second time is refused by the table's key.

    `hook` is called before each step and within its commit; each step waits for `wait` first.
    """

    async def step(context: StepContext[Count], cursor: Counted) -> NextStep[Counted] | Finished:
        hook("before", cursor.at)
        await wait(cursor.at)
        if cursor.at == context.parameters.steps:
            return Finished()

        def write(connection: Connection) -> None:
            connection.execute(insert(counted).values(n=cursor.at, job=context.job))
            hook("within", cursor.at)

        return NextStep(Counted(cursor.at + 1), write, done=cursor.at + 1, total=context.parameters.steps)

    return JobKind("count", Count, Counted(), step)


def opened(place: Place) -> Database:
    """Open the records database with the table to count into."""
    database = Database(place, metadata, durable=False, begin=create_records)
    with database.engine.begin() as connection:
        counted.create(connection, checkfirst=True)
    return database


def queue_of(database: Database, *kinds: JobKind[Any, Any]) -> JobQueue:
    return JobQueue(database, JobKinds(kinds or (counting(),)), SEAL)


def runner_of(database: Database, *kinds: JobKind[Any, Any], **settings: Any) -> JobRunner:
    """Return a runner with steps that ask no ledger."""
    asked = {
        "enforcement": cast("Enforcement", None),
        "quota": MemoryQuota(1 << 20),
        "lease": LEASE,
        "poll": 0.02,
    } | settings
    return JobRunner(records=database, kinds=JobKinds(kinds or (counting(),)), seal=SEAL, **asked)


async def numbers(database: Database, job: str) -> list[int]:
    """Return the numbers that the job has written."""
    statement = select(counted.c.n).where(counted.c.job == job).order_by(counted.c.n)
    return await database.read(lambda c: list(c.execute(statement).scalars()))


async def row_of(database: Database, job: str) -> JobRow:
    found = await database.read(lambda c: store.find(c, job))
    assert found is not None
    return found


def run_until_killed(place: Place, step: int, moment: Moment) -> None:
    """Run what is due; at this moment of this step the process kills itself."""

    def hook(when: str, at: int) -> None:
        if (when, at) == (moment, step) or (moment, when, at) == ("after", "before", step + 1):
            os.kill(os.getpid(), signal.SIGKILL)

    async def work() -> None:
        database = opened(place)
        try:
            runner = runner_of(database, counting(hook=hook))
            while await runner.run_next():
                pass
        finally:
            database.close()

    asyncio.run(work())


def main() -> None:
    url, schema = sys.argv[1:]
    place = Schema(url, schema) if schema else Path(url)
    for line in sys.stdin:
        step, moment = line.split()
        child = os.fork()  # no thread is running here
        if not child:
            run_until_killed(place, int(step), cast("Moment", moment))
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
