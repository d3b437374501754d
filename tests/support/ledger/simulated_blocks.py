"""Blocks as a peer serves them, made of the announcements that a test names."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from fabric_protos.common.common_pb2 import (
    ENDORSER_TRANSACTION,
    Block,
    BlockHeader,
    ChannelHeader,
    Envelope,
    Header,
    Payload,
)
from fabric_protos.ledger.rwset.kvrwset.kv_rwset_pb2 import KVRWSet, KVWrite
from fabric_protos.ledger.rwset.rwset_pb2 import NsReadWriteSet, TxReadWriteSet
from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent
from fabric_protos.peer.chaincode_pb2 import ChaincodeID, ChaincodeInvocationSpec, ChaincodeSpec
from fabric_protos.peer.proposal_pb2 import (
    ChaincodeAction,
    ChaincodeHeaderExtension,
    ChaincodeProposalPayload,
)
from fabric_protos.peer.proposal_response_pb2 import ProposalResponsePayload
from fabric_protos.peer.transaction_pb2 import (
    ChaincodeActionPayload,
    ChaincodeEndorsedAction,
    Transaction,
    TransactionAction,
)

CHANNEL, CHAINCODE = "records", "ledger"


def whole(number: int, transactions: Sequence[tuple[str, int, str]]) -> Block:
    """Return a block as a peer serves it, with every part that its readers look at."""
    block = Block(header=BlockHeader(number=number))
    block.data.data.extend(transaction(tx, name) for tx, _, name in transactions)
    block.metadata.metadata.extend([b"", b"", bytes(code for _, code, _ in transactions), b"", b""])
    return block


def transaction(tx: str, name: str) -> bytes:
    """Return a transaction that announced `done` with `name`, and wrote it."""
    named = ChaincodeID(name=CHAINCODE)
    extension = ChaincodeHeaderExtension(chaincode_id=named).SerializeToString()
    header = Header(
        channel_header=ChannelHeader(
            type=ENDORSER_TRANSACTION, tx_id=tx, channel_id=CHANNEL, extension=extension
        ).SerializeToString()
    )
    asked = ChaincodeInvocationSpec(chaincode_spec=ChaincodeSpec(chaincode_id=named))
    call = ChaincodeProposalPayload(input=asked.SerializeToString()).SerializeToString()
    event = ChaincodeEvent(chaincode_id=CHAINCODE, tx_id=tx, event_name="done", payload=name.encode())
    written = KVRWSet(writes=[KVWrite(key="k", value=name.encode())]).SerializeToString()
    results = TxReadWriteSet(ns_rwset=[NsReadWriteSet(namespace=CHAINCODE, rwset=written)])
    action = ChaincodeAction(
        results=results.SerializeToString(), events=event.SerializeToString(), chaincode_id=named
    )
    digest = sha256(header.channel_header + header.signature_header + call).digest()
    given = ProposalResponsePayload(proposal_hash=digest, extension=action.SerializeToString())
    body = ChaincodeActionPayload(
        chaincode_proposal_payload=call,
        action=ChaincodeEndorsedAction(proposal_response_payload=given.SerializeToString()),
    )
    data = Transaction(actions=[TransactionAction(payload=body.SerializeToString())]).SerializeToString()
    return Envelope(payload=Payload(header=header, data=data).SerializeToString()).SerializeToString()
