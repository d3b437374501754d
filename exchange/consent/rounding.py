"""The rounding of a consent's times, never wider: to the minute, and around days of an unknown zone.

The second of a patient's consent would link two pairs of hers that have nothing else in common on the
ledger. And where the zone of a day is not known, it may begin hours earlier or later. So a time has a first
and a last minute that it may mean, and periods are rounded:

- a start that has passed is left out, since it has no effect any more;
- a rule that with its exceptions only permits starts late and ends early;
- one that only denies starts early and ends late;
- one that does both is made shorter, and the times at its ends that are in doubt are denied wherever it
  applied. A root without an effect hands its period to its exceptions.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from chaincode.consent.model import Period
from exchange.consent.provisions import NamedCondition, NamedProvision
from exchange.consent.spans import earliest, latest

MINUTE = 60_000
"""Milliseconds."""

_DENY = NamedProvision("deny")


class _Times(NamedTuple):
    """From `start` to `end`, in milliseconds since 1970 UTC; None is unbounded."""

    start: int | None
    end: int | None

    def within(self, other: _Times) -> _Times:
        starts = [start for start in (self.start, other.start) if start is not None]
        ends = [end for end in (self.end, other.end) if end is not None]
        return _Times(max(starts, default=None), min(ends, default=None))

    @property
    def is_empty(self) -> bool:
        return self.start is not None and self.end is not None and self.start >= self.end


_EVER = _Times(None, None)


class _Bounds(NamedTuple):
    """The times at which a rule surely holds, and those at which it possibly does."""

    surely: _Times
    possibly: _Times


def round_times(root: NamedProvision, now: int, days: AbstractSet[int] = frozenset()) -> NamedProvision:
    """Round all times of a consent; `now` is in milliseconds since 1970 UTC.

    `days` are the times that stand for days of an unknown zone (`exchange.consent.spans.validity`).
    """
    rounding = _Rounding(now, days)
    rules = rounding.rounded(root, _Bounds(_EVER, _EVER))
    if len(rules) == 1:
        return rules[0]
    return NamedProvision("none", exceptions=tuple(rules))


@dataclass(frozen=True, slots=True)
class _Rounding:
    now: int
    days: AbstractSet[int]

    def rounded(self, rule: NamedProvision, around: _Bounds) -> list[NamedProvision]:
        """Round `rule`: the rule itself and one for each doubtful time, or none if no time is left."""
        bounds = self._bounds(rule.when.period)
        bounds = _Bounds(bounds.surely.within(around.surely), bounds.possibly.within(around.possibly))
        inner = bounds if rule.effect == "none" else _Bounds(_EVER, _EVER)
        exceptions = tuple(part for one in rule.exceptions for part in self.rounded(one, inner))
        rule = NamedProvision(rule.effect, rule.when, exceptions)
        if rule.effect == "none":
            return [_at(rule, _EVER)]
        effects = _effects(rule)
        if "deny" not in effects:
            return [] if bounds.surely.is_empty else [_at(rule, bounds.surely)]
        if "permit" not in effects:
            return [] if bounds.possibly.is_empty else [_at(rule, bounds.possibly)]
        return self._both(rule, bounds)

    def _both(self, rule: NamedProvision, bounds: _Bounds) -> list[NamedProvision]:
        surely, possibly = bounds
        if surely.is_empty:
            doubtful = [possibly]
        else:
            doubtful = [_Times(possibly.start, surely.start)] if surely.start is not None else []
            doubtful += [_Times(surely.end, possibly.end)] if surely.end is not None else []
        left = [self._without_past_start(one) for one in doubtful if not one.is_empty]
        denied = [_denied(rule, one) for one in left if one.end is None or one.end > self.now]
        return denied if surely.is_empty else [_at(rule, surely), *denied]

    def _bounds(self, period: Period | None) -> _Bounds:
        if period is None:
            return _Bounds(_EVER, _EVER)
        first_start, last_start = self._ends(period.start)
        first_end, last_end = self._ends(period.end)
        if period.start is not None and latest(period.start, self.days) <= self.now:
            last_start = None
        surely, possibly = _Times(last_start, first_end), _Times(first_start, last_end)
        return _Bounds(surely, self._without_past_start(possibly))

    def _ends(self, moment: int | None) -> tuple[int | None, int | None]:
        if moment is None:
            return None, None
        first, last = earliest(moment, self.days), latest(moment, self.days)
        return first // MINUTE * MINUTE, -(-last // MINUTE) * MINUTE

    def _without_past_start(self, times: _Times) -> _Times:
        passed = times.start is not None and times.start <= self.now
        return _Times(None, times.end) if passed else times


def _denied(rule: NamedProvision, times: _Times) -> NamedProvision:
    # Denies wherever the rule would apply. The rule's effect stays, because labels are read by it.
    return _at(NamedProvision(rule.effect, rule.when, (_DENY,)), times)


def _at(rule: NamedProvision, times: _Times) -> NamedProvision:
    period = None if times == _EVER else Period(times.start, times.end)
    if rule.when.period == period:
        return rule
    when: NamedCondition = msgspec.structs.replace(rule.when, period=period)
    return NamedProvision(rule.effect, when, rule.exceptions)


def _effects(rule: NamedProvision) -> set[str]:
    return {rule.effect}.union(*(_effects(exception) for exception in rule.exceptions))
