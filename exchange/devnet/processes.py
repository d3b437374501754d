"""Processes that outlive the command which started them, known by process id and start time.

A process id alone may belong to another process by now, so nothing is signalled unless the process under
that id started when ours did.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

_CLOCK_SLACK = 2.0  # seconds by which a start time may seem to move when the system's clock is set


class Started(msgspec.Struct, frozen=True):
    """A process that was started; `at` is its start in seconds since 1970 UTC, as the system tells it."""

    pid: int
    at: float


def spawn(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Started:
    """Start `command` in a session of its own, with its output appended to `log`.

    It sees only `environment`, PATH and a HOME beside its log.
    """
    written = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawnp(
        command[0],
        list(command),
        {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(log.parent), **environment},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), written, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
    )
    return Started(pid, psutil.Process(pid).create_time())


def running(started: Started | None) -> psutil.Process | None:
    """Return our process if it still runs (or is paused); None if it ended or its id was given to another."""
    if started is None:
        return None
    try:
        process = psutil.Process(started.pid)
        if abs(process.create_time() - started.at) > _CLOCK_SLACK:
            return None
        # A process with an ended first thread holds its ports until the last one has ended.
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() == 1:
            _reap(started.pid)
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def send(started: Started | None, number: signal.Signals) -> bool:
    """Signal our process; False if it is not there any more."""
    process = running(started)
    if process is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)  # checks once more that the id was not given away
    return True


def is_paused(process: psutil.Process) -> bool:
    """Return whether a process was stopped in its tracks."""
    return process.status() == psutil.STATUS_STOPPED


def end(processes: Iterable[Started], *, seconds: float = 5.0) -> None:
    """Ask our processes to end, and kill those that have not within `seconds`."""
    alive = [process for started in processes if (process := running(started)) is not None]
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            process.resume()  # a paused process would not hear
    _, stubborn = psutil.wait_procs(alive, timeout=seconds)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=seconds)


def python_module(name: str) -> tuple[str, ...]:
    """Return the command that runs a module of this installation."""
    return (sys.executable, "-m", name)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
