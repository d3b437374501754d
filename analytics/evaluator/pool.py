"""A few worker processes behind one asynchronous `score`, which survives the death of any of them.

The pool stores everything that a new worker needs: the models, and clients' evaluation keys in the form in
which they were sent, up to a bound for each client: no client's keys push out another's, and none can use
another's. A worker expands keys when it first needs them and drops the oldest; the
pool prefers a worker that has a query's keys. A worker that ends or is too slow is replaced, and only the
request that it was working on fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec
from cachetools import LRUCache

from analytics.encrypted.framing import ArtefactKind, unframe
from analytics.encrypted.headers import QueryHeader, read_header
from analytics.encrypted.parameters import BFV_SETS
from analytics.errors import EvaluatorBusyError, UnknownDigestError, WorkerLostError, error_class
from analytics.evaluator.turns import ClientTurns
from analytics.evaluator.worker import LENGTH, WorkerReply, WorkerRequest


@dataclass(frozen=True)
class PoolLimits:
    """Bounds of a pool. Memory is in bytes: of a worker, of its expanded keys, of a client's keys as sent.

    `waiting` requests wait for a worker, `waiting_each` of one client. `sets` are the parameter sets under
    which queries are answered.
    """

    workers: int = 2
    worker_memory: int = 6 << 30
    worker_keys: int = 512 << 20
    client_keys: int = 128 << 20
    waiting: int = 64
    waiting_each: int = 32
    seconds: float = 30.0
    sets: tuple[str, ...] = tuple(BFV_SETS)


@dataclass(eq=False)
class _Worker:
    process: asyncio.subprocess.Process
    keys: set[str] = field(default_factory=set)

    async def call(self, request: WorkerRequest, seconds: float) -> bytes:
        """Return the result of a request. Raises the worker's refusal, or WorkerLostError."""
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise WorkerLostError("the worker has no pipes")
        body = msgspec.msgpack.encode(request)
        try:
            async with asyncio.timeout(seconds):
                stdin.write(LENGTH.pack(len(body)) + body)
                await stdin.drain()
                length = LENGTH.unpack(await stdout.readexactly(LENGTH.size))[0]
                reply = msgspec.msgpack.decode(await stdout.readexactly(length), type=WorkerReply)
        except (OSError, EOFError, TimeoutError, msgspec.DecodeError) as error:
            raise WorkerLostError(
                "the process doing the arithmetic ended; the request was not answered"
            ) from error
        if reply.code:
            raise error_class(reply.code)(reply.message)
        return reply.result

    async def end(self) -> None:
        """Stop the process and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class WorkerPool:
    """Scores queries on worker processes. Use as an asynchronous context manager."""

    def __init__(self, models: Mapping[str, bytes], limits: PoolLimits | None = None) -> None:
        self.limits = limits or PoolLimits()
        self._models = dict(models)
        self._stored: dict[str, LRUCache[str, bytes]] = {}
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._turns = ClientTurns(
            self.limits.workers, waiting=self.limits.waiting, each=self.limits.waiting_each
        )
        self.lost = 0

    async def __aenter__(self) -> WorkerPool:
        started = await asyncio.gather(*(self._start() for _ in range(self.limits.workers)))
        self._idle.extend(started)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(worker.end() for worker in self._all))
        self._all.clear()
        self._idle.clear()

    @property
    def processes(self) -> tuple[int, ...]:
        """Return the process ids of the workers."""
        return tuple(sorted(worker.process.pid for worker in self._all))

    @property
    def stored_bytes(self) -> int:
        """Return the memory of keys in this process; workers' expanded keys have their own bound."""
        return sum(int(stored.currsize) for stored in self._stored.values())

    async def add_keys(self, client: str, data: bytes) -> str:
        """Have a worker check the KEYS of `client`, store them, and return their digest.

        Raises:
            ArtefactError: they are refused.
            EvaluatorBusyError, WorkerLostError: try again.
        """
        if len(data) > self.limits.client_keys:
            raise EvaluatorBusyError("these keys are larger than the memory for keys")
        async with self._turns.turn(client), self._worker("") as worker:
            digest = (await worker.call(WorkerRequest("keys", data), self.limits.seconds)).decode()
            worker.keys.add(digest)
        if client not in self._stored:
            self._stored[client] = LRUCache(self.limits.client_keys, getsizeof=len)
        self._stored[client][digest] = data
        return digest

    def query(self, client: str, data: bytes) -> QueryHeader:
        """Return the header of a QUERY of `client` for a model and keys that are here.

        Raises:
            UnknownDigestError: the model or the keys are not stored (or no longer: send the keys again).
            ArtefactError: it is no query.
        """
        query = read_header(unframe(data, ArtefactKind.QUERY, sections=(1,)), QueryHeader)
        if query.model not in self._models:
            raise UnknownDigestError("no model of that digest is registered")
        if query.keys not in self._stored.get(client, {}):
            raise UnknownDigestError("no evaluation keys of that digest are stored; send them again")
        return query

    async def score(self, client: str, data: bytes) -> bytes:
        """Return the ANSWER to a QUERY of `client`.

        Raises:
            UnknownDigestError: the model or the keys are not stored (or no longer: send the keys again).
            ArtefactError: the query is refused.
            EvaluatorBusyError, WorkerLostError: try again with a new query.
        """
        query = self.query(client, data)
        keys = self._stored[client][query.keys]
        async with self._turns.turn(client), self._worker(query.keys) as worker:
            if query.keys in worker.keys:
                with contextlib.suppress(UnknownDigestError):
                    return await worker.call(WorkerRequest("score", data), self.limits.seconds)
            await worker.call(WorkerRequest("keys", keys), self.limits.seconds)
            worker.keys.add(query.keys)
            return await worker.call(WorkerRequest("score", data), self.limits.seconds)

    @contextlib.asynccontextmanager
    async def _worker(self, keys: str) -> AsyncIterator[_Worker]:
        worker: _Worker | None = None
        try:
            worker = self._idle_worker(keys) or await self._start()
            yield worker
        except (WorkerLostError, asyncio.CancelledError):
            # After a cancelled call the pipes hold half a message, so the worker can't be reused.
            self.lost += 1
            if worker is not None:
                self._all.discard(worker)
                await worker.end()
                worker = None
            raise
        finally:
            if worker is not None:
                self._idle.append(worker)

    def _idle_worker(self, keys: str) -> _Worker | None:
        if not self._idle:
            return None
        chosen = next((w for w in self._idle if keys in w.keys), self._idle[0])
        self._idle.remove(chosen)
        return chosen

    async def _start(self) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "analytics.evaluator.worker",
            str(self.limits.worker_memory),
            str(self.limits.worker_keys),
            *self.limits.sets,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = _Worker(process)
        self._all.add(worker)
        for model in self._models.values():
            await worker.call(WorkerRequest("model", model), self.limits.seconds)
        return worker
