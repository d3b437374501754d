"""Loading files in bulk: worker processes read, check and index; this one seals and writes, in order.

A batch is stored as one: a transaction completely or not at all, otherwise every valid document. Batches are
written in the order of the files, so of a record that occurs twice the later one stands. Those that are ready
together share a commit, which also holds the positions of their files.

Ids stay, and a document without one gets an id that depends on its place alone, so loading a file again
changes nothing. An id that another server gave names nothing here without `same_ids`: that of an entry with
POST, or with a `fullUrl` of another server. Such an entry replaces no record, and where
it would, its Bundle is refused as a whole, because others may refer to it.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from exchange.auth.principal import Principal
from exchange.errors import DamagedError, ExchangeError, UnavailableError
from exchange.load import Chunk, LoadFault
from exchange.load.ordered_queue import LoadedBatch, OrderedQueue, Slot, WaitingBatch
from exchange.load.positions import FilePosition, read_positions, write_positions
from exchange.load.worker import (
    ChunkDone,
    FoundReferences,
    SourcePlace,
    WantedReferences,
    WorkerSeconds,
    answered,
    message_of,
    serve,
)
from exchange.runtime.quota import Reservation, UnboundedQuota
from exchange.runtime.workers import Processes
from exchange.services.access.releases import Exchange
from exchange.services.records.changes import RecordChange
from exchange.services.records.conditions.searched import Conditions
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.prepare import Indexer
from exchange.services.records.write_rights import for_loading
from exchange.services.writes.deeds import LOAD
from exchange.store.engine.database import Database

Ends = Sequence[tuple[str, FilePosition]]
"""The position of each file, by fingerprint."""

LoadPlace = tuple[Path, SourcePlace]
"""A file and a place in it."""

_Change = tuple[RecordChange, LoadPlace, LoadedBatch]
"""A change, its place, and the batch that it is counted for."""
_QUOTA = UnboundedQuota("bulk load")


class BulkLoad:
    """Loads files into one gateway's records; `async with` starts the worker processes and ends them."""

    def __init__(
        self,
        *,
        msp_id: str,
        indexer: Indexer,
        writing: RecordWriter,
        conditions: Conditions,
        records: Database,
        workers: int = 2,
        same_ids: bool = False,
    ) -> None:
        self._principal = Principal.for_operator(msp_id, "consentry-load")
        self._writing = writing
        self._conditions = conditions
        self._right = for_loading()
        self._records = records
        self._workers = workers
        self._same_ids = same_ids
        self._processes = Processes(workers, partial(serve, same_ids=same_ids), indexer)
        self.seconds = WorkerSeconds()
        """Processor seconds of the worker processes."""

    async def __aenter__(self) -> BulkLoad:
        await self._processes.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._processes.close)

    async def positions(self) -> dict[str, FilePosition]:
        """Read where each file was left by the loads before, by its fingerprint.

        Raises:
            UnavailableError: the store can't be reached.
        """
        return await self._records.read(read_positions)

    async def load(self, chunks: Iterable[Chunk]) -> AsyncGenerator[list[LoadedBatch]]:
        """Store the valid documents of `chunks`, in order; the others come back as faults.

        Batches come when they are durable, those of one commit together. A few chunks are read ahead of the
        one that is being written; a batch that is not written when the caller stops was not loaded.

        Raises:
            UnavailableError: the store or the ledger can't be reached, or a worker process died.
        """
        queue = OrderedQueue()
        tasks = [asyncio.create_task(self._feed(iter(chunks), queue))]
        try:
            while not queue.ended:
                batches = queue.ready()
                if not batches:
                    await queue.changed()
                    continue
                loads = await self._store(batches)
                queue.leave(batches)
                yield loads
        finally:
            tasks += queue.readers
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _feed(self, chunks: Iterator[Chunk], queue: OrderedQueue) -> None:
        try:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                slot = queue.enter(chunk)
                queue.readers.append(asyncio.create_task(self._read(slot, queue)))
                await queue.space(self._workers + 1)
        except Exception as why:  # noqa: BLE001 - carried to the caller that waits for the first slot
            queue.close(why)
        else:
            queue.close()

    async def _read(self, slot: Slot, queue: OrderedQueue) -> None:
        try:
            async with self._processes.conversation() as process:
                await process.send(pickle.dumps(slot.chunk))
                while not isinstance(message := message_of(said := await process.receive()), ChunkDone):
                    if isinstance(message, WantedReferences):
                        await process.send(answered(await self._resolve(message.references, slot, queue)))
                    else:
                        self.seconds += message.seconds
                        queue.add(slot, message, size=len(said))
            queue.end(slot)
        except Exception as why:  # noqa: BLE001 - carried to the caller that waits for the first slot
            queue.end(slot, why)

    async def _resolve(self, references: Sequence[str], slot: Slot, queue: OrderedQueue) -> FoundReferences:
        early = not queue.is_first(slot)
        found, refused = await self._look_up(references)
        if refused and early:
            await queue.first(slot)  # an earlier batch may bring the records that it refers to
            later, refused = await self._look_up(list(refused))
            found |= later
        return FoundReferences(found, refused)

    async def _look_up(self, references: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        # All at once, so that their decisions share a block of the ledger. No answer has what is found.
        with Reservation(_QUOTA), Exchange():
            results = await asyncio.gather(
                *(self._conditions.resolve(self._principal, reference) for reference in references),
                return_exceptions=True,
            )
        found: dict[str, str] = {}
        refused: dict[str, str] = {}
        for reference, result in zip(references, results, strict=True):
            if isinstance(result, str):
                found[reference] = result
            elif isinstance(result, ExchangeError) and not _is_ours(result):
                refused[reference] = str(result)
            else:
                raise result
        return found, refused

    async def _store(self, batches: Sequence[WaitingBatch]) -> list[LoadedBatch]:
        """Write the changes of `batches`; a change that the store refuses does not affect the others."""
        try:
            return await self._store_together(batches)
        except ExchangeError as refused:
            if _is_ours(refused):
                raise
            if len(batches) == 1:
                return [await self._store_apart(batches[0], refused)]
        return [loaded for batch in batches for loaded in await self._store([batch])]

    async def _store_together(self, batches: Sequence[WaitingBatch]) -> list[LoadedBatch]:
        loads = [batch.loaded() for batch in batches]
        changes = [
            (change, (batch.slot.chunk.source, place), loaded)
            for batch, loaded in zip(batches, loads, strict=True)
            for change, place in batch.changes(self._right, replace=self._same_ids)
        ]
        *before, last = _apart(changes) or [[]]
        for group in before:
            await self._write(group)
        await self._write(last, ends=_ends(batches))
        return loads

    async def _write(self, group: Sequence[_Change], *, ends: Ends = ()) -> None:
        changes = [change for change, _, _ in group]
        results = await self._writing.write(
            changes, by=self._principal, interaction=LOAD, also=lambda c: write_positions(c, ends)
        )
        for (_, (source, place), loaded), result in zip(group, results, strict=True):
            loaded.count(result.outcome)
            loaded.notices += (LoadFault(source, place.line, one, place.entry) for one in result.notices)

    async def _store_apart(self, batch: WaitingBatch, refused: ExchangeError) -> LoadedBatch:
        loaded = batch.loaded()
        source = batch.slot.chunk.source
        if batch.ready.bundle == "transaction" or (any(batch.ready.only_new) and not self._same_ids):
            at = self._place(batch, refused)
            loaded.faults.append(LoadFault(source, at.line, str(refused), at.entry))
            await self._write([], ends=_ends([batch]))
            return loaded
        for change, place in batch.changes(self._right, replace=self._same_ids):
            try:
                await self._write([(change, (source, place), loaded)])
            except ExchangeError as why:
                if _is_ours(why):
                    raise
                loaded.faults.append(LoadFault(source, place.line, str(why), place.entry))
        await self._write([], ends=_ends([batch]))
        return loaded

    def _place(self, batch: WaitingBatch, refused: ExchangeError) -> SourcePlace:
        """Return the place of the change that was refused, as far as it is known."""
        changes = list(batch.changes(self._right))
        if refused.change is None or len({(one.resource_type, one.logical_id) for one, _ in changes}) < len(
            changes
        ):
            return SourcePlace(None, None)  # written in several groups
        return changes[refused.change][1]


def _ends(batches: Sequence[WaitingBatch]) -> Ends:
    """Return the positions of the files behind `batches`.

    A batch that moves nothing on, such as a file that could not be read at all, is left out: the next run
    tries it again.
    """
    return [
        (batch.slot.chunk.fingerprint, batch.ready.end)
        for batch in batches
        if batch.ready.end != batch.slot.chunk.start
    ]


def _is_ours(error: ExchangeError) -> bool:
    """Return whether an error is about this server's state, and no fault of the data."""
    return isinstance(error, UnavailableError | DamagedError)


def _apart(changes: Iterable[_Change]) -> list[list[_Change]]:
    """Split `changes` into groups in which no record occurs twice; each keeps the order of its changes."""
    groups: list[list[_Change]] = []
    depth: dict[tuple[str, str], int] = {}
    for one in changes:
        change = one[0]
        name = (change.resource_type, change.logical_id)
        level = depth.get(name, 0)
        depth[name] = level + 1
        if level == len(groups):
            groups.append([])
        groups[level].append(one)
    return groups
