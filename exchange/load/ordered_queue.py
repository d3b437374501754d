"""The line in which pieces of a load wait for their turn to be written, whichever is read first.

Nothing here does any work: it keeps the order, bounds how far reading gets ahead of writing, and says what
can be written now. All calls come from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from exchange.auth.write_right import WriteRight
from exchange.load import Fault, Piece, Position
from exchange.load.worker import Place, Ready
from exchange.services.records.changes import Deletion, Prepared, RecordChange

_MOST_PIECES = 64
_MOST_BYTES = 16 << 20
_MOST_CHANGES = 5_000


@dataclass(slots=True)
class Loaded:
    """What became of one unit: how many were `stored`, `unchanged` or at fault.

    `fingerprint` and `end` say how far its file is done, `items` where in it the records stood that were
    read, `size` how many bytes on disk were read for it.
    """

    fingerprint: str
    end: Position
    size: int
    items: tuple[Place, ...]
    faults: list[Fault]
    stored: int = 0
    unchanged: int = 0

    def count(self, outcome: str) -> None:
        """Count one write by its outcome."""
        if outcome == "unchanged":
            self.unchanged += 1
        else:
            self.stored += 1


@dataclass(slots=True)
class Turn:
    """One piece in the line: its units that were read and not yet written."""

    piece: Piece
    waiting: deque[Waiting] = field(default_factory=deque)
    unwritten: int = 0
    ended: bool = False
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """One unit that can be written when those before it are."""

    turn: Turn
    ready: Ready
    size: int

    def changes(self, right: WriteRight) -> Iterator[tuple[RecordChange, Place]]:
        """Yield the changes to write under `right`, each with its place in the file."""
        ready = self.ready
        for record, place in zip(ready.prepared, ready.prepared_at, strict=True):
            yield Prepared(right, record, skip_equal=True), place
        for removal, place in zip(ready.removals, ready.removals_at, strict=True):
            yield Deletion(right, removal.resource_type, removal.logical_id, skip_absent=True), place

    def loaded(self) -> Loaded:
        """The unit as it stands before anything is written."""
        piece, ready = self.turn.piece, self.ready
        faults = [
            Fault(piece.source, refused.place.line, refused.reason, refused.place.entry)
            for refused in ready.refused
        ]
        return Loaded(piece.fingerprint, ready.end, ready.size, ready.items, faults)


class Line:
    """Turns in the order of the files. `readers` are the tasks that fill them."""

    def __init__(self) -> None:
        self.readers: list[asyncio.Task[None]] = []
        self._turns: deque[Turn] = deque()
        self._bytes = 0
        self._closed = False
        self._error: Exception | None = None
        self._news = asyncio.Event()

    def enter(self, piece: Piece) -> Turn:
        """A turn for `piece` behind all others."""
        turn = Turn(piece)
        self._turns.append(turn)
        return turn

    def close(self, error: Exception | None = None) -> None:
        """Nothing enters any more; `error` is raised when all that did has been written."""
        self._closed, self._error = True, error
        self._tell()

    def add(self, turn: Turn, ready: Ready, *, size: int) -> None:
        """One more unit of a piece has been read; it takes about `size` bytes of memory."""
        turn.waiting.append(Waiting(turn, ready, size))
        turn.unwritten += 1
        self._bytes += size
        self._tell()

    def end(self, turn: Turn, error: Exception | None = None) -> None:
        """The piece has no more units; `error` is raised when those it had have been written."""
        turn.ended, turn.error = True, error
        self._clear()
        self._tell()

    def ready(self) -> list[Waiting]:
        """The units that can be written now, in order; none if the next is still being read.

        Raises:
            Exception: that which ended the reading of what would be next.
        """
        found: list[Waiting] = []
        changes = 0
        for turn in self._turns:
            while turn.waiting and changes < _MOST_CHANGES:
                unit = turn.waiting.popleft()
                changes += len(unit.ready.prepared) + len(unit.ready.removals)
                found.append(unit)
            if turn.waiting or turn.error is not None or not turn.ended:
                break
        if not found:
            error = self._turns[0].error if self._turns else self._error
            if error is not None:
                raise error
        return found

    def leave(self, units: Sequence[Waiting]) -> None:
        """`units`, which `ready` gave, are written."""
        for unit in units:
            unit.turn.unwritten -= 1
            self._bytes -= unit.size
        self._clear()
        self._tell()

    @property
    def ended(self) -> bool:
        """Whether all is written and nothing will come."""
        return self._closed and self._error is None and not self._turns

    def is_head(self, turn: Turn) -> bool:
        """Whether all that came before what is read of `turn` now is written."""
        return self._turns[0] is turn and not turn.unwritten

    async def head(self, turn: Turn) -> None:
        """Wait until `is_head(turn)`."""
        while not self.is_head(turn):
            await self.news()

    async def room(self, least: int) -> None:
        """Wait until another piece may be read ahead, of which `least` always may.

        No more than that are given out to be read at a time, and fewer while much has been read and waits.
        """
        while len(self._turns) >= least and (
            sum(not turn.ended for turn in self._turns) >= least
            or len(self._turns) >= _MOST_PIECES
            or self._bytes >= _MOST_BYTES
        ):
            await self.news()
        self.readers[:] = [task for task in self.readers if not task.done()]

    async def news(self) -> None:
        """Wait until something has changed since it was looked at."""
        await self._news.wait()

    def _clear(self) -> None:
        turns = self._turns
        while turns and turns[0].ended and turns[0].error is None and not turns[0].unwritten:
            turns.popleft()

    def _tell(self) -> None:
        self._news.set()  # wakes those who wait now, and leaves nothing behind for those who come later
        self._news.clear()
