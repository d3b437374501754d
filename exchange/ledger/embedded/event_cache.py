"""A cache of the newest events, so that followers of the ledger need not read them back from the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from exchange.ledger.embedded import block
from exchange.ledger.port import LedgerEvent

_MOST_BYTES = 4 << 20


class EventCache:
    """All events of the transactions behind place `since`, up to the newest."""

    def __init__(self, since: int) -> None:
        self._since = self._newest = since
        self._events: deque[tuple[int, LedgerEvent]] = deque()
        self._bytes = 0

    def add(self, events: Sequence[LedgerEvent], newest: int) -> None:
        """Add the next `events`, in order; the last transaction, with or without an event, is at `newest`."""
        for event in events:
            self._events.append((event.checkpoint.block * block.BLOCK_LIMIT + event.checkpoint.index, event))
            self._bytes += _size(event)
        self._newest = newest
        while self._bytes > _MOST_BYTES:
            self._since, dropped = self._events.popleft()
            self._bytes -= _size(dropped)

    def after(self, place: int) -> tuple[list[LedgerEvent], int] | None:
        """Return the events behind `place` and the place reached; None if some of them were dropped."""
        if place < self._since:
            return None
        if place >= self._newest:
            return [], place
        found = []
        for at, event in reversed(self._events):
            if at <= place:
                break
            found.append(event)
        return found[::-1], self._newest


def _size(event: LedgerEvent) -> int:
    return len(event.payload) + sum(len(key) + len(value) for key, value in event.written)
