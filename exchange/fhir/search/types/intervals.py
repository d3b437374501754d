"""Time as intervals: the time that a FHIR date, dateTime, instant, Period or Timing covers, in UTC.

An interval is a pair of its first and last millisecond, each written `YYYY-MM-DDThh:mm:ss.mmm`, so that
text order is time order and a prefix of the text is the year, month, day or second it lies in. A time
without a zone counts as UTC; fractions beyond the millisecond are cut off.
"""

from __future__ import annotations

import calendar
import datetime
import re
from typing import Any

EARLIEST = "0001-01-01T00:00:00.000"
LATEST = "9999-12-31T23:59:59.999"

_FORM = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?P<fraction>\.\d+)?(?P<zone>Z|[+\- ]\d\d:\d\d)?)?)?)?"
)
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - all arithmetic here is in UTC without a zone
_MILLISECOND = datetime.timedelta(milliseconds=1)

Interval = tuple[str, str]


def interval(text: str) -> Interval:
    """Return the interval of `text`, by its precision: a year, month, day, minute, second or millisecond.

    Raises:
        ValueError: the text is no FHIR date or dateTime.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    if match["minute"] is not None:
        return _moment(match)
    if match["day"] is not None:
        datetime.date.fromisoformat(text)
        return text + EARLIEST[10:], text + LATEST[10:]
    if match["month"] is not None:
        days = calendar.monthrange(int(match["year"]), int(match["month"]))[1]
        return text + EARLIEST[7:], f"{text}-{days}{LATEST[10:]}"
    if text == "0000":
        raise ValueError("not a year")
    return text + EARLIEST[4:], text + LATEST[4:]


def _moment(match: re.Match[str]) -> Interval:
    zone = (match["zone"] or "Z").replace(" ", "+")  # an unescaped + arrives as a blank
    second = (match["second"] or ":00").replace(":60", ":59")  # a leap second counts with the one before
    clock = f"{match['year']}-{match['month']}-{match['day']}T{match['minute']}{second}"
    moment = datetime.datetime.fromisoformat(clock)
    if zone[1:] not in {"", "00:00"}:
        offset = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
        try:
            moment = moment + offset if zone[0] == "-" else moment - offset
        except OverflowError:
            raise ValueError("not between the years 1 and 9999") from None
        clock = moment.isoformat()
    if match["fraction"] is not None:
        if match["second"] is None:
            raise ValueError("not a time")
        exact = clock + (match["fraction"] + "00")[:4]
        return exact, exact
    if match["second"] is not None:
        return clock + ".000", clock + ".999"
    return clock + ".000", clock[:17] + "59.999"


def instant(text: str) -> Interval:
    """Return the single millisecond of an `instant`, which has no width (search.html#date)."""
    first, _ = interval(text)
    return first, first


def covered(datatype: str, value: Any) -> tuple[str | None, str | None] | None:
    """Return first and last millisecond of a value, None for an open end; None if no limit is known.

    Of a Timing only the outer limits count.
    """
    if datatype == "instant":
        return instant(value)
    if datatype == "Period":
        return _period(value)
    if datatype != "Timing":
        return interval(value)
    events = [interval(event) for event in value.get("event", ()) if event]
    bounds = _period(value.get("repeat", {}).get("boundsPeriod", {}))
    if not events:
        return bounds
    first, last = min(event[0] for event in events), max(event[1] for event in events)
    if bounds is None:
        return first, last
    return bounds[0] and min(first, bounds[0]), bounds[1] and max(last, bounds[1])


def _period(value: dict[str, Any]) -> tuple[str | None, str | None] | None:
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    return interval(start)[0] if start else None, interval(end)[1] if end else None


def shifted(moment: str, **by: int) -> str | None:
    """Return `moment` moved by a `timedelta`'s arguments; None beyond the years 1 to 9999."""
    try:
        return (datetime.datetime.fromisoformat(moment) + datetime.timedelta(**by)).isoformat(
            timespec="milliseconds"
        )
    except OverflowError:
        return None


def milliseconds(moment: str) -> int:
    """Return `moment` in milliseconds since 1970 UTC, as the store holds write times."""
    return (datetime.datetime.fromisoformat(moment) - _EPOCH) // _MILLISECOND


def around(text: str) -> Interval:
    """Return the interval of `ap`: a year, month or day with both neighbours, or an hour around a time.

    R4 leaves the width to the server. Its suggestion, ten per cent of the time since then, would give the
    same search another meaning every day.
    """
    first, last = interval(text)
    if len(text) == 4:
        return f"{max(int(text) - 1, 1):04d}{EARLIEST[4:]}", f"{min(int(text) + 1, 9999):04d}{LATEST[4:]}"
    if len(text) == 7:
        earlier, later = shifted(first, days=-1) or first, shifted(last, days=1) or last
        return interval(earlier[:7])[0], interval(later[:7])[1]
    unit = "days" if len(text) == 10 else "hours"
    return shifted(first, **{unit: -1}) or first, shifted(last, **{unit: 1}) or last
