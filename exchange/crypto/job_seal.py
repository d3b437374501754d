"""Seals the parameters and cursors of jobs, which may hold PHI, under a key of this node.

Each ciphertext is bound to its job, the kind of that job and its place: parameters open as nothing else, and
a cursor opens as that of its own step alone.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.errors import DamagedError

PARAMETERS: Final = -1
"""The place of a job's parameters; a cursor's place is its step, from 0."""

_NONCE_BYTES = 12


class JobSeal:
    """Encrypts with AES-256-GCM under the 32 bytes of `key`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, job: str, kind: str, place: int, data: bytes) -> bytes:
        """Encrypt `data` of the job with the id `job`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, _label(job, kind, place))

    def open(self, job: str, kind: str, place: int, sealed: bytes) -> bytes:
        """Return the data that `seal` was given.

        Raises:
            DamagedError: the bytes were changed, or belong to another job, kind, place or node.
        """
        try:
            return self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _label(job, kind, place)
            )
        except (InvalidTag, ValueError):
            raise DamagedError("a stored job does not verify; cancel it and start it again") from None


def _label(job: str, kind: str, place: int) -> bytes:
    return f"consentry/job/1\0{job}\0{kind}\0{place}".encode()
