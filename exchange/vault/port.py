"""The port to where the root key lives: it wraps keys and never shows the root itself."""

from __future__ import annotations

from typing import Protocol


class Vault(Protocol):
    """Wraps small secrets under a root key and derives the keys of the search index.

    Raises:
        exchange.vault.errors.VaultError: the vault can't be reached or refuses; nothing was wrapped.
    """

    def wrap(self, secret: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt `secret` (at most 4 KiB) so that only this vault opens it, and only for `bound_to`."""

    def unwrap(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """The secret that `wrap` was given; raises when either argument was changed."""

    def derive(self, purpose: str) -> bytes:
        """32 bytes for `purpose`, the same every time, telling nothing about other purposes."""
