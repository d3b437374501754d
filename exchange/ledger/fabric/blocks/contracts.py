"""Runs a valid transaction again through the contracts, and compares all that it did with all that they do.

This is what makes an entry of the access log more than a signed statement: the terms that were in force,
as the blocks before it built them, must give this decision today.
"""

from __future__ import annotations

from typing import Any

from chaincode.errors import ContractError
from chaincode.shim.proposal import caller_of
from exchange.ledger.embedded.block import BLOCK_LIMIT, NEVER, Call
from exchange.ledger.embedded.block_checks import printable
from exchange.ledger.embedded.engine import Execution
from exchange.ledger.embedded.replay import Replay
from exchange.ledger.fabric.blocks.errors import BlockError
from exchange.ledger.fabric.blocks.layout import EndorsedCall, ProposedCall
from exchange.ledger.fabric.blocks.state import ChannelState

_OK = 200
_FUNCTION_AND_ARGUMENT = 2

Writes = list[tuple[bytes, bytes]]


class Contracts:
    """The contracts, on the state that the blocks so far have built."""

    def __init__(self, state: ChannelState) -> None:
        self._chaincode, self._replay = state.chaincode, Replay(state.storage)
        self.replayed = self.unreplayable = 0

    def check(self, place: int, headers: ProposedCall, call: EndorsedCall) -> Writes:
        """Return the writes of a valid transaction, when they are those that the contracts make.

        A call that was submitted and only asked changes nothing, and is not run again; nor is a call from
        before these contracts were adopted, which `unreplayable` counts.

        Raises:
            BlockError: naming the entry and what differs.
        """
        public = _own(call, self._chaincode)
        if len(call.arguments) != _FUNCTION_AND_ARGUMENT or call.status != _OK:
            raise BlockError("is no call that the contracts answer")
        if not public.writes and call.event is None:
            return []
        writes = [(write.key.encode(), write.value) for write in public.writes]
        if any(write.is_delete for write in public.writes):
            raise BlockError("removes a key, which no contract does")
        if not self._replay.reaches(place, (key for key, _ in writes)):
            self.unreplayable += 1
            return writes
        self.replayed += 1
        function, args = call.arguments
        asked = Call(
            headers.nonce, "", function.decode(errors="replace"), args, headers.time, transient=False
        )
        try:
            result, again = self._replay.run(place, headers.tx_id, caller_of(headers.creator), asked)
        except ContractError as refusal:
            raise BlockError(f"the contract refuses it: {refusal.code}") from None
        _compare(call, public, result, again, writes)
        return writes


def _own(call: EndorsedCall, chaincode: str) -> Any:
    """Return the reads and writes in our namespace; there must be no writes in another, and no private
    data.
    """
    own = None
    for one in call.sets:
        if one.namespace == chaincode:
            own = one.public
        if one.collections or one.public.metadata_writes:
            raise BlockError("holds private data or rules of a key, which no contract writes")
        if one.namespace != chaincode and one.public.writes:
            raise BlockError(f"writes to {one.namespace}")
    if own is None:
        raise BlockError("neither reads nor writes the contracts' state")
    return own


def _compare(call: EndorsedCall, public: Any, result: bytes, again: Execution, writes: Writes) -> None:
    made = again.writes
    for key, value in writes:
        if key not in made:
            raise BlockError(f"writes {printable(key)}, which the contract does not")
        if made[key] != value:
            raise BlockError(f"the contract writes another value to {printable(key)}")
    if len(writes) != len(made):
        missing = made.keys() - {key for key, _ in writes}
        raise BlockError(f"the contract writes {printable(min(missing, default=b''))} as well")
    if result != call.result:
        raise BlockError("the contract's result is another")
    if again.event != call.event:
        raise BlockError("the contract announces another event")
    read = {key.key.encode(): _version(key) for key in public.reads}
    for query in public.range_queries_info:
        read |= {key.key.encode(): _version(key) for key in query.raw_reads.kv_reads}
    if read != again.reads:
        raise BlockError("what it read is not what the contract reads")


def _version(read: Any) -> int:
    if not read.HasField("version"):
        return NEVER
    return int(read.version.block_num) * BLOCK_LIMIT + int(read.version.tx_num)
