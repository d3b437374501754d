"""One connection a thread, many callers: work that waits together shares one transaction.

A database call costs a thread hop, and a durable commit a disk flush. Under load both are shared by
all calls that queued meanwhile; alone, a call runs at once. Each call runs in a savepoint of its own, so
that a failure undoes nothing of the others.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from exchange.errors import UnavailableError
from exchange.store.engine.freshness import Freshness
from exchange.store.engine.postgres import is_read_only

T = TypeVar("T")
Work = Callable[[Connection], Any]

_MOST_AT_ONCE = 256
_SHARED_AT_ONCE = 16  # where several threads share one queue, none empties it


class _Job:
    __slots__ = ("ends_session", "error", "future", "loop", "result", "work")

    def __init__(self, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        self.work, self.loop = work, loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self.ends_session = False

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Worker:
    """Runs work on `engine`; with `writes`, queued work commits together before any caller returns.

    With `freshness`, which knows the rows that should be there, those that are committed count.

    Raises:
        UnavailableError: no connection is to be had.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        writes: bool,
        name: str,
        threads: int = 1,
        freshness: Freshness | None = None,
    ) -> None:
        self._writes = writes
        self._freshness = freshness or Freshness()  # one that watches nothing
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._at_once = _MOST_AT_ONCE if threads == 1 else _SHARED_AT_ONCE
        connections: list[Connection] = []
        try:
            for _ in range(threads):
                connections.append(engine.connect())  # noqa: PERF401 - those that are open get closed
        except SQLAlchemyError:
            for connection in connections:
                connection.close()
            raise UnavailableError("the document store can't be reached") from None
        self._threads = [
            threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
            for connection in connections
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, commit it, and return its result.

        Raises:
            UnavailableError: the database can't do it now; nothing of this work was committed, unless the
                connection was lost during its commit: then that is not known.
            Exception: the error that `work` raised; nothing of it was committed.
        """
        job = _Job(work, asyncio.get_running_loop())
        self._queue.put(job)
        try:
            result: T = await job.future
            return result
        finally:
            del job  # an error's traceback holds this frame: in a ring with it, all would outlive the request

    def close(self) -> None:
        """Finish queued work and end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, connection: Connection) -> None:
        with connection:
            while self._serve_next(connection):
                pass

    def _serve_next(self, connection: Connection) -> bool:
        """Run the waiting work; return whether there may be more. Holds no reference to it afterwards."""
        first = self._queue.get()
        if first is None:
            return False
        jobs = [first]
        ended = False
        while len(jobs) < self._at_once:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
            if job is None:
                ended = True
                break
            jobs.append(job)
        waiting = jobs
        while waiting:
            waiting = self._run_together(connection, waiting)
        _settle(jobs)
        return not ended

    def _run_together(self, connection: Connection, jobs: list[_Job]) -> list[_Job]:
        """Run `jobs` in one transaction; returns those for which there has to be another."""
        alone, lost = len(jobs) == 1, not connection.invalidated
        try:
            with connection.begin() as transaction:
                lost = False
                self._freshness.settle(connection)
                for at, job in enumerate(jobs, start=1):
                    self._run_one(connection, job, alone=alone)
                    if not self._writes and isinstance(job.error, UnavailableError):
                        transaction.rollback()  # PostgreSQL answers nothing more in it
                        return jobs[at:]
                if alone and jobs[0].error is not None:
                    transaction.rollback()  # of one call, the transaction is its savepoint
            self._freshness.committed()
        except (SQLAlchemyError, UnavailableError):
            self._freshness.lost()
            if lost and connection.invalidated:  # the server was away since the last one: no work began
                return jobs
            for job in jobs:
                job.error = job.error or UnavailableError("the document store can't commit now")
        if any(job.ends_session for job in jobs) and not connection.invalidated:
            connection.invalidate()  # the next transaction begins a session
        return []

    def _run_one(self, connection: Connection, job: _Job, *, alone: bool) -> None:
        before = self._freshness.position()
        try:
            if self._writes and not alone:
                with connection.begin_nested():
                    job.result = job.work(connection)
            else:
                job.result = job.work(connection)
        except SQLAlchemyError as why:
            self._freshness.undo(before)
            job.error = UnavailableError("the document store can't answer now")
            job.ends_session = is_read_only(why)
        except Exception as error:  # noqa: BLE001 - carried to the caller that gave this work
            self._freshness.undo(before)
            traceback.clear_frames(error.__traceback__)  # they hold data; their places stay
            job.error = error


def _settle(jobs: list[_Job]) -> None:
    # Callers of one event loop are woken by one call into it.
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, mine in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_all, mine)


def _settle_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settle()
