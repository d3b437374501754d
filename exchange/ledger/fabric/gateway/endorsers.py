"""Whose endorsement sufficed lately, so that they can be asked at once.

Left to itself a peer runs a transaction alone first, to learn which policies it touches, and then asks the
others. Whoever names the organisations has all of them run it at the same time. Which ones suffice is the
channel's business: what the peer chose is what is named, for a while, and no longer once that fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

_LASTS = 10.0  # seconds; then the peer chooses anew, so that all have their share


class Endorsers:
    """The organisations that a peer chose, while they are worth naming."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._named: tuple[str, ...] = ()
        self._until = 0.0

    def named(self) -> tuple[str, ...]:
        """Whom to ask; nobody in particular if that is the peer's to choose."""
        return self._named if self._clock() < self._until else ()

    def learn(self, organisations: Sequence[str]) -> None:
        """The peer chose `organisations`, and they endorsed."""
        self._named, self._until = tuple(organisations), self._clock() + _LASTS

    def forget(self) -> None:
        """They did not endorse, or what they endorsed did not suffice."""
        self._until = 0.0
