"""Moments of records: FHIR's dateTimes with their offsets, compared as moments and not as texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

OLDEST: Final = datetime.min.replace(tzinfo=UTC)
_EASTERNMOST: Final = timedelta(hours=14)
"""The first zone in which a day begins is so much ahead of UTC."""


def first_time(observation: Mapping[str, Any]) -> Any:
    """Return the first time at which an observation can have been made, as it is written, or None."""
    period = observation.get("effectivePeriod", {})
    return (
        observation.get("effectiveDateTime")
        or observation.get("effectiveInstant")
        or period.get("start")
        or period.get("end")
        or observation.get("issued")
    )


def moment_of(observation: Mapping[str, Any]) -> datetime:
    """Return the moment to compare an observation by: that of its time, or the end of its period.

    Without any time an observation is older than all others.
    """
    period = observation.get("effectivePeriod", {})
    last = (
        observation.get("effectiveDateTime")
        or observation.get("effectiveInstant")
        or period.get("end")
        or period.get("start")
        or observation.get("issued")
    )
    return _in_utc(last) or OLDEST


def is_future(text: Any, as_of: datetime) -> bool:
    """Return whether a FHIR dateTime is later than `as_of`, and for a date: whether it has begun nowhere."""
    moment = _in_utc(text)
    if moment is None:
        return False
    return moment > (as_of if "T" in str(text) else as_of + _EASTERNMOST)


def _in_utc(text: Any) -> datetime | None:
    """Return a FHIR dateTime as a moment, and a date, month or year as its beginning in UTC.

    None is for a text that is no dateTime, and for the days at both ends of the calendar.
    """
    written = str(text or "")
    if "T" in written:
        written = re.sub(r":60(?=[.Z+-]|$)", ":59", written)  # a leap second
    else:
        written += "-01-01"[: 10 - len(written)] if len(written) in {4, 7} else ""
        written = written[:10]
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
