"""One transaction's questions to its peer over the shared stream.

The peer's rules: one question per transaction at a time, and an answer names only its transaction. So
the answer to a cancelled question must still arrive before the next question goes out, or it would be taken
for the next answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from fabric_protos.peer.chaincode_pb2 import ChaincodeAdditionalParams
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage

from chaincode.shim.errors import PeerError


class Batches(msgspec.Struct, frozen=True):
    """The most writes and reads in one message to the peer; 0 means one by one (Fabric before 3.1)."""

    writes: int = 0
    reads: int = 0

    @classmethod
    def offered(cls, ready: bytes) -> Batches:
        """Decode the offer of the peer's READY message; an older peer's is empty."""
        offer = ChaincodeAdditionalParams.FromString(ready)
        return cls(
            writes=offer.max_size_write_batch if offer.use_write_batch else 0,
            reads=offer.max_size_get_multiple_keys if offer.use_get_multiple_keys else 0,
        )


class Conversation:
    """The questions of one transaction. `send` puts a message on the stream, in order."""

    def __init__(
        self, send: Callable[[ChaincodeMessage], None], channel_id: str, tx_id: str, batches: Batches
    ) -> None:
        self.channel_id, self.tx_id, self.batches = channel_id, tx_id, batches
        self._send = send
        self._turn = asyncio.Lock()
        self._answer: asyncio.Future[ChaincodeMessage] | None = None

    async def ask(self, question: int, body: Any) -> bytes:
        """Send one message and return the payload of the peer's answer.

        Raises:
            PeerError: the peer refused.
        """
        async with self._turn:
            await self.settle()
            self._answer = asyncio.get_running_loop().create_future()
            self._send(
                ChaincodeMessage(
                    type=question,
                    payload=body.SerializeToString(),
                    channel_id=self.channel_id,
                    txid=self.tx_id,
                )
            )
            answer = await asyncio.shield(self._answer)
            self._answer = None
        if answer.type == ChaincodeMessage.ERROR:
            text = answer.payload.decode("utf-8", "replace")
            raise PeerError(ChaincodeMessage.Type.Name(question), text)
        payload: bytes = answer.payload
        return payload

    async def settle(self) -> None:
        """Wait for the answer to a cancelled question."""
        if self._answer is not None:
            await asyncio.shield(self._answer)
            self._answer = None

    def answered(self, answer: ChaincodeMessage) -> bool:
        """Hand over the peer's answer, and return whether there was a question."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(answer)
        return True
