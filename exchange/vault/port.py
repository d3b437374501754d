"""The port to the place of a node's keys: a vault wraps keys, derives others, and never shows its own.

A vault has a root key, which never changes, and epoch keys, which are numbered from 1. Wrapping takes both.
A later epoch key takes the place of one that is destroyed: then nothing wrapped under that one opens again,
wherever a copy of it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Vault(Protocol):
    """Wraps the keys of subjects under its keys, and derives the node's own keys from the root key.

    Raises:
        exchange.vault.errors.VaultError: the vault can't be reached or refuses; nothing was wrapped.
    """

    def wrap(self, secret: bytes, *, bound_to: bytes) -> bytes:
        """Encrypt `secret` (at most 4 KiB) so that only this vault opens it, and only for `bound_to`."""

    def unwrap(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Return the secret that `wrap` was given; raise when either argument was changed."""

    def unwrap_rooted(self, wrapped: bytes, *, bound_to: bytes) -> bytes:
        """Return a secret that was wrapped under the root key alone, before there were epoch keys."""

    def epochs(self) -> Mapping[int, bytes]:
        """Return a check value (10 bytes) of each epoch key by its number; it tells nothing about the key."""

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for `purpose`, the same every time, independent of those for other purposes."""
