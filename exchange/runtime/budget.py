"""The work that one request may cause in all, over every entry of a Bundle: a bound on what is small to ask
and large to answer.

1. Work is charged before it is done, or a small step of it after: what a request has no budget for is refused
   at once, and every later part of the same request too.
2. Outside of requests nothing is charged: what an operator's command or a job does is the operator's own.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from exchange.errors import TooCostlyError

MOST_LOOKUPS: Final = 200_000
"""Terms that the searches and conditions of one request may look up; one search has a bound of its own."""
MOST_COMPARISONS: Final = 500_000
"""Comparisons of opened records with values of a search, where the terms only narrow it."""
MOST_NAMED: Final = 2_000
"""Patients that the searches of one request may name."""
MOST_EXAMINED: Final = 200_000
"""Records that the searches of one request may examine, those included that may not be seen."""

_SPENT: Final = "the request asks for too much at once; send the rest in another request"


class WorkBudget:
    """The work that one request may still cause: a context manager, inside which `spend` finds it."""

    __slots__ = ("_outer", "comparisons", "examined", "lookups", "named")

    def __init__(
        self,
        *,
        lookups: int = MOST_LOOKUPS,
        comparisons: int = MOST_COMPARISONS,
        named: int = MOST_NAMED,
        examined: int = MOST_EXAMINED,
    ) -> None:
        self.lookups, self.comparisons, self.named, self.examined = lookups, comparisons, named, examined
        self._outer: Token[WorkBudget | None] | None = None

    def __enter__(self) -> WorkBudget:
        self._outer = _budget.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outer is not None:
            _budget.reset(self._outer)


_budget: ContextVar[WorkBudget | None] = ContextVar("budget", default=None)


def spend(*, lookups: int = 0, comparisons: int = 0, named: int = 0, examined: int = 0) -> None:
    """Charge work to the request that this task or thread serves.

    Raises:
        TooCostlyError: the request has no budget left for it, nor for anything after it.
    """
    budget = _budget.get()
    if budget is None:
        return
    budget.lookups -= lookups
    budget.comparisons -= comparisons
    budget.named -= named
    budget.examined -= examined
    if min(budget.lookups, budget.comparisons, budget.named, budget.examined) < 0:
        raise TooCostlyError(_SPENT)
