"""Rates: so many acts in a minute for each name, refilled steadily, whatever the others do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import TooManyRequestsError
from exchange.services.access.request_rates import Rate, RequestRates


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.integers(60, 5_000),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40_000)), max_size=200),
)
def test_a_name_acts_as_often_as_its_rate_and_its_wait_is_no_longer_than_needed(
    per_minute: int, acts: list[tuple[str, int]]
):
    clock = Clock()
    rate = Rate(per_minute, clock=clock)
    done: dict[str, list[float]] = {"a": [], "b": []}
    for name, milliseconds in acts:
        clock.now += milliseconds / 1_000
        wait = rate.wait(name)
        if wait:
            clock.now += wait
            assert rate.wait(name) == 0
        rate.count(name)
        done[name].append(clock.now)
    for times in done.values():
        for start, first in enumerate(times):
            for count, last in enumerate(times[start:], 1):
                assert count <= per_minute + (last - first) * per_minute / 60 + 1e-3


def test_a_minutes_acts_may_be_made_at_once_and_then_the_name_waits_and_no_other():
    rate = Rate(90, clock=Clock())
    for _ in range(90):
        assert rate.wait("a") == 0
        rate.count("a")
    assert rate.wait("a") == 1
    assert rate.wait("b") == 0


def test_a_client_beyond_its_rate_is_told_when_to_come_back():
    clock = Clock()
    rates = RequestRates(per_client=60, unknown=60, clock=clock)
    for _ in range(60):
        rates.admit("client")
    with pytest.raises(TooManyRequestsError) as refused:
        rates.admit("client")
    assert refused.value.retry_after == 1
    clock.now += 1
    rates.admit("client")
