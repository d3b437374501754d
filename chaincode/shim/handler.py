"""The peer's stream: registration, one task per transaction, and their answers.

1. The first message out is REGISTER with the package id; the peer's READY says how large its batches are.
2. Invocations run side by side. One writer sends their messages one at a time, as gRPC asks.
3. A contract's answer is COMPLETED: 200 with its result once its writes are with the peer; its refusal
   (`ContractError`) as its status and `code: message`; anything else as a 500 without detail.
4. When the stream ends, running transactions are cancelled: the peer has given them up.
5. A stop lets running transactions finish and starts nothing new.

Logs carry transaction ids, message types and places in the code, and no argument, key, value or result.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent
from fabric_protos.peer.chaincode_pb2 import ChaincodeID, ChaincodeInput
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage
from fabric_protos.peer.proposal_response_pb2 import Response

from chaincode.errors import BadArgumentError, ContractError
from chaincode.shim.proposal import SignedProposal
from chaincode.shim.stream import Batches, Conversation
from chaincode.shim.stub import Stub

Invoke = Callable[[Stub, str, bytes], Awaitable[bytes]]
"""Running a function by its name on its one argument, as `chaincode.router.Router.invoke` does."""

FAILED = "internal: the contract failed; its peer's chaincode log names the place"
"""The message of a response to a contract that failed without refusing."""

_log = logging.getLogger(__name__)


class Handler:
    """One stream. `write` sends one message to the peer, and is never called twice at once."""

    def __init__(
        self, package_id: str, invoke: Invoke, write: Callable[[ChaincodeMessage], Awaitable[None]]
    ) -> None:
        self._package_id, self._invoke, self._write = package_id, invoke, write
        self._out: asyncio.Queue[ChaincodeMessage] = asyncio.Queue()
        self._batches = Batches()
        self._running: dict[tuple[str, str], tuple[Conversation, asyncio.Task[None]]] = {}
        self._stopping = asyncio.Event()

    async def serve(self, incoming: AsyncIterator[ChaincodeMessage]) -> None:
        """Handle the stream until the peer ends it or `stop` is called."""
        name = ChaincodeID(name=self._package_id).SerializeToString()
        self._out.put_nowait(ChaincodeMessage(type=ChaincodeMessage.REGISTER, payload=name))
        reader = asyncio.create_task(self._read(incoming), name="chaincode-reader")
        writer = asyncio.create_task(self._send_all(), name="chaincode-writer")
        stopping = asyncio.create_task(self._stopping.wait(), name="chaincode-stop")
        try:
            await asyncio.wait({reader, writer, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done() and not writer.done():
                await self._finish(reader)
        finally:
            tasks = [reader, writer, stopping, *(task for _, task in self._running.values())]
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    _log.info("the stream ended: %s", type(outcome).__name__)

    def stop(self) -> None:
        """Let running invocations finish, then end the stream."""
        self._stopping.set()

    async def _finish(self, reader: asyncio.Task[None]) -> None:
        while self._running and not reader.done():
            tasks = [task for _, task in self._running.values()]
            await asyncio.wait({reader, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # finished tasks leave `_running` in their callbacks
        if not reader.done():
            await self._out.join()

    async def _send_all(self) -> None:
        while True:
            await self._write(await self._out.get())
            self._out.task_done()

    async def _read(self, incoming: AsyncIterator[ChaincodeMessage]) -> None:
        async for message in incoming:
            match message.type:
                case ChaincodeMessage.RESPONSE | ChaincodeMessage.ERROR:
                    running = self._running.get((message.channel_id, message.txid))
                    if running is None or not running[0].answered(message):
                        _log.warning("an answer to no question tx=%s", message.txid)
                case ChaincodeMessage.TRANSACTION | ChaincodeMessage.INIT:
                    self._start(message)
                case ChaincodeMessage.READY:
                    self._batches = Batches.offered(message.payload)
                    _log.info(
                        "ready batch_writes=%d batch_reads=%d", self._batches.writes, self._batches.reads
                    )
                case ChaincodeMessage.KEEPALIVE:
                    self._out.put_nowait(message)
                case ChaincodeMessage.REGISTERED:
                    _log.info("registered as %s", self._package_id)
                case unexpected:
                    _log.warning("a message of unexpected type=%d", unexpected)

    def _start(self, message: ChaincodeMessage) -> None:
        name = message.channel_id, message.txid
        if self._stopping.is_set() or name in self._running:
            # The peer notices the end of the stream; a second run under one id would mix up its answers.
            _log.warning("not started tx=%s", message.txid)
            return
        peer = Conversation(self._out.put_nowait, *name, self._batches)
        task = asyncio.create_task(self._run(message, peer), name=f"tx-{message.txid[:8]}")
        self._running[name] = peer, task
        task.add_done_callback(lambda _: self._running.pop(name, None))

    async def _run(self, message: ChaincodeMessage, peer: Conversation) -> None:
        response, event = await self._respond(message, peer)
        completed = ChaincodeMessage(
            type=ChaincodeMessage.COMPLETED,
            payload=response.SerializeToString(),
            txid=message.txid,
            channel_id=message.channel_id,
        )
        if event is not None:
            completed.chaincode_event.CopyFrom(event)
        self._out.put_nowait(completed)

    async def _respond(
        self, message: ChaincodeMessage, peer: Conversation
    ) -> tuple[Response, ChaincodeEvent | None]:
        try:
            function, argument = _arguments(message.payload)
            stub = Stub(peer, SignedProposal(message.proposal.proposal_bytes))
            result = await self._invoke(stub, function, argument)
            await peer.settle()
            return Response(status=200, payload=result), await stub.flush()
        except ContractError as refusal:
            return Response(status=refusal.status, message=f"{refusal.code}: {refusal}"), None
        except Exception as failure:  # noqa: BLE001  # a contract may fail in any way, and the peer gets an answer
            _log.error("failed tx=%s %s at %s", message.txid, type(failure).__name__, _frames(failure))
            return Response(status=500, message=FAILED), None


def _arguments(payload: bytes) -> tuple[str, bytes]:
    given = ChaincodeInput.FromString(payload).args
    if len(given) != 2:
        raise BadArgumentError("a call is a function's name and one argument")
    try:
        return given[0].decode(), given[1]
    except UnicodeDecodeError:
        raise BadArgumentError("a function's name is UTF-8") from None


def _frames(failure: BaseException) -> str:
    """Return the frames that raised it, innermost first, without the exception's text: it may hold values."""
    frames = traceback.extract_tb(failure.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-5:]))
