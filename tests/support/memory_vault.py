"""A vault in memory: the port once more, on other cryptography than the file's."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from exchange.vault.errors import VaultError


class MemoryVault:
    """A `Vault` with a random root key that nothing outlives."""

    def __init__(self) -> None:
        self._root = os.urandom(32)
        self._cipher = ChaCha20Poly1305(self.derive("the vault itself"))

    def wrap(self, secret: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt `secret`, bound to `bound_to`."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, secret, bound_to)

    def unwrap(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Open what `wrap` returned."""
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], bound_to)
        except (InvalidTag, ValueError):
            raise VaultError("a wrapped key does not open with this root key") from None

    def unwrap_rooted(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Refuse: nothing was ever wrapped so."""
        raise VaultError("a wrapped key does not open with this root key")

    def epochs(self) -> Mapping[int, bytes]:
        """Return the one epoch that there is."""
        return {1: self.derive("epoch")[:10]}

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for `purpose`."""
        return hmac.digest(self._root, purpose.encode(), hashlib.sha256)
