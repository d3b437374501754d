"""FHIR's dates and periods as half-open spans of milliseconds, the form of time in terms of consent.

The days of a period that limits a consent, or a person's mandate, are days in the zone of the node
(`validity`). Where that is not known, a day begins at some time within the 26 hours in which it begins
anywhere on earth. The dates of records, and of rules about records, count as days in UTC, so that the two
are compared day by day (`span`).
"""

from __future__ import annotations

import datetime
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from chaincode.consent.model import Period
from exchange.fhir.search.types import intervals

_HOUR = 3_600_000
_AHEAD, _BEHIND = 14 * _HOUR, 12 * _HOUR  # of UTC, the first and the last zone in which a day begins
_DAY = len("2026-01-31")
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - a local time, which gets its zone below


class Validity(NamedTuple):
    """A period, and those of its ends that are days of an unknown zone, given as if in UTC."""

    period: Period | None
    days: frozenset[int]


def span(datatype: str, value: Any) -> Period | None:
    """Return the span of a `date`, `dateTime`, `instant`, `Period` or `Timing`; None without any limit.

    A FHIR period includes all of its end, so `2026-01-31` ends when February starts.

    Raises:
        ValueError: the value is no FHIR time, or ends before it starts.
    """
    try:
        ends = intervals.covered(datatype, value)
    except (TypeError, AttributeError):
        raise ValueError("not a time") from None
    if ends is None:
        return None
    first, last = ends
    start = None if first is None else intervals.milliseconds(first)
    end = None if last is None else intervals.milliseconds(last) + 1
    if start is not None and end is not None and start >= end:
        raise ValueError("ends before it starts")
    return Period(start, end)


def validity(value: Any, zone: ZoneInfo | None) -> Validity:
    """Return the span of a Period with its days in `zone`, None where that is not known.

    Raises:
        ValueError: the value is no FHIR time, or ends before it starts.
    """
    found = span("Period", value)
    if found is None:
        return Validity(None, frozenset())
    moments = {"start": found.start, "end": found.end}
    days = {name: at for name, at in moments.items() if at is not None and len(value[name]) <= _DAY}
    if zone is None:
        return Validity(found, frozenset(days.values()))
    moments |= {name: _local(at, zone) for name, at in days.items()}
    start, end = moments["start"], moments["end"]
    if start is not None and end is not None and start >= end:
        raise ValueError("ends before it starts")
    return Validity(Period(start, end), frozenset())


def earliest(moment: int, days: AbstractSet[int]) -> int:
    """Return the first time that `moment` may mean, as one of `days` or by itself."""
    return moment - _AHEAD if moment in days else moment


def latest(moment: int, days: AbstractSet[int]) -> int:
    """Return the last time that `moment` may mean, as one of `days` or by itself."""
    return moment + _BEHIND if moment in days else moment


def _local(moment: int, zone: ZoneInfo) -> int:
    """Return the instant at which clocks in `zone` show the UTC time of `moment`, the first of two."""
    try:
        offset = zone.utcoffset(_EPOCH + datetime.timedelta(milliseconds=moment))
    except OverflowError:  # at the end of the year 9999
        offset = None
    return moment if offset is None else moment - offset // datetime.timedelta(milliseconds=1)
