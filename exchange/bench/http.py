"""A small load generator: keep-alive connections that ask for one URL as fast as they are answered.

It parses just enough HTTP to know where an answer ends, so that it costs a fraction of what it measures.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass


class UnexpectedAnswerError(Exception):
    """The server answered something other than 200, so the measurement means nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests a second, and each request's seconds."""

    per_second: float
    seconds: list[float]


async def measure(port: int, path: str, *, token: str = "", connections: int, seconds: float) -> Measured:
    """Ask for `path` on this machine's `port` over `connections` for `seconds`."""
    header = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n{header}\r\n".encode()
    taken: list[float] = []
    started = time.perf_counter()
    end = started + seconds
    await asyncio.gather(*(_ask(port, request, end, taken) for _ in range(connections)))
    return Measured(len(taken) / (time.perf_counter() - started), taken)


async def _ask(port: int, request: bytes, end: float, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (began := time.perf_counter()) < end:
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
