"""Date comparisons by look-up give what R4's words say about intervals, worked out here once more by hand."""

from __future__ import annotations

import calendar
import os
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exchange.fhir.search.algebra import ValueFormError
from exchange.fhir.search.types import dates

EXAMPLES = int(100 * float(os.environ.get("CONSENTRY_TEST_SCALE", "1")))
COMPARISONS = ("eq", "gt", "lt", "ge", "le", "sa", "eb", "ap")
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MS = timedelta(milliseconds=1)

# A few moments around which everything happens, so that equal and neighbouring ones are common.
moments = st.builds(
    lambda start, days, milliseconds: start + timedelta(days=days, milliseconds=milliseconds),
    st.sampled_from(
        [
            datetime(2019, 12, 31, tzinfo=UTC),
            datetime(2020, 2, 28, 23, 59, 59, tzinfo=UTC),
            datetime(1899, 12, 30, tzinfo=UTC),
            datetime(2049, 12, 30, 12, tzinfo=UTC),
            datetime(1712, 6, 1, tzinfo=UTC),
        ]
    ),
    st.integers(0, 3),
    st.one_of(
        st.integers(0, 200).map(lambda n: n * 1000),
        st.integers(0, 5000),
        st.sampled_from([0, 3_600_000, 300_000, 59_999, 299_999]),
    ),
)
zones = st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45))])
FORMS = ("%Y", "%Y-%m", "%Y-%m-%d", "second", "millisecond")


@st.composite
def date_times(draw: st.DrawFn, forms: tuple[str, ...] = FORMS) -> str:
    moment, form = draw(moments), draw(st.sampled_from(forms))
    if form.startswith("%"):
        return moment.strftime(form).zfill(len("2020"))
    local = moment.astimezone(draw(zones)).replace(microsecond=moment.microsecond // 1000 * 1000)
    text = local.isoformat(timespec={"second": "seconds", "millisecond": "milliseconds"}.get(form, "minutes"))
    return text.replace("+00:00", draw(st.sampled_from(["Z", "+00:00"])))


def extent(text: str) -> tuple[datetime, datetime]:
    """Return the first moment of `text`, and the first one after it."""
    if "T" in text:
        moment = datetime.fromisoformat(text).astimezone(UTC)
        seconds = re.search(r"T\d\d:\d\d(:\d\d)?(\.\d+)?", text)
        assert seconds is not None
        width = MS if seconds[2] else timedelta(seconds=1) if seconds[1] else timedelta(minutes=1)
        return moment, moment + width
    year, month, day = ([*map(int, text.split("-")), 0, 0])[:3]
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    days = (
        1 if day else calendar.monthrange(year, month)[1] if month else 366 if calendar.isleap(year) else 365
    )
    return start, start + timedelta(days=days)


def target(datatype: str, value: Any) -> tuple[datetime, datetime]:
    if datatype == "instant":
        start = extent(value)[0]
        return start, start + MS
    if datatype == "Period":
        start = extent(value["start"])[0] if "start" in value else FIRST
        end = extent(value["end"])[1] if "end" in value else LAST
        return start, end
    return extent(value)


def wanted(comparison: str, search: str, datatype: str, value: Any) -> bool:
    start, end = extent(search)
    low, high = target(datatype, value)
    if comparison == "ap":
        start, end = around(search)
        return low < end and high > start
    return {
        "eq": start <= low and high <= end,
        "gt": high > end,
        "lt": low < start,
        "ge": high > start,
        "le": low < end,
        "sa": low >= end,
        "eb": high <= start,
    }[comparison]


def around(search: str) -> tuple[datetime, datetime]:
    start, end = extent(search)
    if "T" in search:
        return start - timedelta(hours=1), end + timedelta(hours=1)
    if len(search) == 10:
        return start - timedelta(days=1), end + timedelta(days=1)
    step = timedelta(days=1)
    form = "%Y" if len(search) == 4 else "%Y-%m"
    before, after = (start - step).strftime(form).zfill(4), end.strftime(form).zfill(4)
    return extent(before)[0], extent(after)[1]


def found(comparison: str, search: str, datatype: str, value: Any, datatypes: set[str]) -> bool:
    terms = set(dates.texts(datatype, value))
    alternatives = dates.lookups(comparison, search, datatypes)
    return any(all(terms & set(union) for union in alternative) for alternative in alternatives)


@st.composite
def periods(draw: st.DrawFn) -> dict[str, str]:
    ends = [draw(date_times()), draw(date_times())]
    ends.sort(key=extent)
    shape = draw(st.sampled_from(["both", "start", "end"]))
    period = {"start": ends[0], "end": ends[1]}
    assume(extent(period["start"])[0] < extent(period["end"])[1])
    return period if shape == "both" else {shape: period[shape]}


values = st.one_of(
    st.tuples(st.just("dateTime"), date_times()),
    st.tuples(st.just("date"), date_times(FORMS[:3])),
    st.tuples(st.just("instant"), date_times(FORMS[3:])),
    st.tuples(st.just("Period"), periods()),
)
searches = date_times((*FORMS, "minute"))


@settings(max_examples=EXAMPLES * 4, deadline=None)
@given(st.sampled_from(COMPARISONS), searches, values)
def test_look_ups_find_a_value_exactly_when_its_interval_compares(
    comparison: str, search: str, value: tuple[str, Any]
) -> None:
    assert found(comparison, search, *value, {"dateTime", "Period"}) == wanted(comparison, search, *value)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(COMPARISONS), searches, date_times())
def test_look_ups_without_terms_of_periods_are_enough_for_points(
    comparison: str, search: str, value: str
) -> None:
    assert found(comparison, search, "dateTime", value, {"dateTime"}) == wanted(
        comparison, search, "dateTime", value
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(COMPARISONS), searches, date_times(), date_times())
def test_two_points_of_one_record_are_never_taken_for_one_value(
    comparison: str, search: str, one: str, other: str
) -> None:
    terms = {*dates.texts("dateTime", one), *dates.texts("dateTime", other)}
    alternatives = dates.lookups(comparison, search, {"dateTime", "Period"})
    assert any(all(terms & set(union) for union in each) for each in alternatives) == any(
        wanted(comparison, search, "dateTime", value) for value in (one, other)
    )


@pytest.mark.parametrize(
    ("comparison", "search", "datatype", "value", "matches"),
    [
        # The examples of search.html#date.
        ("eq", "2013-01-14", "dateTime", "2013-01-14T00:00:00Z", True),
        ("eq", "2013-01-14", "dateTime", "2013-01-14T10:00:00Z", True),
        ("eq", "2013-01-14", "dateTime", "2013-01-15T00:00:00Z", False),
        ("lt", "2013-01-14T10:00", "date", "2013-01-14", True),
        ("gt", "2013-01-14T10:00", "date", "2013-01-14", True),
        ("ge", "2013-03-14", "Period", {"start": "2013-01-21"}, True),
        ("le", "2013-03-14", "Period", {"start": "2013-01-21"}, True),
        ("sa", "2013-03-14", "Period", {"start": "2013-03-15"}, True),
        ("sa", "2013-03-14", "Period", {"start": "2013-01-21"}, False),
        ("sa", "2013-03-14", "Period", {"end": "2013-01-21"}, False),
        ("eb", "2013-03-14", "Period", {"start": "2013-03-15"}, False),
        ("eb", "2013-03-14", "Period", {"start": "2013-01-21"}, False),
        ("eb", "2013-03-14", "Period", {"end": "2013-01-21"}, True),
        ("ap", "2013-03-14", "date", "2013-03-14", True),
        ("ap", "2013-03-14", "date", "2013-01-21", False),
        ("ap", "2013-03-14", "date", "2015-06-15", False),
        # A time zone moves a moment into another day; a date has none.
        ("eq", "2013-01-14", "dateTime", "2013-01-14T23:00:00-05:00", False),
        ("eq", "2013-01-15", "dateTime", "2013-01-14T23:00:00-05:00", True),
        ("eq", "2013-01-14T23:00:00 01:00", "dateTime", "2013-01-14T22:00:00Z", True),
        # Only the outer limits of a Timing count.
        ("eq", "2013", "Timing", {"event": ["2013-01-31", "2013-03-24"]}, True),
        ("eq", "2013-01", "Timing", {"event": ["2013-01-31", "2013-03-24"]}, False),
        ("ap", "2013-02-15", "Timing", {"event": ["2013-01-31", "2013-03-24"]}, True),
        ("gt", "2020", "Timing", {"repeat": {"boundsPeriod": {"start": "2013"}}}, True),
        ("gt", "9999-12-31", "Period", {"start": "2013"}, False),
        ("ge", "9999-12-31", "Period", {"start": "2013"}, True),
    ],
)
def test_examples_of_the_specification(
    comparison: str, search: str, datatype: str, value: Any, *, matches: bool
) -> None:
    assert found(comparison, search, datatype, value, {"dateTime", "Period", "Timing"}) is matches


@pytest.mark.parametrize(
    ("datatype", "value", "count"),
    [
        ("date", "2024-05-17", 3),
        ("dateTime", "2024-05-17T10:31:07+02:00", 5),
        ("instant", "2024-05-17T10:31:07.250Z", 6),
        ("Period", {"start": "2024-05-17T10:31:07Z", "end": "2024-05-17T10:49:00Z"}, 7),
        ("Period", {"start": "2024-05-17"}, 4),
        ("date", "1850-05-17", 5),
        ("Timing", {"repeat": {"frequency": 1}}, 0),
        ("Period", {}, 0),
    ],
)
def test_a_value_costs_few_terms(datatype: str, value: Any, count: int) -> None:
    assert len(list(dates.texts(datatype, value))) == count


@pytest.mark.parametrize(
    ("search", "most"),
    [("2024-05-17", 350), ("2024-05-17T10:30", 1_900), ("2024-05-17T10:31:07.250Z", 4_500), ("0001", 700)],
)
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_a_comparison_needs_a_bounded_number_of_look_ups(comparison: str, search: str, most: int) -> None:
    alternatives = dates.lookups(comparison, search, {"dateTime", "Period"})
    assert sum(len(union) for alternative in alternatives for union in alternative) <= most * (
        4 if comparison == "ap" else 1
    )


@pytest.mark.parametrize(
    "text", ["", "20", "2020-13", "2020-02-30", "2020-01-01T10", "tomorrow", "2020-01-01T25:00:00Z", "0000"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueFormError):
        dates.lookups("eq", text, {"date"})


def test_not_equal_is_refused() -> None:
    with pytest.raises(ValueFormError, match="ne is not supported"):
        dates.lookups("ne", "2020", {"date"})
