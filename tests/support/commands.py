"""Calls the `consentry` command as a shell would, without the second that its imports take each time.

A process that has imported every command, and done nothing else, forks one for each call. The new process has
the call's arguments, environment, folder, file mask and streams, and runs the command's entry point.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import NoReturn

import msgspec
import psutil

from exchange.cli.main import build, main

_ROOT = Path(__file__).parents[2]
_COLUMNS = "200"
"""The terminal's width, at which no message is broken."""


class _Call(msgspec.Struct, frozen=True):
    """One call: what a process is given, and the folder that its output goes to."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    mask: int
    streams: str


def consentry(
    *arguments: str | Path,
    timeout: float = 120,
    mask: int = 0o022,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `consentry` with `arguments` to its end; `environment` is added to that of this process.

    Raises:
        subprocess.TimeoutExpired: it did not end within `timeout` seconds, and was killed.
    """
    given = [str(argument) for argument in arguments]
    around = {**os.environ, "COLUMNS": _COLUMNS, **(environment or {})}
    with TemporaryDirectory() as streams:
        code = _asked(_Call(given, around, str(Path.cwd()), mask, streams), timeout)
        said, told = (Path(streams, name).read_text(encoding="utf-8") for name in ("out", "err"))
    return subprocess.CompletedProcess(["consentry", *given], code, said, told)


@cache
def _server() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.commands"]
    server = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait(10)


def _asked(call: _Call, timeout: float) -> int:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(msgspec.json.encode(call) + b"\n")
    in_time = bool(select([server.stdout], [], [], timeout)[0])
    if not in_time:
        for child in psutil.Process(server.pid).children():
            child.kill()
    code = json.loads(server.stdout.readline())
    if not in_time:
        raise subprocess.TimeoutExpired(call.arguments, timeout)
    return int(code)


def _serve() -> None:
    """Answer each call on standard input with its exit code, until the input ends."""
    build([])
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            _become(msgspec.json.decode(line, type=_Call))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(call: _Call) -> NoReturn:
    """Go on as the process of `call`."""
    for descriptor, path in ((0, os.devnull), (1, f"{call.streams}/out"), (2, f"{call.streams}/err")):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(call.folder)
    os.umask(call.mask)
    os.environ.clear()
    os.environ.update(call.environment)
    sys.argv = ["consentry", *call.arguments]
    main()
    sys.exit(0)


if __name__ == "__main__":
    _serve()
