"""Loading files in bulk: worker processes read, check and index; this one seals and writes, in order.

What a unit holds is stored as one: a transaction wholly or not at all, otherwise every item that is valid.
Units are written in the order of the files, so of a record that occurs twice the later one stands; those
that are ready together share a commit. Ids are kept, and an item without one gets an id that depends on its
place alone, so loading a file again changes nothing.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

from exchange.auth.principal import Principal
from exchange.errors import DamagedError, ExchangeError, UnavailableError
from exchange.load import Fault, Piece
from exchange.load.ordered_queue import Line, Loaded, Turn, Waiting
from exchange.load.worker import Answers, Done, Seconds, Wanted, answered, message_of, serve
from exchange.runtime.quota import Reservation, UnboundedQuota
from exchange.runtime.workers import Processes
from exchange.services.records.changes import RecordChange
from exchange.services.records.conditions import Conditions
from exchange.services.records.create_update import Writing
from exchange.services.records.prepare import Indexer
from exchange.services.records.write_rights import for_loading

_QUOTA = UnboundedQuota("bulk load")


class Ingest:
    """Loads files into one gateway's records; `async with` starts the worker processes and ends them."""

    def __init__(
        self, *, msp_id: str, indexer: Indexer, writing: Writing, conditions: Conditions, workers: int = 2
    ) -> None:
        self._principal = Principal.for_operator(msp_id, "consentry-load")
        self._writing = writing
        self._conditions = conditions
        self._right = for_loading()
        self._workers = workers
        self._processes = Processes(workers, serve, indexer)
        self.seconds = Seconds()
        """Processor seconds of the worker processes."""

    async def __aenter__(self) -> Ingest:
        await self._processes.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._processes.close)

    async def load(self, pieces: Iterable[Piece]) -> AsyncGenerator[list[Loaded]]:
        """Store what is valid in `pieces`, in order; what is not comes back as faults.

        Units come when they are durable, those of one commit together. A few pieces are read ahead of the one
        that is being written; what is not written when the caller stops was not loaded.

        Raises:
            UnavailableError: the store or the ledger can't be reached, or a worker process died.
        """
        line = Line()
        tasks = [asyncio.create_task(self._feed(iter(pieces), line))]
        try:
            while not line.ended:
                units = line.ready()
                if not units:
                    await line.news()
                    continue
                loads = await self._store(units)
                line.leave(units)
                yield loads
        finally:
            tasks += line.readers
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _feed(self, pieces: Iterator[Piece], line: Line) -> None:
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                turn = line.enter(piece)
                line.readers.append(asyncio.create_task(self._read(turn, line)))
                await line.room(self._workers + 1)
        except Exception as why:  # noqa: BLE001 - carried to whoever waits at the head of the line
            line.close(why)
        else:
            line.close()

    async def _read(self, turn: Turn, line: Line) -> None:
        try:
            async with self._processes.conversation() as process:
                await process.send(pickle.dumps(turn.piece))
                while not isinstance(message := message_of(said := await process.receive()), Done):
                    if isinstance(message, Wanted):
                        await process.send(answered(await self._resolve(message.references, turn, line)))
                    else:
                        self.seconds += message.seconds
                        line.add(turn, message, size=len(said))
            line.end(turn)
        except Exception as why:  # noqa: BLE001 - carried to whoever waits at the head of the line
            line.end(turn, why)

    async def _resolve(self, references: Sequence[str], turn: Turn, line: Line) -> Answers:
        early = not line.is_head(turn)
        found, refused = await self._look_up(references)
        if refused and early:
            await line.head(turn)  # what comes before it may bring what it refers to
            later, refused = await self._look_up(list(refused))
            found |= later
        return Answers(found, refused)

    async def _look_up(self, references: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        # All at once, so that their decisions share a block of the ledger.
        with Reservation(_QUOTA):
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

    async def _store(self, units: Sequence[Waiting]) -> list[Loaded]:
        """Write what is in `units`; where the store refuses a change, the others are written without it."""
        try:
            return await self._store_together(units)
        except ExchangeError as refused:
            if _is_ours(refused):
                raise
            if len(units) == 1:
                return [await self._store_apart(units[0], refused)]
        return [loaded for unit in units for loaded in await self._store([unit])]

    async def _store_together(self, units: Sequence[Waiting]) -> list[Loaded]:
        loads = [unit.loaded() for unit in units]
        changes = [
            (change, loaded)
            for unit, loaded in zip(units, loads, strict=True)
            for change, _ in unit.changes(self._right)
        ]
        for group in _apart(changes):
            results = await self._writing.write([change for change, _ in group])
            for (_, loaded), result in zip(group, results, strict=True):
                loaded.count(result.outcome)
        return loads

    async def _store_apart(self, unit: Waiting, refused: ExchangeError) -> Loaded:
        loaded = unit.loaded()
        source = unit.turn.piece.source
        if unit.ready.bundle == "transaction":
            loaded.faults.append(Fault(source, None, str(refused)))
            return loaded
        for change, place in unit.changes(self._right):
            try:
                (result,) = await self._writing.write([change])
                loaded.count(result.outcome)
            except ExchangeError as why:
                if _is_ours(why):
                    raise
                loaded.faults.append(Fault(source, place.line, str(why), place.entry))
        return loaded


def _is_ours(error: ExchangeError) -> bool:
    """Whether an error is about this server's state, and no fault of what is loaded."""
    return isinstance(error, UnavailableError | DamagedError)


def _apart(changes: Iterable[tuple[RecordChange, Loaded]]) -> list[list[tuple[RecordChange, Loaded]]]:
    """`changes` in groups in which no record occurs twice, in an order that keeps each record's own."""
    groups: list[list[tuple[RecordChange, Loaded]]] = []
    depth: dict[tuple[str, str], int] = {}
    for change, loaded in changes:
        name = (change.resource_type, change.logical_id)
        level = depth.get(name, 0)
        depth[name] = level + 1
        if level == len(groups):
            groups.append([])
        groups[level].append((change, loaded))
    return groups
