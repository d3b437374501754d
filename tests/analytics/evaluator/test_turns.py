"""Clients take turns at the workers; one that sends without end keeps no other out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.errors import EvaluatorBusyError
from analytics.evaluator.turns import ClientTurns


async def rounds(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_client_that_fills_its_queue_delays_another_by_one_request() -> None:
    turns = ClientTurns(1, waiting=64, each=32)
    done: list[str] = []

    async def ask(client: str) -> None:
        async with turns.turn(client):
            await asyncio.sleep(0)
            done.append(client)

    async with turns.turn("first"):
        greedy = [asyncio.create_task(ask("greedy")) for _ in range(100)]
        await rounds()
        assert turns.waiting == 32
        other = asyncio.create_task(ask("other"))
        await rounds()
        assert turns.waiting == 33
    await other
    assert done.count("greedy") <= 1
    refused = [one for one in await asyncio.gather(*greedy, return_exceptions=True) if one is not None]
    assert len(refused) == 68
    assert all(isinstance(one, EvaluatorBusyError) for one in refused)
    assert turns.waiting == 0


async def test_the_bound_in_all_holds_too() -> None:
    turns = ClientTurns(1, waiting=3, each=2)
    async with turns.turn("a"):
        tasks = [asyncio.create_task(turns._enter(client)) for client in ("b", "b", "c")]
        await rounds()
        with pytest.raises(EvaluatorBusyError):
            await turns._enter("d")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert turns.waiting == 0


Act = tuple[str, int]
acts = st.lists(st.tuples(st.sampled_from(["ask", "end", "cancel", "both"]), st.integers(0, 9)), max_size=40)


@given(st.integers(1, 3), acts)
async def test_whatever_is_cancelled_no_place_is_lost_or_made(places: int, given_acts: list[Act]) -> None:
    """Random requests that end and are cancelled, also at the moment in which they get a place."""
    turns = ClientTurns(places, waiting=8, each=4)
    holding: deque[asyncio.Event] = deque()
    tasks: list[asyncio.Task[None]] = []
    held = most = 0

    async def ask(client: str) -> None:
        nonlocal held, most
        async with turns.turn(client):
            held += 1
            most = max(most, held)
            ended = asyncio.Event()
            holding.append(ended)
            try:
                await ended.wait()
            finally:
                held -= 1
                with contextlib.suppress(ValueError):
                    holding.remove(ended)

    for act, number in given_acts:
        if act == "ask":
            tasks.append(asyncio.create_task(ask("abc"[number % 3])))
        if act in {"end", "both"} and holding:
            holding.popleft().set()
        if act == "both":
            await asyncio.sleep(0)  # the place goes on, and its new holder has not run yet
        if act in {"cancel", "both"} and tasks:
            tasks[number % len(tasks)].cancel()
        if act != "both":
            await rounds()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most <= places
    assert (turns.waiting, turns._free) == (0, places)
