"""Clocks that are wrong for a while: refused while it lasts where that shows, and no harm afterwards."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import pytest

from chaincode.consent.calls import Opening
from chaincode.errors import ClockError, ConflictError
from chaincode.policy.model import Policy
from chaincode.router import CLOCK_TOLERANCE
from exchange.errors import UnavailableError
from exchange.ledger.clock import BELIEVED_AFTER, TOLERANCE, WatchedClock
from exchange.ledger.errors import ClockWrongError, RefusedError, refusal

A, B = "HospitalAMSP", "HospitalBMSP"
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
JUMPS = [sign * size for sign in (1, -1) for size in (6 * MINUTE, HOUR, 400 * DAY)]


@dataclass
class Machine:
    """A machine with a clock that can be set, and the time that passes whatever the clock says."""

    off: int = 0
    passed: int = 5 * MINUTE
    begun: int = 1_800_000_000_000

    def wall(self) -> int:
        return self.begun + self.passed + self.off

    def watch(self, newest: int | None = None) -> WatchedClock:
        right = self.begun + self.passed
        return WatchedClock(right if newest is None else newest, wall=self.wall, passed=lambda: self.passed)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_is_refused_while_it_lasts_and_forgotten_afterwards(jump: int) -> None:
    machine = Machine()
    clock = machine.watch()
    clock.read()
    for _ in range(3):
        machine.off = jump
        with pytest.raises(ClockWrongError, match="jumped"):
            clock.read()
        assert "jumped" in str(clock.trouble())
        machine.passed += MINUTE
        machine.off = 0
        assert clock.read() == machine.wall()
        assert clock.trouble() is None


@pytest.mark.parametrize("jump", JUMPS)
def test_a_time_that_stays_counts_after_a_while(jump: int) -> None:
    machine = Machine()
    clock = machine.watch()
    machine.off = jump
    while machine.passed < 5 * MINUTE + BELIEVED_AFTER:
        with pytest.raises(ClockWrongError):
            clock.read()
        machine.passed += MINUTE
    assert clock.read() == machine.wall()
    machine.passed += DAY
    machine.off += MINUTE
    assert clock.read() == machine.wall()
    assert clock.trouble() is None


def test_two_jumps_do_not_count_as_one_that_stays() -> None:
    machine = Machine()
    clock = machine.watch()
    for n in range(1, 20):
        machine.off = n * HOUR
        assert clock.trouble() is not None
        machine.passed += BELIEVED_AFTER - MINUTE


@pytest.mark.parametrize("off", [HOUR, 400 * DAY])
def test_a_clock_that_was_wrong_from_the_start_is_set_right_at_once(off: int) -> None:
    ahead = Machine(off=off)
    clock = ahead.watch(newest=ahead.begun)
    ahead.passed += HOUR
    clock.read()
    ahead.off = 0
    assert clock.read() == ahead.wall()
    behind = Machine(off=-off)
    clock = behind.watch(newest=behind.begun)
    assert "clock" in str(clock.doubt())
    clock.read()
    behind.off = 0
    assert clock.read() == behind.wall()
    assert clock.doubt() is None


def test_a_jump_back_behind_the_time_that_has_passed_is_no_mending() -> None:
    machine = Machine()
    clock = machine.watch()
    machine.passed += 8 * HOUR
    clock.read()
    machine.off = -6 * HOUR  # later than the newest block of the start, and yet impossible
    with pytest.raises(ClockWrongError, match="back by 6 hours"):
        clock.read()


def test_a_clock_that_drifts_is_followed() -> None:
    machine = Machine()
    clock = machine.watch()
    for _ in range(100):
        machine.passed += HOUR
        machine.off += MINUTE
        assert clock.read() == machine.wall()


@pytest.mark.parametrize("wall", [-5, 0, 10**13, 10**17])
def test_a_time_out_of_bounds_is_refused_as_such(wall: int) -> None:
    with pytest.raises(ClockWrongError, match="out of all bounds"):
        WatchedClock(0, wall=lambda: wall, passed=None).read()


def test_the_tolerance_is_the_guards() -> None:
    assert TOLERANCE == CLOCK_TOLERANCE


def test_a_contracts_refusal_about_time_passes_by_itself() -> None:
    assert isinstance(refusal(ClockError("far")), UnavailableError)
    assert isinstance(refusal(ConflictError("other")), RefusedError)


@pytest.mark.parametrize("off", JUMPS)
async def test_a_ledger_goes_on_after_blocks_of_another_time(node: Any, off: int) -> None:
    client = node.client()
    await client.found_policy(Policy(version=1, members=(A, B), rules=()))
    names = [secrets.token_hex(16) for _ in range(4)]

    async def use(name: str) -> int:
        await client.open_pairs([Opening(name, A, "patient")])
        return (await client.authorize([node.ask(name, recipient=A)])).time

    for name, jump in zip(names, (0, off, -off, 0), strict=True):
        node.now += jump
        if name == names[3]:
            await client.close()
            client = node.client()
        assert await use(name) == node.now
    await client.close()
    report = node.verify(replay=True)
    assert report.sound
    assert len(report.ran_back) == 1
