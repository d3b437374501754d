"""The blocks of a channel from the first to the newest, as the own peer serves them.

Nothing about them is verified here; `exchange.ledger.fabric.blocks` does that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from fabric_protos.common.common_pb2 import Block
from grpc import StatusCode

from exchange.errors import UnavailableError
from exchange.ledger.fabric.gateway.connection import Profile, client_certificate_hash, connect
from exchange.ledger.fabric.gateway.errors import CallError
from exchange.ledger.fabric.gateway.events import Follower
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.retries import row

T = TypeVar("T")


class _NotFoundError(UnavailableError):
    """The peer has no such block, or no such channel."""


class BlockSource:
    """Reads blocks in one identity's name.

    Every method raises `UnavailableError` if the peer refuses, or says nothing for `read_timeout` seconds.
    """

    def __init__(self, follower: Follower, *, read_timeout: float = 30.0) -> None:
        self._follower, self._read_timeout = follower, read_timeout

    async def height(self) -> int:
        """Return how many blocks the peer holds."""
        return await self._within(self._follower.newest()) + 1

    async def blocks(self, start: int, height: int) -> AsyncIterator[Block]:
        """Yield the blocks from number `start` on, of the first `height`, one at a time."""
        stream = self._follower.blocks(start, height - 1)
        try:
            while True:
                try:
                    block = await self._within(anext(stream))
                except _NotFoundError as why:
                    # The peer says the same of a channel that it has not joined: it has no newest block then.
                    held = await self.height()
                    raise UnavailableError(
                        f"the peer has {held} blocks of the channel and not number {start}: it joined by a "
                        "snapshot, or lost its older blocks; use a peer that was joined with the first block"
                    ) from why
                yield block
        except StopAsyncIteration:
            return

    async def _within(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._read_timeout):
                return await call
        except CallError as why:
            found = row(why)
            text = found.reason if found else why.message
            kind = _NotFoundError if why.code is StatusCode.NOT_FOUND else UnavailableError
            raise kind(f"the peer serves no blocks: {text}") from why
        except TimeoutError:
            raise UnavailableError("the peer serves no blocks: it does not answer") from None


@asynccontextmanager
async def open_blocks(profile: Profile, *, read_timeout: float = 30.0) -> AsyncIterator[BlockSource]:
    """Open a connection to the profile's peer, for reading its blocks; `read_timeout` as for `BlockSource`.

    Raises:
        ProfileError, IdentityError: a file can't be read, or a certificate or key can't be used.
    """
    identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
    channel = connect(profile)
    try:
        yield BlockSource(
            Follower(channel, identity, profile.channel, certificate=client_certificate_hash(profile)),
            read_timeout=read_timeout,
        )
    finally:
        await channel.close()
