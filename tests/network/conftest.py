"""One real Fabric network for all tests of this folder, with the probe contract on it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exchange import devnet
from exchange.ledger.fabric.gateway.client import Deadlines, GatewayClient
from exchange.ledger.fabric.gateway.connection import Profile, connect
from exchange.ledger.fabric.gateway.events import Follower
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from tests.support.network import probe_contract

PROBE = Path(probe_contract.__file__)

SECRETS = {
    "name": "secrets",
    "policy": "OR('Hospital1MSP.member', 'Hospital2MSP.member')",
    "requiredPeerCount": 1,
    "maxPeerCount": 1,
    "blockToLive": 0,
    "memberOnlyRead": True,
    "memberOnlyWrite": True,
}


@pytest.fixture(scope="session")
def probe() -> tuple[str, ...]:
    return (sys.executable, str(PROBE))


@pytest.fixture(scope="session")
def fabric(
    programs: devnet.Programs, probe: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devnet.Network]:
    options = devnet.Options(chaincode_command=probe, key_history=True, collections=json.dumps([SECRETS]))
    with devnet.up(tmp_path_factory.mktemp("fabric") / "network", options, programs=programs) as running:
        yield running


class Clients:
    """Opens clients of a network, all closed at the end of a test."""

    def __init__(self, running: devnet.Network, stack: AsyncExitStack) -> None:
        self.network, self._stack = running, stack

    def transactions(
        self, organisation: str = "Hospital1", *, deadlines: Deadlines | None = None
    ) -> FabricTransactions:
        opened = FabricTransactions.open(self.network.profile(organisation), deadlines=deadlines)
        self._stack.push_async_callback(opened.close)
        return opened

    def gateway(
        self,
        profile: Profile | None = None,
        *,
        identity: SigningIdentity | None = None,
        deadlines: Deadlines | None = None,
    ) -> GatewayClient:
        profile = profile or self.network.profile("Hospital1")
        channel = connect(profile)
        self._stack.push_async_callback(channel.close)
        identity = identity or SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
        return GatewayClient(channel, identity, profile.channel, profile.chaincode, deadlines=deadlines)

    def follower(self, organisation: str = "Hospital1", profile: Profile | None = None) -> Follower:
        profile = profile or self.network.profile(organisation)
        channel = connect(profile)
        self._stack.push_async_callback(channel.close)
        identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
        return Follower(channel, identity, profile.channel)


@pytest.fixture
async def clients(fabric: devnet.Network) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        yield Clients(fabric, stack)


@pytest.fixture
async def clients_of() -> AsyncIterator[Callable[[devnet.Network], Clients]]:
    async with AsyncExitStack() as stack:
        yield lambda running: Clients(running, stack)
