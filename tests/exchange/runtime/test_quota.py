"""The bytes that requests hold together stay under the limit, and all come back."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from exchange.errors import ThrottledError, TooCostlyError
from exchange.runtime.metrics import IN_USE_BYTES, REFUSALS
from exchange.runtime.quota import COPIES, FREE, LOOK, PAGE, Budget, Share, current, smallest

LIMIT, RESERVE = 8 * FREE, 3 * FREE
SIZES = st.one_of(st.integers(0, 3 * FREE), st.sampled_from([FREE // COPIES, FREE // COPIES + 1, LIMIT]))


def test_the_first_part_of_a_request_is_free_however_much_others_hold():
    budget = Budget(FREE)
    with Share(budget) as large, Share(budget) as small:
        large.take(FREE)
        assert budget.used == FREE
        small.take(FREE // COPIES)
        assert budget.used == FREE
        with pytest.raises(ThrottledError):
            small.take(1)
        assert small.held == FREE
    assert budget.used == 0


def test_what_could_never_be_had_is_too_costly_and_not_to_be_tried_again():
    budget = Budget(FREE)
    with Share(budget) as share:
        with pytest.raises(TooCostlyError):
            share.take(FREE + 1)
        share.take(FREE)
    assert budget.used == 0


def test_a_request_finds_its_own_share_and_work_outside_of_requests_is_not_bounded():
    budget = Budget(FREE)
    current().take(10 * FREE)
    with Share(budget) as outer:
        assert current() is outer
        with Share(budget) as inner:
            assert current() is inner
        assert current() is outer
    assert budget.used == 0
    assert current().held == 0


def test_nothing_is_taken_for_a_request_that_has_ended():
    budget = Budget(LIMIT)
    with Share(budget) as share:
        share.take(FREE)
    with pytest.raises(ThrottledError):
        share.take(1)
    assert budget.used == 0


def test_what_passes_is_given_back_also_when_it_fails():
    budget = Budget(LIMIT)
    with Share(budget) as share:
        share.take(FREE)
        before = budget.used
        with share.passing():
            share.take(FREE)
        assert budget.used == before

        def fail() -> None:
            with share.passing():
                share.take(FREE)
                share.take(LIMIT)

        with pytest.raises(TooCostlyError):
            fail()
        assert budget.used == before


async def test_a_cancelled_request_gives_its_share_back():
    budget = Budget(LIMIT)
    holds = asyncio.Event()

    async def request() -> None:
        with Share(budget):
            current().take(FREE)
            holds.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(request())
    await holds.wait()
    assert budget.used == FREE
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.used == 0


def test_threads_never_hold_more_than_the_limit():
    budget, most = Budget(LIMIT), []

    def work() -> None:
        for _ in range(300):
            with Share(budget) as share:
                try:
                    for _ in range(4):
                        share.take(FREE)
                        most.append(budget.used)
                except ThrottledError:
                    pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= LIMIT
    assert budget.used == 0


def test_metrics_tell_what_is_in_use_and_how_often_it_was_refused():
    def told() -> tuple[float, float]:
        return IN_USE_BYTES._value.get(), REFUSALS._value.get()

    budget = Budget(2 * FREE)
    used, refused = told()
    with Share(budget) as share, Share(budget) as other:
        share.take(FREE)
        assert told() == (used + FREE, refused)
        with pytest.raises(ThrottledError):
            other.take(FREE + FREE // COPIES)
    assert told() == (used, refused + 1)


@given(st.integers(1024, 2**30))
def test_the_smallest_limit_lets_one_request_fill_a_page(body_limit: int):
    with Share(Budget(smallest(body_limit))) as share:
        share.hold(COPIES * max(PAGE, body_limit))
        share.take(LOOK)
        share.take(body_limit)


@given(st.data())
def test_of_requests_that_grow_together_one_always_gets_all_it_needs(data: st.DataObject):
    budget = Budget(LIMIT, reserve=RESERVE)
    growing = [Share(budget) for _ in range(data.draw(st.integers(1, 6)))]
    whole = 0
    while growing:
        share = data.draw(st.sampled_from(growing))
        try:
            share.take(FREE // 2)
        except ThrottledError:
            done = True
        else:
            done = share.beyond >= RESERVE
            whole += done
        if done:
            growing.remove(share)
            share.__exit__(None, None, None)
    assert whole
    assert budget.used == 0


class Requests(RuleBasedStateMachine):
    """Any number of requests that take, give back, and end, in any order."""

    shares = Bundle("shares")

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(LIMIT, reserve=RESERVE)
        self.open: list[Share] = []

    @rule(target=shares)
    def begin(self) -> Share:
        share = Share(self.budget)
        self.open.append(share)
        return share

    @rule(share=shares, size=SIZES)
    def take(self, share: Share, size: int) -> None:
        before, used = share.held, self.budget.used
        try:
            share.take(size)
        except (ThrottledError, TooCostlyError):
            assert (share.held, self.budget.used) == (before, used)
            after = max(0, before + COPIES * size - FREE)
            assert used - share.beyond + after > LIMIT - RESERVE
        else:
            assert share.held == before + COPIES * size

    @rule(share=shares, part=st.floats(0, 1))
    def give_back(self, share: Share, part: float) -> None:
        share.hold(int(share.held * part))

    @rule(share=consumes(shares))
    def end(self, share: Share) -> None:
        share.__exit__(None, None, None)
        self.open.remove(share)

    @invariant()
    def the_sum_is_that_of_the_shares_and_never_above_the_limit(self) -> None:
        assert self.budget.used == sum(share.beyond for share in self.open) <= LIMIT


TestRequests = Requests.TestCase
