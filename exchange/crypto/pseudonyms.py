"""Pseudonyms of a patient, one for each recipient (design: one key per pair).

Every member of the consortium reads the whole ledger. A single pseudonym per patient would let a member
that asks once recognise that patient in all members' traffic, so each recipient gets its own, derived from
a secret that never reaches the ledger. The custodian and the patient hold the secret and can enumerate all
pairs; when it is destroyed, the entries lose their meaning.

Where the pair towards the recipient is not open, a request is logged under a *one-time pseudonym* instead.
It is indistinguishable from a pair that was never opened, and each is different. Only a holder of the secret
can link two of them, or one of them and a pair, to one patient (`docs/adr/0015-one-time-pseudonyms.md`).
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import uuid

_PAIR = b"consentry pair v1\0"
_SALT = b"consentry salt v1\0"
_ONE_TIME = b"consentry attempt v1\0"
_ONE_TIME_SALT = b"consentry attempt salt v1\0"
_ASSESSMENT = b"consentry assessment v1\0"
_HALF = 8
_NAME = re.compile(r"[0-9a-f]{32}")
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
        """Make a new secret from the operating system's randomness."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    def __bytes__(self) -> bytes:
        return self._secret

    def __repr__(self) -> str:
        return "PatientSecret(...)"

    def pair(self, recipient: str) -> str:
        """Return the pair pseudonym for the organisation `recipient` (an MSP id): 32 hexadecimal digits.

        HMAC-SHA-256 (RFC 2104) cut to 128 bits, which RFC 2104 section 5 allows.
        """
        return hmac.digest(self._secret, _PAIR + recipient.encode(), "sha256")[:16].hex()

    def salt(self, recipient: str) -> bytes:
        """Return the 32-byte salt of ids, users and digests that `recipient` sees of this patient."""
        return hmac.digest(self._secret, _SALT + recipient.encode(), "sha256")

    def one_time_pseudonym(self, recipient: str) -> str:
        """Make a pseudonym for one request of `recipient` without an open pair: 32 hexadecimal digits.

        It has eight random bytes and, so that the holder of the secret finds it again, eight bytes of
        their HMAC-SHA-256. Without the secret it is indistinguishable from random bytes. Pseudonyms of one
        patient repeat after some four billion of them.
        """
        drawn = os.urandom(_HALF)
        return (drawn + self._tag(drawn, recipient)).hex()

    def is_one_time_pseudonym(self, name: str, recipient: str) -> bool:
        """Return whether `name` is a one-time pseudonym of this patient for `recipient`.

        Another patient's pseudonym passes once in 2**64.
        """
        if _NAME.fullmatch(name) is None:
            return False
        raw = bytes.fromhex(name)
        return hmac.compare_digest(self._tag(raw[:_HALF], recipient), raw[_HALF:])

    def one_time_salt(self, name: str) -> bytes:
        """Return the 32-byte salt of all else in the entry of the one-time pseudonym `name` alone."""
        return hmac.digest(self._secret, _ONE_TIME_SALT + name.encode(), "sha256")

    def assessment_id(self, inputs: bytes) -> str:
        """Return the logical id of the assessment of these `inputs`: a UUID that tells nothing of them."""
        drawn = hmac.digest(self._secret, _ASSESSMENT + inputs, "sha256")[:16]
        return str(uuid.UUID(bytes=drawn, version=4))

    def _tag(self, drawn: bytes, recipient: str) -> bytes:
        return hmac.digest(self._secret, _ONE_TIME + drawn + recipient.encode(), "sha256")[:_HALF]
