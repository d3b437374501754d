"""Comparing dates and times of different precision, as FHIRPath does."""

from __future__ import annotations

from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TO_THE_DAY = 10


def not_after(first: str, second: str) -> bool:
    """Return whether `first <= second`; where one is less precise than the other, to that one's precision.

    Both are valid FHIR date, dateTime or instant values. Times are compared as instants; a date and a time
    are compared by their written dates, since a date has no time zone.
    """
    precision = min(len(first), len(second))
    if precision <= _TO_THE_DAY:
        return first[:precision] <= second[:precision]
    if first[19:] == second[19:]:
        return first <= second
    return _instant(first) <= _instant(second)


def _instant(text: str) -> tuple[int, bool, str]:
    """Return seconds in UTC, a mark for a leap second, and the fraction as digits in order."""
    whole, rest = text[:19], text[19:]
    digits = rest[1:].rstrip("Z").partition("+")[0].partition("-")[0] if rest.startswith(".") else ""
    zone = rest[len(digits) + 1 :] if digits else rest
    leap = whole.endswith(":60")
    # Counted by hand: in UTC, a valid time may be outside the years that datetime has.
    since = datetime.fromisoformat((whole[:-2] + "59" if leap else whole) + "+00:00") - _EPOCH
    offset = 0 if zone == "Z" else int(zone[0] + "60") * (int(zone[1:3]) * 60 + int(zone[4:6]))
    return since.days * 86_400 + since.seconds - offset, leap, digits.rstrip("0")
