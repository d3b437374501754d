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
from exchange.runtime.quota import (
    COPIES_IN_MEMORY,
    FETCH_LIMIT,
    FREE_BYTES,
    PAGE_LIMIT,
    MemoryQuota,
    NoQuotaError,
    Reservation,
    UnboundedQuota,
    current,
    minimum_limit,
)

LIMIT, HEADROOM = 8 * FREE_BYTES, 3 * FREE_BYTES
SIZES = st.one_of(
    st.integers(0, 3 * FREE_BYTES),
    st.sampled_from([FREE_BYTES // COPIES_IN_MEMORY, FREE_BYTES // COPIES_IN_MEMORY + 1, LIMIT]),
)


def test_the_first_part_of_a_request_is_free_however_much_others_hold():
    quota = MemoryQuota(FREE_BYTES)
    with Reservation(quota) as large, Reservation(quota) as small:
        large.reserve(FREE_BYTES)
        assert quota.used == FREE_BYTES
        small.reserve(FREE_BYTES // COPIES_IN_MEMORY)
        assert quota.used == FREE_BYTES
        with pytest.raises(ThrottledError):
            small.reserve(1)
        assert small.held == FREE_BYTES
    assert quota.used == 0


def test_what_could_never_be_had_is_too_costly_and_not_to_be_tried_again():
    quota = MemoryQuota(FREE_BYTES)
    with Reservation(quota) as reservation:
        with pytest.raises(TooCostlyError):
            reservation.reserve(FREE_BYTES + 1)
        reservation.reserve(FREE_BYTES)
    assert quota.used == 0


def test_a_request_finds_its_own_reservation():
    quota = MemoryQuota(FREE_BYTES)
    with Reservation(quota) as outer:
        assert current() is outer
        with Reservation(quota) as inner:
            assert current() is inner
        assert current() is outer
    assert quota.used == 0
    assert current().held == 0


@pytest.mark.parametrize("size", [0, 1, FREE_BYTES])
def test_outside_of_requests_nothing_can_be_reserved(size: int):
    with pytest.raises(NoQuotaError):
        current().reserve(size)
    with current().temporarily():
        current().hold(0)
    assert current().held == 0


def test_work_with_a_named_quota_is_not_bounded():
    with Reservation(UnboundedQuota("start-up")):
        current().reserve(1 << 40)
        with current().temporarily():
            current().reserve(1)
        assert current().held == COPIES_IN_MEMORY << 40
    with pytest.raises(NoQuotaError):
        current().reserve(0)


async def test_a_quota_reaches_the_tasks_that_are_started_within_it_and_no_others():
    async def reserve() -> None:
        current().reserve(1)

    outside = asyncio.get_running_loop().create_task(reserve())
    with Reservation(UnboundedQuota("start-up")):
        await asyncio.create_task(reserve())
    with pytest.raises(NoQuotaError):
        await outside


def test_nothing_is_taken_for_a_request_that_has_ended():
    quota = MemoryQuota(LIMIT)
    with Reservation(quota) as reservation:
        reservation.reserve(FREE_BYTES)
    with pytest.raises(ThrottledError):
        reservation.reserve(1)
    assert quota.used == 0


def test_what_passes_is_given_back_also_when_it_fails():
    quota = MemoryQuota(LIMIT)
    with Reservation(quota) as reservation:
        reservation.reserve(FREE_BYTES)
        before = quota.used
        with reservation.temporarily():
            reservation.reserve(FREE_BYTES)
        assert quota.used == before

        def fail() -> None:
            with reservation.temporarily():
                reservation.reserve(FREE_BYTES)
                reservation.reserve(LIMIT)

        with pytest.raises(TooCostlyError):
            fail()
        assert quota.used == before


async def test_a_cancelled_request_gives_its_share_back():
    quota = MemoryQuota(LIMIT)
    holds = asyncio.Event()

    async def request() -> None:
        with Reservation(quota):
            current().reserve(FREE_BYTES)
            holds.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(request())
    await holds.wait()
    assert quota.used == FREE_BYTES
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert quota.used == 0


def test_threads_never_hold_more_than_the_limit():
    quota, most = MemoryQuota(LIMIT), []

    def work() -> None:
        for _ in range(300):
            with Reservation(quota) as reservation:
                try:
                    for _ in range(4):
                        reservation.reserve(FREE_BYTES)
                        most.append(quota.used)
                except ThrottledError:
                    pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= LIMIT
    assert quota.used == 0


def test_metrics_tell_what_is_in_use_and_how_often_it_was_refused():
    def told() -> tuple[float, float]:
        return IN_USE_BYTES._value.get(), REFUSALS._value.get()

    quota = MemoryQuota(2 * FREE_BYTES)
    used, refused = told()
    with Reservation(quota) as reservation, Reservation(quota) as other:
        reservation.reserve(FREE_BYTES)
        assert told() == (used + FREE_BYTES, refused)
        with pytest.raises(ThrottledError):
            other.reserve(FREE_BYTES + FREE_BYTES // COPIES_IN_MEMORY)
    assert told() == (used, refused + 1)


@given(st.integers(1024, 2**30))
def test_the_smallest_limit_lets_one_request_fill_a_page(body_limit: int):
    with Reservation(MemoryQuota(minimum_limit(body_limit))) as reservation:
        reservation.hold(COPIES_IN_MEMORY * max(PAGE_LIMIT, body_limit))
        reservation.reserve(FETCH_LIMIT)
        reservation.reserve(body_limit)


@given(st.data())
def test_of_requests_that_grow_together_one_always_gets_all_it_needs(data: st.DataObject):
    quota = MemoryQuota(LIMIT, headroom=HEADROOM)
    growing = [Reservation(quota) for _ in range(data.draw(st.integers(1, 6)))]
    whole = 0
    while growing:
        reservation = data.draw(st.sampled_from(growing))
        try:
            reservation.reserve(FREE_BYTES // 2)
        except ThrottledError:
            done = True
        else:
            done = reservation.beyond_free >= HEADROOM
            whole += done
        if done:
            growing.remove(reservation)
            reservation.__exit__(None, None, None)
    assert whole
    assert quota.used == 0


class Requests(RuleBasedStateMachine):
    """Any number of requests that take, give back, and end, in any order."""

    reservations = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.quota = MemoryQuota(LIMIT, headroom=HEADROOM)
        self.open: list[Reservation] = []

    @rule(target=reservations)
    def begin(self) -> Reservation:
        reservation = Reservation(self.quota)
        self.open.append(reservation)
        return reservation

    @rule(reservation=reservations, size=SIZES)
    def reserve(self, reservation: Reservation, size: int) -> None:
        before, used = reservation.held, self.quota.used
        try:
            reservation.reserve(size)
        except (ThrottledError, TooCostlyError):
            assert (reservation.held, self.quota.used) == (before, used)
            after = max(0, before + COPIES_IN_MEMORY * size - FREE_BYTES)
            assert used - reservation.beyond_free + after > LIMIT - HEADROOM
        else:
            assert reservation.held == before + COPIES_IN_MEMORY * size

    @rule(reservation=reservations, part=st.floats(0, 1))
    def give_back(self, reservation: Reservation, part: float) -> None:
        reservation.hold(int(reservation.held * part))

    @rule(reservation=consumes(reservations))
    def end(self, reservation: Reservation) -> None:
        reservation.__exit__(None, None, None)
        self.open.remove(reservation)

    @invariant()
    def the_sum_is_that_of_the_shares_and_never_above_the_limit(self) -> None:
        assert self.quota.used == sum(reservation.beyond_free for reservation in self.open) <= LIMIT


TestRequests = Requests.TestCase
