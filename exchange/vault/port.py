"""The port to the root key's place: a vault wraps keys, derives others, and never shows the root itself."""

from __future__ import annotations

from typing import Protocol


class Vault(Protocol):
    """Wraps the keys of subjects under a root key, and derives the node's own keys from it.

    Raises:
        exchange.vault.errors.VaultError: the vault can't be reached or refuses; nothing was wrapped.
    """

    def wrap(self, secret: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt `secret` (at most 4 KiB) so that only this vault opens it, and only for `bound_to`."""

    def unwrap(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Return the secret that `wrap` was given; raise when either argument was changed."""

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for `purpose`, the same every time, independent of those for other purposes."""
