"""The machine's clock, watched, so that a time that is wrong for a while does no harm afterwards.

No clock tells by itself that it is wrong. These can be compared:

1. While the ledger is open, the time of day with the time that has passed, which no setting of the clock
   changes. A jump of more than five minutes is refused, with its reason, until the clock is back, or has
   stayed so for ten minutes: then somebody has set it, and the new time counts.
2. On opening, the time of day with the newest block's. A block that is ahead shows that the clock was ahead
   once, or is behind now. The ledger goes on either way, by the clock, and says so.
3. A jump that ends such a contradiction counts at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from exchange.ledger.errors import ClockWrongError

TOLERANCE = 5 * 60 * 1000
"""Milliseconds that times of right clocks may be apart, as the contracts' guard has it."""

BELIEVED_AFTER = 10 * 60 * 1000
"""Milliseconds after which a time that the clock jumped to counts."""

_LAST = 10**13
"""The end of the times that a ledger's keys can hold, in the year 2286."""

logger = logging.getLogger(__name__)


def system_clock() -> int:
    """Return milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def system_passed() -> int:
    """Return milliseconds since the machine was started, its sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class _Jump(NamedTuple):
    """A jump that does not count yet: its new distance between the two clocks, and when it was noticed."""

    apart: int
    noticed: int


class WatchedClock:
    """The time of day for a ledger with a newest block of time `newest` (0 for none). Any thread may ask.

    Without `passed` only the newest block is compared.
    """

    def __init__(
        self,
        newest: int,
        *,
        wall: Callable[[], int] = system_clock,
        passed: Callable[[], int] | None = system_passed,
    ) -> None:
        self._wall, self._passed = wall, passed or (lambda: 0)
        self._newest, self._opened, self._watches = newest, self._passed(), passed is not None
        now = wall()
        self._apart = now - self._opened
        self._jump: _Jump | None = None
        self._lock = Lock()
        if newest - now > TOLERANCE:
            logger.warning("ledger_clock_behind_newest_block", extra={"milliseconds": newest - now})

    def read(self) -> int:
        """Return milliseconds since 1970 UTC.

        Raises:
            ClockWrongError: the clock jumped, and that does not count yet.
        """
        with self._lock:
            now, wrong = self._look()
        if wrong is not None:
            raise ClockWrongError(wrong)
        return now

    def block_time(self, newest: int) -> int:
        """Return the time of a block behind one of time `newest`.

        That is the clock's, but not before `newest` where both are close: blocks of one clock that is
        adjusted a little stay in order. A block that is far ahead was written by a wrong clock.

        Raises:
            ClockWrongError: the clock jumped, and that does not count yet.
        """
        now = self.read()
        return newest if 0 < newest - now <= TOLERANCE else now

    def trouble(self) -> str | None:
        """Return why no block can be written by this clock now; None if one can."""
        with self._lock:
            return self._look()[1]

    def doubt(self) -> str | None:
        """Return what contradicts the clock although it counts; None if nothing does."""
        with self._lock:
            ahead = self._least(self._passed()) - self._wall()
        if ahead <= TOLERANCE:
            return None
        return (
            f"the newest block on opening is {_words(ahead)} ahead of this machine's clock: the clock was "
            "ahead when it was written, or is behind now"
        )

    def _look(self) -> tuple[int, str | None]:
        now, passed = self._wall(), self._passed()
        if not 0 < now < _LAST:
            return now, "this machine's clock is out of all bounds; set it"
        jump = now - passed - self._apart
        if not self._watches or abs(jump) <= TOLERANCE or self._counts(now, passed, jump):
            self._apart, self._jump = now - passed, None
            return now, None
        way = "ahead" if jump > 0 else "back"
        return now, (
            f"this machine's clock jumped {way} by {_words(abs(jump))}; nothing is decided until it is set "
            f"right, or has stayed so for {BELIEVED_AFTER // 60_000} minutes"
        )

    def _counts(self, now: int, passed: int, jump: int) -> bool:
        least = self._least(passed) - TOLERANCE
        if now >= least and (jump < 0 or now - jump < least):
            logger.warning("ledger_clock_mended", extra={"milliseconds": jump})
            return True
        if self._jump is None or abs(now - passed - self._jump.apart) > TOLERANCE:
            logger.error("ledger_clock_jumped", extra={"milliseconds": jump})
            self._jump = _Jump(now - passed, passed)
        if passed - self._jump.noticed < BELIEVED_AFTER:
            return False
        logger.warning("ledger_clock_believed", extra={"milliseconds": jump})
        return True

    def _least(self, passed: int) -> int:
        """Return the least time that it can be, if the newest block's was right."""
        return self._newest + passed - self._opened if self._newest else 0


def _words(milliseconds: int) -> str:
    minutes = milliseconds // 60_000
    for size, name in ((60 * 24, "days"), (60, "hours")):
        if minutes >= 2 * size:
            return f"{minutes // size} {name}"
    return f"{minutes} minutes"
