"""The order of records by `_sort`, from values that only their plain text has.

A value that a record has several of counts with its smallest where the order ascends and its largest where
it descends (search.html#sort leaves that to the server); an interval counts with its start, a code without
its system. Records without a value come last in either direction, and ties stay as they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from exchange.fhir.search.extract import values
from exchange.fhir.search.parameters import table
from exchange.fhir.search.query import Sort
from exchange.fhir.search.types import intervals, strings

T = TypeVar("T")

SortValues = tuple[str | None, ...]
"""A record's value for each key of `_sort`, None where it has none."""

_resource = msgspec.json.Decoder(dict[str, Any]).decode


def sort_values(resource_type: str, body: bytes, keys: Sequence[Sort]) -> SortValues:
    """Return the values by which `keys` sort a record, given as JSON."""
    resource = _resource(body)
    found: list[str | None] = []
    for key in keys:
        texts = _texts(resource_type, key.parameter, resource)
        found.append(max(texts, default=None) if key.descending else min(texts, default=None))
    return tuple(found)


def sort_by_values(
    records: Sequence[tuple[SortValues, T]], keys: Sequence[Sort]
) -> list[tuple[SortValues, T]]:
    """Sort records by their values for `keys`, of which the first counts most."""
    ordered = list(records)
    for at in reversed(range(len(keys))):  # sorting is stable, so the last sort is the first key
        have = [(value, one) for one in ordered if (value := one[0][at]) is not None]
        have.sort(key=lambda pair: pair[0], reverse=keys[at].descending)
        ordered = [one for _, one in have] + [one for one in ordered if one[0][at] is None]
    return ordered


def _texts(resource_type: str, code: str, resource: dict[str, Any]) -> Iterator[str]:
    """Yield the values of one parameter, as texts that sort like the values."""
    if code == "_lastUpdated":
        yield intervals.instant(resource["meta"]["lastUpdated"])[0]
        return
    defined = table(resource_type)
    kind = defined.parameters[code].type
    for name in defined.parameters[code].indexes:
        for leaf, value in values(resource, defined.indexes[name]):
            text = _text(kind, leaf.datatype, value)
            if text:
                yield text


def _text(kind: str, datatype: str, value: Any) -> str | None:
    if kind == "date":
        return _start(datatype, value)
    if kind == "string":
        return strings.normalise(value)
    if datatype in _WITHIN:
        value = value.get(_WITHIN[datatype])
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


_WITHIN = {"Coding": "code", "Identifier": "value", "ContactPoint": "value"}


def _start(datatype: str, value: Any) -> str | None:
    try:
        interval = intervals.covered(datatype, value)
    except ValueError:  # well-formed, and still no date: 30 February
        return None
    return None if interval is None else interval[0] or intervals.EARLIEST
