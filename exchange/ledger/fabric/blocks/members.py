"""Members of a Fabric MSP: the certificates that it accepts for its organisation, and in which roles.

The rules are those of Fabric's MSP for X.509: a certificate is valid when it is no CA's, chains to a root
of the organisation through CAs, is not on a revocation list, and, with node OUs, names the role of its
holder in exactly one organisational unit. Dates are not checked; a block names no time for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID
from fabric_protos.msp.identities_pb2 import SerializedIdentity
from fabric_protos.msp.msp_config_pb2 import FabricMSPConfig, MSPConfig
from google.protobuf.message import DecodeError

from exchange.ledger.fabric.blocks.errors import UnreadableError
from exchange.ledger.fabric.gateway.identity import ORDERS

_FABRIC = 0  # the type of an MSP of X.509 certificates
_DEEPEST = 8  # CAs between a certificate and its root
_MALFORMED = (
    ValueError,
    TypeError,  # a name with a value that is not text
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_PREHASHED = ec.ECDSA(Prehashed(hashes.SHA256()))


class MspRole(StrEnum):
    """The roles of a certificate in its organisation; every valid one is a member."""

    MEMBER = "member"
    ADMIN = "admin"
    CLIENT = "client"
    PEER = "peer"
    ORDERER = "orderer"


class MspMember:
    """A valid certificate of an organisation. `serialized` is the identity as messages carry it."""

    __slots__ = ("_key", "_largest", "msp_id", "roles", "serialized", "units")

    def __init__(
        self,
        serialized: bytes,
        msp_id: str,
        certificate: x509.Certificate,
        roles: frozenset[MspRole],
    ) -> None:
        self.serialized, self.msp_id, self.roles = serialized, msp_id, roles
        self.units = frozenset(_units(certificate))
        key = certificate.public_key()
        self._key = key if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) else None
        curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else ""
        self._largest = ORDERS.get(curve, 0) // 2

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether this is the holder's signature of `message`; for ECDSA only in low-S form."""
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, message)
                return True
            if self._key is None or decode_dss_signature(signature)[1] > self._largest:
                return False
            self._key.verify(signature, sha256(message).digest(), _PREHASHED)
        except (InvalidSignature, ValueError):
            return False
        return True


class Msp:
    """One MSP as a channel's configuration defines it.

    Raises:
        UnreadableError: the definition can't be read, or is not one of X.509 certificates.
    """

    def __init__(self, config: bytes) -> None:
        try:
            outer = MSPConfig.FromString(config)
            if outer.type != _FABRIC:
                raise UnreadableError("an MSP is not of X.509 certificates")
            given = FabricMSPConfig.FromString(outer.config)
            self.msp_id: str = given.name
            self._roots = _certificates(given.root_certs)
            self._intermediates = _certificates(given.intermediate_certs)
            self._admins = {_der(pem) for pem in given.admins}
            self._revoked = _revoked(given.revocation_list, (*self._roots, *self._intermediates))
            self._units = {
                unit.organizational_unit_identifier for unit in given.organizational_unit_identifiers
            }
            self._node_units = _node_units(given.fabric_node_ous)
        except (DecodeError, *_MALFORMED):
            raise UnreadableError("an MSP's definition can't be read") from None
        # A CA that has CAs below it issues no identities of its own.
        self._inner = {issuer for ca in self._intermediates if (issuer := self._issuer(ca)) is not None}

    def member(self, serialized: bytes, pem: bytes) -> MspMember | None:
        """Return the member with this certificate; None where the organisation does not accept it."""
        try:
            with warnings.catch_warnings():  # a later library will refuse what this one warns of
                warnings.simplefilter("error", CryptographyDeprecationWarning)
                certificate = x509.load_pem_x509_certificate(pem)
                roles = self._roles(certificate)
                return None if roles is None else MspMember(serialized, self.msp_id, certificate, roles)
        except (*_MALFORMED, CryptographyDeprecationWarning):
            return None

    def _roles(self, certificate: x509.Certificate) -> frozenset[MspRole] | None:
        if _ends_within_a_byte(certificate):
            return None
        issuer = self._issuer(certificate)
        if issuer is None or issuer in self._inner or _is_ca(certificate) or not self._chains(issuer):
            return None
        if (certificate.issuer, certificate.serial_number) in self._revoked:
            return None
        units = _units(certificate)
        if self._units and not self._units & set(units):
            return None
        roles = {MspRole.MEMBER}
        if _encoded(certificate) in self._admins:
            roles.add(MspRole.ADMIN)
        if self._node_units is not None:
            kinds = [
                role
                for role, (unit, certifier) in self._node_units.items()
                if unit in units and certifier in {None, _encoded(issuer)}
            ]
            if len(kinds) != 1 and not (not kinds and MspRole.ADMIN in roles):
                return None
            roles.update(kinds)
        return frozenset(roles)

    def _chains(self, ca: x509.Certificate) -> bool:
        for _ in range(_DEEPEST):
            if ca in self._roots:
                return True
            above = self._issuer(ca)
            if above is None or (ca.issuer, ca.serial_number) in self._revoked:
                return False
            ca = above
        return False

    def _issuer(self, certificate: x509.Certificate) -> x509.Certificate | None:
        for ca in (*self._intermediates, *self._roots):
            if ca.subject != certificate.issuer or not _is_ca(ca):
                continue
            try:
                certificate.verify_directly_issued_by(ca)
            except (InvalidSignature, ValueError, TypeError):
                continue
            return ca
        return None


class MspMembers:
    """The members of all organisations of a channel, by serialised identity."""

    def __init__(self, organisations: Sequence[Msp]) -> None:
        self.organisations = {organisation.msp_id: organisation for organisation in organisations}
        self._known: dict[bytes, MspMember | None] = {}

    def find(self, serialized: bytes) -> MspMember | None:
        """Return the member; None for bytes that name none."""
        if serialized not in self._known:
            self._known[serialized] = self._look(serialized)
        return self._known[serialized]

    def _look(self, serialized: bytes) -> MspMember | None:
        try:
            identity = SerializedIdentity.FromString(serialized)
        except DecodeError:
            return None
        organisation = self.organisations.get(identity.mspid)
        return None if organisation is None else organisation.member(serialized, identity.id_bytes)


def _certificates(pems: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificate(pem) for pem in pems)


def _encoded(certificate: x509.Certificate) -> bytes:
    return certificate.fingerprint(hashes.SHA256())


def _der(pem: bytes) -> bytes:
    return _encoded(x509.load_pem_x509_certificate(pem))


def _units(certificate: x509.Certificate) -> list[str]:
    return [
        str(unit.value)
        for unit in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    ]


def _ends_within_a_byte(certificate: x509.Certificate) -> bool:
    # The signature is a string of bits, and comes last. Fabric moves one that ends within a byte to its end:
    # another signature. The library uses the bytes as they are.
    unused = -len(certificate.signature) - 1
    return certificate.public_bytes(Encoding.DER)[unused] != 0


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _revoked(lists: Sequence[bytes], cas: Sequence[x509.Certificate]) -> set[tuple[x509.Name, int]]:
    """Return issuer and serial number of each certificate that the organisation's own CAs revoked."""
    found = set()
    for pem in lists:
        crl = x509.load_pem_x509_crl(pem)
        if any(_signed_by(crl, ca) for ca in cas if ca.subject == crl.issuer):
            found |= {(crl.issuer, entry.serial_number) for entry in crl}
    return found


def _signed_by(crl: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]  # other kinds raise TypeError
    except TypeError:
        return False


def _node_units(given: Any) -> dict[MspRole, tuple[str, bytes | None]] | None:
    """Return the unit and the CA of each role; None where units name no roles."""
    if not given.enable:
        return None
    named = {
        MspRole.CLIENT: given.client_ou_identifier,
        MspRole.PEER: given.peer_ou_identifier,
        MspRole.ADMIN: given.admin_ou_identifier,
        MspRole.ORDERER: given.orderer_ou_identifier,
    }
    return {
        role: (unit.organizational_unit_identifier, _der(unit.certificate) if unit.certificate else None)
        for role, unit in named.items()
        if unit.organizational_unit_identifier
    }
