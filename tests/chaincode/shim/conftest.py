"""A peer in miniature on the other end of a real stream: it keeps state, and it holds the shim to the rules.

It notes as `violations` what Fabric's peer would drop or refuse: two questions of one transaction at
once, batches that were not offered, an iterator used after its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from fabric_protos.common.common_pb2 import ChannelHeader, Header, SignatureHeader
from fabric_protos.ledger.queryresult.kv_query_result_pb2 import KV, KeyModification
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer.chaincode_pb2 import ChaincodeAdditionalParams, ChaincodeID, ChaincodeInput
from fabric_protos.peer.chaincode_shim_pb2_grpc import ChaincodeStub
from fabric_protos.peer.proposal_pb2 import ChaincodeProposalPayload, Proposal, SignedProposal
from fabric_protos.peer.proposal_response_pb2 import Response

from chaincode.shim.server import ChaincodeServer, ServiceSettings

M = shim.ChaincodeMessage
W = shim.WriteRecord
PACKAGE = "records_1:abc"
ANSWERS = {M.COMPLETED, M.KEEPALIVE, M.REGISTER}


@dataclass
class Completed:
    """The peer's record of one ended invocation."""

    response: Response
    event: Any
    tx_id: str


@dataclass
class ScriptedPeer:
    """A peer that answers at once, or when `release` picks a question while `held`."""

    channel: grpc.aio.Channel
    writes_offered: int = 1000
    reads_offered: int = 1000
    part: int = 100
    state: dict[tuple[str, str], bytes] = field(default_factory=dict)
    policies: dict[tuple[str, str], bytes] = field(default_factory=dict)
    past: dict[str, list[KeyModification]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    held: bool = False
    pending: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    iterators: dict[str, list[bytes]] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    echoes: list[Any] = field(default_factory=list)
    registered: str = ""

    def __post_init__(self) -> None:
        self._done: dict[str, asyncio.Future[Completed]] = {}
        self._staged: dict[str, list[Any]] = {}
        self._numbers = itertools.count()
        self._changed = asyncio.Condition()
        self._turn = asyncio.Lock()

    async def open(self) -> ScriptedPeer:
        self._stream = ChaincodeStub(self.channel).Connect()
        first = await self._stream.read()
        assert first.type == M.REGISTER
        self.registered = ChaincodeID.FromString(first.payload).name
        offer = ChaincodeAdditionalParams(
            use_write_batch=self.writes_offered > 0,
            max_size_write_batch=self.writes_offered,
            use_get_multiple_keys=self.reads_offered > 0,
            max_size_get_multiple_keys=self.reads_offered,
        )
        await self.send(M(type=M.REGISTERED))
        await self.send(M(type=M.READY, payload=offer.SerializeToString()))
        self._reader = asyncio.create_task(self._read())
        return self

    async def close(self) -> None:
        self._stream.cancel()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def send(self, message: Any) -> None:
        async with self._turn:  # gRPC takes one write at a time, on this end too
            await self._stream.write(message)

    async def start(
        self,
        function: str,
        argument: bytes = b"",
        *,
        tx_id: str = "",
        arguments: list[bytes] | None = None,
        proposal: bytes | None = None,
        **proposed: Any,
    ) -> asyncio.Future[Completed]:
        tx_id = tx_id or f"{next(self._numbers):064x}"
        given = ChaincodeInput(args=[function.encode(), argument] if arguments is None else arguments)
        signed = SignedProposal(proposal_bytes=propose(**proposed) if proposal is None else proposal)
        done = self._done.setdefault(tx_id, asyncio.get_running_loop().create_future())
        await self.send(
            M(
                type=M.TRANSACTION,
                txid=tx_id,
                channel_id="records",
                payload=given.SerializeToString(),
                proposal=signed,
            )
        )
        return done

    async def invoke(self, function: str, argument: bytes = b"", **given: Any) -> Completed:
        async with asyncio.timeout(10):
            return await (await self.start(function, argument, **given))

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(met)

    async def release(self, number: int = 0) -> None:
        """Answer one of the held questions."""
        await self.until(lambda: bool(self.pending))
        await self.send(self._answer(self.pending.pop(number % len(self.pending))))

    async def _read(self) -> None:
        try:
            await self._handle_all()
        except Exception as why:
            for done in self._done.values():
                if not done.done():
                    done.set_exception(why)
            raise

    async def _handle_all(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            while (message := await self._stream.read()) is not grpc.aio.EOF:
                if message.type == M.COMPLETED:
                    self._complete(message)
                elif message.type == M.KEEPALIVE:
                    self.echoes.append(message)
                else:
                    self.asked.append(message)
                    if any(waiting.txid == message.txid for waiting in self.pending):
                        self.violations.append("two questions at once")
                    if self.held:
                        self.pending.append(message)
                    else:
                        await self.send(self._answer(message))
                async with self._changed:
                    self._changed.notify_all()

    def _complete(self, message: Any) -> None:
        response = Response.FromString(message.payload)
        staged = self._staged.pop(message.txid, [])
        if response.status == 200:
            for record in staged:
                self._apply(record)
        event = message.chaincode_event if message.HasField("chaincode_event") else None
        self._done[message.txid].set_result(Completed(response, event, message.txid))

    def _apply(self, record: Any) -> None:
        place = record.collection, record.key
        if record.type == W.PUT_STATE:
            self.state[place] = record.value
        elif record.type == W.PUT_STATE_METADATA:
            assert record.metadata.metakey == "VALIDATION_PARAMETER"
            self.policies[place] = record.metadata.value
        else:
            self.state.pop(place, None)

    def _answer(self, message: Any) -> Any:
        kind = M.Type.Name(message.type)
        if kind in self.refused:
            return self._reply(message, b"no such collection", M.ERROR)
        return self._reply(message, getattr(self, f"_on_{kind.lower()}")(message))

    def _reply(self, message: Any, payload: bytes, kind: int = M.RESPONSE) -> Any:
        return M(type=kind, txid=message.txid, channel_id=message.channel_id, payload=payload)

    def _on_get_state(self, message: Any) -> bytes:
        asked = shim.GetState.FromString(message.payload)
        return self.state.get((asked.collection, asked.key), b"")

    def _on_get_private_data_hash(self, message: Any) -> bytes:
        asked = shim.GetState.FromString(message.payload)
        return b"hash" if (asked.collection, asked.key) in self.state else b""

    def _on_get_state_multiple(self, message: Any) -> bytes:
        asked = shim.GetStateMultiple.FromString(message.payload)
        if len(asked.keys) > self.reads_offered:
            self.violations.append("more reads than offered")
        values = [self.state.get((asked.collection, key), b"") for key in asked.keys]
        return shim.GetStateMultipleResult(values=values).SerializeToString()

    def _on_get_state_metadata(self, message: Any) -> bytes:
        asked = shim.GetStateMetadata.FromString(message.payload)
        policy = self.policies.get((asked.collection, asked.key))
        entries = [shim.StateMetadata(metakey="other", value=b"x")]
        if policy is not None:
            entries.append(shim.StateMetadata(metakey="VALIDATION_PARAMETER", value=policy))
        return shim.StateMetadataResult(entries=entries).SerializeToString()

    def _on_get_state_by_range(self, message: Any) -> bytes:
        asked = shim.GetStateByRange.FromString(message.payload)
        assert asked.startKey, "an empty start would walk into the composite keys"
        found = [
            KV(key=key, value=value).SerializeToString()
            for (collection, key), value in sorted(self.state.items())
            if collection == asked.collection
            and asked.startKey <= key
            and (not asked.endKey or key < asked.endKey)
        ]
        return self._parts(found)

    def _on_get_history_for_key(self, message: Any) -> bytes:
        asked = shim.GetHistoryForKey.FromString(message.payload)
        return self._parts([past.SerializeToString() for past in self.past.get(asked.key, [])])

    def _on_query_state_next(self, message: Any) -> bytes:
        name = shim.QueryStateNext.FromString(message.payload).id
        if name not in self.iterators:
            self.violations.append("read from an iterator that has ended")
        return self._parts(self.iterators.pop(name), name)

    def _on_query_state_close(self, message: Any) -> bytes:
        name = shim.QueryStateClose.FromString(message.payload).id
        if self.iterators.pop(name, None) is None:
            self.violations.append("closed an iterator that has ended")
        self.closed.append(name)
        return shim.QueryResponse(id=name).SerializeToString()

    def _parts(self, found: list[bytes], name: str = "") -> bytes:
        name = name or f"iterator-{next(self._numbers)}"
        now, later = found[: self.part], found[self.part :]
        if later:
            self.iterators[name] = later
        results = [shim.QueryResultBytes(resultBytes=result) for result in now]
        return shim.QueryResponse(results=results, has_more=bool(later), id=name).SerializeToString()

    def _stage(self, message: Any, record: Any) -> bytes:
        self._staged.setdefault(message.txid, []).append(record)
        return b""

    def _on_write_batch_state(self, message: Any) -> bytes:
        records = shim.WriteBatchState.FromString(message.payload).rec
        if len(records) > self.writes_offered:
            self.violations.append("more writes than offered")
        for record in records:
            self._stage(message, record)
        return b""

    def _on_put_state(self, message: Any) -> bytes:
        asked = shim.PutState.FromString(message.payload)
        given = {"key": asked.key, "value": asked.value, "collection": asked.collection}
        return self._stage(message, W(type=W.PUT_STATE, **given))

    def _on_del_state(self, message: Any) -> bytes:
        asked = shim.DelState.FromString(message.payload)
        return self._stage(message, W(type=W.DEL_STATE, key=asked.key, collection=asked.collection))

    def _on_purge_private_data(self, message: Any) -> bytes:
        asked = shim.PurgePrivateState.FromString(message.payload)
        return self._stage(message, W(type=W.PURGE_PRIVATE_DATA, key=asked.key, collection=asked.collection))

    def _on_put_state_metadata(self, message: Any) -> bytes:
        asked = shim.PutStateMetadata.FromString(message.payload)
        given = {"key": asked.key, "collection": asked.collection, "metadata": asked.metadata}
        return self._stage(message, W(type=W.PUT_STATE_METADATA, **given))


def propose(
    *,
    certificate: bytes = b"",
    msp_id: str = "HospitalMSP",
    nanoseconds: int = 0,
    transient: dict[str, bytes] | None = None,
) -> bytes:
    channel = ChannelHeader(channel_id="records")
    channel.timestamp.FromNanoseconds(nanoseconds)
    creator = SerializedIdentity(mspid=msp_id, id_bytes=certificate).SerializeToString()
    header = Header(
        channel_header=channel.SerializeToString(),
        signature_header=SignatureHeader(creator=creator).SerializeToString(),
    )
    payload = ChaincodeProposalPayload(TransientMap=transient or {})
    return Proposal(
        header=header.SerializeToString(), payload=payload.SerializeToString()
    ).SerializeToString()


Contract = Callable[[Any, str, bytes], Awaitable[bytes]]


class Bench:
    """Starts chaincode servers, and peers that dial them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def serve(self, contract: Contract, **settings: Any) -> ChaincodeServer:
        given = {"package_id": PACKAGE, "address": "127.0.0.1:0"} | settings
        server = await ChaincodeServer.start(ServiceSettings(**given), contract)
        self._stack.push_async_callback(server.stop, 0)
        return server

    async def dial(
        self, port: int, credentials: grpc.ChannelCredentials | None = None, **given: Any
    ) -> ScriptedPeer:
        options = [
            ("grpc.max_receive_message_length", 100 << 20),
            ("grpc.max_send_message_length", 100 << 20),
        ]
        address = f"127.0.0.1:{port}"
        if credentials is None:
            channel = grpc.aio.insecure_channel(address, options=options)
        else:
            channel = grpc.aio.secure_channel(address, credentials, options=options)
        self._stack.push_async_callback(channel.close)
        peer = await ScriptedPeer(channel, **given).open()
        self._stack.push_async_callback(peer.close)
        return peer

    async def peer(self, contract: Contract, **given: Any) -> ScriptedPeer:
        return await self.dial((await self.serve(contract)).port, **given)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield Bench(stack)
