"""One bound on the bytes that all requests of a gateway hold together.

1. A request's share covers its body while it arrives, sealed records as they are read, and what was opened
   until it is sent.
2. Every byte counts `COPIES` times. The first `FREE` bytes of a request count nothing, so that ordinary
   reads go on whatever the large ones do.
3. Nobody waits for a share: who can't have one is refused. So nobody waits for each other.
4. One request at a time may use a reserve in which the largest fits, so that they can't all fail together.
5. A share ends with its request, however that ends; after that nothing can be taken for it.

It counts bodies, not what is made of them: a parsed resource takes a multiple of its text for a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from exchange.errors import ThrottledError, TooCostlyError
from exchange.runtime.metrics import IN_USE_BYTES, REFUSALS

FREE: Final = 1 << 20
"""Bytes that any request may hold: a page of fifty ordinary records takes a tenth of that."""
COPIES: Final = 2
"""How often a body is in memory while it is worked on: in pieces and whole, sealed and opened, or opened
and in the answer."""


LOOK: Final = 16 << 20
"""Bytes of sealed bodies that one look into the database takes into memory, but for one that is larger."""
PAGE: Final = 32 << 20
"""Bytes of records on one page, but for a record that is larger alone."""


def smallest(body_limit: int) -> int:
    """The least limit with which a page can be filled from records of up to `body_limit` bytes."""
    return COPIES * (max(PAGE, body_limit) + LOOK + body_limit)


class Budget:
    """At most `limit` bytes for all requests together; safe to use from any thread.

    Of these, `reserve` are kept for one request at a time, which leads until the rest suffices for all
    again: of many that grow together and would all be refused half way, one gets on.
    """

    def __init__(self, limit: int, *, reserve: int = 0) -> None:
        self._limit = limit
        self._common = limit - reserve
        self._lock = threading.Lock()
        self._used = 0
        self._leader: Share | None = None

    @property
    def used(self) -> int:
        """Bytes that are held now, free parts apart."""
        return self._used

    def charge(self, share: Share, held: int) -> None:
        """Let `share` hold `held` bytes in all, more or fewer than before.

        Raises:
            ThrottledError: others hold what it would take; `share` is as it was.
            TooCostlyError: it would be too much even if nobody held anything.
        """
        with self._lock:
            if share.ended and held:
                raise ThrottledError("the request has ended")
            more = max(0, held - FREE) - share.beyond
            if more > 0 and held - FREE > self._limit:
                raise TooCostlyError("the request takes more memory than there is for all; ask for less")
            if more > 0 and not self._has_room(share, more):
                REFUSALS.inc()
                raise ThrottledError("other requests take the gateway's memory; try again soon")
            share.held = held
            if more:
                self._used += more
                IN_USE_BYTES.inc(more)
            if self._used <= self._common:
                self._leader = None

    def _has_room(self, share: Share, more: int) -> bool:
        if self._used + more > self._limit:
            return False
        if self._leader is None and self._used + more > self._common:
            self._leader = share
        if self._leader is None or self._leader is share:
            return True
        return self._used - self._leader.beyond + more <= self._common


class Share:
    """What one request holds: a context manager around the request, inside which `current` finds it."""

    __slots__ = ("_budget", "_outer", "ended", "held")

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget
        self._outer: Token[Share] | None = None
        self.held = 0
        self.ended = False

    def __enter__(self) -> Share:
        self._outer = _share.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outer is not None:
            _share.reset(self._outer)
        self.ended = True
        self.hold(0)

    @property
    def beyond(self) -> int:
        """Bytes that it holds beyond the free part."""
        return max(0, self.held - FREE)

    def take(self, size: int) -> None:
        """Hold a body of `size` bytes more.

        Raises:
            ThrottledError, TooCostlyError: see `Budget.charge`.
        """
        if self._budget is not None:
            self._budget.charge(self, self.held + COPIES * size)

    def hold(self, held: int) -> None:
        """Hold `held` bytes in all, copies included; fewer are always to be had.

        Raises:
            ThrottledError, TooCostlyError: see `Budget.charge`.
        """
        if self._budget is not None:
            self._budget.charge(self, held)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Give back at the end whatever is taken inside."""
        before = self.held
        try:
            yield
        finally:
            self.hold(min(before, self.held))


_share: ContextVar[Share] = ContextVar("share", default=Share(None))  # noqa: B039 - it never holds anything


def current() -> Share:
    """The share of the request that this task serves; outside of requests one without a bound."""
    return _share.get()
