"""Writes the gateway client's frozen bytes anew:
`python tests/exchange/ledger/fabric/gateway/vectors/make.py`.

Every message that the client signs or sends is here as it travels, and what it keeps of an endorsed
transaction. Key, nonces and time are fixed, and signatures deterministic (RFC 6979). Read the difference:
peers check these bytes, and a transaction that was kept is sent by a later release.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.x509.oid import NameOID
from fabric_protos.common.common_pb2 import Block, BlockHeader, Envelope, Header, Payload, Status
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.peer.events_pb2 import DeliverResponse
from fabric_protos.peer.proposal_pb2 import ChaincodeAction
from fabric_protos.peer.proposal_response_pb2 import ProposalResponsePayload, Response
from fabric_protos.peer.transaction_pb2 import (
    ChaincodeActionPayload,
    ChaincodeEndorsedAction,
    Transaction,
    TransactionAction,
)
from google.protobuf.internal import well_known_types

from exchange.ledger.fabric.gateway import proposal
from exchange.ledger.fabric.gateway.client import GatewayClient
from exchange.ledger.fabric.gateway.events import EventPosition, Follower
from exchange.ledger.fabric.gateway.identity import ORDERS, SigningIdentity, low_s

HERE = Path(__file__).parent
NOW = 1_800_000_000_123
SECRET = 0x1F2E3D4C5B6A79881F2E3D4C5B6A79881F2E3D4C5B6A79881F2E3D4C5B6A7988
CURVES: dict[str, ec.EllipticCurve] = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}


def certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the same bytes each time."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "User1@hospital.example")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(start).not_valid_after(start.replace(year=2036))
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.PEM)


def signer(key: ec.EllipticCurvePrivateKey, raw: list[bytes]) -> Callable[[bytes], Any]:
    """Return a signer like a key service, with either of the two values of s; `raw` gets a copy."""

    async def sign(digest: bytes) -> bytes:
        raw.append(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)))
        return raw[-1]

    return sign


async def signatures(curve: str) -> list[dict[str, str]]:
    """Return a message with its signature as it comes, and one with the larger s."""
    key, raw, found = ec.derive_private_key(SECRET, CURVES[curve]), list[bytes](), {}
    identity = SigningIdentity("HospitalMSP", certificate(key), signer(key, raw))
    for number in range(64):
        message = f"message {number}".encode()
        given = await identity.sign(message)
        kind = "low" if raw[-1] == given else "high"
        found.setdefault(
            kind, {"s": kind, "message": message.hex(), "raw": raw[-1].hex(), "given": given.hex()}
        )
    return [found["low"], found["high"]]


def bounds(curve: str) -> list[dict[str, str]]:
    """Return the values of s around half the order: the half itself is still the low one."""
    order = ORDERS[curve]
    half = order // 2
    made = []
    for s in (1, half, half + 1, order - 1):
        der = encode_dss_signature(5, s)
        given = low_s(der, order)
        made.append(
            {"s": hex(s), "raw": der.hex(), "given": given.hex(), "low": hex(decode_dss_signature(given)[1])}
        )
    return made


def endorsed_payload() -> bytes:
    """Return a peer's envelope to be signed, as small as it can be."""
    action = ChaincodeAction(response=Response(status=200, payload=b'{"done":true}'))
    response = ProposalResponsePayload(extension=action.SerializeToString())
    body = ChaincodeActionPayload(
        action=ChaincodeEndorsedAction(proposal_response_payload=response.SerializeToString())
    )
    data = Transaction(actions=[TransactionAction(payload=body.SerializeToString())])
    return Payload(header=Header(channel_header=b"c"), data=data.SerializeToString()).SerializeToString()


class Recorder:
    """A connection that notes what is sent, and answers what a client needs to go on."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def unary_unary(self, method: str, request_serializer: Any, **_: Any) -> Any:
        answers = {
            "Evaluate": gateway.EvaluateResponse(result=Response(status=200, payload=b"1")),
            "Endorse": gateway.EndorseResponse(prepared_transaction=Envelope(payload=endorsed_payload())),
            "Submit": gateway.SubmitResponse(),
            "CommitStatus": gateway.CommitStatusResponse(result=0, block_number=5),
        }

        async def call(request: Any, timeout: float) -> Any:  # noqa: ASYNC109  # as gRPC's own
            assert timeout > 0
            self.sent.append((method, request_serializer(request)))
            return answers[method.rpartition("/")[2]]

        return call

    def unary_stream(self, method: str, request_serializer: Any, **_: Any) -> Any:
        def call(request: Any) -> Any:
            self.sent.append((method, request_serializer(request)))
            event = {"tx_id": "ab" * 32, "event_name": "access", "payload": b"[]"}
            return Stream([gateway.ChaincodeEventsResponse(events=[event, event], block_number=6)])

        return call

    def stream_stream(self, method: str, request_serializer: Any, **_: Any) -> Any:
        def call() -> Any:
            def note(message: Any) -> None:
                self.sent.append((method, request_serializer(message)))

            blocks = [Block(header=BlockHeader(number=number)) for number in (3, 4, 5)]
            served = [DeliverResponse(block=block) for block in blocks]
            return Stream([*served, DeliverResponse(status=Status.SUCCESS)], note)

        return call


class Stream:
    """A stream that ends after what it holds."""

    def __init__(self, held: list[Any], note: Callable[[Any], None] | None = None) -> None:
        self._held, self._note = held, note

    async def write(self, message: Any) -> None:
        assert self._note is not None
        self._note(message)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for one in self._held:
            yield one

    def cancel(self) -> None:
        """Run nothing."""


async def messages() -> dict[str, Any]:
    """Make every call of the client once, and return all that it keeps."""
    key, recorder = ec.derive_private_key(SECRET, CURVES["secp256r1"]), Recorder()
    identity = SigningIdentity("HospitalMSP", certificate(key), signer(key, []))
    client = GatewayClient(recorder, identity, "records", "ledger")
    await client.evaluate("consent:read", b'{"pair":"00"}', organisations=["HospitalMSP"])
    endorsed = await client.endorse(
        "consent:open", b"{}", transient={"evidence": b"\x00\xff"}, organisations=["AMSP", "BMSP"]
    )
    await client.send(endorsed)
    await client.commit_status(endorsed.tx_id)
    follower = Follower(recorder, identity, "records")
    events = follower.chaincode_events("ledger", EventPosition(6, 0))
    assert (await anext(events)).position == EventPosition(6, 1)
    await events.aclose()
    assert [block.header.number async for block in follower.blocks(3, 5)] == [3, 4, 5]
    return {
        "creator": identity.creator.hex(),
        "sent": [{"call": method, "hex": raw.hex()} for method, raw in recorder.sent],
        "kept": msgspec.json.encode(endorsed).decode(),
    }


def vectors() -> dict[str, str]:
    """Return each file's name and text."""
    nonces = iter(range(1, 100))
    fixed = (
        patch.object(proposal.secrets, "token_bytes", lambda size: bytes([next(nonces)]) * size),
        patch.object(proposal.time, "time_ns", lambda: NOW * 1_000_000 + 999),
        patch.object(well_known_types.Timestamp, "GetCurrentTime", lambda self: self.FromMilliseconds(NOW)),
    )
    with fixed[0], fixed[1], fixed[2]:
        made = asyncio.run(messages())
    curves = {
        curve: {"signatures": asyncio.run(signatures(curve)), "bounds": bounds(curve)} for curve in CURVES
    }
    return {
        "messages.json": json.dumps(made, indent=1) + "\n",
        "signatures.json": json.dumps(curves, indent=1) + "\n",
    }


if __name__ == "__main__":
    for file, text in vectors().items():
        (HERE / file).write_text(text)
