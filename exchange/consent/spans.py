"""FHIR's dates and periods as half-open spans of milliseconds, the form of time in terms of consent.

A date without a time zone counts as a day in UTC, in consents and in records alike, so that the two are
compared day by day.
"""

from __future__ import annotations

from typing import Any

from chaincode.consent.model import Period
from exchange.fhir.search.types import intervals


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
