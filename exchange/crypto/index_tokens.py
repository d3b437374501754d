"""Search tokens, which stand for terms in the database.

A token is HMAC-SHA-256 of the term's text, cut to 16 bytes, under a key of its own for each resource type
and index: HKDF-Expand of the tenant's index key. Equal terms of one index give equal tokens, so that they
are searchable; the same text in another index gives another token. The text begins with the kind of
comparison that it serves, so kinds are apart too. `docs/leakage.md` describes how much equality discloses.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from exchange.fhir.search import Term

TOKEN_BYTES = 16
KEY_BYTES = 32
_LABEL = b"consentry/search/1\0"
_CACHE_SIZE = 20_000
"""Number of terms with cached tokens, about 400 bytes each."""


class TokenKeys:
    """The search keys of one tenant, derived from its random index key of 32 bytes and cached.

    The cache has at most one key for each index of R4, about 2,300 in all, and a bounded number of tokens.
    """

    def __init__(self, index_key: bytes) -> None:
        if len(index_key) != KEY_BYTES:
            raise ValueError("an index key has 32 bytes")
        self._index_key = index_key
        self._keys: dict[tuple[str, str], bytes] = {}
        self._indexed: dict[str, dict[Term, bytes]] = {}
        self._free = _CACHE_SIZE

    def _key(self, resource_type: str, parameter: str) -> bytes:
        name = (resource_type, parameter)
        key = self._keys.get(name)
        if key is None:
            info = _LABEL + f"{resource_type}\0{parameter}".encode()
            key = HKDFExpand(algorithm=hashes.SHA256(), length=KEY_BYTES, info=info).derive(self._index_key)
            self._keys[name] = key
        return key

    def token(self, resource_type: str, parameter: str, term: str) -> bytes:
        """Return the 16 bytes that stand for `term` in the index `parameter` of `resource_type`."""
        return hmac.digest(self._key(resource_type, parameter), term.encode(), "sha256")[:TOKEN_BYTES]

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
