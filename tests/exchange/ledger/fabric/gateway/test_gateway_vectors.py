"""The client's signed, sent and kept bytes are the frozen ones, and mean what they should."""

from __future__ import annotations

import asyncio
import json
import runpy
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common.common_pb2 import Envelope, Header, SignatureHeader
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.peer.proposal_pb2 import Proposal

from exchange.ledger.fabric.gateway.client import GatewayClient
from exchange.ledger.fabric.gateway.errors import EndorsedTransaction
from exchange.ledger.fabric.gateway.identity import ORDERS, low_s

HERE = Path(__file__).parent / "vectors"
MAKE: dict[str, Any] = runpy.run_path(str(HERE / "make.py"))
MADE: dict[str, str] = MAKE["vectors"]()
MESSAGES = json.loads((HERE / "messages.json").read_text())
SIGNATURES = json.loads((HERE / "signatures.json").read_text())
SENT = {one["call"].rpartition("/")[2]: bytes.fromhex(one["hex"]) for one in MESSAGES["sent"]}
CREATOR = bytes.fromhex(MESSAGES["creator"])


@pytest.mark.parametrize("name", MADE)
def test_the_bytes_are_those_that_were_frozen(name: str) -> None:
    assert (HERE / name).read_text() == MADE[name], "run make.py, and mind transactions that were kept"


def test_every_call_of_the_client_has_a_vector() -> None:
    assert set(SENT) == {"Evaluate", "Endorse", "Submit", "CommitStatus", "ChaincodeEvents", "Deliver"}


def signed_messages() -> dict[str, tuple[bytes, bytes]]:
    """Yield the signed bytes and the signature of each call."""
    evaluate = gateway.EvaluateRequest.FromString(SENT["Evaluate"]).proposed_transaction
    endorse = gateway.EndorseRequest.FromString(SENT["Endorse"]).proposed_transaction
    submit = gateway.SubmitRequest.FromString(SENT["Submit"]).prepared_transaction
    status = gateway.SignedCommitStatusRequest.FromString(SENT["CommitStatus"])
    events = gateway.SignedChaincodeEventsRequest.FromString(SENT["ChaincodeEvents"])
    deliver = Envelope.FromString(SENT["Deliver"])
    return {
        "Evaluate": (evaluate.proposal_bytes, evaluate.signature),
        "Endorse": (endorse.proposal_bytes, endorse.signature),
        "Submit": (submit.payload, submit.signature),
        "CommitStatus": (status.request, status.signature),
        "ChaincodeEvents": (events.request, events.signature),
        "Deliver": (deliver.payload, deliver.signature),
    }


@pytest.mark.parametrize("call", SENT)
def test_each_frozen_signature_is_the_identitys_over_what_the_peer_checks(call: str) -> None:
    message, signature = signed_messages()[call]
    pem = SerializedIdentity.FromString(CREATOR).id_bytes
    public = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    assert low_s(signature, ORDERS["secp256r1"]) == signature


def test_frozen_transaction_id_is_that_of_nonce_and_creator() -> None:
    request = gateway.EndorseRequest.FromString(SENT["Endorse"])
    header = Header.FromString(Proposal.FromString(request.proposed_transaction.proposal_bytes).header)
    signer = SignatureHeader.FromString(header.signature_header)
    assert signer.creator == CREATOR
    assert request.transaction_id == sha256(signer.nonce + signer.creator).hexdigest()


@pytest.mark.parametrize("curve", SIGNATURES)
def test_frozen_signatures_of_both_kinds_become_low(curve: str) -> None:
    kinds = {one["s"]: one["raw"] == one["given"] for one in SIGNATURES[curve]["signatures"]}
    assert kinds == {"low": True, "high": False}
    half = ORDERS[curve] // 2
    assert all(int(one["low"], 16) <= half for one in SIGNATURES[curve]["bounds"])


def test_a_transaction_that_was_kept_is_sent_as_it_was_frozen() -> None:
    """By a later release too: its outcome may still have to be settled."""
    kept = msgspec.json.decode(MESSAGES["kept"], type=EndorsedTransaction)
    assert msgspec.json.encode(kept).decode() == MESSAGES["kept"]
    recorder = MAKE["Recorder"]()
    asyncio.run(GatewayClient(recorder, None, "records", "ledger").send(kept))  # type: ignore[arg-type]  # nobody signs
    assert recorder.sent == [("/gateway.Gateway/Submit", SENT["Submit"])]
