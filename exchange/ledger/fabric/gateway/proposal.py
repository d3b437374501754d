"""Proposals of transactions, as a client signs them, and the results that endorsers return.

Nothing here signs or sends; a message is built, signed by a `SigningIdentity`, and wrapped.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec
from fabric_protos.common.common_pb2 import (
    ENDORSER_TRANSACTION,
    ChannelHeader,
    Envelope,
    Header,
    Payload,
    SignatureHeader,
)
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.peer.chaincode_pb2 import (
    ChaincodeID,
    ChaincodeInput,
    ChaincodeInvocationSpec,
    ChaincodeSpec,
)
from fabric_protos.peer.proposal_pb2 import (
    ChaincodeAction,
    ChaincodeHeaderExtension,
    ChaincodeProposalPayload,
)
from fabric_protos.peer.proposal_pb2 import Proposal as FabricProposal
from fabric_protos.peer.proposal_response_pb2 import ProposalResponsePayload
from fabric_protos.peer.transaction_pb2 import ChaincodeActionPayload, Transaction

_NONCE_BYTES = 24


class Proposal(msgspec.Struct, frozen=True):
    """A proposed transaction. `message` is to be signed; `time` is in milliseconds since 1970 UTC."""

    tx_id: str
    time: int
    message: bytes


def signature_header(creator: bytes) -> SignatureHeader:
    """Return a header with a fresh nonce in the name of `creator`."""
    return SignatureHeader(creator=creator, nonce=secrets.token_bytes(_NONCE_BYTES))


def build(
    creator: bytes,
    channel_id: str,
    chaincode: str,
    arguments: Sequence[bytes],
    transient: Mapping[str, bytes] | None = None,
) -> Proposal:
    """Return a new proposal to run `arguments` (the function's name first) at this moment.

    The time is cut to milliseconds, so that client and chaincode name the same one.
    """
    signer = signature_header(creator)
    tx_id = sha256(signer.nonce + creator).hexdigest()
    now = time.time_ns() // 1_000_000
    named = ChaincodeID(name=chaincode)
    channel = ChannelHeader(
        type=ENDORSER_TRANSACTION,
        tx_id=tx_id,
        channel_id=channel_id,
        extension=ChaincodeHeaderExtension(chaincode_id=named).SerializeToString(),
    )
    channel.timestamp.FromMilliseconds(now)
    header = Header(channel_header=channel.SerializeToString(), signature_header=signer.SerializeToString())
    call = ChaincodeInvocationSpec(
        chaincode_spec=ChaincodeSpec(chaincode_id=named, input=ChaincodeInput(args=arguments))
    )
    payload = ChaincodeProposalPayload(input=call.SerializeToString(), TransientMap=transient or {})
    message = FabricProposal(header=header.SerializeToString(), payload=payload.SerializeToString())
    return Proposal(tx_id, now, message.SerializeToString())


def endorsement(transaction: Envelope) -> tuple[bytes, tuple[str, ...]]:
    """Return the chaincode's result inside an endorsed transaction, and the MSP ids of its endorsers."""
    body = Transaction.FromString(Payload.FromString(transaction.payload).data)
    action = ChaincodeActionPayload.FromString(body.actions[0].payload).action
    endorsed = ProposalResponsePayload.FromString(action.proposal_response_payload)
    returned: bytes = ChaincodeAction.FromString(endorsed.extension).response.payload
    return returned, tuple(SerializedIdentity.FromString(one.endorser).mspid for one in action.endorsements)
