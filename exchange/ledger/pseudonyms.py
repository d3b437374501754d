"""Names for a patient that mean something to one recipient only (design: one key per pair).

Every member of the consortium reads the whole ledger. A single pseudonym per patient would let a member
that asks once recognise that patient in everybody's traffic, so each recipient gets its own, derived from
a secret that never reaches the ledger. Who holds the secret, the custodian and the patient, can
enumerate all pairs; when it is destroyed, the entries mean nothing any more.
"""

from __future__ import annotations

import hmac
import secrets

_PAIR = b"consentry pair v1\0"
_SALT = b"consentry salt v1\0"
SECRET_BYTES = 32


class PatientSecret:
    """A patient's ledger secret: 256 random bits. It never appears in a representation or a log."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"a patient's ledger secret has {SECRET_BYTES} bytes")
        self._secret = secret

    @classmethod
    def generate(cls) -> PatientSecret:
        """A new secret from the operating system's randomness."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def __bytes__(self) -> bytes:
        return self._secret

    def __repr__(self) -> str:
        return "PatientSecret(...)"

    def pair(self, recipient: str) -> str:
        """The pair pseudonym towards the organisation `recipient` (an MSP id): 32 hexadecimal digits.

        HMAC-SHA-256 (RFC 2104) cut to 128 bits, which RFC 2104 section 5 allows.
        """
        return hmac.digest(self._secret, _PAIR + recipient.encode(), "sha256")[:16].hex()

    def salt(self, recipient: str) -> bytes:
        """32 bytes that salt everything else said about this patient to `recipient`: ids, users, digests."""
        return hmac.digest(self._secret, _SALT + recipient.encode(), "sha256")
