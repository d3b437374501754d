"""Fabric as `exchange.ledger.port.Transactions`: the one module here that knows the rest of the gateway.

Contracts refuse with `code: message` in their response; here that becomes the contract's own error again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import grpc

from chaincode.errors import ContractError, from_code
from exchange.errors import DamagedError, ExchangeError, UnavailableError
from exchange.ledger.breaker import CircuitBreaker
from exchange.ledger.errors import ClockWrongError, RefusedError, UnknownOutcomeError, VoidedError
from exchange.ledger.errors import refusal as refused
from exchange.ledger.fabric.blocks.layout import block_hash
from exchange.ledger.fabric.gateway.block_events import chaincode_events
from exchange.ledger.fabric.gateway.blocks import BlockSource
from exchange.ledger.fabric.gateway.client import Deadlines, GatewayClient
from exchange.ledger.fabric.gateway.connection import Profile, client_certificate_hash, connect
from exchange.ledger.fabric.gateway.errors import (
    CallError,
    CommitError,
    EndorsedTransaction,
    GatewayError,
    OutcomeUnknownError,
    ReadConflictError,
    Refusal,
    Stage,
    SubmitError,
)
from exchange.ledger.fabric.gateway.events import Follower
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.retries import Advice, advise, row
from exchange.ledger.fabric.ordering import OrderingService
from exchange.ledger.port import Checkpoint, Committed, LedgerEvent

R = TypeVar("R")
_Probe = Callable[[], Awaitable[None]]

IN_FLIGHT = 2
"""The number of transactions of one gateway's group commit that run at once: a commit is several round trips.
"""

_RECOGNITION = 4.0  # seconds for reading the first block
_BYTES_A_SECOND = 1_000_000  # of a large transaction, for which more patience is due
_CLOSING = 0.5  # seconds between two looks at the breakers while transactions end
_NO_PEER = "the ledger does not answer: the own peer, its chaincode or too many others are away"
_NO_ORDERER = "the ledger does not answer: the ordering service is away, or the own peer no longer follows it"


class _UnderWay:
    """A call of `size` bytes under way: its stage, and since when it waits for the next."""

    def __init__(self, stage: Stage, since: float, size: int) -> None:
        self.size = size
        self.since, self.stage = since, stage
        self.endorsed: EndorsedTransaction | None = None

    def is_endorsed(self, endorsed: EndorsedTransaction) -> None:
        """Record that the transaction can be ordered."""
        self.since, self.stage = asyncio.get_running_loop().time(), Stage.COMMIT_STATUS
        self.endorsed, self.size = endorsed, len(endorsed.envelope)


class FabricTransactions:
    """Transactions of this organisation on a Fabric channel, through its own peer.

    Queries go to the organisation's own peers alone, so that no other organisation sees them, and are
    answered while the orderers or too many other organisations are away.

    With the hash of a `first_block`, everything raises `DamagedError` on a channel that began otherwise:
    one that was made anew under the same name holds other consents.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        gateway: GatewayClient,
        ordering: OrderingService | None = None,
        *,
        first_block: str | None = None,
        certificate: bytes = b"",
    ) -> None:
        self._channel, self._gateway, self._ordering = channel, gateway, ordering
        self._unrecognised = first_block
        self._recognition: asyncio.Task[None] | None = None
        self._follower = Follower(channel, gateway.identity, gateway.channel_id, certificate=certificate)
        self._own_peer, self._commits = CircuitBreaker("own-peer"), CircuitBreaker("commits")
        self._running: set[asyncio.Task[Any]] = set()
        self._answered = dict.fromkeys((Stage.EVALUATE, Stage.ENDORSE, Stage.COMMIT_STATUS), 0.0)

    @classmethod
    def open(
        cls, profile: Profile, *, deadlines: Deadlines | None = None, first_block: str | None = None
    ) -> FabricTransactions:
        """Make a client that is ready to transact; the peer is reached on the first call.

        Raises:
            ProfileError, IdentityError: a file can't be read, or a certificate or key can't be used.
        """
        identity = SigningIdentity.from_files(profile.msp_id, profile.certificate, profile.key)
        certificate = client_certificate_hash(profile)
        channel = connect(profile)
        ordering = OrderingService(profile)
        gateway = GatewayClient(
            channel,
            identity,
            profile.channel,
            profile.chaincode,
            deadlines=deadlines,
            broadcast=ordering.broadcast,
        )
        return cls(channel, gateway, ordering, first_block=first_block, certificate=certificate)

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
        self._own_peer.check()
        self._commits.check()
        under_way = _UnderWay(Stage.ENDORSE, self._since(), len(args))

        async def call() -> Committed:
            await self._recognise()
            return await self._gateway.submit(
                function, args, transient=transient, endorsed_as=under_way.is_endorsed
            )

        async def endorse() -> None:
            await self._gateway.endorse(function, args, transient=transient)

        async def ask() -> None:
            await self._ask(function, args)

        return await self._patiently(call(), under_way, ask, endorse)

    async def evaluate(self, function: str, args: bytes) -> bytes:
        """Run `function` on the committed state of an own peer and write nothing.

        Raises:
            RefusedError: the contract refused.
            UnavailableError: no own peer can be reached.
        """
        self._own_peer.check()

        async def call() -> bytes:
            await self._recognise()
            return await self._ask(function, args)

        async def ask() -> None:
            await self._ask(function, args)

        return await self._patiently(call(), _UnderWay(Stage.EVALUATE, self._since(), len(args)), ask)

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
        return self._own_peer.trouble or self._commits.trouble

    def doubt(self) -> str | None:
        """Return nothing: peers check the clock of each transaction."""
        return None

    async def close(self) -> None:
        """Wait for the outcome of submitted transactions if the ledger answers, and close the connection."""
        while self._running and self.trouble() is None:
            await asyncio.wait(self._running, timeout=_CLOSING)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._own_peer.close()
        await self._commits.close()
        if self._recognition is not None:
            self._recognition.cancel()
        if self._ordering is not None:
            await self._ordering.close()
        await self._channel.close()

    def _since(self) -> float:
        return asyncio.get_running_loop().time()

    async def _ask(self, function: str, args: bytes) -> bytes:
        return await self._gateway.evaluate(function, args, organisations=[self.msp_id])

    async def _patiently(
        self, call: Coroutine[Any, Any, R], under_way: _UnderWay, ask: _Probe, endorse: _Probe | None = None
    ) -> R:
        """Wait for `call` while it, or another, makes progress; otherwise open the breakers.

        `ask` tries the own peer alone, and `endorse` all that a transaction needs before it is ordered. A
        transaction that may have been ordered goes on without its caller, and its end is the probe.
        """
        begun = self._since()
        task = asyncio.create_task(_translated(call), name="fabric-call")
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            while not task.done():
                left = max(under_way.since, self._answered[under_way.stage]) - self._since()
                left += self._gateway.deadlines.patience + under_way.size / _BYTES_A_SECOND
                if left <= 0:
                    break
                await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            try:
                found = task.result()
            except UnavailableError as why:
                # The tries came to an end before the patience did.
                if under_way.endorsed is None and _is_away(why.__cause__):
                    self._refuse(str(why), ask, endorse)
                elif isinstance(why, UnknownOutcomeError) and self._answered[under_way.stage] < begun:
                    self._refuse_ordering(under_way, ask)
                raise
            self._answered[under_way.stage] = self._since()
            self._own_peer.answered()
            if under_way.endorsed is not None:
                self._commits.answered()
            return found
        if under_way.endorsed is None:
            task.cancel()
            self._refuse(_NO_PEER, ask, endorse)
            raise UnavailableError(_NO_PEER)
        tx_id = self._refuse_ordering(under_way, ask)
        raise UnknownOutcomeError(f"{_NO_ORDERER}; the outcome of {tx_id} is not known yet")

    def _refuse_ordering(self, under_way: _UnderWay, ask: _Probe) -> str:
        """Refuse transactions until the one under way is settled; return its id."""
        endorsed = under_way.endorsed
        assert endorsed is not None  # noqa: S101 - the callers have looked
        self._refuse(_NO_ORDERER, ask, lambda: self._settle(endorsed))
        return endorsed.tx_id

    def _refuse(self, trouble: str, ask: _Probe, commit: _Probe | None) -> None:
        """Refuse transactions until `commit` has an answer, and queries until `ask` has.

        The own peer may have gone in each case. If it has not, it says so within milliseconds.
        """
        self._own_peer.open(trouble, lambda: _unless_refused(ask()))
        if commit is not None:
            self._commits.open(trouble, lambda: _unless_refused(commit()))

    async def _settle(self, endorsed: EndorsedTransaction) -> None:
        with suppress(CommitError, SubmitError):  # an answer all the same
            await self._gateway.settle(endorsed)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have gone

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


def _is_away(why: BaseException | None) -> bool:
    return isinstance(why, CallError) and advise(why) is Advice.AGAIN


async def _unless_refused(probe: Awaitable[None]) -> None:
    """Await `probe`; the contract's refusal is an answer.

    Raises:
        UnavailableError: there was none.
    """
    with suppress(RefusedError, ClockWrongError):
        await _translated(probe)


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
