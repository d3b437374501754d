"""Decisions on the opened record: an index narrows a search, and the record decides where terms are cut.

Terms of strings have up to 64 characters and not every length, those of numbers ten digits. A clause of
such values has them as they were sent (`Clause.values`); each record that the look-ups find is compared
with them after it was opened, and one that does not meet them is no match.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from exchange.fhir.search.algebra import Alternatives, ValueFormError
from exchange.fhir.search.escaping import comparison, split, unescape
from exchange.fhir.search.extract import follow, texts_of, values_at
from exchange.fhir.search.parameters import Leaf, Part, table
from exchange.fhir.search.planning import Planner
from exchange.fhir.search.query import Clause, Query
from exchange.fhir.search.types import quantities, strings
from exchange.runtime import budget

_resource = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


def comparison_of(query: Query, *, base: str) -> Comparison | None:
    """Return the comparison that records which the look-ups of `query` find must pass; None if all do."""
    clauses = tuple(clause for clause in query.clauses if clause.values)
    return Comparison(query.resource_type, clauses, base) if clauses else None


class Comparison:
    """The comparison of opened records with the `clauses` that look-ups only narrow.

    References under `base` count as relative; `values` is how many each record is compared with. the plan of
    a value serves all records.
    """

    def __init__(self, resource_type: str, clauses: Sequence[Clause], base: str) -> None:
        self._table = table(resource_type)
        self._clauses = clauses
        self.values: Final = sum(len(clause.values) for clause in clauses)
        self._base = base
        self._planned: dict[tuple[str, Sequence[Leaf], str], Alternatives] = {}

    def admits(self, body: bytes) -> bool:
        """Check whether a record meets the clauses.

        Raises:
            TooCostlyError: the request has compared too much (`exchange.runtime.budget`).
        """
        budget.spend(comparisons=self.values)
        resource = _resource(body)
        return all(
            any(self._meets(clause.parameter, value, resource) for value in clause.values)
            for clause in self._clauses
        )

    def _meets(self, code: str, value: str, resource: dict[str, Any]) -> bool:
        parameter = self._table.parameters[code]
        if parameter.type == "composite":
            parts = split(value, "$")
            return any(self._meets_part(part, parts, resource) for part in parameter.parts)
        return self._in_any(parameter.indexes, value, resource)

    def _meets_part(self, part: Part, values: Sequence[str], resource: dict[str, Any]) -> bool:
        if not part.joined:
            return len(values) == len(part.indexes) and all(
                self._in_any(indexes, value, resource)
                for indexes, value in zip(part.indexes, values, strict=True)
            )
        index = self._table.indexes[part.joined]
        return any(
            all(
                self._compares(component.kind, component.leaves, value, item)
                for component, value in zip(index.components, values, strict=True)
            )
            for item in follow(resource, index.focus)
        )

    def _in_any(self, indexes: Sequence[str], value: str, resource: dict[str, Any]) -> bool:
        found = (self._table.indexes[name] for name in indexes)
        return any(self._compares(index.kind, index.leaves, value, resource) for index in found)

    def _compares(self, kind: str, leaves: Sequence[Leaf], value: str, item: dict[str, Any]) -> bool:
        found = values_at(item, leaves)
        if kind == "string":
            return any(strings.starts(leaf.path, text, unescape(value)) for leaf, text in found)
        try:
            if kind in {"number", "quantity"}:
                prefix, rest = comparison(value)
                parts = [unescape(part) for part in split(rest, "|")]
                datatypes = [leaf.datatype for leaf in leaves]
                stored = [(leaf.datatype, one) for leaf, one in found]
                return any(quantities.meets(prefix, parts, datatypes, *one) for one in stored)
            alternatives = self._lookups(kind, leaves, value)
        except ValueFormError:  # a value of another index of the same parameter
            return False
        texts = set(texts_of(kind, found, self._base))
        return any(all(not texts.isdisjoint(union) for union in alternative) for alternative in alternatives)

    def _lookups(self, kind: str, leaves: Sequence[Leaf], value: str) -> Alternatives:
        name = (kind, leaves, value)
        planned = self._planned.get(name)
        if planned is None:
            planned = self._planned[name] = Planner(self._table, self._base, most=0).lookups(
                kind, leaves, value
            )
        return planned
