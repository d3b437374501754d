"""Search tokens: what the database sees of a term.

A token is HMAC-SHA-256 of the term's text, cut to 16 bytes, under a key of its own for each resource type
and index: HKDF-Expand of the tenant's index key. Equal terms of one index give equal tokens, which is what
makes them searchable; the same text elsewhere gives others. The text begins with the kind of comparison
that it serves, so kinds are apart too. `docs/leakage.md` says what equality alone tells.
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
_REMEMBERED = 20_000
"""Terms whose tokens are kept, about 400 bytes each."""


class TokenKeys:
    """The search keys of one tenant, derived from its random index key of 32 bytes and kept.

    At most one key for each index of R4, about 2,300 in all, and a bounded number of tokens.
    """

    def __init__(self, index_key: bytes) -> None:
        if len(index_key) != KEY_BYTES:
            raise ValueError("an index key has 32 bytes")
        self._index_key = index_key
        self._keys: dict[tuple[str, str], bytes] = {}
        self._indexed: dict[str, dict[Term, bytes]] = {}
        self._room = _REMEMBERED

    def _key(self, resource_type: str, parameter: str) -> bytes:
        name = (resource_type, parameter)
        key = self._keys.get(name)
        if key is None:
            info = _LABEL + f"{resource_type}\0{parameter}".encode()
            key = HKDFExpand(algorithm=hashes.SHA256(), length=KEY_BYTES, info=info).derive(self._index_key)
            self._keys[name] = key
        return key

    def token(self, resource_type: str, parameter: str, term: str) -> bytes:
        """The 16 bytes that stand for `term` in the index `parameter` of `resource_type`."""
        return hmac.digest(self._key(resource_type, parameter), term.encode(), "sha256")[:TOKEN_BYTES]

    def tokens(self, resource_type: str, terms: Iterable[Term]) -> list[bytes]:
        """The tokens of `terms` of a record, in order.

        Most terms come again and again (a code, its system, a unit), so the last ones are remembered. Those
        of a search are not: how long that takes must not tell what was stored lately.
        """
        known = self._indexed.setdefault(resource_type, {})
        found: list[bytes] = []
        for term in terms:
            token = known.get(term)
            if token is None:
                token = self.token(resource_type, *term)
                if not self._room:
                    self._indexed = {resource_type: (known := {})}
                    self._room = _REMEMBERED
                known[term] = token
                self._room -= 1
            found.append(token)
        return found
