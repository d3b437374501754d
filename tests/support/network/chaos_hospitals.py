"""Clients of three hospitals while their network is disturbed, and whether all peers agree afterwards."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from itertools import count

import msgspec

from chaincode.consent.calls import CurrentPair, Opening, ReadPair
from chaincode.encoding import decode, encode
from chaincode.policy.calls import ReadPolicy
from chaincode.policy.model import Policy
from exchange import devnet
from exchange.errors import UnavailableError
from exchange.ledger.client import Authorization, LedgerClient
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.client import Deadlines, GatewayClient
from exchange.ledger.fabric.gateway.connection import Profile, connect
from exchange.ledger.fabric.gateway.errors import EndorseError
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.transactions import IN_FLIGHT, FabricTransactions
from tests.support.channel_writes import valid_writes
from tests.support.network.channel_forger import verified
from tests.support.network.chaos_gateway import RECIPIENT, ask, terms
from tests.support.network.chaos_judge import replay

MEMBERS = ("Hospital1MSP", "Hospital2MSP", "Hospital3MSP")
PATIENCE = 30.0


async def found(profile: Profile) -> None:
    ledger = LedgerClient(FabricTransactions.open(profile))
    await ledger.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    await ledger.close()


class Hospitals:
    """Clients of each hospital, closed at the end of a test; one may also ask a neighbour's peer."""

    def __init__(self, running: devnet.Network, stack: AsyncExitStack) -> None:
        self.running, self._stack = running, stack

    def client(self, number: int, *, timeout: float = 15.0) -> LedgerClient:
        deadlines = Deadlines(endorse=timeout)
        transactions = FabricTransactions.open(self.running.profile(f"Hospital{number}"), deadlines=deadlines)
        client = LedgerClient(transactions, in_flight=IN_FLIGHT, timeout=timeout)
        self._stack.push_async_callback(client.close)
        return client

    def gateway(self, number: int, *, through: int) -> GatewayClient:
        """Return one hospital's identity at another one's peer."""
        profile, other = (self.running.profile(f"Hospital{one}") for one in (number, through))
        channel = connect(msgspec.structs.replace(profile, peer=other.peer, tls_ca=other.tls_ca))
        self._stack.push_async_callback(channel.close)
        identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
        return GatewayClient(channel, identity, profile.channel, profile.chaincode)

    async def epoch(self, number: int, pair: str, *, custodian: str) -> int:
        """Return the epoch of another custodian's pair as one hospital's own peer has it; 0 without one."""
        asked = encode(ReadPair(pair, custodian))
        answer = await self.gateway(number, through=number).evaluate("consent:read", asked)
        found = decode(answer, CurrentPair).pair
        return 0 if found is None else found.epoch

    async def meet(self) -> None:
        """Wait until each peer finds all the others, as some time after one was away."""
        for number in (1, 2, 3):
            gateway = self.gateway(number, through=number)
            async with asyncio.timeout(PATIENCE):
                while not await _endorsed_by_all(gateway):  # noqa: ASYNC110  # the peers are the event
                    await asyncio.sleep(0.1)

    async def heights(self) -> list[int]:
        found = []
        for number in (1, 2, 3):
            async with open_blocks(self.running.profile(f"Hospital{number}")) as source:
                found.append(await source.height())
        return found

    async def agree(self, *pairs: str) -> None:
        """Check that all peers have the same blocks, which verify and hold no permit behind a revocation."""
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


async def _endorsed_by_all(gateway: GatewayClient) -> bool:
    try:
        await gateway.endorse("policy:read", encode(ReadPolicy()), organisations=MEMBERS)
    except EndorseError:
        return False
    return True


async def opened(client: LedgerClient) -> str:
    pair = secrets.token_hex(16)
    opening = Opening(pair, RECIPIENT, "patient", (terms(1, permits=True),))
    assert await client.open_pairs([opening]) == ("opened",)
    return pair


async def soon(client: LedgerClient, pair: str) -> Authorization:
    """Return an answer, as soon as there is one again."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await client.authorize([ask(pair)])
        except UnavailableError:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)


async def revoked(client: LedgerClient, pair: str) -> None:
    """End the consent of a pair, as soon as that is possible again.

    Each try is of a newer version, since one that came to no known end may have been committed.
    """
    end = time.monotonic() + PATIENCE
    for version in count(2):
        try:
            await client.publish_terms([(pair, terms(version, permits=False))])
        except UnavailableError:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        else:
            return


async def refused(*calls: Awaitable[object]) -> None:
    """Check that all of them end in an error that a gateway answers with 503."""
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(outcome, UnavailableError), outcome
        assert outcome.status == 503
