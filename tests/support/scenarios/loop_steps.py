"""The steps of an event loop by the processor time of its own thread: how long one keeps all others waiting.

Time on the clock would tell of the machine's load; the thread's own processor time is the work itself.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


class LongestStep:
    """The seconds of the longest step so far, and where it began."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.at = ""


@contextmanager
def longest_step() -> Iterator[LongestStep]:
    """Watch the steps of every loop of this process, without the collection of garbage."""
    found = LongestStep()
    original = asyncio.Handle._run

    def timed(self: asyncio.Handle) -> None:
        began = time.thread_time()
        try:
            original(self)
        finally:
            taken = time.thread_time() - began
            if taken > found.seconds:
                found.seconds, found.at = taken, repr(self._callback)[:300]

    gc.collect()
    gc.disable()
    asyncio.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield found
    finally:
        asyncio.Handle._run = original  # type: ignore[method-assign]
        gc.enable()
