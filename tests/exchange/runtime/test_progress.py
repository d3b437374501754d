from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from exchange.runtime.progress import TrackedWork


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=200), out


def work(console: Console, clock: Clock, total: float = 100) -> TrackedWork:
    return TrackedWork("Loading", total=total, go_on="run it again to go on", console=console, clock=clock)


def test_a_log_gets_a_line_now_and_then_with_rate_and_time_left() -> None:
    console, out = plain()
    clock = Clock()
    with work(console, clock) as loading:
        for _ in loading.each(range(10)):
            clock.now += 4
            loading.advance(10, count=1000)
    assert out.getvalue().splitlines() == [
        "Loading 30%: 3,000 records, 250/s, 28 s left",
        "Loading 60%: 6,000 records, 250/s, 16 s left",
        "Loading 90%: 9,000 records, 250/s, 4 s left",
        "Loading done: 10,000 records, 250/s",
    ]


def test_long_waits_are_told_in_minutes() -> None:
    console, out = plain()
    clock = Clock()
    with work(console, clock) as loading:
        clock.now = 20
        loading.advance(1, count=1)
    assert ", 33 min 0 s left" in out.getvalue()


def test_a_terminal_gets_a_bar() -> None:
    out = io.StringIO()
    with work(Console(file=out, force_terminal=True, width=120), Clock()) as loading:
        loading.advance(50, count=7)
    assert "Loading" in out.getvalue()
    assert "50%" in out.getvalue()
    assert "7 records" in out.getvalue()


def test_work_of_no_size_is_no_division_by_zero() -> None:
    console, out = plain()
    clock = Clock()
    with work(console, clock, total=0) as loading:
        clock.now = 11
        loading.advance(0, count=1)
    assert "100%" in out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_ctrl_c_finishes_the_unit_and_says_how_to_go_on(terminal: bool) -> None:
    out = io.StringIO()
    before = signal.getsignal(signal.SIGINT)
    finished = []
    with work(Console(file=out, force_terminal=terminal, width=200), Clock()) as loading:
        for unit in loading.each(range(10)):
            if unit == 3:
                os.kill(os.getpid(), signal.SIGINT)
            finished.append(unit)
            loading.advance(10, count=1)
    assert finished == [0, 1, 2, 3]
    assert loading.interrupted
    assert "Loading stopped after 4 records" in out.getvalue()
    assert "run it again to go on" in out.getvalue()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises, also where the suite runs in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_the_second_ctrl_c_stops_at_once() -> None:
    console, out = plain()
    loading = work(console, Clock())

    def load() -> None:
        with loading:
            for _ in loading.each(range(10)):
                os.kill(os.getpid(), signal.SIGINT)
                while not loading.interrupted:  # two that wait would count as one
                    time.sleep(0.001)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)
                loading.advance(1, count=1)

    with pytest.raises(KeyboardInterrupt):
        load()
    assert loading.count == 0
    assert loading.interrupted
    assert "stopped after" in out.getvalue()


def test_an_error_is_not_called_done() -> None:
    console, out = plain()
    with pytest.raises(RuntimeError), work(console, Clock()):
        raise RuntimeError
    assert out.getvalue() == ""


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    console, out = plain()

    def run() -> None:
        with work(console, Clock()) as loading:
            list(loading.each(range(3)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "done" in out.getvalue()


def test_results_and_progress_go_to_different_streams() -> None:
    script = (
        "from exchange.runtime.progress import TrackedWork\n"
        "with TrackedWork('Loading', total=1, go_on='') as work:\n"
        "    work.advance(1, count=1)\n"
        "import sys; sys.stdout.write('result')\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "result"
    assert "Loading done: 1 records" in run.stderr
