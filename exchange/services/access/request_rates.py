"""The requests that each client, and each address without a token, may make in a minute.

1. A client is known by its token: its requests count under its id, wherever they come from. Behind a proxy
   all clients have one address, and none of them uses up the others' rate.
2. A request that ends without a known caller (401) counts under its address. Beyond the rate, those of the
   address that bring no token are refused before anything is done for them; those with a token go on.
3. A rate refills steadily, and a minute's may be used at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from exchange.errors import TooManyRequestsError

_MOST_NAMES: Final = 10_000
"""Names that are remembered; one that others pushed out begins anew."""
_WINDOW: Final = 60.0


class Rate:
    """A rate of acts for each of many names: `per_minute`, which refill steadily."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left: LRUCache[str, tuple[float, float]] = LRUCache(_MOST_NAMES)

    def wait(self, name: str) -> int:
        """Return the whole seconds until `name` may act, 0 for now."""
        left = self._refilled(name, self._clock())
        return 0 if left >= 1.0 else math.ceil((1.0 - left) * _WINDOW / self._most)

    def count(self, name: str) -> None:
        """Count an act of `name`."""
        now = self._clock()
        self._left[name] = (max(0.0, self._refilled(name, now) - 1.0), now)

    def _refilled(self, name: str, now: float) -> float:
        left, at = self._left.get(name, (self._most, now))
        return min(self._most, left + max(0.0, now - at) * self._most / _WINDOW)


class RequestRates:
    """The rates of one gateway: `per_client` requests with a token, `unknown` ones of an address without."""

    def __init__(self, *, per_client: int, unknown: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clients = Rate(per_client, clock=clock)
        self._unknown = Rate(unknown, clock=clock)

    def admit(self, client_id: str) -> None:
        """Count a request of a client.

        Raises:
            TooManyRequestsError: it has made all that it may for now.
        """
        wait = self._clients.wait(client_id)
        if wait:
            raise TooManyRequestsError(
                "the client asks more often than requests_per_minute allows; ask less often", retry_after=wait
            )
        self._clients.count(client_id)

    def note_unknown(self, peer: str) -> None:
        """Count a request of an address that ended without a known caller."""
        self._unknown.count(peer)

    def wait_of_unknown(self, peer: str) -> int:
        """Return the whole seconds until an address may again ask without a token, 0 for now."""
        return self._unknown.wait(peer)
