"""A gateway as a process of its own, for those that tell stories with it or measure it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

_STARTUP = 30.0


class GatewayStartError(Exception):
    """A server process ended, or did not answer in time."""


def free_port() -> int:
    """Return a port of this machine that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path, base_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a gateway process over `folder`, ready to answer; end it cleanly afterwards.

    Raises:
        GatewayStartError: it ended before it answered, or took longer than half a minute.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange.cli", "serve", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_ready(process, f"{base_url}/health")
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and wait until it has."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_ready(process: subprocess.Popen[bytes], url: str, *, expect: int = 200) -> None:
    """Wait until `url` answers with the status `expect`.

    Raises:
        GatewayStartError: the process ended first, or half a minute passed.
    """
    deadline = time.monotonic() + _STARTUP
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise GatewayStartError(f"the server ended with {process.returncode} before it answered")
        try:
            if httpx.get(url, timeout=1).status_code == expect:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise GatewayStartError(f"the server did not answer within {_STARTUP:.0f} s")
