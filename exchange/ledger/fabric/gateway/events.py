"""The streams of a channel: chaincode events and blocks, from a checkpoint on, through lost connections.

Both streams go on for ever. A connection that breaks is opened again where the stream stood, so a reader
sees everything once and in order; a failure that `retries` calls final ends the stream with `EventsError`. A
reader that stores the position of what it has handled, together with its effects, resumes exactly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc
import msgspec
from fabric_protos.common.common_pb2 import (
    DELIVER_SEEK_INFO,
    Block,
    ChannelHeader,
    Envelope,
    Header,
    Payload,
    Status,
)
from fabric_protos.gateway.gateway_pb2 import ChaincodeEventsRequest, SignedChaincodeEventsRequest
from fabric_protos.gateway.gateway_pb2_grpc import GatewayStub
from fabric_protos.orderer.ab_pb2 import SeekInfo, SeekNewest, SeekPosition, SeekSpecified
from fabric_protos.peer.events_pb2_grpc import DeliverStub

from exchange.ledger.fabric.gateway.errors import CallError, EventsError, Stage, call_error
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.proposal import signature_header
from exchange.ledger.fabric.gateway.retries import Advice, advise

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds before the stream is opened again; doubled each time
_LAST_BLOCK = (1 << 64) - 1

_log = logging.getLogger(__name__)


class EventPosition(msgspec.Struct, frozen=True, order=True):
    """A place in the stream of one chaincode's events: the block, and the event's number in it from 0."""

    block: int
    index: int


class ChaincodeEvent(msgspec.Struct, frozen=True):
    """An event that a VALID transaction announced."""

    position: EventPosition
    tx_id: str
    name: str
    payload: bytes


class Follower:
    """Reads the streams of one channel in one identity's name.

    `certificate` is the digest of the client's TLS certificate (`client_certificate_hash`), if it has one.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        identity: SigningIdentity,
        channel_id: str,
        *,
        certificate: bytes = b"",
    ) -> None:
        self._certificate = certificate
        self._gateway, self._deliver = GatewayStub(channel), DeliverStub(channel)
        self._identity, self._channel_id = identity, channel_id

    async def chaincode_events(
        self, chaincode: str, after: EventPosition | None
    ) -> AsyncIterator[ChaincodeEvent]:
        """Yield every event of `chaincode` after a position (None: from the first block on), for ever.

        Raises:
            EventsError: the peer will not serve the stream.
        """
        pauses = _Pauses()
        while True:
            try:
                async for event in self._events_once(chaincode, after):
                    yield event
                    after = event.position
                    pauses.reset()
            except CallError as why:
                await pauses.rest(why)

    async def blocks(self, start: int, stop: int | None = None) -> AsyncIterator[Block]:
        """Yield blocks from number `start` on, as the peer holds them: to `stop` inclusive, or as they come.

        Nothing about them is verified here.

        Raises:
            EventsError: the peer will not serve the stream.
        """
        pauses = _Pauses()
        while stop is None or start <= stop:
            try:
                async for block in self._blocks_once(_at(start), _at(_LAST_BLOCK if stop is None else stop)):
                    yield block
                    start = block.header.number + 1
                    pauses.reset()
            except CallError as why:
                await pauses.rest(why)

    async def newest(self) -> int:
        """Return the number of the newest block that the peer holds.

        Raises:
            EventsError: the peer will not serve it.
        """
        pauses, newest = _Pauses(), SeekPosition(newest=SeekNewest())
        while True:
            try:
                async for block in self._blocks_once(newest, newest):
                    number: int = block.header.number
                    return number
            except CallError as why:
                await pauses.rest(why)

    async def _events_once(
        self, chaincode: str, after: EventPosition | None
    ) -> AsyncIterator[ChaincodeEvent]:
        request = ChaincodeEventsRequest(
            channel_id=self._channel_id,
            chaincode_id=chaincode,
            identity=self._identity.creator,
            start_position=_at(after.block if after else 0),
        ).SerializeToString()
        signed = SignedChaincodeEventsRequest(request=request, signature=await self._identity.sign(request))
        stream = self._gateway.ChaincodeEvents(signed)
        try:
            async for response in stream:
                for index, event in enumerate(response.events):
                    position = EventPosition(response.block_number, index)
                    if after is None or position > after:
                        yield ChaincodeEvent(position, event.tx_id, event.event_name, event.payload)
        except grpc.aio.AioRpcError as failure:
            raise call_error(Stage.EVENTS, failure) from None
        finally:
            stream.cancel()

    async def _blocks_once(self, start: SeekPosition, stop: SeekPosition) -> AsyncIterator[Block]:
        stream = self._deliver.Deliver()
        try:
            await stream.write(await self._seek(start, stop))
            async for response in stream:
                if response.WhichOneof("Type") == "status":
                    if response.status == Status.SUCCESS:
                        return
                    raise _refused(response.status)
                yield response.block
        except grpc.aio.AioRpcError as failure:
            raise call_error(Stage.EVENTS, failure) from None
        finally:
            stream.cancel()

    async def _seek(self, start: SeekPosition, stop: SeekPosition) -> Envelope:
        channel = ChannelHeader(
            type=DELIVER_SEEK_INFO, channel_id=self._channel_id, tls_cert_hash=self._certificate
        )
        channel.timestamp.GetCurrentTime()
        header = Header(
            channel_header=channel.SerializeToString(),
            signature_header=signature_header(self._identity.creator).SerializeToString(),
        )
        seek = SeekInfo(start=start, stop=stop, behavior=SeekInfo.BLOCK_UNTIL_READY)
        payload = Payload(header=header, data=seek.SerializeToString()).SerializeToString()
        return Envelope(payload=payload, signature=await self._identity.sign(payload))


class _Pauses:
    """Waits longer after each failure in a row."""

    def __init__(self) -> None:
        self._next = _FIRST_PAUSE

    def reset(self) -> None:
        self._next = _FIRST_PAUSE

    async def rest(self, why: CallError) -> None:
        if advise(why) is Advice.GIVE_UP:
            raise why
        _log.info("the stream broke and is opened again code=%s", why.code.name)
        await asyncio.sleep(self._next)
        self._next = min(2 * self._next, _LONGEST_PAUSE)


def _at(block: int) -> SeekPosition:
    return SeekPosition(specified=SeekSpecified(number=block))


def _refused(status: int) -> EventsError:
    code = {
        Status.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
        Status.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
        Status.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    }.get(status, grpc.StatusCode.ABORTED if status >= 500 else grpc.StatusCode.INVALID_ARGUMENT)
    return EventsError(code, f"the peer answered {Status.Name(status)}")
