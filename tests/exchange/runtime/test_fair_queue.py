"""Turns at scarce work: many requests of one caller keep no other from its turn."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import UnavailableError
from exchange.runtime.fair_queue import FairQueue

AT_ONCE, WAITING = 2, 8


class Work:
    """Requests at one queue; each turn lasts until `finish` lets it end."""

    def __init__(self) -> None:
        self.queue = FairQueue(at_once=AT_ONCE, waiting=WAITING)
        self.order: list[str] = []
        self.running = self.most = 0
        self.turns = asyncio.Semaphore(0)

    async def ask(self, caller: str) -> bool:
        try:
            async with self.queue.turn(caller):
                self.order.append(caller)
                self.running += 1
                self.most = max(self.most, self.running)
                try:
                    await self.turns.acquire()
                finally:
                    self.running -= 1
        except UnavailableError:
            return False
        return True

    def finish(self, turns: int) -> None:
        for _ in range(turns):
            self.turns.release()


async def begun(*tasks: asyncio.Task[bool]) -> None:
    for _ in range(3 + len(tasks)):
        await asyncio.sleep(0)


async def test_a_caller_with_one_request_comes_next_whoever_floods() -> None:
    work = Work()
    flood = [asyncio.create_task(work.ask("flood")) for _ in range(50)]
    await begun(*flood)
    honest = asyncio.create_task(work.ask("honest"))
    await begun(honest)
    work.finish(100)
    assert await honest
    assert work.order.index("honest") <= AT_ONCE + 1
    assert sum(await asyncio.gather(*flood)) == AT_ONCE + WAITING - 1


async def test_a_caller_that_alone_fills_the_queue_is_refused_itself() -> None:
    work = Work()
    flood = [asyncio.create_task(work.ask("flood")) for _ in range(AT_ONCE + WAITING + 1)]
    await begun(*flood)
    assert [task.done() for task in flood] == [False] * (AT_ONCE + WAITING) + [True]
    with pytest.raises(UnavailableError):
        async with work.queue.turn("flood"):
            pass
    work.finish(100)
    await asyncio.gather(*flood)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=60))
def test_turns_are_neither_lost_nor_doubled(asked: list[tuple[str, int, bool]]) -> None:
    async def run() -> None:
        work = Work()
        tasks: list[asyncio.Task[bool]] = []
        for caller, ended, cancelled in asked:
            tasks.append(asyncio.create_task(work.ask(caller)))
            work.finish(ended)
            await begun()
            if cancelled:
                tasks[len(tasks) // 2].cancel()
        work.finish(len(asked))
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(one in (True, False) or isinstance(one, asyncio.CancelledError) for one in found)
        assert work.running == 0
        assert work.most <= AT_ONCE
        work.turns = asyncio.Semaphore(0)
        after = [asyncio.create_task(work.ask("d")) for _ in range(AT_ONCE)]
        await begun(*after)
        assert work.running == AT_ONCE  # all turns are free again
        work.finish(AT_ONCE)
        assert all(await asyncio.gather(*after))

    asyncio.run(run())
