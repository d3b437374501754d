"""The order of records by `_sort`, from values that only their plain text has.

A value that a record has several of counts with its smallest where the order ascends and its largest where
it descends (search.html#sort leaves that to the server); an interval counts with its start, a code without
its system. Records without a value come last in either direction, and ties stay as they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from exchange.fhir.search.extract import values
from exchange.fhir.search.parameters import table
from exchange.fhir.search.query import Sort
from exchange.fhir.search.types import intervals, strings

_resource = msgspec.json.Decoder(dict[str, Any]).decode


def sort_bodies(resource_type: str, bodies: Sequence[bytes], keys: Sequence[Sort]) -> list[bytes]:
    """Sort `bodies`, records of one type as JSON, by `keys`, of which the first counts most."""
    resources = [(body, _resource(body)) for body in bodies]
    for key in reversed(keys):  # sorting is stable, so the last sort is the first key
        have, lack = [], []
        for one in resources:
            texts = list(_texts(resource_type, key.parameter, one[1]))
            if texts:
                have.append((max(texts) if key.descending else min(texts), one))
            else:
                lack.append(one)
        have.sort(key=lambda pair: pair[0], reverse=key.descending)
        resources = [one for _, one in have] + lack
    return [body for body, _ in resources]


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
