"""Decisions on the opened record: an index narrows a search, and the record decides where terms are cut.

Terms of strings have up to 64 characters and not every length, those of numbers ten digits. A clause of
such values has them as they were sent (`Clause.values`); each record that the look-ups find is compared
with them after it was opened, and one that does not meet them is no match.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from exchange.fhir.search.algebra import ValueFormError
from exchange.fhir.search.escaping import comparison, split, unescape
from exchange.fhir.search.extract import follow, texts_of, values_at
from exchange.fhir.search.parameters import Leaf, Part, table
from exchange.fhir.search.planning import Planner
from exchange.fhir.search.query import Clause, Query
from exchange.fhir.search.types import quantities, strings

_resource = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


def decides(query: Query) -> bool:
    """Check whether records that the look-ups of `query` find must be compared once they are open."""
    return any(clause.values for clause in query.clauses)


def admits(query: Query, body: bytes, *, base: str) -> bool:
    """Check whether a record that the look-ups found meets the clauses that they only narrow."""
    return _Comparison(query.resource_type, base).admits(query.clauses, _resource(body))


class _Comparison:
    """The comparisons with one record; references under `base` count as relative."""

    def __init__(self, resource_type: str, base: str) -> None:
        self._table = table(resource_type)
        self._base = base

    def admits(self, clauses: Sequence[Clause], resource: dict[str, Any]) -> bool:
        return all(
            any(self._meets(clause.parameter, value, resource) for value in clause.values)
            for clause in clauses
            if clause.values
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
            unions = Planner(self._table, self._base).lookups(kind, leaves, value)
        except ValueFormError:  # a value of another index of the same parameter
            return False
        texts = set(texts_of(kind, found, self._base))
        return any(all(not texts.isdisjoint(union) for union in alternative) for alternative in unions)
