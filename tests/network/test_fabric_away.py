"""A ledger that is away, dead or hung: one caller waits, the next does not, and it ends by itself."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from exchange.devnet import Network
from exchange.errors import UnavailableError

pytestmark = pytest.mark.fabric

FIRST, NEXT, BACK = 4.0, 0.1, 5.0
OUTAGE = 6.0


def parts(network: Network, part: str) -> list[str]:
    if part == "orderers":
        return [name for name in network.names() if name.startswith("orderer")]
    own = next(one for one in network.topology.organisations if one.msp_id == "Hospital1MSP")
    return [own.peer if part == "peer" else own.chaincode]


@contextmanager
def away(network: Network, names: list[str], how: str) -> Iterator[None]:
    if how == "dead":
        network.kill(*names)
    for name in names if how == "hung" else ():
        network.pause(name)
    try:
        yield
    finally:
        for name in names if how == "hung" else ():
            network.resume(name)
        if how == "dead":
            network.start(*names)


async def submit(transactions: Any, subject: str) -> None:
    await transactions.submit("note", json.dumps({"subject": subject, "id": uuid.uuid4().hex}).encode())


async def refused(transactions: Any, subject: str) -> float:
    before = time.monotonic()
    with pytest.raises(UnavailableError):
        await submit(transactions, subject)
    return time.monotonic() - before


async def asked(transactions: Any, subject: str) -> None:
    """Ask the own peer, which needs no orderer, until it has said that it is there."""
    async with asyncio.timeout(FIRST):
        while True:
            with suppress(UnavailableError):
                await transactions.evaluate("notes", json.dumps({"subject": subject, "limit": 9}).encode())
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", ["dead", "hung"])
@pytest.mark.parametrize("part", ["orderers", "peer", "chaincode"])
async def test_the_next_is_refused_at_once_and_it_is_back_with_the_ledger(
    fabric: Network, clients: Any, part: str, how: str
) -> None:
    transactions, subject = clients.transactions(), f"away-{uuid.uuid4().hex}"
    await submit(transactions, subject)
    assert transactions.trouble() is None
    names = parts(fabric, part)
    with away(fabric, names, how):
        begun = time.monotonic()
        assert await refused(transactions, subject) < FIRST
        while time.monotonic() < begun + OUTAGE:
            assert await refused(transactions, subject) < NEXT
            assert transactions.trouble()
            if part == "orderers":
                await asked(transactions, subject)
            else:
                with pytest.raises(UnavailableError):
                    await transactions.evaluate(
                        "notes", json.dumps({"subject": subject, "limit": 9}).encode()
                    )
            await asyncio.sleep(0.2)
    returned = time.monotonic()
    while True:
        try:
            await submit(transactions, subject)
        except UnavailableError:
            assert time.monotonic() < returned + BACK
            await asyncio.sleep(0.05)
        else:
            break
    assert time.monotonic() < returned + BACK
    assert transactions.trouble() is None
    await asyncio.to_thread(fabric.wait_ready)
