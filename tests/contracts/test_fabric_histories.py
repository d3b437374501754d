"""Random histories of grants, revocations and reads on real peers; the blocks of three of them are the judge.

Two gateways of one hospital act at once, as they do behind a load balancer. CONSENTRY_TEST_SCALE=40 makes
two thousand histories; CONSENTRY_TEST_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from chaincode.access.log_keys import read_entry, read_log_page
from chaincode.consent.model import Pair
from exchange import devnet
from exchange.ledger.client import LedgerClient
from exchange.ledger.fabric.gateway.transactions import IN_FLIGHT, FabricTransactions
from tests.support.channel_writes import Written, valid_writes

pytestmark = pytest.mark.fabric

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))
HISTORIES = max(1, round(50 * SCALE))
TOGETHER = 25


@dataclass
class History:
    """One pair's life: the transactions that were told to permit, and to refuse."""

    pair: str
    released: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def live(gateways: Sequence[LedgerClient], make: Any, rng: random.Random) -> History:
    history, granted, version = History(make.pair()), True, 1
    await gateways[0].open_pairs([make.opening(history.pair, make.grant())])

    async def read(expected: bool | None) -> None:
        answer = await rng.choice(gateways).authorize([make.ask(history.pair)])
        (history.refused if answer.permit is None else history.released).append(answer.tx_id)
        if expected is not None:
            assert (answer.permit is not None) == expected, f"seed {SEED}: against what was acknowledged"

    for _ in range(rng.randint(3, 6)):
        await asyncio.gather(*(read(granted) for _ in range(rng.randint(0, 2))))
        granted, version = rng.random() < 0.5, version + 1
        status = "active" if granted else "inactive"
        change = rng.choice(gateways).publish_terms(
            [(history.pair, make.grant(version=version, status=status))]
        )
        await asyncio.gather(change, *(read(None) for _ in range(rng.randint(1, 5))))
    await read(granted)
    return history


def judge(histories: Sequence[History], written: Sequence[Written]) -> None:
    """Replay the channel: a permit must stand behind terms in force, and every answer on the channel."""
    names = {history.pair for history in histories}
    permits: dict[str, bool] = {}
    logged: dict[tuple[str, str], str] = {}
    for one in written:
        for key, value in one.writes:
            kind, *rest = key.decode().strip("\0").split("\0")
            if kind == "pair" and rest[0] in names:
                held = msgspec.json.decode(value, type=Pair)
                permits[rest[0]] = any(terms.status == "active" for terms in held.consents)
            elif kind == "access":
                for place, said in read_log_page(key.decode(), value):
                    record = read_entry(place, said)
                    if record.pair in names:
                        assert (record.outcome == "permit") == permits[record.pair], f"seed {SEED}: {one}"
                        logged[one.tx, record.pair] = record.outcome
    for history in histories:
        assert all(logged[tx, history.pair] == "permit" for tx in history.released), f"seed {SEED}"
        assert all(logged[tx, history.pair] == "deny" for tx in history.refused), f"seed {SEED}"


async def test_no_history_has_a_release_behind_a_committed_revocation(
    hospitals: devnet.Network, make: Any
) -> None:
    rng = random.Random(SEED)
    profile = hospitals.profile("HospitalA")
    gateways = [LedgerClient(FabricTransactions.open(profile), in_flight=IN_FLIGHT) for _ in range(2)]
    histories: list[History] = []
    while len(histories) < HISTORIES:
        count = min(TOGETHER, HISTORIES - len(histories))
        seeds = [random.Random(rng.random()) for _ in range(count)]
        histories += await asyncio.gather(*(live(gateways, make, one) for one in seeds))
    for gateway in gateways:
        await gateway.close()
    assert any(history.released for history in histories)
    assert any(history.refused for history in histories)
    channels = [
        await valid_writes(hospitals.profile(name)) for name in ("HospitalA", "HospitalB", "HospitalC")
    ]
    shortest = min(len(channel) for channel in channels)
    for channel in channels:
        assert channel[:shortest] == channels[0][:shortest], "peers disagree"
    judge(histories, channels[0])
