"""Transactions through Fabric's Gateway service: propose, endorse, order, and know the outcome.

1. Every call has a deadline. The Gateway's own CommitStatus would wait for ever.
2. `evaluate` and `endorse` write nothing and are tried again as `retries` advises.
3. `settle` sends a signed transaction again and again until its outcome is known: an orderer that dies
   forgets what it had accepted, and a transaction's id is valid once however often it is ordered.
4. A deadline that passes says so with `OutcomeUnknownError`, which holds what is needed to go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import grpc
import msgspec
from fabric_protos.common.common_pb2 import Envelope
from fabric_protos.gateway.gateway_pb2 import (
    CommitStatusRequest,
    EndorseRequest,
    EvaluateRequest,
    SignedCommitStatusRequest,
    SubmitRequest,
)
from fabric_protos.gateway.gateway_pb2_grpc import GatewayStub
from fabric_protos.peer.proposal_pb2 import SignedProposal
from fabric_protos.peer.transaction_pb2 import ENDORSEMENT_POLICY_FAILURE, VALID, TxValidationCode

from exchange.ledger.fabric.gateway import proposal
from exchange.ledger.fabric.gateway.endorsers import Endorsers
from exchange.ledger.fabric.gateway.errors import (
    CallError,
    CommitError,
    CommitStatusError,
    EndorsedTransaction,
    OutcomeUnknownError,
    Stage,
    SubmitError,
    call_error,
    commit_error,
)
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.retries import Advice, advise
from exchange.ledger.port import Committed

R = TypeVar("R")

_TOO_FEW = TxValidationCode.Name(ENDORSEMENT_POLICY_FAILURE)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between tries; doubled each time


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds: `evaluate`, `endorse` and `outcome` bound operations with all their tries, the rest one call.

    `outcome` counts from the first endorsement to a known commit; `resend` is how long a transaction
    that was ordered may stay away before it is sent again. `absent` is how long the peer
    itself, or too many of its neighbours by what it knows of them, may be away while nothing is written:
    they restart in a second or two, or an operator has to act. `patience` is how long a caller waits for the
    next step of a transaction, while no other transaction takes that step either, and a second more for each
    megabyte of it: longer than a peer waits for a neighbour that hangs, twice 1.5 seconds, and then for
    another.
    """

    evaluate: float = 10.0
    endorse: float = 15.0
    submit: float = 10.0
    commit_status: float = 10.0
    outcome: float = 60.0
    absent: float = 4.0
    resend: float = 2.0
    patience: float = 3.7


def _ignore(_: EndorsedTransaction) -> None:
    """Take no notice of an endorsed transaction."""


class CommitStatus(msgspec.Struct, frozen=True):
    """The verdict on a transaction: `code` is a name of `TxValidationCode`, such as `VALID`."""

    code: str
    block: int


class GatewayClient:
    """One identity's transactions with one chaincode of one channel, through one peer.

    A transaction that the peer can't hand to an orderer goes to `broadcast`, which says whether one took it.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        identity: SigningIdentity,
        channel_id: str,
        chaincode: str,
        *,
        deadlines: Deadlines | None = None,
        broadcast: Callable[[bytes], Awaitable[bool]] | None = None,
    ) -> None:
        self._broadcast = broadcast
        self.identity, self.channel_id, self.chaincode = identity, channel_id, chaincode
        self._stub = GatewayStub(channel)
        self.deadlines = deadlines or Deadlines()
        self._endorsers = Endorsers()

    async def evaluate(
        self,
        function: str,
        *arguments: bytes,
        transient: Mapping[str, bytes] | None = None,
        organisations: Sequence[str] = (),
    ) -> bytes:
        """Return the chaincode's answer on committed state, from peers of `organisations` if any are named.

        Raises:
            EvaluateError: it failed; `refusal` tells whether the chaincode refused.
        """
        proposed, signed = await self._propose(function, arguments, transient)
        request = EvaluateRequest(
            transaction_id=proposed.tx_id,
            channel_id=self.channel_id,
            proposed_transaction=signed,
            target_organizations=organisations,
        )

        async def call(seconds: float) -> bytes:
            answer = await self._stub.Evaluate(request, timeout=seconds)
            returned: bytes = answer.result.payload
            return returned

        return await self._persist(Stage.EVALUATE, call, self.deadlines.evaluate, proposed.tx_id)

    async def endorse(
        self,
        function: str,
        *arguments: bytes,
        transient: Mapping[str, bytes] | None = None,
        organisations: Sequence[str] = (),
    ) -> EndorsedTransaction:
        """Have the chaincode run, and its effects endorsed and signed; nothing is written yet.

        The peer finds endorsers that satisfy the policies, and those are asked again for some seconds;
        naming `organisations` replaces that choice.

        Raises:
            EndorseError: it failed; `refusal` tells whether the chaincode refused.
        """
        proposed, signed = await self._propose(function, arguments, transient)
        chosen = True

        async def call(seconds: float) -> Envelope:
            nonlocal chosen
            named = organisations or self._endorsers.named()
            chosen = not named
            request = EndorseRequest(
                transaction_id=proposed.tx_id,
                channel_id=self.channel_id,
                proposed_transaction=signed,
                endorsing_organizations=named,
            )
            try:
                return (await self._stub.Endorse(request, timeout=seconds)).prepared_transaction
            except grpc.aio.AioRpcError:
                self._endorsers.forget()
                raise

        envelope = await self._persist(Stage.ENDORSE, call, self.deadlines.endorse, proposed.tx_id)
        envelope.signature = await self.identity.sign(envelope.payload)
        result, endorsers = proposal.endorsement(envelope)
        if chosen:
            self._endorsers.learn(endorsers)
        return EndorsedTransaction(proposed.tx_id, proposed.time, result, envelope.SerializeToString())

    async def send(self, endorsed: EndorsedTransaction) -> None:
        """Hand a signed transaction to the ordering service, once. Accepted is not committed: see `settle`.

        Raises:
            SubmitError: it was not accepted, or that is not known.
        """
        request = SubmitRequest(
            transaction_id=endorsed.tx_id,
            channel_id=self.channel_id,
            prepared_transaction=Envelope.FromString(endorsed.envelope),
        )
        await self._call(
            Stage.SUBMIT, self._stub.Submit(request, timeout=self.deadlines.submit), endorsed.tx_id
        )

    async def commit_status(self, tx_id: str) -> CommitStatus:
        """Wait until a block on the peer holds the transaction, and return its verdict.

        Raises:
            CommitStatusError: the deadline passed (DEADLINE_EXCEEDED), or the peer could not tell.
        """
        request = CommitStatusRequest(
            transaction_id=tx_id, channel_id=self.channel_id, identity=self.identity.creator
        ).SerializeToString()
        signed = SignedCommitStatusRequest(request=request, signature=await self.identity.sign(request))
        call = self._stub.CommitStatus(signed, timeout=self.deadlines.commit_status)
        answer = await self._call(Stage.COMMIT_STATUS, call, tx_id)
        return CommitStatus(TxValidationCode.Name(answer.result), answer.block_number)

    async def submit(
        self,
        function: str,
        *arguments: bytes,
        transient: Mapping[str, bytes] | None = None,
        organisations: Sequence[str] = (),
        endorsed_as: Callable[[EndorsedTransaction], None] = _ignore,
    ) -> Committed:
        """Run a transaction to its known end: endorse, order, and wait until it is VALID.

        `endorsed_as` is told of the transaction before it is ordered.

        Raises:
            EndorseError: nothing was ordered.
            SubmitError, CommitError, OutcomeUnknownError: as `settle`.
        """
        end = asyncio.get_running_loop().time() + self.deadlines.outcome
        habitual = not organisations and bool(self._endorsers.named())
        endorsed = await self.endorse(function, *arguments, transient=transient, organisations=organisations)
        endorsed_as(endorsed)
        try:
            return await self._settle(endorsed, end)
        except CommitError as why:
            # The policy changed since these endorsers sufficed: nothing was written, and the peer knows which
            # suffice now.
            if not habitual or why.code != _TOO_FEW:
                raise
        self._endorsers.forget()
        endorsed = await self.endorse(function, *arguments, transient=transient)
        endorsed_as(endorsed)
        return await self._settle(endorsed, end)

    async def settle(self, endorsed: EndorsedTransaction) -> Committed:
        """Order a signed transaction and make its outcome known, through restarts of peer and orderers.

        Raises:
            SubmitError: the ordering service refused it.
            CommitError: it is in a block but invalid; `ReadConflictError` if what it read had changed.
            OutcomeUnknownError: the deadline passed first.
        """
        return await self._settle(endorsed, asyncio.get_running_loop().time() + self.deadlines.outcome)

    async def _settle(self, endorsed: EndorsedTransaction, end: float) -> Committed:
        # The verdict is awaited from the start, beside the sending: it may come although a send failed.
        verdict = asyncio.create_task(self._verdict(endorsed.tx_id), name="fabric-verdict")
        sending = asyncio.create_task(self._keep_sending(endorsed), name="fabric-sending")
        try:
            await asyncio.wait(
                {verdict, sending},
                timeout=max(0.0, end - asyncio.get_running_loop().time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not verdict.done():
                if sending.done():
                    sending.result()
                raise OutcomeUnknownError(endorsed)
            try:
                status = verdict.result()
            except CommitStatusError as why:
                raise OutcomeUnknownError(endorsed) from why
        finally:
            for task in (verdict, sending):
                task.cancel()
            await asyncio.gather(verdict, sending, return_exceptions=True)
        if status.code != TxValidationCode.Name(VALID):
            raise commit_error(endorsed.tx_id, status.code, status.block)
        return Committed(endorsed.tx_id, status.block, endorsed.time, endorsed.result)

    async def _keep_sending(self, endorsed: EndorsedTransaction) -> None:
        """Send again and again for as long as it is let; raises if the first sending was refused."""
        pause, unsure = _FIRST_PAUSE, False
        while True:
            try:
                await self.send(endorsed)
            except SubmitError as why:
                if advise(why) is Advice.GIVE_UP:
                    if unsure:  # an earlier sending may have been accepted: only the verdict shows it
                        await asyncio.Event().wait()
                    raise
                unsure = True
                if self._broadcast is not None and await self._broadcast(endorsed.envelope):
                    await asyncio.sleep(self.deadlines.resend)
                    continue
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                unsure = True
                await asyncio.sleep(self.deadlines.resend)

    async def _verdict(self, tx_id: str) -> CommitStatus:
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self.commit_status(tx_id)
            except CommitStatusError as why:
                if advise(why) is Advice.GIVE_UP:
                    raise
                if why.code is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)

    async def _propose(
        self, function: str, arguments: Sequence[bytes], transient: Mapping[str, bytes] | None
    ) -> tuple[proposal.Proposal, SignedProposal]:
        proposed = proposal.build(
            self.identity.creator,
            self.channel_id,
            self.chaincode,
            [function.encode(), *arguments],
            transient,
        )
        signature = await self.identity.sign(proposed.message)
        return proposed, SignedProposal(proposal_bytes=proposed.message, signature=signature)

    async def _persist(
        self, stage: Stage, call: Callable[[float], Awaitable[R]], seconds: float, tx_id: str
    ) -> R:
        """Make a call that writes nothing until it succeeds, is refused, or `seconds` have passed."""
        clock = asyncio.get_running_loop().time
        begun, pause = clock(), _FIRST_PAUSE
        end = begun + seconds
        while True:
            try:
                return await self._call(stage, call(end - clock()), tx_id)
            except CallError as why:
                away = why.code is grpc.StatusCode.UNAVAILABLE and not why.details
                if away or why.code is grpc.StatusCode.FAILED_PRECONDITION:  # the peer, or its neighbours
                    end = min(end, begun + self.deadlines.absent)
                if advise(why) is Advice.GIVE_UP or clock() + pause >= end:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _call(self, stage: Stage, call: Awaitable[R], tx_id: str) -> R:
        try:
            return await call
        except grpc.aio.AioRpcError as failure:
            raise call_error(stage, failure, tx_id, self.identity.msp_id) from None
