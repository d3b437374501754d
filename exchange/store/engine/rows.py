"""Rows inserted many at a time.

A thread lets go of the interpreter lock at every step of a SQLite statement and has to acquire it again,
which beside a busy event loop costs far more than the row. One statement of many rows is one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

_MOST_VALUES = 4096


@lru_cache(maxsize=128)
def _statement(head: str, width: int, count: int, tail: str) -> str:
    row = f"({','.join('?' * width)})"
    return f"{head} VALUES {','.join([row] * count)} {tail}"


def insert(
    run: Callable[[str, tuple[Any, ...]], object], head: str, rows: Sequence[Sequence[Any]], *, tail: str = ""
) -> None:
    """Have `run` execute `head` (`INSERT INTO table (columns)`) for all `rows`, which are equally wide.

    `tail` stands behind the values, such as `ON CONFLICT DO NOTHING`.

    Statements hold a power of two of rows, so that few different ones have to be prepared.
    """
    width = len(rows[0]) if rows else 1
    size = 1 << ((_MOST_VALUES // width).bit_length() - 1)
    start = 0
    while start < len(rows):
        while size > len(rows) - start:
            size >>= 1
        chunk = rows[start : start + size]
        run(_statement(head, width, size, tail), tuple(chain.from_iterable(chunk)))
        start += size
