"""The writes of a Fabric channel, read from a peer's blocks by the tests themselves, to judge the rest."""

from __future__ import annotations

from dataclasses import dataclass

from fabric_protos.common.common_pb2 import ENDORSER_TRANSACTION, TRANSACTIONS_FILTER
from fabric_protos.peer.transaction_pb2 import VALID

from exchange.ledger.fabric.blocks.layout import endorsed, proposed
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.connection import Profile


@dataclass(frozen=True)
class Written:
    """One valid transaction of a chaincode: where it stands, its id, and what it wrote."""

    block: int
    index: int
    tx: str
    writes: tuple[tuple[bytes, bytes], ...]


async def valid_writes(profile: Profile) -> list[Written]:
    """Return the valid transactions of the profile's chaincode in the channel's order, by its peer."""
    found: list[Written] = []
    async with open_blocks(profile) as source:
        async for block in source.blocks(0, await source.height()):
            verdicts = block.metadata.metadata[TRANSACTIONS_FILTER]
            for index, (raw, verdict) in enumerate(zip(block.data.data, verdicts, strict=True)):
                headers = proposed(raw)
                if verdict != VALID or headers.kind != ENDORSER_TRANSACTION:
                    continue
                call = endorsed(headers)
                writes = tuple(
                    (write.key.encode(), write.value)
                    for part in call.sets
                    if part.namespace == profile.chaincode
                    for write in part.public.writes
                )
                if call.chaincode == profile.chaincode:
                    found.append(Written(block.header.number, index, headers.tx_id, writes))
    return found
