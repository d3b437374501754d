"""Hospitals that can't reach each other, and a peer that lags: who can't know refuses, and nobody diverges.

A paused process keeps its connections and answers nobody, which is what a cut line looks like from the
other end. Each test leaves the network whole again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import msgspec
import pytest
from channel_forger import verified
from channel_writes import valid_writes
from chaos_gateway import RECIPIENT, ask, terms
from chaos_judge import replay

from chaincode.access.calls import Authorize
from chaincode.consent.calls import FileTerms, Filing, Opening
from chaincode.consent.model import Policy
from chaincode.encoding import encode
from exchange import network
from exchange.core.errors import UnavailableError
from exchange.ledger.client import Authorization, LedgerClient
from exchange.ledger.gateway.blocks import open_blocks
from exchange.ledger.gateway.client import Deadlines, Gateway
from exchange.ledger.gateway.connection import Profile, connect
from exchange.ledger.gateway.errors import ReadConflictError
from exchange.ledger.gateway.identity import Identity
from exchange.ledger.gateway.transactions import FabricTransactions

pytestmark = pytest.mark.fabric

ROUNDS = max(1, round(float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))))
MEMBERS = ("Hospital1MSP", "Hospital2MSP", "Hospital3MSP")
PEERS = ("peer.hospital1", "peer.hospital2", "peer.hospital3")
PATIENCE = 30.0
ONE_ENDORSEMENT = 3.0  # seconds that a peer waits for a neighbour's endorsement
GIVEN_UP = 5.0 + 0.5 + ONE_ENDORSEMENT  # gossip's patience and pause, and what was begun before


@pytest.fixture(scope="module")
def consortium(
    programs: network.Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[network.Network]:
    with network.up(tmp_path_factory.mktemp("partitions") / "network", programs=programs) as running:
        asyncio.run(found(running.profile("Hospital1")))
        yield running


async def found(profile: Profile) -> None:
    ledger = LedgerClient(FabricTransactions.open(profile))
    await ledger.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    await ledger.close()


class Hospitals:
    """Clients of each hospital, closed at the end of a test; one may also ask a neighbour's peer."""

    def __init__(self, running: network.Network, stack: AsyncExitStack) -> None:
        self.running, self._stack = running, stack

    def client(self, number: int, *, patience: float = 15.0) -> LedgerClient:
        deadlines = Deadlines(endorse=patience)
        transactions = FabricTransactions.open(self.running.profile(f"Hospital{number}"), deadlines=deadlines)
        client = LedgerClient(transactions, in_flight=2, patience=patience)
        self._stack.push_async_callback(client.close)
        return client

    def gateway(self, number: int, *, through: int) -> Gateway:
        """One hospital's identity at another one's peer."""
        profile, other = (self.running.profile(f"Hospital{one}") for one in (number, through))
        channel = connect(msgspec.structs.replace(profile, peer=other.peer, tls_ca=other.tls_ca))
        self._stack.push_async_callback(channel.close)
        identity = Identity.from_files(profile.msp_id, profile.certificate, profile.key)
        return Gateway(channel, identity, profile.channel, profile.chaincode)

    async def heights(self) -> list[int]:
        found = []
        for number in (1, 2, 3):
            async with open_blocks(self.running.profile(f"Hospital{number}")) as source:
                found.append(await source.height())
        return found

    async def agree(self, *pairs: str) -> None:
        """All peers come to the same blocks, which verify and hold no permit behind a revocation."""
        async with asyncio.timeout(PATIENCE):
            while len(set(await self.heights())) > 1:  # noqa: ASYNC110  # the peers are the event
                await asyncio.sleep(0.1)
        channels = [await valid_writes(self.running.profile(f"Hospital{number}")) for number in (1, 2, 3)]
        assert channels[0] == channels[1] == channels[2]
        replay(channels[0], frozenset(pairs))
        async with open_blocks(self.running.profile("Hospital1")) as source:
            blocks = [block async for block in source.blocks(0, await source.height())]
        report = await asyncio.to_thread(verified, blocks)
        assert report.finding is None


@pytest.fixture
async def hospitals(consortium: network.Network) -> AsyncIterator[Hospitals]:
    async with AsyncExitStack() as stack:
        yield Hospitals(consortium, stack)


@contextmanager
def unreachable(running: network.Network, names: Sequence[str]) -> Iterator[None]:
    """Processes that answer nobody."""
    for name in names:
        running.pause(name)
    try:
        yield
    finally:
        for name in names:
            running.resume(name)


@contextmanager
def ended(running: network.Network, names: Sequence[str]) -> Iterator[None]:
    """Processes that are not there."""
    running.kill(*names)
    try:
        yield
    finally:
        running.start(*names)
        running.wait_ready()


async def opened(client: LedgerClient) -> str:
    pair = secrets.token_hex(16)
    opening = Opening(pair, RECIPIENT, "patient", (terms(1, permits=True),))
    assert await client.open_pairs([opening]) == ("opened",)
    return pair


async def soon(client: LedgerClient, pair: str) -> Authorization:
    """An answer, as soon as there is one again."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await client.authorize([ask(pair)])
        except UnavailableError:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)


async def refused(*calls: Awaitable[object]) -> None:
    """All of them end in what a gateway answers with 503."""
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(outcome, UnavailableError), outcome
        assert outcome.status == 503


@pytest.mark.parametrize("cut", [unreachable, ended])
async def test_a_hospital_without_a_majority_refuses_and_the_majority_goes_on(
    hospitals: Hospitals, cut: Any
) -> None:
    """Alone with the orderer, a hospital neither reads nor writes; the other two see each other, and do."""
    alone, others = hospitals.client(1, patience=3.0), hospitals.client(2)
    pair, theirs = await opened(alone), await opened(others)
    assert (await alone.authorize([ask(pair)])).permit
    with cut(hospitals.running, PEERS[1:]):
        before = await alone.read_pair(pair)
        await refused(
            alone.authorize([ask(pair)]),
            alone.file_terms([(pair, terms(2, permits=False))]),
            alone.open_pairs([Opening(secrets.token_hex(16), RECIPIENT, "patient", ())]),
        )
        assert await alone.read_pair(pair) == before
    assert (await soon(alone, pair)).permit
    with cut(hospitals.running, PEERS[:1]):
        away = asyncio.create_task(refused(alone.authorize([ask(pair)])))
        assert (await soon(others, theirs)).permit
        await others.file_terms([(theirs, terms(2, permits=False))])
        assert (await others.authorize([ask(theirs)])).permit is None
        await away
    assert (await soon(alone, pair)).permit
    await hospitals.agree(pair, theirs)


async def test_a_neighbour_that_hangs_costs_seconds_and_is_given_up_soon(hospitals: Hospitals) -> None:
    """It keeps its connections: only a timeout of the peer, and then gossip, tell that it answers nobody."""
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
    assert max(took) < ONE_ENDORSEMENT  # nobody asks it any more
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
            change = encode(FileTerms((Filing(pair, terms(2, permits=False)),)))
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
    await client.file_terms([(pair, terms(2, permits=False))])
    with pytest.raises(ReadConflictError):
        await gateway.settle(endorsed)
    assert (await client.trail(pair)).records == ()
    await hospitals.agree(pair)


async def test_a_peer_that_lags_holds_nobody_up_and_catches_up(hospitals: Hospitals) -> None:
    client, lagging = hospitals.client(1), hospitals.client(3)
    pair, version = await opened(client), 1
    assert (await lagging.read_pair(pair)) is not None
    for cut, changes in ((unreachable, 1), (ended, 20 * ROUNDS)):
        with cut(hospitals.running, PEERS[2:]):
            for _ in range(changes):
                version += 1
                permits = version % 2 == 1
                await client.file_terms([(pair, terms(version, permits=permits))])
                assert bool((await client.authorize([ask(pair)])).permit) == permits
        # From here on it answers; it may be behind, but what is committed with it is not.
        answers = await asyncio.gather(*(client.authorize([ask(pair)]) for _ in range(5)))
        assert {bool(answer.permit) for answer in answers} == {permits}
        await hospitals.agree(pair)
        held = await lagging.read_pair(pair)
        assert held is not None
        assert held.epoch == version


async def test_without_the_orderer_nothing_is_released_and_nothing_is_forgotten(hospitals: Hospitals) -> None:
    hasty, client = hospitals.client(1, patience=2.0), hospitals.client(1)
    pair = await opened(client)
    with unreachable(hospitals.running, ["orderer1"]):
        with pytest.raises(UnavailableError):
            await hasty.authorize([ask(pair)])
        patient = asyncio.create_task(client.authorize([ask(pair)]))
        await asyncio.sleep(0.3)
        assert not patient.done()
    assert (await patient).permit
    outcomes = [record.outcome for record in (await client.trail(pair)).records]
    assert set(outcomes) == {"permit"}
    assert len(outcomes) <= 2  # the hasty one's may be among them, for it was signed and sent; nobody got it
    await hospitals.agree(pair)
