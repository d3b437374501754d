"""The past of each user, as far as detectors look back: nothing of it comes from later accesses."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

from exchange.review.explanations import DAY, Before
from exchange.review.model import Access

LOOK_BACK: Final = 180 * DAY
"""Milliseconds that the past reaches back."""
_HABITS = 60 * DAY
_ENOUGH = 60
"""Accesses from which a user has habits."""
_AROUND = (-1, 0, 1)


@dataclass(slots=True)
class _UserPast:
    explained: dict[str, int] = field(default_factory=dict)
    unexplained: dict[tuple[int, str], float] = field(default_factory=dict)
    hours: deque[tuple[int, int]] = field(default_factory=deque)
    counts: list[int] = field(default_factory=lambda: [0] * 24)


@dataclass(frozen=True, slots=True)
class Past:
    """A user's past and one unexplained access more: its patients and days, and the points of the latter.

    `usual` is the share of the user's accesses at about this hour; None without habits. `patients` were
    opened without explanation on this day and the one before, and `days` are those with this patient.
    `points` add up all of `LOOK_BACK`, one for each patient and day.
    """

    usual: float | None
    patients: int
    days: int
    points: float


class Histories:
    """The past of all users, filled access by access in the order of time; hours are those in `zone`."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._users: dict[tuple[str, str], _UserPast] = {}
        self._named: dict[str, int] = {}

    def before(self, access: Access) -> Before:
        """Return the accesses to the same patient before `access` that may explain it."""
        return Before(self._of(access).explained.get(access.patient), self._named.get(access.patient))

    def past(self, access: Access, points: float) -> Past:
        """Return the past before `access`, with `access` itself counted for `points`; 0 for none."""
        known, day = self._of(access), access.time // DAY
        hour = self._hour(access)
        usual = None
        while known.hours and known.hours[0][0] < access.time - _HABITS:
            known.counts[known.hours.popleft()[1]] -= 1
        if len(known.hours) >= _ENOUGH:
            usual = sum(known.counts[(hour + off) % 24] for off in _AROUND) / len(known.hours)
        if not points:
            return Past(usual, 0, 0, 0.0)
        oldest = (access.time - LOOK_BACK) // DAY
        for key in [key for key in known.unexplained if key[0] < oldest]:
            del known.unexplained[key]
        now = (day, access.patient)
        keys = {*known.unexplained, now}
        before = known.unexplained.get(now, 0.0)
        return Past(
            usual,
            patients=len({patient for one, patient in keys if one >= day - 1}),
            days=sum(patient == access.patient for _, patient in keys),
            points=sum(known.unexplained.values()) - before + max(before, points),
        )

    def add(self, access: Access, points: float, *, by_records: bool, is_named: bool) -> None:
        """Add `access`, which counts as unexplained for `points`, or is explained `by_records`.

        `is_named` says that one of them names the user.
        """
        known = self._of(access)
        hour = self._hour(access)
        known.hours.append((access.time, hour))
        known.counts[hour] += 1
        if by_records:
            known.explained[access.patient] = access.time
        if is_named:
            self._named[access.patient] = access.time
        if points:
            now = (access.time // DAY, access.patient)
            known.unexplained[now] = max(points, known.unexplained.get(now, 0.0))

    def _of(self, access: Access) -> _UserPast:
        key = (access.organization, access.user)
        found = self._users.get(key)
        if found is None:
            found = self._users[key] = _UserPast()
        return found

    def _hour(self, access: Access) -> int:
        return datetime.fromtimestamp(access.time / 1000, self._zone).hour
