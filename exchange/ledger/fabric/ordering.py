"""The ordering service reached directly, for when the own peer has no connection to it.

A peer that lost its orderers tries them at intervals that grow to two minutes. This client tries each second,
so that an outage of the ordering service ends with its return.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

import grpc
from fabric_protos.common.common_pb2 import Envelope, Status
from fabric_protos.orderer.ab_pb2_grpc import AtomicBroadcastStub

from exchange.ledger.fabric.gateway.connection import Profile, connect_orderer

_TIMEOUT = 2.0  # seconds for one orderer


class OrderingService:
    """The orderers that a profile names; none is needed as long as the own peer reaches one."""

    def __init__(self, profile: Profile) -> None:
        self._channels = [connect_orderer(profile, address) for address in profile.orderers]

    async def broadcast(self, envelope: bytes) -> bool:
        """Return whether an orderer accepted a signed transaction; accepted is not committed."""
        for channel in secrets.SystemRandom().sample(self._channels, len(self._channels)):
            with suppress(grpc.aio.AioRpcError, TimeoutError):
                async with asyncio.timeout(_TIMEOUT):
                    if await _accepts(channel, Envelope.FromString(envelope)):
                        return True
        return False

    async def close(self) -> None:
        """Close the connections."""
        for channel in self._channels:
            await channel.close()


async def _accepts(channel: grpc.aio.Channel, envelope: Envelope) -> bool:
    stream = AtomicBroadcastStub(channel).Broadcast()
    try:
        await stream.write(envelope)
        answer = await stream.read()
        return answer is not grpc.aio.EOF and answer.status == Status.SUCCESS
    finally:
        stream.cancel()
