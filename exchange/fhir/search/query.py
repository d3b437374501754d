"""A search as look-ups for the store, with the rest that the gateway needs for its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from exchange.fhir.search.extract import Term

Union = tuple[Term, ...]
"""Terms of which at least one must be there."""
Alternative = tuple[Union, ...]
"""Unions that must all be met."""


class Clause(msgspec.Struct, frozen=True):
    """One parameter of a search as asked: at least one of its `alternatives` must be met.

    A search for a value that can't occur has one alternative of one empty union, which no record meets. An
    alternative may have terms of several indexes; each Term names its own. `values` are those asked for, as
    sent, where the terms only narrow the search (`on_record`); otherwise there are none.
    """

    parameter: str
    alternatives: tuple[Alternative, ...]
    values: tuple[str, ...] = ()


class Sort(msgspec.Struct, frozen=True):
    """One key of `_sort`."""

    parameter: str
    descending: bool


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A search of one resource type; every one of `clauses` and `last_updated` must be met.

    - `last_updated`: half-open ranges of write times in ms since 1970 UTC, None for an open side.
    - `patients`: the logical ids of patients that the search names by their compartment (`patient=23`,
      `subject=Patient/23`, `Patient?_id=23`), sorted. The gateway asks for their permission even when
      no record is found. A search that names patients can still find records of others, for instance when it
      also names a Group.
    - `count`: the most records a page shall have, 0 to ask for the total alone.
    - `ignored`: parameters left out under lenient handling, by name.
    """

    resource_type: str
    clauses: tuple[Clause, ...] = ()
    last_updated: tuple[tuple[int | None, int | None], ...] = ()
    patients: tuple[str, ...] = ()
    count: int
    sort: tuple[Sort, ...] = ()
    total: Literal["none", "estimate", "accurate"] = "none"
    summary: Literal["text", "data", "count", "false"] = "false"
    elements: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def newest_first(self) -> bool:
        """Return whether the order is by write time, the latest first."""
        return self.sort[:1] == (Sort("_lastUpdated", descending=True),)

    def matches(self, terms: Iterable[Term]) -> bool:
        """Return whether a record with these terms meets all clauses; write times are not compared."""
        present = frozenset(terms)
        return all(
            any(
                all(not present.isdisjoint(union) for union in alternative)
                for alternative in clause.alternatives
            )
            for clause in self.clauses
        )
