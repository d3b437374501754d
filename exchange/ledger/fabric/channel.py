"""A Fabric channel as the own peer reports it: its first block, and the organisations on it."""

from __future__ import annotations

import msgspec
from fabric_protos.common.common_pb2 import SIGNATURES, Block, Metadata, OrdererBlockMetadata

from exchange.errors import DamagedError
from exchange.ledger.fabric.blocks.config import ChannelConfig
from exchange.ledger.fabric.blocks.errors import BlockError, UnreadableError
from exchange.ledger.fabric.blocks.layout import block_hash, parse, proposed
from exchange.ledger.fabric.gateway.blocks import BlockSource, open_blocks
from exchange.ledger.fabric.gateway.connection import Profile

_READ_TIMEOUT = 10.0


class ChannelFacts(msgspec.Struct, frozen=True):
    """`first_block` is the hash of the channel's first block; `members` are MSP ids, in their own order."""

    first_block: str
    members: tuple[str, ...]


async def survey(profile: Profile) -> ChannelFacts:
    """Read the channel's first block and its newest configuration from the profile's peer.

    Raises:
        UnavailableError: the peer does not serve them.
        DamagedError: what it serves is no channel.
        ProfileError, IdentityError: the profile's files can't be used.
    """
    async with open_blocks(profile, read_timeout=_READ_TIMEOUT) as source:
        height = await source.height()
        first = await _block(source, 0)
        newest = await _block(source, height - 1)
        try:
            signed = parse(Metadata, newest.metadata.metadata[SIGNATURES]).value
            place = parse(OrdererBlockMetadata, signed).last_config.index
            configured = await _block(source, place)
            config = ChannelConfig.first(proposed(configured.data.data[0]))
        except (UnreadableError, BlockError, IndexError) as why:
            raise DamagedError(f"the peer's channel {profile.channel} can't be read: {why}") from None
    return ChannelFacts(block_hash(first.header).hex(), tuple(sorted(config.applicants.organisations)))


async def _block(source: BlockSource, number: int) -> Block:
    return await anext(aiter(source.blocks(number, number + 1)))
