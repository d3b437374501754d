"""Kinds of jobs: each has a name, the type of its parameters, and a function that does one step.

1. A step reads, asks and computes, and returns the position of the next one, or that nothing is left. The
   changes to the records database that belong to it are its `effect`, which is committed together with that
   position: both or neither. A step with effects elsewhere must be idempotent, since it runs again if its
   runner ends before the commit.
2. No permission is stored. Each step asks the ledger anew as the job's principal, through `StepContext.ask`,
   and opens documents with that answer alone.
3. A step runs within the memory quota of jobs (`exchange.runtime.quota`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Connection

from chaincode.access.model import Action
from exchange.auth.principal import Principal
from exchange.services.access.enforcement import Answer, Enforcement, Question

P = TypeVar("P", bound=msgspec.Struct)
C = TypeVar("C", bound=msgspec.Struct)

Effect = Callable[[Connection], object]
"""Changes the records database, inside the transaction that commits the step."""


@dataclass(frozen=True, slots=True)
class StepContext(Generic[P]):
    """One step's view of its job: the principal it acts for, its parameters, and how it asks the ledger."""

    job: str
    principal: Principal
    parameters: P
    enforcement: Enforcement

    async def ask(
        self,
        action: Action,
        interaction: str,
        target: str,
        subjects: Sequence[bytes],
        *,
        classes: tuple[str, ...] = (),
    ) -> Answer:
        """Ask the ledger as the job's principal; see `Enforcement.ask` and `Question`."""
        return await self.enforcement.ask(
            Question(self.principal, action, interaction, target, classes), subjects
        )


@dataclass(frozen=True, slots=True)
class NextStep(Generic[C]):
    """A step was done, and the next one begins at `cursor`; `done` of `total` is the progress by now."""

    cursor: C
    effect: Effect | None = None
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last step was done."""

    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class JobKind(Generic[P, C]):
    """One kind of job. `first` is where it begins.

    With `every`, a number of seconds, it begins anew so long after it finished.
    """

    name: str
    parameters: type[P]
    first: C
    step: Callable[[StepContext[P], C], Awaitable[NextStep[C] | Finished]]
    every: float | None = None


class JobKinds(Mapping[str, JobKind[Any, Any]]):
    """The kinds that this node runs, by name."""

    def __init__(self, kinds: Iterable[JobKind[Any, Any]]) -> None:
        self._kinds: dict[str, JobKind[Any, Any]] = {}
        for kind in kinds:
            if kind.name in self._kinds:
                raise ValueError(f"two kinds of jobs are called {kind.name}")
            self._kinds[kind.name] = kind

    def __getitem__(self, name: str) -> JobKind[Any, Any]:
        return self._kinds[name]

    def __iter__(self) -> Any:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)
