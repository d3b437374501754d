"""Peers that hang, are gone or lag: a gateway that can't know refuses, and no peer diverges.

A paused process keeps its connections and answers no call. The case where all run and only the lines
between them are cut is in test_fabric_chaos_lines.py. Each test leaves the network whole again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest

from chaincode.access.calls import Authorize
from chaincode.consent.calls import CurrentPair, Opening, PublishTerms, ReadPair, TermsUpdate
from chaincode.encoding import decode, encode
from exchange import devnet
from exchange.errors import UnavailableError
from exchange.ledger.fabric.gateway.client import Deadlines
from exchange.ledger.fabric.gateway.errors import ReadConflictError
from tests.support.network.chaos_gateway import RECIPIENT, ask, terms
from tests.support.network.chaos_hospitals import MEMBERS, Hospitals, found, opened, refused, revoked, soon

pytestmark = pytest.mark.fabric

ROUNDS = max(1, round(float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))))
PEERS = ("peer.hospital1", "peer.hospital2", "peer.hospital3")
ONE_ENDORSEMENT = 1.5  # seconds that a peer waits for a neighbour's endorsement
GIVEN_UP = 5.0 + 0.5 + ONE_ENDORSEMENT  # gossip's patience and pause, and what was begun before


@pytest.fixture(scope="module")
def consortium(
    programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devnet.Network]:
    with devnet.up(tmp_path_factory.mktemp("partitions") / "network", programs=programs) as running:
        asyncio.run(found(running.profile("Hospital1")))
        yield running


@pytest.fixture
async def hospitals(consortium: devnet.Network) -> AsyncIterator[Hospitals]:
    async with AsyncExitStack() as stack:
        hospitals = Hospitals(consortium, stack)
        await hospitals.meet()
        yield hospitals


@contextmanager
def unreachable(running: devnet.Network, names: Sequence[str]) -> Iterator[None]:
    """Stop processes that keep their connections and answer no call."""
    for name in names:
        running.pause(name)
    try:
        yield
    finally:
        for name in names:
            running.resume(name)


@contextmanager
def ended(running: devnet.Network, names: Sequence[str]) -> Iterator[None]:
    """End processes."""
    running.kill(*names)
    try:
        yield
    finally:
        running.start(*names)
        running.wait_ready()


@pytest.mark.parametrize("cut", [unreachable, ended])
async def test_a_hospital_without_a_majority_refuses_and_the_majority_goes_on(
    hospitals: Hospitals, cut: Any
) -> None:
    """Alone with the orderer, a hospital neither reads nor writes; the other two see each other, and do."""
    alone, others = hospitals.client(1, timeout=3.0), hospitals.client(2)
    pair, theirs = await opened(alone), await opened(others)
    assert (await alone.authorize([ask(pair)])).permit
    with cut(hospitals.running, PEERS[1:]):
        before = await alone.read_pair(pair)
        await refused(
            alone.authorize([ask(pair)]),
            alone.publish_terms([(pair, terms(2, permits=False))]),
            alone.open_pairs([Opening(secrets.token_hex(16), RECIPIENT, "patient", ())]),
        )
    assert (await soon(alone, pair)).permit
    assert await alone.read_pair(pair) == before
    with cut(hospitals.running, PEERS[:1]):
        away = asyncio.create_task(refused(alone.authorize([ask(pair)])))
        assert (await soon(others, theirs)).permit
        await revoked(others, theirs)
        assert (await soon(others, theirs)).permit is None
        await away
    assert (await soon(alone, pair)).permit
    await hospitals.agree(pair, theirs)


async def test_a_neighbour_that_hangs_costs_seconds_and_is_given_up_soon(hospitals: Hospitals) -> None:
    """It keeps its connections: only a timeout of the peer, and then gossip, show that it answers no call."""
    client = hospitals.client(1)
    pair = await opened(client)
    took: list[float] = []
    with unreachable(hospitals.running, PEERS[2:]):
        begun = time.monotonic()
        while time.monotonic() < begun + GIVEN_UP + 4:
            before = time.monotonic()
            assert (await client.authorize([ask(pair)])).permit
            if before > begun + GIVEN_UP:
                took.append(time.monotonic() - before)
            await asyncio.sleep(0.2)
    assert len(took) > 5
    assert max(took) < ONE_ENDORSEMENT  # no peer asks it any more
    await hospitals.agree(pair)


@pytest.mark.parametrize("cut", [unreachable, ended])
async def test_what_too_few_peers_can_answer_is_refused_in_seconds(hospitals: Hospitals, cut: Any) -> None:
    client = hospitals.client(1)
    pair = await opened(client)
    with cut(hospitals.running, PEERS[1:]):
        await asyncio.sleep(GIVEN_UP)
        before = time.monotonic()
        await refused(client.authorize([ask(pair)]))
        assert time.monotonic() - before < Deadlines().absent + 1
    assert (await soon(client, pair)).permit
    await hospitals.agree(pair)


async def test_what_waited_at_a_lagging_peer_is_not_released_behind_a_revocation(
    hospitals: Hospitals,
) -> None:
    """The own peer stands still with questions before it; meanwhile the patient revokes through another."""
    elsewhere, clients = hospitals.gateway(1, through=2), [hospitals.client(1) for _ in range(4)]
    for _ in range(ROUNDS):
        pair = await opened(clients[0])
        before = await asyncio.gather(*(client.authorize([ask(pair)]) for client in clients))
        assert all(answer.permit for answer in before)
        with unreachable(hospitals.running, PEERS[:1]):
            waiting = [asyncio.create_task(client.authorize([ask(pair)])) for client in clients]
            await asyncio.sleep(0.3)  # they are at the peer's door
            change = encode(PublishTerms((TermsUpdate(pair, terms(2, permits=False)),)))
            revoked = await elsewhere.submit("consent:file", change, organisations=MEMBERS[1:])
            assert not any(task.done() for task in waiting)
        for answer in await asyncio.gather(*waiting):
            assert answer.permit is None
            assert answer.block >= revoked.block
        await hospitals.agree(pair)


async def test_an_endorsement_from_before_a_revocation_is_void_after_it(hospitals: Hospitals) -> None:
    """A gateway keeps an endorsed permit, waits, and sends it when the patient has revoked."""
    client, gateway = hospitals.client(1), hospitals.gateway(1, through=1)
    pair = await opened(client)
    endorsed = await gateway.endorse("access:authorize", encode(Authorize((ask(pair).request,))))
    assert b'"permit"' in endorsed.result
    await client.publish_terms([(pair, terms(2, permits=False))])
    with pytest.raises(ReadConflictError):
        await gateway.settle(endorsed)
    assert (await client.pair_log(pair)).entries == ()
    await hospitals.agree(pair)


async def test_a_peer_that_lags_holds_nobody_up_and_catches_up(hospitals: Hospitals) -> None:
    client, lagging = hospitals.client(1), hospitals.gateway(1, through=3)
    pair, version = await opened(client), 1
    for cut, changes in ((unreachable, 1), (ended, 20 * ROUNDS)):
        with cut(hospitals.running, PEERS[2:]):
            for _ in range(changes):
                version += 1
                permits = version % 2 == 1
                await client.publish_terms([(pair, terms(version, permits=permits))])
                assert bool((await client.authorize([ask(pair)])).permit) == permits
        # From here on it answers; it may be behind, but what is committed with it is not.
        answers = await asyncio.gather(*(client.authorize([ask(pair)]) for _ in range(5)))
        assert {bool(answer.permit) for answer in answers} == {permits}
        await hospitals.agree(pair)
        asked = encode(ReadPair(pair))
        held = decode(await lagging.evaluate("consent:read", asked, organisations=MEMBERS[2:]), CurrentPair)
        assert held.pair is not None
        assert held.pair.epoch == version


async def test_without_the_orderer_nothing_is_released_and_nothing_is_forgotten(hospitals: Hospitals) -> None:
    hasty, client = hospitals.client(1, timeout=2.0), hospitals.client(1)
    pair = await opened(client)
    with unreachable(hospitals.running, ["orderer1"]):
        with pytest.raises(UnavailableError):
            await hasty.authorize([ask(pair)])
        patient = asyncio.create_task(client.authorize([ask(pair)]))
        await asyncio.sleep(0.3)
        assert not patient.done()
    assert (await patient).permit
    outcomes = [record.outcome for record in (await client.pair_log(pair)).entries]
    assert set(outcomes) == {"permit"}
    assert len(outcomes) <= 2  # the hasty one's may be among them: it was signed and sent, unheard
    await hospitals.agree(pair)
