"""A network between hospitals that falls apart while every process runs: no peer diverges, nothing leaks.

Three hospitals and three orderers; each stands at the end of lines that are cut and mended again. Each test
leaves the network whole.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from chaincode.consent.calls import Opening, PublishTerms, TermsUpdate
from chaincode.encoding import encode
from exchange import devnet
from exchange.devnet.topology import Topology
from exchange.errors import UnavailableError
from tests.support.network.chaos_gateway import RECIPIENT, ask, terms
from tests.support.network.chaos_hospitals import (
    MEMBERS,
    PATIENCE,
    Hospitals,
    found,
    opened,
    refused,
    revoked,
    soon,
)
from tests.support.network.network_lines import Lines, distant

pytestmark = pytest.mark.fabric

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
ROUNDS = max(1, round(SCALE))
SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))
ALONE = ("peer.hospital1", "chaincode.hospital1")
OTHERS = ("peer.hospital2", "chaincode.hospital2", "peer.hospital3", "chaincode.hospital3")
ORDERERS = ("orderer1", "orderer2", "orderer3")


@pytest.fixture(scope="module")
def lines(
    programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[devnet.Network, Lines]]:
    options = devnet.Options(orderers=3)
    topology = distant(Topology.plan(options))
    with pytest.MonkeyPatch.context() as patch, Lines(topology) as between:
        patch.setattr(Topology, "plan", lambda _: topology)
        with devnet.up(tmp_path_factory.mktemp("lines") / "network", options, programs=programs) as running:
            between.belong_to(running)
            asyncio.run(found(running.profile("Hospital1")))
            yield running, between


@pytest.fixture
async def hospitals(lines: tuple[devnet.Network, Lines]) -> AsyncIterator[Hospitals]:
    async with AsyncExitStack() as stack:
        hospitals = Hospitals(lines[0], stack)
        await hospitals.meet()
        yield hospitals


@pytest.fixture
def between(lines: tuple[devnet.Network, Lines]) -> Lines:
    return lines[1]


@pytest.mark.parametrize("orderer", ORDERERS if SCALE > 1 else (random.Random(SEED).choice(ORDERERS),))
async def test_a_hospital_and_an_orderer_cut_off_refuse_and_the_others_go_on(
    hospitals: Hospitals, between: Lines, orderer: str
) -> None:
    """Whichever orderer is with it, be it the leader: most of the others are on the other side.

    A peer that had its blocks from that orderer is behind until it looks for another. Until then too few
    agree on what has just changed.
    """
    alone, others = hospitals.client(1, timeout=3.0), hospitals.client(2)
    pair, theirs = await opened(alone), await opened(others)
    with between.cut(*ALONE, orderer):
        before = await alone.read_pair(pair)
        away = asyncio.create_task(
            refused(
                alone.authorize([ask(pair)]),
                alone.publish_terms([(pair, terms(2, permits=False))]),
                alone.open_pairs([Opening(secrets.token_hex(16), RECIPIENT, "patient", ())]),
            )
        )
        assert (await soon(others, theirs)).permit
        await revoked(others, theirs)
        assert (await soon(others, theirs)).permit is None
        await away
    assert (await soon(alone, pair)).permit
    assert await alone.read_pair(pair) == before
    await hospitals.agree(pair, theirs)


async def test_most_hospitals_without_most_orderers_get_nothing_committed(
    hospitals: Hospitals, between: Lines
) -> None:
    """They endorse each other's transactions, and none is ordered; the side that orders can't endorse."""
    alone, others = hospitals.client(1, timeout=3.0), hospitals.client(2, timeout=3.0)
    pair, theirs = await opened(alone), await opened(others)
    with between.cut(*ALONE, *ORDERERS[:2]):
        await refused(alone.authorize([ask(pair)]), others.authorize([ask(theirs)]))
    for client, one in ((alone, pair), (others, theirs)):
        assert (await soon(client, one)).permit
    await hospitals.agree(pair, theirs)


async def test_hospitals_that_see_orderers_alone_get_nothing_endorsed(
    hospitals: Hospitals, between: Lines
) -> None:
    """One hospital's line to the others is cut; what they commit reaches it through its orderer."""
    alone, others = hospitals.client(1, timeout=3.0), hospitals.client(2)
    pair, theirs = await opened(alone), await opened(others)
    with between.cut(*ALONE, towards=OTHERS):
        await refused(alone.authorize([ask(pair)]))
        await revoked(others, theirs)
        async with asyncio.timeout(PATIENCE):
            while await hospitals.epoch(1, theirs, custodian="Hospital2MSP") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert (await soon(alone, pair)).permit
    await hospitals.agree(pair, theirs)


async def test_what_a_cut_off_gateway_still_waits_for_is_not_released_behind_a_revocation(
    hospitals: Hospitals, between: Lines
) -> None:
    """Questions are under way when the lines are cut; meanwhile the patient revokes on the other side."""
    elsewhere, clients = hospitals.gateway(1, through=2), [hospitals.client(1) for _ in range(4)]
    rng = random.Random(SEED)
    for _ in range(ROUNDS):
        pair = await opened(clients[0])
        waiting = [asyncio.create_task(client.authorize([ask(pair)])) for client in clients]
        await asyncio.sleep(rng.uniform(0, 0.03))
        with between.cut(*ALONE, rng.choice(ORDERERS)):
            change = encode(PublishTerms((TermsUpdate(pair, terms(2, permits=False)),)))
            revoked = await elsewhere.submit("consent:file", change, organisations=MEMBERS[1:])
            late = [asyncio.create_task(client.authorize([ask(pair)])) for client in clients]
            await asyncio.sleep(0.3)
            assert all(isinstance(task.exception(), UnavailableError) for task in late if task.done())
        for answer in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(answer, UnavailableError):
                continue
            assert not isinstance(answer, BaseException), f"seed {SEED}"
            assert (answer.permit is None) == (answer.block >= revoked.block), f"seed {SEED}"
        for answer in await asyncio.gather(*late, return_exceptions=True):
            if not isinstance(answer, UnavailableError):
                assert not isinstance(answer, BaseException), f"seed {SEED}"
                assert answer.permit is None, f"seed {SEED}"
        await hospitals.agree(pair)
