"""Runs jobs step by step, beside other runners on the same database.

1. A job is leased for `LEASE_SECONDS`, and the lease is renewed while a step takes longer. A runner that
   finds its lease lost gives its step up; the store refuses its commit in any case.
2. A failure that may pass (store, ledger or memory unavailable) puts the job back for a while that doubles
   each time. Any other ends the job: its error is stored, as code and message alone, which hold no PHI.
3. After a commit whose answer was lost the job is read again, so that no step is done twice.
4. A runner that is told to end gives its jobs back, and another goes on with them at once. One that is
   killed blocks them until their leases end.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Connection

from exchange.crypto.job_seal import PARAMETERS, JobSeal
from exchange.errors import DamagedError, ExchangeError, ThrottledError, UnavailableError
from exchange.runtime.quota import MemoryQuota, Reservation
from exchange.services.access.enforcement import Enforcement
from exchange.services.jobs.job_metrics import ENDED, STEPS
from exchange.services.jobs.kinds import Finished, JobKind, JobKinds, NextStep, StepContext
from exchange.services.jobs.queue import JobOrder, milliseconds
from exchange.store.engine.database import Database
from exchange.store.records import jobs as store
from exchange.store.records.jobs import JobLease, JobRow, JobState, LeaseLostError

LEASE_SECONDS: Final = 30.0
"""Seconds of a lease; after a runner was killed, its jobs wait no longer than this."""
POLL_SECONDS: Final = 2.0
"""Seconds after which an idle runner asks for jobs again."""
RETRY_SECONDS: Final = 2.0
LONGEST_RETRY_SECONDS: Final = 300.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _LeasedJob:
    """A job that this runner leases, opened."""

    row: JobRow
    kind: JobKind[Any, Any]
    context: StepContext[Any]
    cursor: Any

    @property
    def lease(self) -> JobLease:
        return JobLease(self.row.id, self.row.fence)


class JobRunner:
    """Runs jobs of `kinds` from the records database, `at_once` of them at a time.

    The steps of all of them share the memory of `quota`.
    """

    def __init__(
        self,
        *,
        records: Database,
        kinds: JobKinds,
        seal: JobSeal,
        enforcement: Enforcement,
        quota: MemoryQuota,
        at_once: int = 2,
        lease: float = LEASE_SECONDS,
        poll: float = POLL_SECONDS,
    ) -> None:
        self._records = records
        self._kinds = kinds
        self._seal = seal
        self._enforcement = enforcement
        self._quota = quota
        self._at_once = at_once
        self._lease = lease
        self._poll = poll
        self._owner = secrets.token_hex(8)

    async def keep_running(self) -> None:
        """Run due jobs, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(self._keep_running_one())

    async def _keep_running_one(self) -> None:
        while True:
            try:
                found = await self.run_next()
            except UnavailableError:
                found = False
            except Exception as why:  # noqa: BLE001 - a defect with one job must not end the others
                _log.error("jobs.defect", error=type(why).__name__)
                found = False
            if not found:
                await asyncio.sleep(self._poll)

    async def run_next(self) -> bool:
        """Lease the job that has been due longest and run it until it ends or waits; return if there was one.

        Raises:
            UnavailableError: the store can't be reached.
        """
        row = await self._acquire()
        if row is None:
            return False
        leased = await self._opened(row)
        try:
            while leased is not None:
                leased = await self._run_step(leased)
        except LeaseLostError:
            _log.info("job.lost", job=row.id, kind=row.kind)
        return True

    async def _acquire(self) -> JobRow | None:
        now = milliseconds()
        if not await self._records.read(lambda c: store.is_due(c, self._kinds, now)):
            return None  # this check costs no write
        until = self._until()
        return await self._records.write(
            lambda c: store.acquire(c, self._kinds, self._owner, now=now, until=until)
        )

    async def _opened(self, row: JobRow) -> _LeasedJob | None:
        """Open a leased job; one that does not open has failed."""
        kind = self._kinds[row.kind]
        try:
            order = msgspec.json.decode(
                self._seal.open(row.id, row.kind, PARAMETERS, row.sealed), type=JobOrder
            )
            parameters = msgspec.json.decode(order.parameters, type=kind.parameters)
            cursor = msgspec.json.decode(
                self._seal.open(row.id, row.kind, row.step, row.cursor), type=type(kind.first)
            )
        except DamagedError as why:
            await self._fail(row, str(why))
            return None
        except msgspec.MsgspecError:
            await self._fail(row, "its parameters are of another release; start it again")
            return None
        context = StepContext(row.id, order.principal, parameters, self._enforcement)
        return _LeasedJob(row, kind, context, cursor)

    async def _run_step(self, leased: _LeasedJob) -> _LeasedJob | None:
        """Do one step and commit it; return the job for the next one, None where there is none for now."""
        try:
            result = await self._step(leased)
            following = await self._commit(leased, result)
        except asyncio.CancelledError:
            await self._give_back(leased)
            raise
        except LeaseLostError:
            raise
        except (UnavailableError, ThrottledError) as why:
            await self._retry_later(leased, why)
            return None
        except ExchangeError as why:
            await self._fail(leased.row, f"{why.code}: {why}")
            return None
        except Exception as why:  # noqa: BLE001 - one job's defect must not end the others
            await self._fail(leased.row, type(why).__name__)
            return None
        STEPS.labels(leased.row.kind).inc()
        return following

    async def _step(self, leased: _LeasedJob) -> NextStep[Any] | Finished:
        """Do one step and return its result; renew the lease meanwhile.

        Raises:
            LeaseLostError: the job was cancelled, or is another runner's.
        """
        task = asyncio.create_task(self._within_quota(leased), name=f"job-{leased.row.kind}")
        try:
            ends = time.monotonic() + self._lease
            while not (await asyncio.wait({task}, timeout=self._lease / 3))[0]:
                try:
                    await self._renew(leased)
                    ends = time.monotonic() + self._lease
                except UnavailableError:
                    if time.monotonic() > ends:
                        raise LeaseLostError("the lease could not be renewed") from None
            return task.result()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _renew(self, leased: _LeasedJob) -> None:
        until = self._until()
        await self._records.write(lambda c: store.renew(c, leased.lease, until))

    async def _within_quota(self, leased: _LeasedJob) -> NextStep[Any] | Finished:
        with Reservation(self._quota):
            result: NextStep[Any] | Finished = await leased.kind.step(leased.context, leased.cursor)
            return result

    async def _commit(self, leased: _LeasedJob, result: NextStep[Any] | Finished) -> _LeasedJob | None:
        row, kind, now = leased.row, leased.kind, milliseconds()
        step = row.step + 1
        following = kind.first if isinstance(result, Finished) else result.cursor
        cursor = self._seal.seal(row.id, kind.name, step, msgspec.json.encode(following))

        def work(connection: Connection) -> None:
            if isinstance(result, NextStep):
                store.advance(
                    connection,
                    leased.lease,
                    step=step,
                    cursor=cursor,
                    done=result.done,
                    total=result.total,
                    until=self._until(),
                    now=now,
                )
            elif kind.every is None:
                store.end(connection, leased.lease, JobState.DONE, now=now)
            else:
                begin = {"step": step, "cursor": cursor, "attempts": 0, "error": ""}
                due = now + round(kind.every * 1000)
                store.release(connection, leased.lease, begin, due=due, now=now)
            if result.effect is not None:
                result.effect(connection)

        await self._records.write(work)
        if isinstance(result, NextStep):
            changed = msgspec.structs.replace(row, step=step, cursor=cursor, attempts=0)
            return _LeasedJob(changed, kind, leased.context, following)
        ENDED.labels(row.kind, JobState.DONE.value).inc()
        return None

    async def _retry_later(self, leased: _LeasedJob, why: ExchangeError) -> None:
        row, now = leased.row, milliseconds()
        pause = min(RETRY_SECONDS * 2 ** min(row.attempts, 16), LONGEST_RETRY_SECONDS)
        changed = {"attempts": row.attempts + 1, "error": _short(f"{why.code}: {why}")}
        _log.warning("job.retries", job=row.id, kind=row.kind, code=why.code, seconds=pause)
        with suppress(UnavailableError):  # then the lease ends by itself
            await self._records.write(
                lambda c: store.release(c, leased.lease, changed, due=now + round(pause * 1000), now=now)
            )

    async def _give_back(self, leased: _LeasedJob) -> None:
        now = milliseconds()
        with suppress(UnavailableError, LeaseLostError):
            await self._records.write(lambda c: store.release(c, leased.lease, {}, due=now, now=now))

    async def _fail(self, row: JobRow, error: str) -> None:
        lease, now = JobLease(row.id, row.fence), milliseconds()
        _log.error("job.failed", job=row.id, kind=row.kind, reason=error)
        ENDED.labels(row.kind, JobState.FAILED.value).inc()
        with suppress(UnavailableError, LeaseLostError):
            await self._records.write(
                lambda c: store.end(c, lease, JobState.FAILED, error=_short(error), now=now)
            )

    def _until(self) -> int:
        return milliseconds() + round(self._lease * 1000)


def _short(error: str) -> str:
    return error[:255]
