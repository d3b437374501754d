"""Certificates count for organisations, and satisfy policies, by Fabric's rules."""

from __future__ import annotations

import asyncio
import datetime
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fabric_protos.common.configtx_pb2 import ConfigGroup
from fabric_protos.common.policies_pb2 import (
    ImplicitMetaPolicy,
    Policy,
    SignaturePolicy,
    SignaturePolicyEnvelope,
)
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.msp.msp_config_pb2 import FabricMSPConfig, MSPConfig
from fabric_protos.msp.msp_principal_pb2 import MSPPrincipal, MSPRole, OrganizationUnit
from hypothesis import given
from hypothesis import strategies as st

from chaincode.shim.errors import ProposalError
from chaincode.shim.proposal import caller_of
from exchange.ledger.fabric.blocks.errors import UnreadableError
from exchange.ledger.fabric.blocks.members import Msp, MspMember, MspMembers, MspRole
from exchange.ledger.fabric.blocks.policies import satisfied, signed
from exchange.ledger.fabric.gateway.errors import IdentityError
from exchange.ledger.fabric.gateway.identity import ORDERS, SigningIdentity

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Holder:
    """A certificate and its key; `issue` signs another."""

    def __init__(self, name: str, *units: str, ca: bool = False, by: Holder | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        attributes += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
        self.name = x509.Name(attributes)
        issuer = by or self
        builder = x509.CertificateBuilder(
            issuer_name=issuer.name,
            subject_name=self.name,
            public_key=self.key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=NOW,
            not_valid_after=NOW + datetime.timedelta(days=1),
        ).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        self.certificate = builder.sign(issuer.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def issue(self, name: str, *units: str, ca: bool = False) -> Holder:
        return Holder(name, *units, ca=ca, by=self)

    def revoking(self, *others: Holder) -> bytes:
        made = x509.CertificateRevocationListBuilder(self.name, NOW, NOW + datetime.timedelta(days=1))
        for other in others:
            entry = x509.RevokedCertificateBuilder(other.certificate.serial_number, NOW).build()
            made = made.add_revoked_certificate(entry)
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def serialized(self, msp_id: str = "AMSP") -> bytes:
        return bytes(SerializedIdentity(mspid=msp_id, id_bytes=self.pem).SerializeToString())


def organisation(
    *roots: Holder,
    intermediates: Sequence[Holder] = (),
    admins: Sequence[Holder] = (),
    revoked: Sequence[bytes] = (),
    units: bool = True,
    msp_id: str = "AMSP",
) -> Msp:
    config = FabricMSPConfig(
        name=msp_id,
        root_certs=[root.pem for root in roots],
        intermediate_certs=[ca.pem for ca in intermediates],
        admins=[admin.pem for admin in admins],
        revocation_list=revoked,
    )
    if units:
        named = config.fabric_node_ous
        named.enable = True
        for identifier, unit in (
            (named.client_ou_identifier, "client"),
            (named.peer_ou_identifier, "peer"),
            (named.admin_ou_identifier, "admin"),
            (named.orderer_ou_identifier, "orderer"),
        ):
            identifier.organizational_unit_identifier = unit
    return Msp(MSPConfig(type=0, config=config.SerializeToString()).SerializeToString())


def roles(found: Msp, holder: Holder) -> set[MspRole] | None:
    member = MspMembers([found]).find(holder.serialized())
    return None if member is None else set(member.roles)


ROOT = Holder("root", ca=True)


def test_unit_says_what_a_member_is():
    found = organisation(ROOT)
    for role in (MspRole.CLIENT, MspRole.PEER, MspRole.ADMIN, MspRole.ORDERER):
        assert roles(found, ROOT.issue("x", role.value)) == {MspRole.MEMBER, role}
    assert roles(found, ROOT.issue("x", "peer", "ward 3")) == {MspRole.MEMBER, MspRole.PEER}


def test_no_unit_or_two_make_no_member():
    assert roles(organisation(ROOT), ROOT.issue("x")) is None
    assert roles(organisation(ROOT), ROOT.issue("x", "peer", "client")) is None
    assert roles(organisation(ROOT, units=False), ROOT.issue("x")) == {MspRole.MEMBER}


def test_named_administrator_needs_no_unit():
    admin = ROOT.issue("boss")
    assert roles(organisation(ROOT, admins=[admin]), admin) == {MspRole.MEMBER, MspRole.ADMIN}
    assert roles(organisation(ROOT, admins=[admin], units=False), admin) == {MspRole.MEMBER, MspRole.ADMIN}


def test_certificate_of_another_authority_of_the_same_name_is_no_member():
    assert roles(organisation(ROOT), Holder("root", ca=True).issue("x", "peer")) is None


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("flip", [0x01, 0x0F, 0x24, 0x80, 0xFF])
def test_certificate_with_any_byte_changed_is_no_member_and_no_surprise(flip):
    """The keeper of the blocks can put anything into them: it is refused, not tripped over."""
    found, certificate = organisation(ROOT), ROOT.issue("x", "peer").certificate
    while certificate.signature[-1] & 1:  # only what ends in a zero bit can be said to end before it
        certificate = ROOT.issue("x", "peer").certificate
    der = certificate.public_bytes(Encoding.DER)
    for at in range(len(der)):
        damaged = der[:at] + bytes([der[at] ^ flip]) + der[at + 1 :]
        pem = b"-----BEGIN CERTIFICATE-----\n" + b64encode(damaged) + b"\n-----END CERTIFICATE-----\n"
        identity = SerializedIdentity(mspid="AMSP", id_bytes=pem).SerializeToString()
        assert MspMembers([found]).find(identity) is None, at
        with suppress(ProposalError):
            assert caller_of(identity).msp_id == "AMSP"  # of a peer that has checked it
        with suppress(IdentityError):
            SigningIdentity("AMSP", pem, lambda digest: digest)


def test_authorities_and_other_organisations_are_no_members():
    found = organisation(ROOT)
    assert roles(found, ROOT) is None
    assert roles(found, ROOT.issue("x", "peer", ca=True)) is None
    assert MspMembers([found]).find(ROOT.issue("x", "peer").serialized("BMSP")) is None
    assert MspMembers([found]).find(b"\xff") is None
    assert (
        MspMembers([found]).find(SerializedIdentity(mspid="AMSP", id_bytes=b"x").SerializeToString()) is None
    )


def test_chain_goes_through_authorities_below_the_root_and_only_the_lowest_issue():
    middle = ROOT.issue("middle", ca=True)
    found = organisation(ROOT, intermediates=[middle])
    assert roles(found, middle.issue("x", "peer")) == {MspRole.MEMBER, MspRole.PEER}
    assert roles(found, ROOT.issue("x", "peer")) is None, "a root with authorities below it issues no members"
    assert roles(organisation(ROOT), middle.issue("x", "peer")) is None
    leaf = ROOT.issue("leaf", "peer")
    assert roles(organisation(ROOT), leaf.issue("x", "peer")) is None, "a member is no authority"


def test_revoked_certificate_is_no_member_and_a_strangers_list_revokes_nothing():
    bad, good = ROOT.issue("bad", "peer"), ROOT.issue("good", "peer")
    found = organisation(ROOT, revoked=[ROOT.revoking(bad)])
    assert roles(found, bad) is None
    assert roles(found, good) == {MspRole.MEMBER, MspRole.PEER}
    stranger = Holder("root", ca=True)
    assert roles(organisation(ROOT, revoked=[stranger.revoking(bad)]), bad) is not None
    middle = ROOT.issue("middle", ca=True)
    below = middle.issue("x", "peer")
    assert roles(organisation(ROOT, intermediates=[middle], revoked=[ROOT.revoking(middle)]), below) is None


def test_definition_of_another_kind_is_refused():
    with pytest.raises(UnreadableError, match=r"not of X\.509"):
        Msp(MSPConfig(type=1).SerializeToString())
    garbled = FabricMSPConfig(name="AMSP", root_certs=[b"x"]).SerializeToString()
    with pytest.raises(UnreadableError, match="can't be read"):
        Msp(MSPConfig(config=garbled).SerializeToString())


def test_only_the_low_form_of_a_signature_counts():
    holder = ROOT.issue("x", "peer")
    member = MspMembers([organisation(ROOT)]).find(holder.serialized())
    assert member is not None
    key = holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signature = asyncio.run(SigningIdentity.from_pem("AMSP", holder.pem, key).sign(b"message"))
    assert member.signed(b"message", signature)
    assert not member.signed(b"another", signature)
    r, s = decode_dss_signature(signature)
    assert not member.signed(b"message", encode_dss_signature(r, ORDERS["secp256r1"] - s))
    assert not member.signed(b"message", b"")


# -- policies -------------------------------------------------------------------------------

MSPS = ("AMSP", "BMSP", "CMSP")
PEOPLE: list[MspMember] = []
for _msp in MSPS:
    _found = MspMembers([organisation(ROOT, msp_id=_msp)])
    for _unit in ("peer", "peer", "admin", "client"):
        _member = _found.find(ROOT.issue("x", _unit).serialized(_msp))
        assert _member is not None
        PEOPLE.append(_member)

PRINCIPALS = [(msp, role) for msp in MSPS for role in (MspRole.MEMBER, MspRole.PEER, MspRole.ADMIN)]
NUMBERS = {MspRole.MEMBER: MSPRole.MEMBER, MspRole.PEER: MSPRole.PEER, MspRole.ADMIN: MSPRole.ADMIN}


def envelope(rule: SignaturePolicy) -> SignaturePolicyEnvelope:
    identities = [
        MSPPrincipal(
            principal_classification=MSPPrincipal.ROLE,
            principal=MSPRole(msp_identifier=msp, role=NUMBERS[role]).SerializeToString(),
        )
        for msp, role in PRINCIPALS
    ]
    return SignaturePolicyEnvelope(rule=rule, identities=identities)


def out_of(n: int, *rules: SignaturePolicy) -> SignaturePolicy:
    return SignaturePolicy(n_out_of=SignaturePolicy.NOutOf(n=n, rules=rules))


def by(msp: str, role: MspRole) -> SignaturePolicy:
    return SignaturePolicy(signed_by=PRINCIPALS.index((msp, role)))


@given(
    n=st.integers(1, 4),
    wanted=st.lists(st.sampled_from(PRINCIPALS), min_size=1, max_size=4),
    who=st.sets(st.sampled_from(range(len(PEOPLE))), max_size=5),
)
def test_n_out_of_is_never_satisfied_without_so_many_different_signers(n, wanted, who):
    signers = [PEOPLE[index] for index in sorted(who)]
    answer = signed(envelope(out_of(n, *(by(*one) for one in wanted))), signers)

    def possible(count: int) -> bool:
        return any(
            sum(
                signer.msp_id == msp and role in signer.roles
                for signer, (msp, role) in zip(order, wanted, strict=False)
            )
            >= count
            for order in permutations([*signers, *[NOBODY] * len(wanted)], len(wanted))
        )

    if answer:  # Fabric takes signers greedily, so it may refuse what some assignment would satisfy
        assert possible(n)
    distinct = len(set(wanted)) == len(wanted) and all(role is MspRole.MEMBER for _, role in wanted)
    if distinct:
        assert answer == possible(n)


NOBODY = MspMember(b"", "NobodyMSP", ROOT.certificate, frozenset())


def test_one_signer_does_not_count_twice():
    rule = out_of(2, by("AMSP", MspRole.PEER), by("AMSP", MspRole.PEER))
    assert not signed(envelope(rule), PEOPLE[:1])
    assert signed(envelope(rule), PEOPLE[:2])


def test_unit_and_identity_are_principals_and_others_are_refused():
    unit = OrganizationUnit(msp_identifier="AMSP", organizational_unit_identifier="client")
    for principal, right in (
        (
            MSPPrincipal(
                principal_classification=MSPPrincipal.ORGANIZATION_UNIT, principal=unit.SerializeToString()
            ),
            3,
        ),
        (MSPPrincipal(principal_classification=MSPPrincipal.IDENTITY, principal=PEOPLE[5].serialized), 5),
    ):
        policy = SignaturePolicyEnvelope(rule=SignaturePolicy(signed_by=0), identities=[principal])
        assert [signed(policy, [one]) for one in PEOPLE] == [index == right for index in range(len(PEOPLE))]
    anonymous = MSPPrincipal(principal_classification=MSPPrincipal.ANONYMITY)
    with pytest.raises(UnreadableError, match="not known here"):
        signed(SignaturePolicyEnvelope(rule=SignaturePolicy(signed_by=0), identities=[anonymous]), PEOPLE)
    with pytest.raises(UnreadableError, match="can't be read"):
        signed(SignaturePolicyEnvelope(rule=SignaturePolicy(signed_by=3)), PEOPLE)
    with pytest.raises(UnreadableError, match="can't be read"):
        signed(SignaturePolicyEnvelope(rule=SignaturePolicy()), PEOPLE)


@pytest.mark.parametrize(
    ("rule", "needed"),
    [(ImplicitMetaPolicy.ANY, 1), (ImplicitMetaPolicy.MAJORITY, 2), (ImplicitMetaPolicy.ALL, 3)],
)
def test_implicit_policy_counts_the_organisations_below(rule, needed):
    group = ConfigGroup()
    for msp in MSPS:
        policy = group.groups[msp].policies["Endorsement"].policy
        policy.type = Policy.SIGNATURE
        policy.value = envelope(by(msp, MspRole.PEER)).SerializeToString()
    outer = group.policies["Endorsement"].policy
    outer.type = Policy.IMPLICIT_META
    outer.value = ImplicitMetaPolicy(sub_policy="Endorsement", rule=rule).SerializeToString()
    peers = [PEOPLE[0], PEOPLE[4], PEOPLE[8]]
    for count in range(4):
        assert satisfied(group, "Endorsement", peers[:count]) == (count >= needed)
    assert not satisfied(group, "Endorsement", [PEOPLE[0], PEOPLE[1]]) or needed == 1
    assert not satisfied(group, "Admins", peers), "a policy that is not there is satisfied by nobody"
    outer.type = Policy.MSP
    with pytest.raises(UnreadableError, match="not known here"):
        satisfied(group, "Endorsement", peers)
