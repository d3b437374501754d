"""The keys of one subject: the patient (or the directory) that records belong to.

Each subject has 64 random bytes, wrapped by the vault: a data key, from which every document version's
key is derived, and a ledger secret, from which the pair pseudonyms come. Destroying the wrapped bytes
erases the subject: no copy or backup of its documents opens again, and its ledger entries lose their
meaning.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from cachetools import LRUCache
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from exchange.crypto.index_tokens import TOKEN_BYTES
from exchange.vault.port import Vault

_HALF = 32
_METADATA_LABEL = b"consentry/side/1"


@dataclass(frozen=True, slots=True)
class SubjectKeys:
    """A subject's store token (16 bytes), data key and ledger secret (32 bytes each).

    `metadata` is derived from the data key and seals the subject's data other than documents.
    `name` is the patient's logical id, empty for the directory; it is part of the wrapped bytes, so
    that the log can name the patient and the database can't.
    """

    token: bytes
    name: str = field(repr=False)
    data: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    metadata: bytes = field(repr=False)


class KeyRing:
    """Subject keys, made, wrapped and opened; the last used ones stay opened.

    The cache is bounded to `capacity` subjects (about 400 bytes each).
    """

    def __init__(self, vault: Vault, *, capacity: int = 20_000) -> None:
        self._vault = vault
        self._opened: LRUCache[bytes, SubjectKeys] = LRUCache(capacity)

    def create(self, token: bytes, name: str) -> bytes:
        """Make random keys for the subject `name` with `token`, and return the wrapped bytes to store."""
        if len(token) != TOKEN_BYTES:
            raise ValueError("a subject token has 16 bytes")
        return self._vault.wrap(os.urandom(2 * _HALF) + name.encode(), bound_to=token)

    def cached(self, token: bytes) -> SubjectKeys | None:
        """Return the keys of `token` if they are cached."""
        return self._opened.get(token)

    def open(self, token: bytes, wrapped: bytes) -> SubjectKeys:
        """Unwrap the keys of `token`.

        Raises:
            VaultError: the bytes were changed, or belong to another subject or root key.
        """
        material = self._vault.unwrap(wrapped, bound_to=token)
        name = material[2 * _HALF :].decode()
        data, secret = material[:_HALF], material[_HALF : 2 * _HALF]
        metadata = HKDFExpand(algorithm=hashes.SHA256(), length=_HALF, info=_METADATA_LABEL).derive(data)
        keys = SubjectKeys(token, name, data, secret, metadata)
        self._opened[token] = keys
        return keys

    def forget(self, token: bytes) -> None:
        """Drop the opened keys of `token`."""
        self._opened.pop(token, None)
