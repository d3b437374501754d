"""The events of a chaincode read from blocks, each with the writes of its transaction.

The Gateway's own stream of events leaves out the writes, so that a chaincode would have to repeat them in
the event. Events are numbered as in that stream: those of VALID transactions, from 0 in each block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fabric_protos.common.common_pb2 import ENDORSER_TRANSACTION, TRANSACTIONS_FILTER
from fabric_protos.peer.transaction_pb2 import VALID

from exchange.errors import DamagedError
from exchange.ledger.fabric.blocks.errors import InvalidError, UnreadableError
from exchange.ledger.fabric.blocks.layout import EndorsedCall, endorsed, proposed
from exchange.ledger.port import Checkpoint, LedgerEvent


def chaincode_events(block: Any, chaincode: str) -> Iterator[LedgerEvent]:
    """Yield the events of `chaincode` in `block`, in order. Nothing about the block is verified.

    Raises:
        DamagedError: a transaction that the peer calls VALID can't be read.
    """
    number, index = block.header.number, 0
    verdicts = block.metadata.metadata[TRANSACTIONS_FILTER]
    for raw, verdict in zip(block.data.data, verdicts, strict=True):
        if verdict != VALID:
            continue
        try:
            headers = proposed(raw)
            call = endorsed(headers) if headers.kind == ENDORSER_TRANSACTION else None
        except (UnreadableError, InvalidError) as why:
            raise DamagedError(f"block {number} of the channel can't be read: {why}") from None
        if call is not None and call.chaincode == chaincode and call.event is not None:
            yield LedgerEvent(Checkpoint(number, index), headers.tx_id, *call.event, _written(call))
            index += 1


def _written(call: EndorsedCall) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (write.key.encode(), write.value)
        for one in call.sets
        if one.namespace == call.chaincode
        for write in one.public.writes
    )
