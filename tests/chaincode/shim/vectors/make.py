"""The shim's frozen bytes, written anew: `python tests/chaincode/shim/vectors/make.py`; read the difference.

One contract does everything that a contract can do, towards a peer of Fabric 3.1 and towards an older one.
Each message that leaves the shim is here as it travels. Endorsers compare what comes of them byte for byte,
so two releases of this shim may stand on one channel only while these bytes stay what they are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fabric_protos.common.common_pb2 import ChannelHeader, Header, SignatureHeader
from fabric_protos.ledger.queryresult.kv_query_result_pb2 import KV, KeyModification
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer.chaincode_pb2 import ChaincodeAdditionalParams, ChaincodeInput
from fabric_protos.peer.proposal_pb2 import Proposal, SignedProposal

from chaincode.errors import ConflictError
from chaincode.shim.endorsement import all_of
from chaincode.shim.handler import Handler
from chaincode.shim.stub import Stub

HERE = Path(__file__).parent
M = shim.ChaincodeMessage
CHANNEL, TX = "records", "ab" * 32
POLICY = all_of(["HospitalBMSP", "HospitalAMSP", "HospitalBMSP"])
OFFERS = {
    "3.1": ChaincodeAdditionalParams(
        use_write_batch=True,
        max_size_write_batch=1000,
        use_get_multiple_keys=True,
        max_size_get_multiple_keys=1000,
    ).SerializeToString(),
    "older": b"",
}
KEY = "\0access\0" + "0" * 32 + "\0"


async def everything(stub: Stub, function: str, argument: bytes) -> bytes:
    """Ask all questions, and write in all ways."""
    if function == "refuse":
        raise ConflictError("not now")
    if function == "fail":
        raise ValueError("nobody is told")
    await stub.get("one")
    await stub.get_many(["one", "two", KEY])
    await stub.range("", "z", limit=2)
    await stub.range(KEY, KEY + "\U0010ffff", limit=1)
    await stub.history("one")
    await stub.get_private("secrets", "one")
    await stub.get_private_hash("secrets", "one")
    await stub.range_private("secrets", "a", "b", limit=5)
    await stub.required("one")
    stub.put("two", b'{"b":2}')
    stub.put(KEY, b'{"a":1}')
    stub.put_private("secrets", "one", b"\x00\xff")
    stub.delete_private("secrets", "two")
    stub.purge_private("secrets", "three")
    stub.require("two", POLICY)
    stub.put("two", b'{"b":3}')  # the last one counts, in the place of the first
    stub.emit("access", b"[1]")
    return b'{"done":true}'


def answer(question: Any) -> bytes:
    """Return a small peer's answer."""
    entries = [KV(key=name, value=b"v").SerializeToString() for name in ("one", "two", "zero")]
    match question.type:
        case M.GET_STATE_MULTIPLE:
            return shim.GetStateMultipleResult(values=[b"1", b"", b"3"]).SerializeToString()
        case M.GET_STATE_BY_RANGE:
            found = [shim.QueryResultBytes(resultBytes=entry) for entry in entries]
            return shim.QueryResponse(results=found, has_more=True, id="it").SerializeToString()
        case M.GET_HISTORY_FOR_KEY:
            past = KeyModification(tx_id=TX, value=b"v").SerializeToString()
            results = [shim.QueryResultBytes(resultBytes=past)]
            return shim.QueryResponse(results=results, has_more=False, id="it").SerializeToString()
        case M.QUERY_STATE_CLOSE:
            return shim.QueryResponse(id="it").SerializeToString()
        case M.GET_STATE_METADATA:
            return shim.StateMetadataResult().SerializeToString()
        case _:
            return b""


async def conversation(offer: bytes, function: str) -> list[Any]:
    """Return every message that the shim sends, from its first to the end of one call."""
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    sent: list[Any] = []
    done = asyncio.Event()

    async def write(message: Any) -> None:
        sent.append(message)
        if message.type == M.COMPLETED:
            done.set()
        elif message.type not in {M.REGISTER, M.KEEPALIVE}:
            reply = M(type=M.RESPONSE, payload=answer(message), channel_id=CHANNEL, txid=TX)
            incoming.put_nowait(reply)

    async def stream() -> AsyncIterator[Any]:
        while True:
            yield await incoming.get()

    channel = ChannelHeader(channel_id=CHANNEL)
    header = Header(
        channel_header=channel.SerializeToString(),
        signature_header=SignatureHeader(creator=b"someone").SerializeToString(),
    )
    proposal = Proposal(header=header.SerializeToString()).SerializeToString()
    call = ChaincodeInput(args=[function.encode(), b"{}"]).SerializeToString()
    for message in (
        M(type=M.REGISTERED),
        M(type=M.READY, payload=offer),
        M(type=M.KEEPALIVE),
        M(
            type=M.TRANSACTION,
            payload=call,
            txid=TX,
            channel_id=CHANNEL,
            proposal=SignedProposal(proposal_bytes=proposal),
        ),
    ):
        incoming.put_nowait(message)
    handler = Handler("records_1:" + "cd" * 32, everything, write)
    serving = asyncio.create_task(handler.serve(stream()))
    async with asyncio.timeout(10):
        await done.wait()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return sent


def shown(sent: list[Any]) -> list[dict[str, str]]:
    """Return types for the reader and bytes for the test."""
    return [{"type": M.Type.Name(message.type), "hex": message.SerializeToString().hex()} for message in sent]


def vectors() -> dict[str, str]:
    """Return each file's name and text."""
    made: dict[str, Any] = {"policy of two organisations": POLICY.hex()}
    for name, offer in OFFERS.items():
        made[f"a call at a peer of {name}"] = shown(asyncio.run(conversation(offer, "everything")))
    for function in ("refuse", "fail"):
        made[f"a contract that {function}s"] = shown(asyncio.run(conversation(b"", function)))[-1]
    return {"messages.json": json.dumps(made, indent=1) + "\n"}


if __name__ == "__main__":
    for file, text in vectors().items():
        (HERE / file).write_text(text)
