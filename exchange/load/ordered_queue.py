"""The queue in which chunks of a load wait to be written in the order of their files, however they are read.

The queue does no work itself: it orders, bounds how far reading gets ahead of writing, and returns the
batches that can be written now. All calls come from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from exchange.auth.write_right import WriteRight
from exchange.load import Chunk, FilePosition, LoadFault
from exchange.load.worker import PreparedBatch, SourcePlace
from exchange.services.records.changes import Deletion, Prepared, RecordChange

_MOST_CHUNKS = 64
_MOST_BYTES = 16 << 20
_MOST_CHANGES = 5_000


@dataclass(slots=True)
class LoadedBatch:
    """The outcome of one batch: how many were `stored`, `unchanged` or at fault.

    `fingerprint` and `end` are the position in its file, `documents` where in it the records stood that were
    read, `size` how many bytes on disk were read for it. `notices` are what the author of a consent is told.
    """

    fingerprint: str
    end: FilePosition
    size: int
    documents: tuple[SourcePlace, ...]
    faults: list[LoadFault]
    stored: int = 0
    unchanged: int = 0
    notices: list[LoadFault] = field(default_factory=list)

    def count(self, outcome: str) -> None:
        """Count one write by its outcome."""
        if outcome == "unchanged":
            self.unchanged += 1
        else:
            self.stored += 1


@dataclass(slots=True)
class Slot:
    """One chunk in the queue: its batches that were read and not yet written."""

    chunk: Chunk
    waiting: deque[WaitingBatch] = field(default_factory=deque)
    unwritten: int = 0
    ended: bool = False
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """One batch that can be written when those before it are."""

    slot: Slot
    ready: PreparedBatch
    size: int

    def changes(
        self, right: WriteRight, *, replace: bool = False
    ) -> Iterator[tuple[RecordChange, SourcePlace]]:
        """Yield the changes to write under `right`, each with its place in the file.

        With `replace`, those that are `only_new` replace what is there, too.
        """
        ready = self.ready
        for record, place, only_new in zip(ready.prepared, ready.prepared_at, ready.only_new, strict=True):
            yield Prepared(right, record, skip_equal=True, only_new=only_new and not replace), place
        for removal, place in zip(ready.removals, ready.removals_at, strict=True):
            yield Deletion(right, removal.resource_type, removal.logical_id, skip_absent=True), place

    def loaded(self) -> LoadedBatch:
        """Return the batch as it stands before anything is written."""
        chunk, ready = self.slot.chunk, self.ready
        faults = [
            LoadFault(chunk.source, refused.place.line, refused.reason, refused.place.entry)
            for refused in ready.refused
        ]
        return LoadedBatch(chunk.fingerprint, ready.end, ready.size, ready.documents, faults)


class OrderedQueue:
    """Slots in the order of the files. `readers` are the tasks that fill them."""

    def __init__(self) -> None:
        self.readers: list[asyncio.Task[None]] = []
        self._slots: deque[Slot] = deque()
        self._bytes = 0
        self._closed = False
        self._error: Exception | None = None
        self._change = asyncio.Event()

    def enter(self, chunk: Chunk) -> Slot:
        """Return a slot for `chunk` behind all others."""
        slot = Slot(chunk)
        self._slots.append(slot)
        return slot

    def close(self, error: Exception | None = None) -> None:
        """Accept no more chunks; `error` is raised when those in the queue have been written."""
        self._closed, self._error = True, error
        self._tell()

    def add(self, slot: Slot, ready: PreparedBatch, *, size: int) -> None:
        """Add a batch that was read of a chunk; it needs about `size` bytes of memory."""
        slot.waiting.append(WaitingBatch(slot, ready, size))
        slot.unwritten += 1
        self._bytes += size
        self._tell()

    def end(self, slot: Slot, error: Exception | None = None) -> None:
        """End the chunk; `error` is raised when the batches that it had are written."""
        slot.ended, slot.error = True, error
        self._clear()
        self._tell()

    def ready(self) -> list[WaitingBatch]:
        """Return the batches that can be written now, in order; none if the next is still being read.

        Raises:
            Exception: that which ended the reading of what would be next.
        """
        found: list[WaitingBatch] = []
        changes = 0
        for slot in self._slots:
            while slot.waiting and changes < _MOST_CHANGES:
                batch = slot.waiting.popleft()
                changes += len(batch.ready.prepared) + len(batch.ready.removals)
                found.append(batch)
            if slot.waiting or slot.error is not None or not slot.ended:
                break
        if not found:
            error = self._slots[0].error if self._slots else self._error
            if error is not None:
                raise error
        return found

    def leave(self, batches: Sequence[WaitingBatch]) -> None:
        """Record that `batches`, which `ready` returned, are written."""
        for batch in batches:
            batch.slot.unwritten -= 1
            self._bytes -= batch.size
        self._clear()
        self._tell()

    @property
    def ended(self) -> bool:
        """Return whether all is written and nothing will come."""
        return self._closed and self._error is None and not self._slots

    def is_first(self, slot: Slot) -> bool:
        """Return whether all batches before the one that `slot` reads now are written."""
        return self._slots[0] is slot and not slot.unwritten

    async def first(self, slot: Slot) -> None:
        """Wait until `is_first(slot)`."""
        while not self.is_first(slot):
            await self.changed()

    async def space(self, least: int) -> None:
        """Wait until another chunk may be read ahead, of which `least` always may.

        No more than that are given out to be read at a time, and fewer while much has been read and waits.
        """
        while len(self._slots) >= least and (
            sum(not slot.ended for slot in self._slots) >= least
            or len(self._slots) >= _MOST_CHUNKS
            or self._bytes >= _MOST_BYTES
        ):
            await self.changed()
        self.readers[:] = [task for task in self.readers if not task.done()]

    async def changed(self) -> None:
        """Wait for the next change of the queue."""
        await self._change.wait()

    def _clear(self) -> None:
        slots = self._slots
        while slots and slots[0].ended and slots[0].error is None and not slots[0].unwritten:
            slots.popleft()

    def _tell(self) -> None:
        self._change.set()  # wakes the tasks that wait now, and no later ones
        self._change.clear()
