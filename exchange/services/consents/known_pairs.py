"""The cache of pairs that this process knows to be open or closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cachetools import FIFOCache

CACHE_SIZE: Final = 50_000
_BACK_MS = 60_000


class KnownPairs:
    """Caches pairs that are open, and pairs that should not be.

    A pair that is open stays so, but where its member left and was admitted again. One that is closed may
    open when a consent of its subject changes, or the policy does: `changes` counts how often closed pairs
    were forgotten.
    """

    def __init__(self, capacity: int = CACHE_SIZE) -> None:
        self._open: FIFOCache[tuple[bytes, str], None] = FIFOCache(capacity)
        self._closed: FIFOCache[bytes, set[str]] = FIFOCache(capacity)
        self.changes = 0
        self._latest = 0

    def state(self, token: bytes, recipient: str) -> bool | None:
        """Return whether the pair is open; None if that is not known."""
        if (token, recipient) in self._open:
            return True
        return False if recipient in self._closed.get(token, ()) else None

    def set_open(self, token: bytes, recipient: str) -> None:
        """Record that the ledger has confirmed the pair."""
        self._open[token, recipient] = None

    def set_closed(self, token: bytes, recipient: str) -> None:
        """Record that the pair has no use now."""
        self._closed.setdefault(token, set()).add(recipient)

    def forget_open(self, tokens: Iterable[bytes], recipient: str) -> None:
        """Forget that the pairs of `tokens` are open: the ledger says that they are not."""
        for token in tokens:
            self._open.pop((token, recipient), None)

    def follow_clock(self, now: int) -> None:
        """Forget the closed pairs if the clock was ahead of `now`: some may be closed by that time alone."""
        if now < self._latest - _BACK_MS:
            self.forget_closed()
            self._latest = now
        self._latest = max(self._latest, now)

    def forget_closed(self, token: bytes | None = None) -> None:
        """Forget the closed pairs of one subject, or all of them."""
        self.changes += 1
        if token is None:
            self._closed.clear()
        else:
            self._closed.pop(token, None)
