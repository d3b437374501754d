"""Loading files in bulk: check and index in worker processes, seal and write in this one.

What a unit holds is stored as one: a transaction wholly or not at all, otherwise every item that is
valid. Ids are kept, and an item without one gets an id that depends on its place alone, so loading a
file again changes nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context

from exchange.core.actors import Principal, operator
from exchange.core.bundles import (
    conditional_references,
    rewrite_conditionals,
    rewrite_urns,
    with_id,
)
from exchange.core.errors import ExchangeError, PreconditionError, UnavailableError
from exchange.reading import Fault, Item, Plan, Unit, read
from exchange.services.bundles import Bundles
from exchange.services.indexing import Indexer, Prepared
from exchange.services.writing import Deletion, Writing

_NAMESPACE = uuid.UUID("b5a7c5e2-6a34-5f0d-9a55-6c2a5b1f6b1e")
_CHUNK = 64
_AHEAD = 3


@dataclass(slots=True)
class Seconds:
    """Processor seconds that the worker processes spent on checking and on indexing."""

    check: float = 0.0
    index: float = 0.0


@dataclass(slots=True)
class Loaded:
    """What became of one unit."""

    stored: int = 0
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Task:
    place: int
    resource_type: str
    logical_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Done:
    place: int
    prepared: Prepared | None
    reason: str = ""


_indexer: Indexer | None = None


def _begin(indexer: Indexer) -> None:
    global _indexer  # noqa: PLW0603 - a worker process has one indexer for its life
    _indexer = indexer


def _index(principal: Principal, tasks: Sequence[_Task]) -> tuple[list[_Done], float, float]:
    if _indexer is None:
        raise RuntimeError("the worker has no indexer")
    done: list[_Done] = []
    before_check, before_index = _indexer.seconds_checking, _indexer.seconds_indexing
    for task in tasks:
        try:
            prepared = _indexer.prepare(
                principal,
                task.body,
                resource_type=task.resource_type,
                logical_id=task.logical_id,
                skip_equal=True,
            )
            # The body goes back by reference to the task: it need not be copied twice between processes.
            done.append(_Done(task.place, replace(prepared, body=b"")))
        except ExchangeError as refused:
            done.append(_Done(task.place, None, _reason(refused)))
    return done, _indexer.seconds_checking - before_check, _indexer.seconds_indexing - before_index


def _reason(refused: ExchangeError) -> str:
    shown = "; ".join(f"{problem.path}: {problem.message}" for problem in refused.problems[:3])
    more = len(refused.problems) - 3
    if more > 0:
        shown += f"; and {more} more"
    return f"{refused}" + (f" ({shown})" if shown else "")


class Ingest:
    """Loads units into one gateway's records."""

    def __init__(
        self, *, msp_id: str, indexer: Indexer, writing: Writing, bundles: Bundles, workers: int = 2
    ) -> None:
        self._principal = operator(msp_id, "consentry-load")
        self._writing = writing
        self._bundles = bundles
        self._resolved: dict[str, str] = {}
        self._workers = workers
        self._pool = ProcessPoolExecutor(
            workers, mp_context=get_context("forkserver"), initializer=_begin, initargs=(indexer,)
        )
        self.seconds = Seconds()

    def close(self) -> None:
        """End the worker processes."""
        self._pool.shutdown(cancel_futures=True)

    async def warm_up(self) -> None:
        """Start the worker processes, which takes a second or two the first time."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            *(loop.run_in_executor(self._pool, _index, self._principal, ()) for _ in range(self._workers))
        )

    async def load(self, unit: Unit, *, after: asyncio.Task[Loaded] | None = None) -> Loaded:
        """Store what is valid in `unit`; what is not comes back as faults.

        `after` is the load of the unit before, under way: it may bring what this one refers to.

        Raises:
            UnavailableError: the store or the ledger can't be reached, or a worker died.
        """
        loaded = Loaded(faults=list(unit.faults))
        whole = unit.bundle == "transaction"
        tasks, deletions = await self._tasks(unit, loaded, after)
        if whole and loaded.faults:
            return loaded
        prepared = await self._prepare(unit, tasks, loaded)
        if whole and loaded.faults:
            return loaded
        for group in _apart([*prepared, *deletions]):
            results = await self._writing.write(group)
            same = sum(result.outcome == "unchanged" for result in results)
            loaded.unchanged += same
            loaded.stored += len(results) - same
        return loaded

    async def _tasks(
        self, unit: Unit, loaded: Loaded, after: asyncio.Task[Loaded] | None
    ) -> tuple[list[_Task], list[Deletion]]:
        places: dict[str, str] = {}
        ids = [_id_of(unit, item, at) for at, item in enumerate(unit.items)]
        for item, logical_id in zip(unit.items, ids, strict=True):
            if item.full_url is not None and item.full_url.startswith("urn:"):
                places[item.full_url] = f"{item.type}/{logical_id}"
        tasks: list[_Task] = []
        deletions: list[Deletion] = []
        for at, (item, logical_id) in enumerate(zip(unit.items, ids, strict=True)):
            method = item.request.method if item.request is not None else "PUT"
            if method == "DELETE" and item.request is not None and item.request.url.count("/") == 1:
                deletions.append(Deletion(item.type, item.request.url.partition("/")[2]))
                continue
            if method not in {"POST", "PUT"}:
                loaded.faults.append(_fault(item, "only POST, PUT and DELETE of Type/id can be loaded"))
                continue
            body = rewrite_urns(item.body, places) if places else item.body
            try:
                body = await self._resolve(body, after)
            except UnavailableError:
                raise
            except ExchangeError as refused:
                loaded.faults.append(_fault(item, str(refused)))
                continue
            if item.id != logical_id:
                body = with_id(body, logical_id)
            tasks.append(_Task(at, item.type, logical_id, body))
        return tasks, deletions

    async def _resolve(self, body: bytes, after: asyncio.Task[Loaded] | None) -> bytes:
        wanted = conditional_references(body)
        for reference in wanted - self._resolved.keys():
            try:
                found = await self._bundles.resolve(self._principal, reference)
            except PreconditionError:
                if after is None or after.done():
                    raise
                await asyncio.wait([after])
                found = await self._bundles.resolve(self._principal, reference)
            self._resolved[reference] = found
        return rewrite_conditionals(body, self._resolved) if wanted else body

    async def _prepare(self, unit: Unit, tasks: Sequence[_Task], loaded: Loaded) -> list[Prepared]:
        loop = asyncio.get_running_loop()
        chunks = [tasks[at : at + _CHUNK] for at in range(0, len(tasks), _CHUNK)]
        try:
            answers = await asyncio.gather(
                *(loop.run_in_executor(self._pool, _index, self._principal, chunk) for chunk in chunks)
            )
        except BrokenProcessPool:
            raise UnavailableError("a worker process died; load again to go on") from None
        prepared: list[Prepared] = []
        bodies = {task.place: task.body for task in tasks}
        for done, checking, indexing in answers:
            self.seconds.check += checking
            self.seconds.index += indexing
            for one in done:
                if one.prepared is None:
                    loaded.faults.append(_fault(unit.items[one.place], one.reason))
                else:
                    prepared.append(replace(one.prepared, body=bodies[one.place]))
        return prepared


def _fault(item: Item, reason: str) -> Fault:
    return Fault(item.source, item.line, reason, item.entry)


def _id_of(unit: Unit, item: Item, at: int) -> str:
    if item.id is not None:
        return item.id
    place = f"{unit.fingerprint}/{item.line}/{item.entry}/{at}"
    return str(uuid.uuid5(_NAMESPACE, place))


def _apart(changes: Iterable[Prepared | Deletion]) -> list[list[Prepared | Deletion]]:
    """`changes` in groups in which no record occurs twice, in an order that keeps each record's own."""
    groups: list[list[Prepared | Deletion]] = []
    depth: dict[tuple[str, str], int] = {}
    for change in changes:
        name = (change.resource_type, change.logical_id)
        level = depth.get(name, 0)
        depth[name] = level + 1
        if level == len(groups):
            groups.append([])
        groups[level].append(change)
    return groups


async def load_all(ingest: Ingest, plan: Plan) -> AsyncGenerator[tuple[Unit, Loaded]]:
    """Load the plan's units in order, a few at a time, so that the next is checked while one is written."""
    units = read(plan)
    under_way: deque[tuple[Unit, asyncio.Task[Loaded]]] = deque()
    try:
        while True:
            while len(under_way) < _AHEAD:
                unit = await asyncio.to_thread(next, units, None)
                if unit is None:
                    break
                after = under_way[-1][1] if under_way else None
                under_way.append((unit, asyncio.create_task(ingest.load(unit, after=after))))
            if not under_way:
                return
            first, task = under_way.popleft()
            yield first, await task
    finally:
        for _, task in under_way:
            task.cancel()
        await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)
