"""Calls that wait together are made together.

While one call is under way, the items of other callers queue; the next call handles all of them. Alone, a
call runs at once; under load its cost is shared by all waiting callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


class Coalescer(Generic[I, R]):
    """Shares calls of `work`, which handles the items of several callers at once."""

    def __init__(self, work: Callable[[Sequence[I]], Awaitable[R]]) -> None:
        self._work = work
        self._items: list[I] = []
        self._callers: list[asyncio.Future[R]] = []
        self._task: asyncio.Task[None] | None = None

    async def share(self, items: Sequence[I]) -> R:
        """Return the answer of the call that `items` went into, or raise its error."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._items.extend(items)
        self._callers.append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._callers:
            items, self._items = self._items, []
            callers, self._callers = self._callers, []
            try:
                result = await self._work(items)
            except asyncio.CancelledError:  # the loop is shutting down: no caller may wait for ever
                for caller in [*callers, *self._callers]:
                    caller.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - every caller of this call gets it
                for caller in callers:
                    if not caller.done():
                        caller.set_exception(error)
            else:
                for caller in callers:
                    if not caller.done():
                        caller.set_result(result)
        self._task = None
