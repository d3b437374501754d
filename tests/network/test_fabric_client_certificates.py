"""A peer that asks its clients for a TLS certificate, and binds the delivery of blocks to it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.devnet import Network
from exchange.devnet import network as devnet_network
from exchange.errors import UnavailableError
from exchange.ledger.fabric.gateway import blocks
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions

pytestmark = pytest.mark.fabric


@pytest.fixture
def strict(fabric: Network) -> Iterator[Profile]:
    """Return the profile, without a TLS certificate, of a peer that asks for one."""
    profile = fabric.profile("Hospital1")
    peer = next(one.peer for one in fabric.topology.organisations if one.msp_id == profile.msp_id)
    usual = devnet_network.peer_environment
    asks = {
        "CORE_PEER_TLS_CLIENTAUTHREQUIRED": "true",
        "CORE_PEER_TLS_CLIENTROOTCAS_FILES": str(profile.tls_ca),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devnet_network, "peer_environment", lambda *a, **k: usual(*a, **k) | asks)
        fabric.stop(peer)
        fabric.start(peer)
        yield profile
    fabric.stop(peer)
    fabric.start(peer)
    fabric.wait_ready()


def with_certificate(profile: Profile) -> Profile:
    tls = Path(profile.certificate).parents[2] / "tls"
    return msgspec.structs.replace(profile, tls_certificate=tls / "client.crt", tls_key=tls / "client.key")


async def test_transactions_events_and_blocks_come_with_the_certificate(
    strict: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = with_certificate(strict)
    transactions = FabricTransactions.open(profile)
    note = json.dumps({"subject": f"tls-{uuid.uuid4().hex}", "id": "1"}).encode()
    async with asyncio.timeout(60):
        while True:
            try:
                done = await transactions.submit("note", note)
                break
            except UnavailableError:  # the peer has just started
                await asyncio.sleep(0.2)
        events: Any = transactions.events(None)
        while (await anext(events)).tx_id != done.tx_id:
            pass
        await events.aclose()
        async with open_blocks(profile) as source:
            assert await source.height() > done.block
        monkeypatch.setattr(blocks, "client_certificate_hash", lambda _: b"")
        async with open_blocks(profile) as source:
            with pytest.raises(UnavailableError):
                await source.height()
    await transactions.close()


async def test_without_the_certificate_nothing_is_to_be_had(strict: Profile) -> None:
    transactions = FabricTransactions.open(strict)
    with pytest.raises(UnavailableError):
        await transactions.evaluate("notes", b'{"subject":"none"}')
    await transactions.close()
