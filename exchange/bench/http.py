"""A small load generator: keep-alive connections that ask for one URL as fast as they are answered.

It parses just enough HTTP to know where an answer ends, so that it costs a fraction of what it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from math import inf


class UnexpectedAnswerError(Exception):
    """The server answered something other than 200, so the measurement means nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests a second, and each request's seconds."""

    per_second: float
    seconds: list[float]


async def measure(port: int, path: str, *, token: str = "", connections: int, seconds: float) -> Measured:
    """Ask for `path` on this machine's `port` over `connections` for `seconds`."""
    requests = repeat(_request(port, path, token))
    taken: list[float] = []
    started = time.perf_counter()
    end = started + seconds
    await asyncio.gather(*(_ask(port, requests, end, taken) for _ in range(connections)))
    return Measured(len(taken) / (time.perf_counter() - started), taken)


async def replay(port: int, paths: Iterable[str], *, token: str, connections: int) -> None:
    """Ask for each of `paths` once over `connections`."""
    requests = iter([_request(port, path, token) for path in paths])
    await asyncio.gather(*(_ask(port, requests, inf, []) for _ in range(connections)))


def _request(port: int, path: str, token: str) -> bytes:
    header = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n{header}\r\n".encode()


async def _ask(port: int, requests: Iterator[bytes], end: float, taken: list[float]) -> None:
    """Send one of `requests` after the other, until there is none or it is `end`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests:
            began = time.perf_counter()
            if began >= end:
                break
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise UnexpectedAnswerError(head.split(b"\r\n", 1)[0].decode(errors="replace"))
            await reader.readexactly(_length(head))
            taken.append(time.perf_counter() - began)
    finally:
        writer.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.index(b"content-length:") + 15
    return int(lowered[at : lowered.index(b"\r\n", at)])
