"""Budgets of entries: whatever a client asks, it leaves its budget of entries in a minute, and one more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import TooManyRequestsError
from exchange.services.access.allowances import REFUSED_COSTS, EntryAllowances

BUDGET = 1_000


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def left_by(allowances: EntryAllowances, entries: int, *, refused: bool, client: str = "a") -> int:
    """Return the entries that one request leaves."""
    try:
        if not allowances.take(client, entries):
            return 1
    except TooManyRequestsError:
        return 0
    if refused:
        allowances.note_refused(client, entries)
    return entries


@given(st.lists(st.tuples(st.integers(1, 300), st.booleans(), st.floats(0, 5)), max_size=200))
def test_a_client_leaves_its_budget_and_what_refills_and_no_more(asked: list[tuple[int, bool, float]]):
    clock = Clock()
    allowances = EntryAllowances(BUDGET, clock=clock)
    permitted = refused = 0
    for entries, denied, pause in asked:
        clock.now += pause
        found = left_by(allowances, entries, refused=denied)
        permitted, refused = permitted + found * (not denied), refused + found * denied
    minutes = 1 + clock.now / 60
    # A request may go over the end by itself, and each end is an entry: at most one for a tenth that refills.
    most = BUDGET * minutes + 300 + 10 * minutes
    assert permitted <= most
    # A request whose refusals cost more than a minute's budget, and a minute's debt, costs both.
    assert refused <= (most + BUDGET) / REFUSED_COSTS + 300 * (minutes + 1) + 10 * minutes


def test_the_end_is_one_entry_and_the_client_goes_on_when_it_has_refilled():
    clock = Clock()
    allowances = EntryAllowances(BUDGET, clock=clock)
    found = [left_by(allowances, 1, refused=True) for _ in range(BUDGET)]
    assert sum(found) == BUDGET // REFUSED_COSTS + 1
    assert found == sorted(found, reverse=True)
    assert left_by(allowances, 1, refused=False, client="b") == 1
    clock.now = 5.0
    assert left_by(allowances, 1, refused=False) == 0
    clock.now = 7.0
    assert left_by(allowances, 1, refused=False) == 1


def test_a_request_larger_than_the_budget_is_answered_once_and_paid_for_afterwards():
    allowances = EntryAllowances(BUDGET, clock=Clock())
    assert allowances.take("a", 3 * BUDGET)
    assert not allowances.take("a", 1)
    with pytest.raises(TooManyRequestsError):
        allowances.take("a", 1)
