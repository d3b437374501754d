"""Admission of requests: known clients, a rate limit for each, and no query answered twice.

1. A client is known by the SHA-256 of its bearer token. Without any registered client every request is
   refused.
2. Each client has a token bucket of patients, for the load; `budgets` has the limits that protect models.
3. The client `metrics` reads the metrics and nothing else, and no other client reads them: they tell of all.
4. The same query is never answered again.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

from cachetools import FIFOCache

from analytics.errors import EvaluatorBusyError, ReplayedQueryError, UnauthenticatedError

_CACHE_SIZE = 100_000
METRICS_CLIENT = "metrics"
"""The name of the client that reads the metrics."""


def authenticated_client(authorization: str, clients: Mapping[str, str]) -> str:
    """Return the name of the client with the bearer token of an `Authorization` header.

    Raises:
        UnauthenticatedError: the header holds no known token.
    """
    scheme, _, token = authorization.partition(" ")
    given = hashlib.sha256(token.encode()).hexdigest()
    # Every entry is compared, so that the time does not disclose the matching one.
    matches = [name for name, known in clients.items() if hmac.compare_digest(given, known)]
    if scheme.lower() != "bearer" or not matches:
        raise UnauthenticatedError("a known bearer token is needed")
    return matches[0]


def check_role(client: str, *, metrics: bool) -> None:
    """Check that a client may read `metrics`, or may do everything else.

    Raises:
        UnauthenticatedError: it may not.
    """
    if (client == METRICS_CLIENT) is not metrics:
        who = f"the client {METRICS_CLIENT}" if metrics else "the clients that are hospitals"
        raise UnauthenticatedError(f"this is for {who} alone")


class RateLimit:
    """A token bucket of patients for each client, refilled evenly over the minute."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._size = float(per_minute)
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, client: str, patients: int = 1) -> None:
        """Use some patients of a client's bucket.

        Raises:
            EvaluatorBusyError: the bucket is empty.
        """
        now = time.monotonic()
        left, since = self._left.get(client, (self._size, now))
        left = min(self._size, left + (now - since) * self._rate)
        if left < patients:
            raise EvaluatorBusyError("this client's patients for the minute are used up")
        self._left[client] = (left - patients, now)


class ReplayCache:
    """Digests of the latest queries, so that none is answered twice."""

    def __init__(self, size: int = _CACHE_SIZE) -> None:
        self._digests: FIFOCache[str, None] = FIFOCache(size)

    def add(self, digest: str) -> None:
        """Add a query.

        Raises:
            ReplayedQueryError: the query is in the cache already.
        """
        if digest in self._digests:
            raise ReplayedQueryError("this query was sent before; encrypt a new one")
        self._digests[digest] = None
