"""The identity of a client towards Fabric: an MSP id, an X.509 certificate, and something that signs for it.

The signer may be a key in this process, or anything that can be asked for a signature: a PKCS#11 token,
a key service, a person with a device. It gets bytes and returns a signature; the key never comes here.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fabric_protos.msp.identities_pb2 import SerializedIdentity

from exchange.ledger.fabric.gateway.errors import IdentityError

Signer = Callable[[bytes], Awaitable[bytes]]
"""Signs. For an ECDSA certificate: gets the 32-byte SHA-256 digest of a message and returns the
signature in DER; for Ed25519: gets the message and returns the 64 bytes."""

ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    ),
}
"""The orders of the curves that Fabric signs on; of two signatures it accepts the one with lower s."""


class SigningIdentity:
    """Signs messages in an organisation's name.

    Raises:
        IdentityError: the certificate can't be read, or Fabric knows no such kind of key.
    """

    def __init__(self, msp_id: str, certificate: bytes, signer: Signer) -> None:
        self.msp_id, self._signer = msp_id, signer
        self.certificate = _certificate(certificate)
        self.creator: bytes = SerializedIdentity(mspid=msp_id, id_bytes=certificate).SerializeToString()
        """The serialised identity, as proposals and requests carry it."""
        public = _public(self.certificate)
        if isinstance(public, ed25519.Ed25519PublicKey):
            self._order: int | None = None
        elif isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in ORDERS:
            self._order = ORDERS[public.curve.name]
        else:
            raise IdentityError("Fabric signs with ECDSA on P-256 or P-384, or with Ed25519")

    @classmethod
    def from_pem(cls, msp_id: str, certificate: bytes, key: bytes) -> SigningIdentity:
        """Return an identity with its key in this process.

        Raises:
            IdentityError: as the class, or the key is not the certificate's.
        """
        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError):
            raise IdentityError("the private key can't be read: it must be PEM and not encrypted") from None
        if private.public_key() != _public(_certificate(certificate)):
            raise IdentityError("the private key is not the certificate's")

        async def sign(data: bytes) -> bytes:
            if isinstance(private, ec.EllipticCurvePrivateKey):
                return private.sign(data, ec.ECDSA(Prehashed(hashes.SHA256())))
            if isinstance(private, ed25519.Ed25519PrivateKey):
                return private.sign(data)
            raise IdentityError("Fabric signs with ECDSA on P-256 or P-384, or with Ed25519")

        return cls(msp_id, certificate, sign)

    @classmethod
    def from_files(cls, msp_id: str, certificate: Path, key: Path) -> SigningIdentity:
        """Read an identity from two files; otherwise as `from_pem`.

        Raises:
            IdentityError: as `from_pem`, or a file can't be read.
        """
        try:
            return cls.from_pem(msp_id, certificate.read_bytes(), key.read_bytes())
        except OSError as why:
            raise IdentityError(f"can't read {why.filename}: {why.strerror}") from None

    @property
    def expires(self) -> datetime.datetime:
        """When the certificate ends; peers refuse it from then on."""
        return self.certificate.not_valid_after_utc

    async def sign(self, message: bytes) -> bytes:
        """Return a signature that Fabric accepts, low-S where that matters."""
        if self._order is None:
            return await self._signer(message)
        return low_s(await self._signer(sha256(message).digest()), self._order)


def low_s(signature: bytes, order: int) -> bytes:
    """Return the same ECDSA signature with the smaller of its two values of s; Fabric refuses the other.

    Raises:
        IdentityError: `signature` is not DER.
    """
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        raise IdentityError("the signer returned no ECDSA signature in DER") from None
    return encode_dss_signature(r, min(s, order - s))


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except (ValueError, x509.InvalidVersion):
        raise IdentityError("the certificate can't be read: it must be one PEM certificate") from None


def _public(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise IdentityError("the certificate's key is of no kind that is known here") from None
