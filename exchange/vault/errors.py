"""The errors of a vault."""

from __future__ import annotations

from exchange.errors import DamagedError


class VaultError(DamagedError):
    """The root key is missing, unreadable or not the one that wrapped this secret."""
