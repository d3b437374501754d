"""The key sets of clients that publish them at an address: fetched when needed, and remembered.

1. A set counts for `FRESH` seconds. Then, or when an assertion names a key that it lacks, it is fetched
   anew, so that a client rotates its keys without a call of the operator.
2. While the address does not answer, the last set counts on, up to `KEPT` seconds after it was fetched.
3. Strangers can have an address asked, by naming the client: at most once in `PAUSE` seconds for each.
4. An answer is bounded in size and time, and no redirect is followed: the operator chose that server alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import httpx
import structlog
from cachetools import LRUCache

from exchange.auth.clients import Client, find_key, read_key_set
from exchange.errors import BadRequestError, UnavailableError
from exchange.runtime.tls import tls_failure

FRESH: Final = 300.0
"""Seconds for which a set is not fetched again, unless it lacks a key."""
KEPT: Final = 3600.0
"""Seconds for which a set counts that can't be fetched again."""
PAUSE: Final = 10.0
"""Seconds between two attempts at one address."""
LARGEST: Final = 64 * 1024
"""Bytes of the largest set that is read."""

_TIMEOUT = 5.0
_MOST = 1000  # clients whose sets are remembered
_BEFORE = -1e9
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}

Keys = tuple[dict[str, str], ...]

_log = structlog.get_logger()


async def fetch_key_set(url: str) -> Keys:
    """Fetch the keys at `url`.

    Raises:
        UnavailableError: it does not answer, or not with a key set that can be used; says why.
    """
    try:
        async with asyncio.timeout(_TIMEOUT):
            return read_key_set(await _content(url))
    except TimeoutError:
        raise UnavailableError("the key set's server does not answer in time") from None
    except httpx.HTTPError as why:
        said = tls_failure(why) or "the key set's server can't be reached"
        raise UnavailableError(f"{said} ({url}); see to that server and the address") from None
    except BadRequestError as why:
        raise UnavailableError(f"{url} has no key set that can be used: {why}") from None


async def _content(url: str) -> bytes:
    body = bytearray()
    async with (
        httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http,
        http.stream("GET", url, headers=_HEADERS) as answer,
    ):
        if answer.status_code != 200:
            raise UnavailableError(f"{url} answers with {answer.status_code} instead of a key set")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            # Unpacked by `httpx`, one part of a body could take a thousand times its size.
            raise UnavailableError(f"{url} answers with a content coding, which was not asked for")
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST:
                raise UnavailableError(f"{url} answers with more than {LARGEST} bytes")
    return bytes(body)


@dataclass(slots=True)
class _Held:
    """The keys of one client's address, when they were fetched and when that was last tried."""

    keys: Keys = ()
    fetched: float = _BEFORE
    tried: float = _BEFORE
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """Finds the keys of clients, registered or published; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: LRUCache[tuple[str, str], _Held] = LRUCache(_MOST)

    async def key(self, client: Client, kid: str, algorithm: str) -> dict[str, str] | None:
        """Return the client's key named `kid` for `algorithm`, if one is known."""
        if not client.jwks_url:
            return client.key(kid, algorithm)
        place = (client.client_id, client.jwks_url)
        held = self._held.get(place)
        if held is None:
            held = self._held[place] = _Held()
        async with held.lock:
            now = self._clock()
            found = find_key(held.keys, kid, algorithm)
            if (found is None or now >= held.fetched + FRESH) and now >= held.tried + PAUSE:
                await self._fetch(client, held, now)
                found = find_key(held.keys, kid, algorithm)
            return found if now < held.fetched + KEPT else None

    async def _fetch(self, client: Client, held: _Held, now: float) -> None:
        held.tried = now
        try:
            held.keys = await fetch_key_set(client.jwks_url)
        except UnavailableError as why:
            _log.warning("client.key_set_away", client_id=client.client_id, reason=str(why))
        else:
            held.fetched = now
