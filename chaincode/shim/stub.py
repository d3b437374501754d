"""One invocation's view of the ledger: `chaincode.ledger.Ledger`, with the features that only Fabric has.

Reads go to the peer as they are made. Writes wait until the contract has returned, so a contract that
raises has written nothing, and then travel in as few messages as the peer allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent
from fabric_protos.peer.chaincode_shim_pb2 import (
    ChaincodeMessage,
    DelState,
    GetState,
    GetStateMetadata,
    GetStateMultiple,
    GetStateMultipleResult,
    PurgePrivateState,
    PutState,
    PutStateMetadata,
    StateMetadata,
    StateMetadataResult,
    WriteBatchState,
    WriteRecord,
)

from chaincode.caller import Caller
from chaincode.errors import BadArgumentError
from chaincode.ledger import StatePage
from chaincode.shim.endorsement import METADATA_KEY
from chaincode.shim.proposal import SignedProposal
from chaincode.shim.queries import Modification, read_history, read_page
from chaincode.shim.stream import Conversation

_BATCH_BYTES = 16 << 20  # of one write message: well below gRPC's and the peer's limit of 100 MiB


class Stub:
    """The ledger as one transaction sees it.

    Every coroutine raises `PeerError` when the peer refuses. Values are never empty: Fabric can't tell
    an empty value from none.
    """

    def __init__(self, peer: Conversation, proposal: SignedProposal) -> None:
        self._peer, self._proposal = peer, proposal
        self._writes: dict[tuple[str, str, bool], WriteRecord] = {}
        self._event: ChaincodeEvent | None = None

    # -- the transaction -------------------------------------------------------

    @property
    def tx_id(self) -> str:
        """Return the transaction's id, 64 hexadecimal digits."""
        return self._peer.tx_id

    @property
    def timestamp(self) -> int:
        """Return the time that the proposal carries, in milliseconds since 1970 UTC."""
        return self._proposal.timestamp

    @property
    def caller(self) -> Caller:
        """Return the signer of the proposal, with the attributes that its CA vouches for."""
        return self._proposal.caller

    @property
    def transient(self) -> Mapping[str, bytes]:
        """Return the data that endorsers may see and no block holds."""
        return self._proposal.transient

    # -- state -----------------------------------------------------------------

    async def get(self, key: str) -> bytes | None:
        """Return the committed value of `key`."""
        return await self.get_private("", key)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the committed values of `keys`, in their order."""
        size = self._peer.batches.reads
        if size == 0:
            return [await self.get(key) for key in keys]
        values: list[bytes | None] = []
        for first in range(0, len(keys), size):
            question = GetStateMultiple(keys=keys[first : first + size])
            answer = await self._peer.ask(ChaincodeMessage.GET_STATE_MULTIPLE, question)
            values += [value or None for value in GetStateMultipleResult.FromString(answer).values]
        return values

    def put(self, key: str, value: bytes) -> None:
        """Write `value` when this transaction commits."""
        self.put_private("", key, value)

    async def range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        """Return up to `limit` entries with `start <= key < end`; an empty `end` has no bound."""
        return await read_page(self._peer, start, end, limit=limit, bookmark=bookmark)

    async def history(self, key: str) -> list[Modification]:
        """Return every committed write of `key`, the newest first, where the peer stores its history."""
        return await read_history(self._peer, key)

    def emit(self, name: str, payload: bytes) -> None:
        """Set the transaction's one event."""
        self._event = ChaincodeEvent(event_name=name, payload=payload)

    # -- private data ----------------------------------------------------------

    async def get_private(self, collection: str, key: str) -> bytes | None:
        """Return the committed value of `key` in a collection that this peer holds."""
        question = GetState(key=key, collection=collection)
        return await self._peer.ask(ChaincodeMessage.GET_STATE, question) or None

    async def get_private_hash(self, collection: str, key: str) -> bytes | None:
        """Return the SHA-256 of a private value, which every peer holds."""
        question = GetState(key=key, collection=collection)
        return await self._peer.ask(ChaincodeMessage.GET_PRIVATE_DATA_HASH, question) or None

    async def range_private(
        self, collection: str, start: str, end: str, *, limit: int, bookmark: str = ""
    ) -> StatePage:
        """Return entries as `range` does, in a collection."""
        return await read_page(self._peer, start, end, limit=limit, bookmark=bookmark, collection=collection)

    def put_private(self, collection: str, key: str, value: bytes) -> None:
        """Write a private value when this transaction commits."""
        if not key or not value:
            raise BadArgumentError("an empty key or value")
        self._write(WriteRecord(type=WriteRecord.PUT_STATE, collection=collection, key=key, value=value))

    def delete_private(self, collection: str, key: str) -> None:
        """Remove a private value from the state; its history stays until it is purged."""
        self._write(WriteRecord(type=WriteRecord.DEL_STATE, collection=collection, key=key))

    def purge_private(self, collection: str, key: str) -> None:
        """Remove a private value and its history from every peer; only its hashes stay."""
        self._write(WriteRecord(type=WriteRecord.PURGE_PRIVATE_DATA, collection=collection, key=key))

    # -- key-level endorsement -------------------------------------------------

    async def required(self, key: str, collection: str = "") -> bytes | None:
        """Return the key's own endorsement policy; None where the chaincode's holds."""
        question = GetStateMetadata(key=key, collection=collection)
        answer = await self._peer.ask(ChaincodeMessage.GET_STATE_METADATA, question)
        found = StateMetadataResult.FromString(answer).entries
        return next((entry.value for entry in found if entry.metakey == METADATA_KEY), None)

    def require(self, key: str, policy: bytes, collection: str = "") -> None:
        """Let later changes of `key` need `policy` (see `chaincode.shim.endorsement`)."""
        metadata = StateMetadata(metakey=METADATA_KEY, value=policy)
        self._write(
            WriteRecord(
                type=WriteRecord.PUT_STATE_METADATA, collection=collection, key=key, metadata=metadata
            )
        )

    # -- the end of the transaction: called by the handler when the contract has returned ---

    def _write(self, record: WriteRecord) -> None:
        kind = record.type == WriteRecord.PUT_STATE_METADATA
        self._writes[record.collection, record.key, kind] = record

    async def flush(self) -> ChaincodeEvent | None:
        """Send the writes and return the event; for the handler alone."""
        records = list(self._writes.values())
        self._writes.clear()
        if self._peer.batches.writes:
            for batch in _batches(records, self._peer.batches.writes):
                await self._peer.ask(ChaincodeMessage.WRITE_BATCH_STATE, WriteBatchState(rec=batch))
        else:
            for record in records:
                await self._send(record)
        return self._event

    async def _send(self, record: WriteRecord) -> None:
        place = {"key": record.key, "collection": record.collection}
        match record.type:
            case WriteRecord.PUT_STATE:
                await self._peer.ask(ChaincodeMessage.PUT_STATE, PutState(value=record.value, **place))
            case WriteRecord.DEL_STATE:
                await self._peer.ask(ChaincodeMessage.DEL_STATE, DelState(**place))
            case WriteRecord.PURGE_PRIVATE_DATA:
                await self._peer.ask(ChaincodeMessage.PURGE_PRIVATE_DATA, PurgePrivateState(**place))
            case _:
                change = PutStateMetadata(metadata=record.metadata, **place)
                await self._peer.ask(ChaincodeMessage.PUT_STATE_METADATA, change)


def _batches(records: Sequence[WriteRecord], most: int) -> Iterator[list[WriteRecord]]:
    batch: list[WriteRecord] = []
    size = 0
    for record in records:
        length = record.ByteSize()
        if batch and (len(batch) == most or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch
