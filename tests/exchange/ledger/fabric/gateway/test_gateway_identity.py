"""Signatures that Fabric accepts, from keys here or elsewhere; and what is signed."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from fabric_protos.common.common_pb2 import ChannelHeader, Header, SignatureHeader
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.peer.chaincode_pb2 import ChaincodeInvocationSpec
from fabric_protos.peer.proposal_pb2 import ChaincodeProposalPayload, Proposal
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.ledger.fabric.gateway import proposal
from exchange.ledger.fabric.gateway.errors import IdentityError
from exchange.ledger.fabric.gateway.identity import ORDERS, SigningIdentity, low_s

CURVES = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}


@pytest.mark.parametrize("curve", CURVES)
async def test_every_signature_verifies_and_is_low_s(issue_certificate, pem, curve):
    key = ec.generate_private_key(CURVES[curve])
    identity = SigningIdentity.from_pem("A", issue_certificate(key), pem(key))
    for number in range(40):  # half of all signatures come out high
        signature = await identity.sign(b"%d" % number)
        key.public_key().verify(signature, b"%d" % number, ec.ECDSA(hashes.SHA256()))
        assert decode_dss_signature(signature)[1] <= ORDERS[curve] // 2


@settings(max_examples=60)
@given(
    r=st.integers(1, ORDERS["secp256r1"] - 1),
    s=st.integers(1, ORDERS["secp256r1"] - 1),
)
def test_low_s_picks_one_of_the_two_twins(r, s):
    order = ORDERS["secp256r1"]
    low = low_s(encode_dss_signature(r, s), order)
    assert decode_dss_signature(low)[0] == r
    assert decode_dss_signature(low)[1] in {s, order - s}
    assert low_s(low, order) == low
    assert low_s(encode_dss_signature(r, order - s), order) == low


async def test_key_elsewhere_is_asked_with_a_digest_only(issue_certificate):
    key = ec.generate_private_key(ec.SECP256R1())
    asked = []

    async def token(digest: bytes) -> bytes:
        asked.append(digest)
        return key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))

    identity = SigningIdentity("A", issue_certificate(key), token)
    signature = await identity.sign(b"a message")
    assert asked == [sha256(b"a message").digest()]
    key.public_key().verify(signature, b"a message", ec.ECDSA(hashes.SHA256()))


async def test_ed25519_signs_the_message_itself(issue_certificate, pem):
    key = ed25519.Ed25519PrivateKey.generate()
    identity = SigningIdentity.from_pem("A", issue_certificate(key), pem(key))
    key.public_key().verify(await identity.sign(b"a message"), b"a message")


async def test_signer_that_returns_no_signature_is_found_out(issue_certificate):
    async def broken(digest: bytes) -> bytes:
        return b"not DER"

    certificate = issue_certificate(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(IdentityError, match="DER"):
        await SigningIdentity("A", certificate, broken).sign(b"a message")


def test_key_of_another_certificate_is_refused(issue_certificate, pem):
    one, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    with pytest.raises(IdentityError, match="not the certificate's"):
        SigningIdentity.from_pem("A", issue_certificate(one), pem(other))


def test_unreadable_material_is_refused(issue_certificate, pem, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue_certificate(key)
    with pytest.raises(IdentityError, match="certificate"):
        SigningIdentity.from_pem("A", b"nothing", pem(key))
    with pytest.raises(IdentityError, match="not encrypted"):
        SigningIdentity.from_pem("A", certificate, pem(key, b"password"))
    with pytest.raises(IdentityError, match="private key"):
        SigningIdentity.from_pem("A", certificate, b"nothing")
    with pytest.raises(IdentityError, match="No such file"):
        SigningIdentity.from_files("A", tmp_path / "certificate", tmp_path / "key")


def test_kinds_of_key_that_fabric_does_not_know_are_refused(issue_certificate, pem):
    for key in (ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 2048)):
        with pytest.raises(IdentityError, match="P-256"):
            SigningIdentity.from_pem("A", issue_certificate(key), pem(key))


def test_expiry_is_the_certificates(identity):
    assert identity.expires == identity.certificate.not_valid_after_utc


@given(
    arguments=st.lists(st.binary(max_size=20), min_size=1, max_size=4),
    transient=st.dictionaries(st.text(max_size=5), st.binary(max_size=20), max_size=3),
)
def test_proposal_says_what_it_was_built_from(identity, arguments, transient):
    built = proposal.build(identity.creator, "records", "ledger", arguments, transient)
    read = Proposal.FromString(built.message)
    header = Header.FromString(read.header)
    channel = ChannelHeader.FromString(header.channel_header)
    signer = SignatureHeader.FromString(header.signature_header)
    payload = ChaincodeProposalPayload.FromString(read.payload)
    call = ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec
    assert SerializedIdentity.FromString(signer.creator).mspid == identity.msp_id
    assert channel.tx_id == built.tx_id == sha256(signer.nonce + signer.creator).hexdigest()
    assert (channel.channel_id, call.chaincode_id.name) == ("records", "ledger")
    assert channel.timestamp.ToMilliseconds() == built.time
    assert channel.timestamp.nanos % 1_000_000 == 0
    assert list(call.input.args) == arguments
    assert dict(payload.TransientMap) == transient


def test_no_two_proposals_share_an_id(identity):
    built = {proposal.build(identity.creator, "records", "ledger", [b"f"]).tx_id for _ in range(50)}
    assert len(built) == 50
