"""Turns at scarce work, shared between callers: one that asks for many keeps no other from its own.

The callers that wait take turns, one after the other. Where the queue is full, a place of the caller that
has most of them is given up.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from exchange.errors import UnavailableError

peer: ContextVar[str] = ContextVar("peer", default="")
"""The address that the request of this task comes from; `exchange.api.http.limits` sets it."""


class QueueFullError(UnavailableError):
    """Too many wait for their turn."""


class FairQueue:
    """At most `at_once` turns at a time, and `waiting` callers' requests that wait for one."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._free = at_once
        self._most = waiting
        self._waiting = 0
        self._lanes: OrderedDict[str, list[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Wait for a turn of `caller`, and have it inside.

        Raises:
            QueueFullError: too many wait, and most of them are this caller's.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(caller)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, caller: str) -> None:
        if self._waiting >= self._most:
            self._give_up_one(caller)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes.setdefault(caller, []).append(turn)
        self._waiting += 1
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # it was given in the same moment
            else:
                self._remove(caller, turn)
            raise

    def _give_up_one(self, caller: str) -> None:
        longest = max(self._lanes, key=lambda name: len(self._lanes[name]))
        if len(self._lanes[longest]) <= len(self._lanes.get(caller, ())) + 1:
            raise _full()
        victim = random.choice(self._lanes[longest])  # noqa: S311 - no secret
        self._remove(longest, victim)
        victim.set_exception(_full())

    def _remove(self, caller: str, turn: asyncio.Future[None]) -> None:
        lane = self._lanes.get(caller, [])
        if turn in lane:
            lane.remove(turn)
            self._waiting -= 1
            if not lane:
                del self._lanes[caller]

    def _pass_on(self) -> None:
        if not self._lanes:
            self._free += 1
            return
        caller, lane = next(iter(self._lanes.items()))
        turn = lane.pop(0)
        self._waiting -= 1
        if lane:
            self._lanes.move_to_end(caller)
        else:
            del self._lanes[caller]
        turn.set_result(None)


def _full() -> QueueFullError:
    return QueueFullError("too many requests wait for their turn; ask again")
