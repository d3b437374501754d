"""Group commit: one transaction decides for all waiting callers, or logs what all of them did.

While transactions are in flight, calls queue; each new transaction holds all waiting calls, up to the
contract's limit. A call that comes alone is submitted at once. The requests of one call stay together, so a
caller has one transaction to point to.

Where several transactions may be in flight, many calls are shared out among those that are free: callers
that were answered together come back together, and one batch of all of them would leave every stage of the
ledger idle while another works.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from chaincode.access.calls import Decisions, Recorded
from chaincode.access.model import BATCH_LIMIT, Decision
from exchange.errors import DamagedError, TooCostlyError, UnavailableError
from exchange.ledger.errors import RefusedError
from exchange.ledger.metrics import BATCH_REQUESTS, COMMIT_SECONDS, WAIT_SECONDS
from exchange.ledger.port import Committed

_LEAST_BATCH = 256
"""Requests; below that, the cost of one more transaction outweighs the gain of sharing. On Fabric it was
about the cost of a hundred requests (three organisations on 2 cores), and one batch of 256 took less time
than two of 128."""

_decisions = msgspec.json.Decoder(Decisions)
_recorded = msgspec.json.Decoder(Recorded)


class BatchPart(msgspec.Struct, frozen=True):
    """One call's part of a committed transaction; `first` is its first request's number in the batch."""

    committed: Committed
    first: int
    decisions: Sequence[Decision]


class _Call:
    __slots__ = ("arrived", "future", "requests")

    def __init__(self, requests: Sequence[bytes], future: asyncio.Future[BatchPart]) -> None:
        self.requests, self.future, self.arrived = requests, future, time.perf_counter()


class GroupCommit:
    """The queue of calls of one contract function. `submit` runs one transaction on the encoded batch.

    `access:authorize` takes `requests` and answers with decisions; with `records`, the function is
    `access:record`, which takes `events` and decides nothing.

    `in_flight` transactions may run at once: 1 where the ledger writes one block at a time, a few where
    a commit needs several network round trips. `submit` ends each within a bound of its own, so one clock
    per transaction serves all callers; a call that queued longer than `timeout` seconds is given up.
    """

    def __init__(
        self,
        submit: Callable[[bytes], Awaitable[Committed]],
        *,
        in_flight: int,
        timeout: float,
        records: bool = False,
    ) -> None:
        self._head, self._read = (b'{"events":[', _no_decisions) if records else (b'{"requests":[', _read)
        self._submit, self._free, self._timeout = submit, in_flight, timeout
        self._idle = in_flight
        self._waiting: deque[_Call] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    async def share(self, requests: Sequence[bytes]) -> BatchPart:
        """Have these canonical requests, or events, in one transaction, together with those of other calls.

        A caller that is cancelled before its transaction starts leaves no trace on the ledger; after
        that, its requests are decided and logged, without an effect on others.

        Raises:
            TooCostlyError: more requests than one transaction may hold.
            RefusedError: the contract refused these requests (those of other callers are not affected).
            UnavailableError: the ledger can't be reached.
        """
        if len(requests) > BATCH_LIMIT:
            raise TooCostlyError(f"one transaction decides at most {BATCH_LIMIT} requests")
        if self._closed:
            raise UnavailableError("the ledger is closed")
        call = _Call(requests, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._free:
            self._start()
        return await call.future

    async def close(self) -> None:
        """Let the accepted calls finish."""
        self._closed = True
        while self._running:
            await asyncio.wait(self._running)

    def _start(self) -> None:
        # The task starts on the loop's next turn, so calls of this turn are in the same batch.
        self._free -= 1
        task = asyncio.create_task(self._work(), name="ledger-group-commit")
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._free += 1
        self._running.discard(task)
        if task.cancelled():  # the loop is shutting down: no caller may wait for ever
            _fail(self._waiting, UnavailableError("the ledger client was stopped"))
            self._waiting.clear()
        elif self._waiting:  # came after the task had checked for the last time
            self._start()

    async def _work(self) -> None:
        while batch := self._next_batch():
            self._idle -= 1
            try:
                await self._commit(batch)
            finally:
                self._idle += 1

    def _next_batch(self) -> list[_Call]:
        batch: list[_Call] = []
        size = 0
        stale = time.perf_counter() - self._timeout
        most = BATCH_LIMIT
        if self._idle > 1:
            waiting = sum(len(call.requests) for call in self._waiting)
            most = max(_LEAST_BATCH, -(-waiting // self._idle))
        while self._waiting:
            call = self._waiting[0]
            if call.arrived < stale:
                _fail([call], UnavailableError("the ledger did not answer in time"))
            if call.future.done():
                self._waiting.popleft()
                continue
            size += len(call.requests)
            if size > BATCH_LIMIT or (batch and size > most):
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _commit(self, batch: list[_Call]) -> None:
        started = time.perf_counter()
        for call in batch:
            WAIT_SECONDS.observe(started - call.arrived)
        requests = [request for call in batch for request in call.requests]
        try:
            committed = await self._submit(self._head + b",".join(requests) + b"]}")
            decisions = self._read(committed.result, len(requests))
        except RefusedError as refusal:
            await self._separate(batch, refusal)
        except asyncio.CancelledError:
            _fail(batch, UnavailableError("the ledger client was stopped"))
            raise
        except Exception as why:  # noqa: BLE001  # every caller gets it; the next batch is another try
            _fail(batch, why)
        else:
            BATCH_REQUESTS.observe(len(requests))
            COMMIT_SECONDS.observe(time.perf_counter() - started)
            first = 0
            for call in batch:
                end = first + len(call.requests)
                if not call.future.done():
                    call.future.set_result(BatchPart(committed, first, decisions[first:end]))
                first = end

    async def _separate(self, batch: list[_Call], refusal: RefusedError) -> None:
        """Submit each call by itself, so that one bad request does not refuse those of other callers."""
        if len(batch) == 1:
            _fail(batch, refusal)
            return
        for call in batch:
            await self._commit([call])


def _read(result: bytes, count: int) -> tuple[Decision, ...]:
    try:
        decisions = _decisions.decode(result).decisions
    except msgspec.MsgspecError:
        raise DamagedError("the ledger's answer can't be read") from None
    if len(decisions) != count:
        raise DamagedError("the ledger's answer is not one decision per request")
    return decisions


def _no_decisions(result: bytes, count: int) -> tuple[Decision, ...]:
    try:
        written = _recorded.decode(result).entries
    except msgspec.MsgspecError:
        raise DamagedError("the ledger's answer can't be read") from None
    if written != count:
        raise DamagedError("the ledger's answer is not one entry per event")
    return ()


def _fail(calls: Sequence[_Call] | deque[_Call], why: Exception) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(why)
