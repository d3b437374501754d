"""The port to a channel of the ledger: Fabric's gateway client and the embedded ledger both fit it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from chaincode.access.log_keys import LogPosition
from chaincode.consent.model import Pair


class Committed(msgspec.Struct, frozen=True):
    """A transaction that committed as VALID.

    `time` is the transaction's, in milliseconds since 1970 UTC; `result` is the contract's answer.
    """

    tx_id: str
    block: int
    time: int
    result: bytes


class Checkpoint(msgspec.Struct, frozen=True, order=True):
    """A place in the stream of events: the block, and the event's transaction within it."""

    block: int
    index: int


class LoggedEntry(NamedTuple):
    """One entry of the access log as the ledger holds it: its event's checkpoint, its position, its bytes."""

    checkpoint: Checkpoint
    position: LogPosition
    value: bytes


class LedgerEvent(msgspec.Struct, frozen=True):
    """The event of one committed transaction, and the keys and values that it wrote, in no set order.

    `checkpoint` continues the stream after it.
    """

    checkpoint: Checkpoint
    tx_id: str
    name: str
    payload: bytes
    written: tuple[tuple[bytes, bytes], ...]


class Transactions(Protocol):
    """Transactions of this organisation on the channel's chaincode.

    Errors of every method: `RefusedError` where the contract refuses, `UnavailableError` (or one of its
    children in `exchange.ledger.errors`) where the ledger can't be reached, `DamagedError` where its data
    does not verify.
    """

    @property
    def msp_id(self) -> str:
        """The MSP id of the organisation that submits the transactions."""

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        """Run `function` and commit its writes; return once they are durable and VALID.

        `transient` is data that contracts may see and no block holds.
        """

    async def evaluate(self, function: str, args: bytes) -> bytes:
        """Run `function` on the committed state, write nothing, and return the contract's result."""

    def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        """Yield every event after `after` (None: from the first block on), in order and as they come."""

    def trouble(self) -> str | None:
        """Return why no transaction can commit now, as far as that is known; None if one can."""

    def doubt(self) -> str | None:
        """Return what somebody should look at although transactions commit; None if there is nothing."""

    async def close(self) -> None:
        """Finish the submitted transactions and close the ledger."""


class LedgerReader(Protocol):
    """The state of a verified ledger, to compare a copy with it. Methods block.

    A place in the stream of events is a `Checkpoint`'s block and index.
    """

    def catch_up(self) -> None:
        """Read all blocks that are committed by now.

        Raises:
            DamagedError: a new block does not verify.
        """

    def entry(self, position: LogPosition) -> tuple[bytes, int] | None:
        """Return one encoded entry of the access log and its block, or None."""

    def entries(self, after: Checkpoint | None) -> Iterator[LoggedEntry]:
        """Yield every log entry behind an event, in the order in which they were decided."""

    def has_place(self, block: int, index: int) -> bool:
        """Return whether there is an event `index` in `block`."""

    def release_roots(self, custodian: str) -> Iterator[str]:
        """Yield every root of a release that `custodian` has noted."""

    def pairs(self) -> Iterator[tuple[str, Pair]]:
        """Yield every pair's pseudonym with the pair in its present state."""
