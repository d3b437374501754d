"""The breaker alone: who is refused, what ends it, and that one probe asks on through failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from exchange.errors import UnavailableError
from exchange.ledger import breaker as module
from exchange.ledger.breaker import CircuitBreaker


@pytest.fixture
async def breaker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CircuitBreaker]:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_PATIENCE", 0.02)
    breaker = CircuitBreaker("commits")
    yield breaker
    await breaker.close()


async def closed(breaker: CircuitBreaker) -> None:
    async with asyncio.timeout(5):
        while breaker.trouble is not None:  # noqa: ASYNC110  # the breaker tells nobody
            await asyncio.sleep(0.005)


async def test_calls_pass_until_it_opens_and_after_the_probes_first_answer(breaker: CircuitBreaker) -> None:
    asked = 0

    async def probe() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise UnavailableError("refused")
        if asked == 2:
            await asyncio.sleep(60)

    breaker.check()
    breaker.open("gone", probe)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="gone"):
            breaker.check()
    await closed(breaker)
    breaker.check()
    assert asked == 3


async def test_many_that_wait_open_it_once(breaker: CircuitBreaker) -> None:
    running = 0

    async def probe() -> None:
        nonlocal running
        running += 1
        await asyncio.sleep(60)

    for n in range(10):
        breaker.open(f"reason {n}", probe)
    await asyncio.sleep(0.005)
    assert running == 1
    assert breaker.trouble == "reason 0"


async def test_an_answer_to_another_call_closes_it_and_ends_the_probe(breaker: CircuitBreaker) -> None:
    asked = 0

    async def probe() -> None:
        nonlocal asked
        asked += 1
        raise UnavailableError("refused")

    breaker.open("gone", probe)
    await asyncio.sleep(0.02)
    breaker.answered()
    breaker.check()
    await asyncio.sleep(0.02)
    before = asked
    await asyncio.sleep(0.05)
    assert asked == before
