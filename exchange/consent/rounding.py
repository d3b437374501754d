"""The rounding of a consent's times to the minute, never wider: two pairs then share no unusual value.

The second of a patient's consent would link two pairs of hers that have nothing else in common on the
ledger. So periods are rounded:

- a start that has passed is left out, since it has no effect any more;
- a rule that with its exceptions only permits starts a little later and ends a little earlier;
- one that only denies starts a little earlier and ends a little later;
- one that does both is made shorter, and the broken minute at its ends is denied wherever it applied. A
  root without an effect hands its period to its exceptions first.
"""

from __future__ import annotations

import msgspec

from chaincode.consent.model import Period
from exchange.consent.provisions import NamedCondition, NamedProvision

MINUTE = 60_000
"""Milliseconds."""

_DENY = NamedProvision("deny")


def round_times(root: NamedProvision, now: int) -> NamedProvision:
    """Round all times of a consent; `now` in milliseconds since 1970 UTC."""
    rules = _rounded(_handed_down(root) if root.effect == "none" else root, now)
    if len(rules) == 1:
        return rules[0]
    return NamedProvision("none", exceptions=tuple(rules))


def _handed_down(root: NamedProvision) -> NamedProvision:
    period = root.when.period
    if period is None:
        return root
    exceptions: list[NamedProvision] = []
    for exception in root.exceptions:
        both = _intersection(period, exception.when.period)
        if both is not None:
            exceptions.append(_at(exception, both))
    return NamedProvision("none", msgspec.structs.replace(root.when, period=None), tuple(exceptions))


def _rounded(rule: NamedProvision, now: int) -> list[NamedProvision]:
    """Round `rule`: the rule itself and one for each broken minute, or none if no time is left."""
    exceptions = tuple(part for exception in rule.exceptions for part in _rounded(exception, now))
    rule = NamedProvision(rule.effect, rule.when, exceptions)
    period = _without_past_start(rule.when.period, now)
    if period is None:
        return [_at(rule, None)]
    shorter = _period(_up(period.start), _down(period.end))
    longer = _without_past_start(_period(_down(period.start), _up(period.end)), now)
    if shorter == longer:
        return [_at(rule, period)]
    effects = _effects(rule)
    if "deny" not in effects:
        return [_at(rule, shorter)] if shorter is not None else []
    if "permit" not in effects:
        return [_at(rule, longer)]
    if shorter is None:
        return [_denied(rule, longer)]
    broken = [
        Period(moment // MINUTE * MINUTE, moment // MINUTE * MINUTE + MINUTE)
        for moment in (period.start, period.end)
        if moment is not None and moment % MINUTE
    ]
    denied = [
        _denied(rule, _without_past_start(minute, now)) for minute in broken if not _is_over(minute, now)
    ]
    return [_at(rule, shorter), *denied]


def _denied(rule: NamedProvision, period: Period | None) -> NamedProvision:
    # Denies wherever the rule would apply. The rule's effect stays, because labels are read by it.
    return _at(NamedProvision(rule.effect, rule.when, (_DENY,)), period)


def _at(rule: NamedProvision, period: Period | None) -> NamedProvision:
    if rule.when.period == period:
        return rule
    when: NamedCondition = msgspec.structs.replace(rule.when, period=period)
    return NamedProvision(rule.effect, when, rule.exceptions)


def _without_past_start(period: Period | None, now: int) -> Period | None:
    if period is None or period.start is None or period.start > now:
        return period
    return None if period.end is None else Period(None, period.end)


def _is_over(period: Period, now: int) -> bool:
    return period.end is not None and period.end <= now


def _effects(rule: NamedProvision) -> set[str]:
    return {rule.effect}.union(*(_effects(exception) for exception in rule.exceptions))


def _intersection(one: Period, other: Period | None) -> Period | None:
    if other is None:
        return one
    starts = [start for start in (one.start, other.start) if start is not None]
    ends = [end for end in (one.end, other.end) if end is not None]
    return _period(max(starts, default=None), min(ends, default=None))


def _period(start: int | None, end: int | None) -> Period | None:
    if start is not None and end is not None and start >= end:
        return None
    return Period(start, end)


def _down(moment: int | None) -> int | None:
    return None if moment is None else moment // MINUTE * MINUTE


def _up(moment: int | None) -> int | None:
    return None if moment is None else -(-moment // MINUTE) * MINUTE
