"""Turns of clients at the workers: each client in its own queue, and the queues one after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator

from analytics.errors import EvaluatorBusyError


class ClientTurns:
    """`places` may be held at once; `waiting` requests wait in all, `each` of one client.

    A request waits for those of its own client before it, and for one of each other client that has any.
    """

    def __init__(self, places: int, *, waiting: int, each: int) -> None:
        self._free = places
        self._most, self._each = waiting, each
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Return the number of requests that wait."""
        return sum(map(len, self._queues.values()))

    @contextlib.asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Hold a place for the body of this context, once it is the client's turn.

        Raises:
            EvaluatorBusyError: too many wait, of this client or in all.
        """
        await self._enter(client)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, client: str) -> None:
        if self._free:  # then nothing waits
            self._free -= 1
            return
        if self.waiting >= self._most or len(self._queues.get(client, ())) >= self._each:
            raise EvaluatorBusyError("too many requests are waiting")
        place = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._remove(client, place)
            else:  # the place was given in the same moment
                self._leave()
            raise

    def _leave(self) -> None:
        if not self._queues:
            self._free += 1
            return
        client, queue = self._queues.popitem(last=False)
        place = queue.popleft()
        if queue:
            self._queues[client] = queue
        if place.cancelled():
            self._leave()
        else:
            place.set_result(None)

    def _remove(self, client: str, place: asyncio.Future[None]) -> None:
        queue = self._queues.get(client)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._queues[client]
