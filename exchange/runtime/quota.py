"""Memory quotas: a bound on the bytes of documents that requests, or jobs, hold together.

1. A request's reservation covers its body while it arrives, sealed records as they are fetched, and opened
   ones until they are sent.
2. Every byte counts `COPIES_IN_MEMORY` times. The first `FREE_BYTES` of a request count nothing, so that
   ordinary reads go on whatever the large ones do.
3. A reservation never waits: one that can't be had is refused. So requests can't wait for each other.
4. One request at a time may use a headroom in which the largest fits, so that they can't all fail together.
5. A reservation ends with its request, however that ends; after that nothing can be reserved for it.
6. Outside of requests the quota is zero: code that fetches documents there without one of its own is
   refused (`NoQuotaError`). Start-up and bulk loads name an `UnboundedQuota`; jobs have a quota of theirs.

A quota counts bodies, not the objects made of them: a parsed resource needs a multiple of its text for a
moment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Protocol

from exchange.errors import ThrottledError, TooCostlyError
from exchange.runtime.metrics import IN_USE_BYTES, REFUSALS

FREE_BYTES: Final = 1 << 20
"""Bytes that any request may hold: a page of fifty ordinary records needs a tenth of that."""
COPIES_IN_MEMORY: Final = 2
"""Copies of a body that are in memory during work on it: in chunks and joined, sealed and opened, or opened
and in the answer."""


FETCH_LIMIT: Final = 16 << 20
"""Bytes of sealed bodies that one fetch from the database loads, but for one that is larger."""
PAGE_LIMIT: Final = 32 << 20
"""Bytes of records on one page, but for a record that is larger alone."""


class NoQuotaError(Exception):
    """Documents were to be fetched outside of a request and without a quota: a defect in the caller."""


def minimum_limit(body_limit: int) -> int:
    """Return the least limit with which a page can be filled from records of up to `body_limit` bytes."""
    return COPIES_IN_MEMORY * (max(PAGE_LIMIT, body_limit) + FETCH_LIMIT + body_limit)


class Quota(Protocol):
    """Decides how much a reservation may hold."""

    def charge(self, reservation: Reservation, held: int) -> None:
        """Let `reservation` hold `held` bytes in all, or raise and leave it as it was."""


class MemoryQuota:
    """At most `limit` bytes for all reservations together; safe to use from any thread.

    Of these, `headroom` is reserved for one reservation at a time until the rest suffices for all again: of
    many that grow together and would all be refused half way, one succeeds.
    """

    def __init__(self, limit: int, *, headroom: int = 0) -> None:
        self._limit = limit
        self._common = limit - headroom
        self._lock = threading.Lock()
        self._used = 0
        self._leader: Reservation | None = None

    @property
    def used(self) -> int:
        """Bytes that are held now, free parts apart."""
        return self._used

    def charge(self, reservation: Reservation, held: int) -> None:
        """Let `reservation` hold `held` bytes in all, more or fewer than before.

        Raises:
            ThrottledError: others hold the rest; `reservation` is as it was.
            TooCostlyError: it would be too much even if there were no others.
        """
        with self._lock:
            if reservation.ended and held:
                raise ThrottledError("the request has ended")
            more = max(0, held - FREE_BYTES) - reservation.beyond_free
            if more > 0 and held - FREE_BYTES > self._limit:
                raise TooCostlyError("the request needs more memory than there is for all; ask for less")
            if more > 0 and not self._has_room(reservation, more):
                REFUSALS.inc()
                raise ThrottledError("other requests use the gateway's memory; try again soon")
            reservation.held = held
            if more:
                self._used += more
                IN_USE_BYTES.inc(more)
            if self._used <= self._common:
                self._leader = None

    def _has_room(self, reservation: Reservation, more: int) -> bool:
        if self._used + more > self._limit:
            return False
        if self._leader is None and self._used + more > self._common:
            self._leader = reservation
        if self._leader is None or self._leader is reservation:
            return True
        return self._used - self._leader.beyond_free + more <= self._common


class UnboundedQuota:
    """No bound: for an operator's own command or the start of a node, which `name` says."""

    def __init__(self, name: str) -> None:
        self.name = name

    def charge(self, reservation: Reservation, held: int) -> None:
        """Let `reservation` hold `held` bytes."""
        reservation.held = held


class _NoQuota:
    """The quota of code that is in no request and has none of its own."""

    def charge(self, _reservation: Reservation, _held: int) -> None:
        raise NoQuotaError("documents are fetched within a request, a job, or a named quota")


class Reservation:
    """The bytes that one request holds: a context manager around it, inside which `current` finds it."""

    __slots__ = ("_outer", "_quota", "ended", "held")

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._outer: Token[Reservation] | None = None
        self.held = 0
        self.ended = False

    def __enter__(self) -> Reservation:
        self._outer = _reservation.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outer is not None:
            _reservation.reset(self._outer)
        self.ended = True
        self.hold(0)

    @property
    def beyond_free(self) -> int:
        """Bytes that it holds beyond the free part."""
        return max(0, self.held - FREE_BYTES)

    def reserve(self, size: int) -> None:
        """Hold a body of `size` bytes more.

        Raises:
            NoQuotaError: this code runs in no request and has no quota; also where `size` is 0.
            ThrottledError, TooCostlyError: see `MemoryQuota.charge`.
        """
        self._quota.charge(self, self.held + COPIES_IN_MEMORY * size)

    def hold(self, held: int) -> None:
        """Hold `held` bytes in all, copies included; fewer are always to be had.

        Raises:
            NoQuotaError, ThrottledError, TooCostlyError: see `reserve`.
        """
        if held != self.held:
            self._quota.charge(self, held)

    @contextmanager
    def temporarily(self) -> Iterator[None]:
        """Release at the end all that is reserved inside."""
        before = self.held
        try:
            yield
        finally:
            self.hold(min(before, self.held))


_reservation: ContextVar[Reservation] = ContextVar(
    "reservation",
    default=Reservation(_NoQuota()),  # noqa: B039 - it never holds anything
)


def current() -> Reservation:
    """Return the reservation of this task's request or job; outside, one with a quota of zero."""
    return _reservation.get()
