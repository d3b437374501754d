"""Search tokens, which stand for terms in the database.

A token is HMAC-SHA-256 of the term's text, cut to 16 bytes, under a key of its own for each resource type
and index: HKDF-Expand of the tenant's index key. Equal terms of one index give equal tokens, so that they
are searchable; the same text in another index gives another token. The text begins with the kind of
comparison that it serves, so kinds are apart too. `docs/leakage.md` describes how much equality discloses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from exchange.fhir.search import Term

TOKEN_BYTES = 16
KEY_BYTES = 32
_LABEL = b"consentry/search/1\0"
_CACHE_SIZE = 20_000
"""Number of terms with cached tokens, about 400 bytes each."""

_BLOCK_BYTES: Final = 64
_INNER = bytes(value ^ 0x36 for value in range(256))
_OUTER = bytes(value ^ 0x5C for value in range(256))


class KeyedHash:
    """HMAC-SHA-256 (RFC 2104) under one key of at most 64 bytes, for many messages.

    The key fills one block of the hash at either end of a message. Both are hashed once, so that a short
    message costs a third of the call that takes the key with it. Worker processes get it by its key.
    """

    __slots__ = ("_inner", "_key", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK_BYTES:
            raise ValueError(f"a key has at most {_BLOCK_BYTES} bytes")
        self._key = key
        block = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def __reduce__(self) -> tuple[type[KeyedHash], tuple[bytes]]:
        return KeyedHash, (self._key,)

    def digest(self, message: bytes) -> bytes:
        """Return the 32 bytes of `message`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class TokenKeys:
    """The search keys of one tenant, derived from its random index key of 32 bytes and cached.

    The cache has at most one key for each index of R4, about 2,300 in all, and a bounded number of tokens.
    """

    def __init__(self, index_key: bytes) -> None:
        if len(index_key) != KEY_BYTES:
            raise ValueError("an index key has 32 bytes")
        self._index_key = index_key
        self._keys: dict[tuple[str, str], KeyedHash] = {}
        self._indexed: dict[str, dict[Term, bytes]] = {}
        self._free = _CACHE_SIZE

    def _keyed(self, resource_type: str, parameter: str) -> KeyedHash:
        name = (resource_type, parameter)
        keyed = self._keys.get(name)
        if keyed is None:
            info = _LABEL + f"{resource_type}\0{parameter}".encode()
            key = HKDFExpand(algorithm=hashes.SHA256(), length=KEY_BYTES, info=info).derive(self._index_key)
            keyed = self._keys[name] = KeyedHash(key)
        return keyed

    def token(self, resource_type: str, parameter: str, term: str) -> bytes:
        """Return the 16 bytes that stand for `term` in the index `parameter` of `resource_type`."""
        return self._keyed(resource_type, parameter).digest(term.encode())[:TOKEN_BYTES]

    def tokens(self, resource_type: str, terms: Iterable[Term]) -> list[bytes]:
        """Return the tokens of `terms` of a record, in order.

        Most terms repeat (a code, its system, a unit), so the last ones are cached. Terms of a search are not
        cached: the time of a search must not depend on recent records.
        """
        known = self._indexed.setdefault(resource_type, {})
        found: list[bytes] = []
        for term in terms:
            token = known.get(term)
            if token is None:
                token = self.token(resource_type, *term)
                if not self._free:
                    self._indexed = {resource_type: (known := {})}
                    self._free = _CACHE_SIZE
                known[term] = token
                self._free -= 1
            found.append(token)
        return found
