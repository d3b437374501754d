"""A peer's Gateway service in miniature: it checks signatures, keeps a chain, and fails as it is told."""

from __future__ import annotations

import asyncio
import datetime
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from fabric_protos.common.common_pb2 import (
    ChannelHeader,
    Envelope,
    Header,
    Payload,
    SignatureHeader,
    Status,
)
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.gateway.gateway_pb2_grpc import GatewayServicer, add_GatewayServicer_to_server
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.orderer.ab_pb2 import SeekInfo
from fabric_protos.peer.chaincode_event_pb2 import ChaincodeEvent
from fabric_protos.peer.chaincode_pb2 import ChaincodeInvocationSpec
from fabric_protos.peer.events_pb2 import DeliverResponse
from fabric_protos.peer.events_pb2_grpc import DeliverServicer, add_DeliverServicer_to_server
from fabric_protos.peer.proposal_pb2 import (
    ChaincodeAction,
    ChaincodeProposalPayload,
    Proposal,
)
from fabric_protos.peer.proposal_response_pb2 import Endorsement, ProposalResponsePayload, Response
from fabric_protos.peer.transaction_pb2 import (
    ENDORSEMENT_POLICY_FAILURE,
    MVCC_READ_CONFLICT,
    VALID,
    ChaincodeActionPayload,
    ChaincodeEndorsedAction,
    Transaction,
    TransactionAction,
)
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.status_pb2 import Status as RpcStatus

from exchange.ledger.fabric.gateway.client import Deadlines, GatewayClient
from exchange.ledger.fabric.gateway.events import Follower
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from tests.support.ledger.simulated_blocks import CHAINCODE, CHANNEL, whole  # beside this file


@dataclass(frozen=True)
class Fault:
    """The failure of one call. `deed` happens before the failure: a lost answer is not a lost act."""

    code: grpc.StatusCode | None = None
    message: str = ""
    details: tuple[tuple[str, str, str], ...] = ()
    deed: bool = False
    hang: bool = False
    forget: bool = False


def issue(key: Any, common_name: str = "User1") -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, algorithm)
        .public_bytes(serialization.Encoding.PEM)
    )


def private_pem(key: Any, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def check(creator: bytes, message: bytes, signature: bytes) -> None:
    certificate = x509.load_pem_x509_certificate(SerializedIdentity.FromString(creator).id_bytes)
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, message, ec.ECDSA(hashes.SHA256()))


@dataclass
class SimulatedPeer(GatewayServicer, DeliverServicer):
    """One channel and one chaincode. A result is the arguments joined; functions tell what to do more."""

    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    calls: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    chain: list[list[tuple[str, int, str]]] = field(default_factory=lambda: [[]])
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)
    organisations: list[list[str]] = field(default_factory=list)
    break_after: deque[int] = field(default_factory=deque)
    chosen: tuple[str, ...] = ("HospitalMSP", "LakeMSP")
    demanded: frozenset[str] = frozenset()
    first: int = 0

    def fail(self, call: str, *faults: Fault) -> None:
        self.faults[call].extend(faults)

    def verdicts(self, tx_id: str) -> list[int]:
        return [code for block in self.chain for tx, code, _ in block if tx == tx_id]

    async def add(self, *transactions: tuple[str, int, str]) -> None:
        async with self.grown:
            self.chain.append(list(transactions))
            self.grown.notify_all()

    async def _strike(self, call: str, context: Any, deed: Callable[[], Any]) -> None:
        self.calls.append(call)
        fault = self.faults[call].popleft() if self.faults[call] else None
        if fault is None or fault.forget:
            return
        if fault.deed:
            await deed()
        if fault.hang:
            await asyncio.Event().wait()
        assert fault.code is not None
        trailer = RpcStatus(code=fault.code.value[0], message=fault.message)
        for address, msp_id, message in fault.details:
            packed = Packed()
            packed.Pack(gateway.ErrorDetail(address=address, msp_id=msp_id, message=message))
            trailer.details.append(packed)
        await context.abort(
            fault.code, fault.message, (("grpc-status-details-bin", trailer.SerializeToString()),)
        )

    def _proposed(self, request: Any) -> tuple[Header, list[bytes]]:
        signed = request.proposed_transaction
        proposal = Proposal.FromString(signed.proposal_bytes)
        header = Header.FromString(proposal.header)
        creator = SignatureHeader.FromString(header.signature_header)
        check(creator.creator, signed.proposal_bytes, signed.signature)
        channel = ChannelHeader.FromString(header.channel_header)
        assert channel.tx_id == request.transaction_id == sha256(creator.nonce + creator.creator).hexdigest()
        assert channel.channel_id == request.channel_id == CHANNEL
        payload = ChaincodeProposalPayload.FromString(proposal.payload)
        spec = ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec
        assert spec.chaincode_id.name == CHAINCODE
        return header, list(spec.input.args)

    async def _nothing(self) -> None:
        return None

    async def Evaluate(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service's name
        _, arguments = self._proposed(request)
        self.organisations.append(list(request.target_organizations))
        await self._strike("evaluate", context, self._nothing)
        return gateway.EvaluateResponse(result=Response(status=200, payload=b"|".join(arguments)))

    async def Endorse(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service's name
        header, arguments = self._proposed(request)
        self.organisations.append(list(request.endorsing_organizations))
        await self._strike("endorse", context, self._nothing)
        action = ChaincodeAction(response=Response(status=200, payload=b"|".join(arguments)))
        returned = ProposalResponsePayload(extension=action.SerializeToString())
        endorsements = [
            Endorsement(endorser=SerializedIdentity(mspid=one).SerializeToString())
            for one in request.endorsing_organizations or self.chosen
        ]
        endorsed = ChaincodeEndorsedAction(
            proposal_response_payload=returned.SerializeToString(), endorsements=endorsements
        )
        body = Transaction(
            actions=[TransactionAction(payload=ChaincodeActionPayload(action=endorsed).SerializeToString())]
        )
        payload = Payload(header=header, data=body.SerializeToString())
        return gateway.EndorseResponse(prepared_transaction=Envelope(payload=payload.SerializeToString()))

    async def Submit(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service's name
        envelope = request.prepared_transaction
        header = Payload.FromString(envelope.payload).header
        creator = SignatureHeader.FromString(header.signature_header).creator
        check(creator, envelope.payload, envelope.signature)
        self.sent.append(envelope.SerializeToString())
        forget = bool(self.faults["submit"]) and self.faults["submit"][0].forget

        async def order() -> None:
            known = bool(self.verdicts(request.transaction_id))
            code = MVCC_READ_CONFLICT if b"conflict" in envelope.payload else VALID
            if not self._suffices(envelope):
                code = ENDORSEMENT_POLICY_FAILURE
            await self.add((request.transaction_id, 9 if known else code, "done"))  # 9: DUPLICATE_TXID

        await self._strike("submit", context, order)
        if not forget:
            await order()
        return gateway.SubmitResponse()

    def _suffices(self, envelope: Envelope) -> bool:
        body = Transaction.FromString(Payload.FromString(envelope.payload).data)
        endorsements = ChaincodeActionPayload.FromString(body.actions[0].payload).action.endorsements
        return self.demanded <= {SerializedIdentity.FromString(one.endorser).mspid for one in endorsements}

    async def CommitStatus(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service's name
        asked = gateway.CommitStatusRequest.FromString(request.request)
        check(asked.identity, request.request, request.signature)
        await self._strike("commit-status", context, self._nothing)
        async with self.grown:
            await self.grown.wait_for(lambda: self.verdicts(asked.transaction_id))
        number = next(
            n for n, block in enumerate(self.chain) if any(tx == asked.transaction_id for tx, _, _ in block)
        )
        return gateway.CommitStatusResponse(
            result=self.verdicts(asked.transaction_id)[0], block_number=number
        )

    async def ChaincodeEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802  # the service's name
        asked = gateway.ChaincodeEventsRequest.FromString(request.request)
        check(asked.identity, request.request, request.signature)
        await self._strike("events", context, self._nothing)
        left = self.break_after.popleft() if self.break_after else None
        number = asked.start_position.specified.number
        while True:
            async with self.grown:
                await self.grown.wait_for(lambda wanted=number: wanted < len(self.chain))
            events = [
                ChaincodeEvent(chaincode_id=CHAINCODE, tx_id=tx, event_name="done", payload=name.encode())
                for tx, code, name in self.chain[number]
                if code == VALID
            ]
            if left == 0:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the peer went away")
            left = None if left is None else left - 1
            if events:
                yield gateway.ChaincodeEventsResponse(events=events, block_number=number)
            number += 1

    async def Deliver(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802  # the service's name
        async for envelope in requests:
            payload = Payload.FromString(envelope.payload)
            creator = SignatureHeader.FromString(payload.header.signature_header).creator
            check(creator, envelope.payload, envelope.signature)
            if ChannelHeader.FromString(payload.header.channel_header).channel_id != CHANNEL:
                yield DeliverResponse(status=Status.NOT_FOUND)
                return
            await self._strike("blocks", context, self._nothing)
            seek = SeekInfo.FromString(payload.data)
            left = self.break_after.popleft() if self.break_after else None
            number, stop = seek.start.specified.number, seek.stop.specified.number
            if seek.start.HasField("newest"):
                number = stop = len(self.chain) - 1
            elif number < self.first:
                yield DeliverResponse(status=Status.NOT_FOUND)
                return
            while number <= stop:
                async with self.grown:
                    await self.grown.wait_for(lambda wanted=number: wanted < len(self.chain))
                if left == 0:
                    yield DeliverResponse(status=Status.SERVICE_UNAVAILABLE)
                    return
                left = None if left is None else left - 1
                yield DeliverResponse(block=whole(number, self.chain[number]))
                number += 1
            yield DeliverResponse(status=Status.SUCCESS)


@dataclass
class Stage:
    """A simulated peer with a client of it."""

    peer: SimulatedPeer
    gateway: GatewayClient
    follower: Follower
    channel: grpc.aio.Channel
    identity: SigningIdentity


QUICK = Deadlines(evaluate=2, endorse=2, submit=0.5, commit_status=0.3, outcome=1.5, resend=0.1)


@pytest.fixture(scope="session")
def identity() -> SigningIdentity:
    key = ec.generate_private_key(ec.SECP256R1())
    return SigningIdentity.from_pem("HospitalMSP", issue(key), private_pem(key))


@pytest.fixture
async def staged(identity: SigningIdentity) -> AsyncIterator[Callable[..., Any]]:
    """Opens stages; hypothesis needs a fresh one for each example."""
    async with AsyncExitStack() as stack:

        async def open_stage(deadlines: Deadlines = QUICK) -> Stage:
            server = grpc.aio.server()
            peer = SimulatedPeer()
            add_GatewayServicer_to_server(peer, server)
            add_DeliverServicer_to_server(peer, server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            stack.push_async_callback(server.stop, None)
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
            stack.push_async_callback(channel.close)
            client = GatewayClient(channel, identity, CHANNEL, CHAINCODE, deadlines=deadlines)
            return Stage(peer, client, Follower(channel, identity, CHANNEL), channel, identity)

        yield open_stage


@pytest.fixture
async def stage(staged: Callable[..., Any]) -> Stage:
    opened: Stage = await staged()
    return opened


@pytest.fixture(scope="session")
def fault() -> type[Fault]:
    return Fault


@pytest.fixture(scope="session")
def issue_certificate() -> Callable[..., bytes]:
    return issue


@pytest.fixture(scope="session")
def pem() -> Callable[..., bytes]:
    return private_pem
