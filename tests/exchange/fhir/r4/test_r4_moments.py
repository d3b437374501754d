"""Moments of different precision and time zone are compared as FHIRPath compares them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.fhir.r4.rules.moments import not_after


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [
        ("2020", "2020", True),
        ("2021", "2020", False),
        ("2020-05", "2020", True),
        ("2020", "2020-01-01", True),
        ("2020-02-01", "2020-01-31", False),
        ("2020-01-01", "2020-01-01T00:00:00Z", True),
        ("2020-01-02", "2020-01-01T23:59:59Z", False),
        ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00Z", True),
        ("2020-01-01T10:00:01Z", "2020-01-01T10:00:00Z", False),
        ("2020-01-01T10:00:00+02:00", "2020-01-01T09:00:00+01:00", True),
        ("2020-01-01T10:00:00+01:00", "2020-01-01T10:00:00+02:00", False),
        ("2020-01-01T10:00:00.5Z", "2020-01-01T10:00:00.45Z", False),
        ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00.1Z", True),
        ("2020-01-01T10:00:00.10Z", "2020-01-01T10:00:00.1Z", True),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.9Z", False),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", True),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", True),
    ],
)
def test_order_of_moments(first: str, second: str, holds: bool) -> None:
    assert not_after(first, second) is holds


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis takes naive bounds
    st.timedeltas(timedelta(0), timedelta(days=400)),
    st.integers(-14, 14),
    st.integers(-14, 14),
)
def test_a_later_instant_is_not_before_whatever_the_zones(
    moment: datetime, gap: timedelta, zone: int, other: int
) -> None:
    first = moment.replace(tzinfo=UTC)
    written = [
        at.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="microseconds")
        for at, hours in ((first, zone), (first + gap, other))
    ]
    assert not_after(*written)
    assert not_after(*reversed(written)) is (gap == timedelta(0))
