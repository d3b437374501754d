"""Fabric as `exchange.ledger.port.Transactions`: the one module here that knows the rest of the gateway.

Contracts refuse with `code: message` in their response; here that becomes the contract's own error again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import TypeVar

import grpc

from chaincode.errors import ContractError, from_code
from exchange.errors import DamagedError, ExchangeError, UnavailableError
from exchange.ledger.errors import UnknownOutcomeError, VoidedError
from exchange.ledger.errors import refusal as refused
from exchange.ledger.fabric.blocks.layout import block_hash
from exchange.ledger.fabric.gateway.block_events import chaincode_events
from exchange.ledger.fabric.gateway.blocks import BlockSource
from exchange.ledger.fabric.gateway.client import Deadlines, GatewayClient
from exchange.ledger.fabric.gateway.connection import Profile, connect
from exchange.ledger.fabric.gateway.errors import (
    CallError,
    CommitError,
    GatewayError,
    OutcomeUnknownError,
    ReadConflictError,
    Refusal,
)
from exchange.ledger.fabric.gateway.events import Follower
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.retries import row
from exchange.ledger.port import Checkpoint, Committed, LedgerEvent

R = TypeVar("R")

IN_FLIGHT = 2
"""The number of transactions of one gateway's group commit that run at once: a commit is several round trips.
"""

_RECOGNITION = 4.0  # seconds for reading the first block


class FabricTransactions:
    """Transactions of this organisation on a Fabric channel, through its own peer.

    Queries go to the organisation's own peers alone, so that no other organisation sees them.

    With the hash of a `first_block`, everything raises `DamagedError` on a channel that began otherwise:
    one that was made anew under the same name holds other consents.
    """

    def __init__(
        self, channel: grpc.aio.Channel, gateway: GatewayClient, *, first_block: str | None = None
    ) -> None:
        self._channel, self._gateway = channel, gateway
        self._unrecognised = first_block
        self._recognition: asyncio.Task[None] | None = None
        self._follower = Follower(channel, gateway.identity, gateway.channel_id)
        self._submitting, self._idle = 0, asyncio.Event()
        self._idle.set()

    @classmethod
    def open(
        cls, profile: Profile, *, deadlines: Deadlines | None = None, first_block: str | None = None
    ) -> FabricTransactions:
        """Make a client that is ready to transact; the peer is reached on the first call.

        Raises:
            ProfileError, IdentityError: a file can't be read, or a certificate or key can't be used.
        """
        identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
        channel = connect(profile)
        gateway = GatewayClient(channel, identity, profile.channel, profile.chaincode, deadlines=deadlines)
        return cls(channel, gateway, first_block=first_block)

    @property
    def msp_id(self) -> str:
        """Return the MSP id of the organisation that submits the transactions."""
        return self._gateway.identity.msp_id

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        """Run `function` and commit its writes; returns once a block on the own peer holds it as VALID.

        Raises:
            RefusedError: the contract refused.
            VoidedError: what it read had changed; a new transaction may succeed.
            UnknownOutcomeError: the deadline passed before the outcome was known.
            UnavailableError: it was not ordered, or the channel's rules void it.
        """
        await self._recognise()
        self._submitting += 1
        self._idle.clear()
        try:
            done = await _translated(self._gateway.submit(function, args, transient=transient))
        finally:
            self._submitting -= 1
            if not self._submitting:
                self._idle.set()
        return Committed(tx_id=done.tx_id, block=done.block, time=done.time, result=done.result)

    async def evaluate(self, function: str, args: bytes) -> bytes:
        """Run `function` on the committed state of an own peer and write nothing.

        Raises:
            RefusedError: the contract refused.
            UnavailableError: no own peer can be reached.
        """
        await self._recognise()
        return await _translated(self._gateway.evaluate(function, args, organisations=[self.msp_id]))

    async def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        """Yield every event after `after` (None: from the first block on), in order, for ever.

        Raises:
            UnavailableError: the peer will not serve its blocks to this identity.
            DamagedError: a block can't be read.
        """
        await self._recognise()
        try:
            async for block in self._follower.blocks(after.block if after else 0):
                for event in chaincode_events(block, self._gateway.chaincode):
                    if after is None or event.checkpoint > after:
                        yield event
        except GatewayError as why:
            raise _translate(why) from why

    def trouble(self) -> str | None:
        """Return why no transaction can commit now, as far as that is known; None if one can."""
        return None

    def doubt(self) -> str | None:
        """Return nothing: peers check the clock of each transaction."""
        return None

    async def close(self) -> None:
        """Wait for the outcome of submitted transactions, and close the connection."""
        await self._idle.wait()
        if self._recognition is not None:
            self._recognition.cancel()
        await self._channel.close()

    async def _recognise(self) -> None:
        if self._unrecognised is None:
            return
        if self._recognition is None or self._recognition.done():  # one try for all waiting calls
            self._recognition = asyncio.create_task(self._read_first(), name="fabric-recognition")
            self._recognition.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._recognition)

    async def _read_first(self) -> None:
        source = BlockSource(self._follower, read_timeout=_RECOGNITION)
        async for block in source.blocks(0, 1):
            if block_hash(block.header).hex() != self._unrecognised:
                raise DamagedError("the channel is not the one that this node was made on")
        self._unrecognised = None


async def _translated(call: Awaitable[R]) -> R:
    try:
        return await call
    except GatewayError as why:
        raise _translate(why) from why


def _translate(why: GatewayError) -> ExchangeError:
    match why:
        case CallError(refusal=Refusal() as refusal) if (reason := _reason(refusal)) is not None:
            return refused(reason)
        case ReadConflictError():
            return VoidedError("what the transaction read has changed")
        case CommitError():
            return UnavailableError(f"the channel marked the transaction invalid: {why.code}")
        case OutcomeUnknownError():
            return UnknownOutcomeError(f"the outcome of transaction {why.endorsed.tx_id} is not known yet")
        case CallError():
            found = row(why)
            text = found.reason if found else "an answer that was not expected"
            return UnavailableError(f"the ledger: {text} ({why.stage.value}, {why.code.name})")
        case _:
            return UnavailableError("the ledger can't be used with this identity")


def _reason(refusal: Refusal) -> ContractError | None:
    """Return the contract's error; None when the chaincode failed rather than refused."""
    code, colon, message = refusal.message.partition(": ")
    reason = from_code(code, message)
    return reason if colon and (reason.code, reason.status) == (code, refusal.status) else None
