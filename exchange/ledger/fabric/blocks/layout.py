"""The layout of a Fabric block and its transactions, byte by byte: hashes, and signed bytes.

- block hash = SHA-256 over the header in ASN.1 DER: SEQUENCE of number, previous hash, data hash;
- data hash = SHA-256 over the transactions' bytes, one after the other;
- an orderer signs the metadata's value, its own signature header, and the header in DER;
- a client signs the payload; its transaction id is SHA-256 over nonce and creator;
- an endorser signs the proposal response and its own identity; that response names the proposal by
  SHA-256 over both headers and the call.

Sources: Fabric's `protoutil` (blockutils.go, proputils.go) and its protocol messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec
from fabric_protos.common.common_pb2 import (
    ENDORSER_TRANSACTION,
    ChannelHeader,
    Envelope,
    Payload,
    SignatureHeader,
)
from fabric_protos.ledger.rwset.kvrwset.kv_rwset_pb2 import KVRWSet
from fabric_protos.ledger.rwset.rwset_pb2 import TxReadWriteSet
from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent
from fabric_protos.peer.chaincode_pb2 import ChaincodeInvocationSpec
from fabric_protos.peer.proposal_pb2 import (
    ChaincodeAction,
    ChaincodeHeaderExtension,
    ChaincodeProposalPayload,
)
from fabric_protos.peer.proposal_response_pb2 import ProposalResponsePayload
from fabric_protos.peer.transaction_pb2 import ChaincodeActionPayload, Transaction
from google.protobuf.message import DecodeError

from exchange.ledger.fabric.blocks.errors import InvalidError, UnreadableError


class ProposedCall(msgspec.Struct, frozen=True):
    """A transaction's headers: its creator, its call, and its `time` in milliseconds since 1970 UTC."""

    kind: int
    channel: str
    tx_id: str
    time: int
    creator: bytes
    nonce: bytes
    payload: bytes
    signature: bytes
    channel_header: bytes
    signature_header: bytes
    extension: bytes
    data: bytes


class EndorsedCall(msgspec.Struct, frozen=True):
    """The part of a chaincode call that endorsers signed. `endorsements` are (endorser, signature).

    `sets` are the reads and writes of each namespace, as Fabric's messages.
    """

    chaincode: str
    arguments: tuple[bytes, ...]
    response: bytes
    endorsements: tuple[tuple[bytes, bytes], ...]
    status: int
    result: bytes
    event: tuple[str, bytes] | None
    sets: tuple[NamespaceSet, ...]


class NamespaceSet(msgspec.Struct, frozen=True):
    """Reads and writes of one namespace: Fabric's KVRWSet, and its CollectionHashedReadWriteSets."""

    namespace: str
    public: Any
    collections: tuple[Any, ...]


def header_bytes(header: Any) -> bytes:
    """Return a block's header as it is hashed and signed."""
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    return _der(0x30, _der(0x02, number) + _der(0x04, header.previous_hash) + _der(0x04, header.data_hash))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def block_hash(header: Any) -> bytes:
    """Return the hash of a block's header, which the next block names."""
    return sha256(header_bytes(header)).digest()


def data_hash(transactions: Iterable[bytes]) -> bytes:
    """Return one digest over all of a block's transactions."""
    digest = sha256()
    for transaction in transactions:
        digest.update(transaction)
    return digest.digest()


def parse(kind: Any, data: bytes) -> Any:
    """Parse `data` as a message of `kind`.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return kind.FromString(data)
    except (DecodeError, UnicodeDecodeError):
        raise UnreadableError(f"a {kind.__name__} can't be read") from None


def proposed(raw: bytes) -> ProposedCall:
    """Return the headers of a transaction.

    Raises:
        UnreadableError: one of them can't be read.
    """
    envelope = parse(Envelope, raw)
    payload = parse(Payload, envelope.payload)
    channel = parse(ChannelHeader, payload.header.channel_header)
    signer = parse(SignatureHeader, payload.header.signature_header)
    return ProposedCall(
        kind=channel.type,
        channel=channel.channel_id,
        tx_id=channel.tx_id,
        time=channel.timestamp.seconds * 1000 + channel.timestamp.nanos // 1_000_000,
        creator=signer.creator,
        nonce=signer.nonce,
        payload=envelope.payload,
        signature=envelope.signature,
        channel_header=payload.header.channel_header,
        signature_header=payload.header.signature_header,
        extension=channel.extension,
        data=payload.data,
    )


def endorsed(headers: ProposedCall) -> EndorsedCall:
    """Return the endorsed part of the call that `headers` announce; every part must be about that call.

    Raises:
        UnreadableError: a part can't be read.
        InvalidError: the parts do not belong together.
    """
    if headers.kind != ENDORSER_TRANSACTION:
        raise InvalidError("UNKNOWN_TX_TYPE", "it is not a call of a chaincode")
    actions = parse(Transaction, headers.data).actions
    if len(actions) != 1 or actions[0].header != headers.signature_header:
        raise InvalidError("INVALID_ENDORSER_TRANSACTION", "it holds no single action of its creator")
    body = parse(ChaincodeActionPayload, actions[0].payload)
    call = body.chaincode_proposal_payload
    given = parse(ProposalResponsePayload, body.action.proposal_response_payload)
    digest = sha256(headers.channel_header + headers.signature_header + call).digest()
    if given.proposal_hash != digest:
        raise InvalidError("INVALID_ENDORSER_TRANSACTION", "what was endorsed is not what was asked")
    action = parse(ChaincodeAction, given.extension)
    named = parse(ChaincodeHeaderExtension, headers.extension).chaincode_id.name
    asked = parse(ChaincodeInvocationSpec, parse(ChaincodeProposalPayload, call).input).chaincode_spec
    if not named or {named} != {action.chaincode_id.name, asked.chaincode_id.name}:
        raise InvalidError("INVALID_CHAINCODE", "it names more than one chaincode")
    return EndorsedCall(
        chaincode=named,
        arguments=tuple(asked.input.args),
        response=body.action.proposal_response_payload,
        endorsements=tuple((one.endorser, one.signature) for one in body.action.endorsements),
        status=action.response.status,
        result=action.response.payload,
        event=_event(action.events, named, headers.tx_id),
        sets=tuple(
            NamespaceSet(one.namespace, parse(KVRWSet, one.rwset), tuple(one.collection_hashed_rwset))
            for one in parse(TxReadWriteSet, action.results).ns_rwset
        ),
    )


def _event(events: bytes, chaincode: str, tx_id: str) -> tuple[str, bytes] | None:
    if not events:
        return None
    event = parse(ChaincodeEvent, events)
    if event.chaincode_id != chaincode or event.tx_id != tx_id:
        raise InvalidError("INVALID_OTHER_REASON", "its event is another transaction's")
    return event.event_name, event.payload
