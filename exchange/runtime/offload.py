"""Work on large inputs off the event loop, so that other requests are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LARGE: Final = 100_000
"""Bytes from which on work that reads them goes to a thread: a few milliseconds of most work here."""


async def offload(work: Callable[[], T], *, size: int) -> T:
    """Do `work` at once where it reads few bytes, otherwise in a thread, and return its result."""
    return work() if size < LARGE else await asyncio.to_thread(work)
