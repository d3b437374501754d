"""The port to a channel of the ledger: Fabric's gateway client and the embedded ledger both fit it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from chaincode.access.log_keys import LogPosition
from chaincode.consent.model import Pair


class Committed(msgspec.Struct, frozen=True):
    """A transaction that committed as VALID.

    `time` is the transaction's, in milliseconds since 1970 UTC; `result` is what the contract returned.
    """

    tx_id: str
    block: int
    time: int
    result: bytes


class Checkpoint(msgspec.Struct, frozen=True, order=True):
    """A place in the stream of events: the block, and the event's transaction within it."""

    block: int
    index: int


class Found(NamedTuple):
    """One record of the access log as it stands on the ledger: its event's place, its own, its bytes."""

    checkpoint: Checkpoint
    place: LogPosition
    record: bytes


class Event(msgspec.Struct, frozen=True):
    """What one committed transaction announced, and the keys and values that it wrote, in no set order.

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
    children in `exchange.ledger.errors`) where the ledger can't be reached, `DamagedError` where what it
    holds does not verify.
    """

    @property
    def msp_id(self) -> str:
        """The organisation in whose name transactions are submitted."""

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        """Run `function` and commit what it writes; returns once that is durable and VALID.

        `transient` is what contracts may see and no block holds.
        """

    async def evaluate(self, function: str, args: bytes) -> bytes:
        """Run `function` on the committed state and keep nothing; the result of the contract."""

    def events(self, after: Checkpoint | None) -> AsyncIterator[Event]:
        """Every event after `after` (from the first block on for None), in order, and then as they come."""

    async def close(self) -> None:
        """Finish what was submitted and let go of the ledger."""


class Reader(Protocol):
    """A verified ledger's state, for comparing something with it. Methods block.

    A place in the stream of events is a `Checkpoint`'s block and index.
    """

    def catch_up(self) -> None:
        """See everything that is committed by now.

        Raises:
            DamagedError: what came since does not verify.
        """

    def record(self, place: LogPosition) -> tuple[bytes, int] | None:
        """One record of the access log, as it stands on the ledger, and its block, or None."""

    def records(self, after: Checkpoint | None) -> Iterator[Found]:
        """Every record behind an event, in the order in which they were decided."""

    def has_place(self, block: int, index: int) -> bool:
        """Whether there is an event `index` in `block`."""

    def pairs(self) -> Iterator[tuple[str, Pair]]:
        """Every pair's pseudonym, and the pair as it stands."""
