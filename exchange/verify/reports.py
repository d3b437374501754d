"""The report of a check: how much of a part of a node holds, and the first thing in it that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.errors import DamagedError
from exchange.store.engine.database import Database

Progress = Callable[[str, int, int], None]
"""Called now and then with the name of the part, the items done and the items in all."""

UNREADABLE = (DatabaseError, msgspec.MsgspecError, ValueError, TypeError, AttributeError, OverflowError)
"""The errors of reading a row, the bytes of which are not of the kind that they should be."""

_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class NodeFinding:
    """The first thing that is wrong in one part of a node."""

    part: str
    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.part}: {self.place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """The result of checking a part: how much of it was checked, and the first thing that is wrong."""

    part: str
    count: int
    finding: NodeFinding | None


class WrongError(Exception):
    """A row is wrong; ends the check of its part."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place, self.problem = place, problem


def check_part(part: str, check: Iterator[None], progress: Progress, total: Callable[[], int]) -> CheckedPart:
    """Run `check`, which yields once for each correct item and raises at the first wrong one."""
    count = 0
    try:
        of = total()
        for _ in check:
            count += 1
            if count % _EVERY == 0:
                progress(part, count, of)
    except WrongError as wrong:
        return CheckedPart(part, count, NodeFinding(part, wrong.place, wrong.problem))
    except DamagedError as why:
        return CheckedPart(part, count, NodeFinding(part, f"after {count} sound ones", str(why)))
    except UNREADABLE as why:
        problem = f"can't be read ({type(why).__name__})"
        return CheckedPart(part, count, NodeFinding(part, f"after {count} sound ones", problem))
    return CheckedPart(part, count, None)


def snapshot(database: Database) -> Connection:
    """Return one state of the database to read from, without blocking writers."""
    return database.engine.execution_options(read_only=True).connect()


def open_keys(ring: KeyRing, token: bytes, wrapped: dict[bytes, bytes]) -> SubjectKeys:
    """Return the keys of the subject `token`.

    Raises:
        DamagedError: there is no such subject, or its wrapped key was changed.
    """
    if token not in wrapped:
        raise DamagedError("no such subject")
    return ring.cached(token) or ring.open(token, wrapped[token])
