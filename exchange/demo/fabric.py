"""The demo's consortium on a Fabric network of its own: three hospitals' peers, and an orderer."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

from chaincode.consent.calls import Opening, OpenPairs
from chaincode.encoding import encode
from exchange import devnet
from exchange.auth.principal import Member
from exchange.demo.consortium import CITY, LAKE, MEMBERS
from exchange.ledger.fabric.gateway.client import GatewayClient
from exchange.ledger.fabric.gateway.connection import connect
from exchange.ledger.fabric.gateway.errors import CommitError
from exchange.ledger.fabric.gateway.identity import SigningIdentity

_SUFFIX = "MSP"


def organisation(member: Member) -> str:
    """Return a member's name on the network."""
    return member.msp_id.removesuffix(_SUFFIX)


OPTIONS = devnet.Options(names=tuple(organisation(member) for member in MEMBERS))


def profile(running: devnet.Network, member: Member) -> Path:
    """Return the member's connection profile."""
    return running.folder.profiles / f"{organisation(member).lower()}.json"


def write_alone(running: devnet.Network) -> str | None:
    """Have one member's peer alone endorse a consent, and return the channel's verdict on it.

    Stolen credentials of one hospital can do that much. None would be a consent that holds.
    """
    opening = Opening(pair=secrets.token_hex(16), recipient=LAKE.msp_id, subject="patient", terms=())
    return asyncio.run(_write_alone(running, encode(OpenPairs((opening,)))))


async def _write_alone(running: devnet.Network, call: bytes) -> str | None:
    thief = running.profile(organisation(LAKE))
    async with AsyncExitStack() as stack:
        channel = connect(thief)
        stack.push_async_callback(channel.close)
        identity = SigningIdentity.from_files(thief.msp_id, thief.certificate, thief.key)
        gateway = GatewayClient(channel, identity, thief.channel, thief.chaincode)
        try:
            await gateway.submit("consent:open", call, organisations=[thief.msp_id])
        except CommitError as why:
            return why.code
    return None


def city_peer(running: devnet.Network) -> str:
    """Return the name of the process that is City Hospital's peer."""
    return running.topology.organisation(organisation(CITY)).peer
