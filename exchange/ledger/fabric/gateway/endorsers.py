"""The organisations with endorsements that sufficed lately, to be asked at once.

Left to itself a peer runs a transaction alone first, to learn which policies it touches, and then asks the
others. A client that names the organisations has all of them run it at the same time. The
organisations that the peer chose are named for a while, until a call with them fails.
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
        """Return the organisations to ask; none if the peer is to choose."""
        return self._named if self._clock() < self._until else ()

    def learn(self, organisations: Sequence[str]) -> None:
        """Record that the peer chose `organisations` and that they endorsed."""
        self._named, self._until = tuple(organisations), self._clock() + _LASTS

    def forget(self) -> None:
        """Forget the organisations: they did not endorse, or their endorsements did not suffice."""
        self._until = 0.0
