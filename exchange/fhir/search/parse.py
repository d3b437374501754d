"""The parser of search requests: a Query, or a refusal that names the parameter and never its value."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from exchange.errors import BadRequestError, TooCostlyError
from exchange.fhir.compartment import patient_paths
from exchange.fhir.search.algebra import ValueFormError
from exchange.fhir.search.escaping import comparison, split
from exchange.fhir.search.parameters import Parameter, Table, resource_types, table
from exchange.fhir.search.planning import Planner
from exchange.fhir.search.query import Alternative, Clause, Query, Sort
from exchange.fhir.search.types import intervals

DEFAULT_COUNT, MOST_COUNT = 50, 1_000
MOST_PARAMETERS = 64
MOST_VALUES = 256
MOST_LOOKUPS = 16_000
MOST_SORT_KEYS = 8
LONGEST_VALUE = 16_384

_TOLERATED = frozenset({"_format", "_pretty", "_totalMethod"})
"""Of no effect on a search; `_format` and `_pretty` are the response's business."""
_REFUSED = {
    "_include": "included records are not supported",
    "_revinclude": "included records are not supported",
    "_has": "reverse chaining is not supported",
    "_filter": "filter expressions are not supported",
    "_query": "named queries are not supported",
    "_list": "search within a list is not supported",
    "_text": "text search needs the text, which is sealed",
    "_content": "text search needs the text, which is sealed",
    "_type": "search one type at a time",
    "_contained": "contained records are not searched",
    "_containedType": "contained records are not searched",
}
_SORTED = frozenset({"date", "token", "string"})
_ONE_LOOKUP = frozenset({"token", "reference", "string", "uri"})
"""Types of parameters of which a value has a look-up or a few; those of an order have up to thousands."""
_SHORT = 1_000
_NAMEABLE = re.compile(r"[A-Za-z0-9_:.\-]{1,64}")
_CHOICES = {
    "_total": ("none", "estimate", "accurate"),
    "_summary": ("text", "data", "count", "false"),
}


class _UnsupportedError(Exception):
    """A parameter or modifier that this server does not know; ignored under lenient handling."""


def parse(
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    *,
    lenient: bool,
    base: str = "",
    exact: bool = False,
    times: Collection[str] = ("_lastUpdated",),
) -> Query:
    """Parse the `parameters` of a search, as decoded from URL and form.

    Repeated parameters must all be met; values with commas between them are alternatives. `lenient` ignores
    unsupported parameters, as `Prefer: handling=lenient` asks. `base` is the URL of this server, if
    references to it shall count as relative. `exact` tells the values of identifiers apart by their case.
    `times` are the names of parameters that compare the time of writing.

    Raises:
        BadRequestError: a parameter or modifier is not supported (and handling is strict), or a value is
            not of its parameter's type.
        TooCostlyError: the request has more parameters, values or look-ups than the limits.
    """
    if len(parameters) > MOST_PARAMETERS:
        raise TooCostlyError(f"a search has at most {MOST_PARAMETERS} parameters")
    parser = _Parser(resource_type, table(resource_type), base, exact, times)
    for name, value in parameters:
        try:
            parser.add(name, value)
        except _UnsupportedError as unsupported:
            if not lenient:
                raise BadRequestError(f"{_shown(name)}: {unsupported}") from None
            parser.ignored.append(_shown(name))
        except ValueFormError as wrong:
            raise BadRequestError(f"{_shown(name)}: {wrong}") from None
    return parser.query()


def is_light(resource_type: str, parameters: Sequence[tuple[str, str]]) -> bool:
    """Check whether `parse` plans these parameters in a fraction of a millisecond.

    Raises:
        BadRequestError: R4 has no such type.
    """
    known = table(resource_type).parameters
    found = (known.get(name.partition(":")[0]) for name, _ in parameters)
    return sum(len(name) + len(value) for name, value in parameters) <= _SHORT and all(
        parameter is None or parameter.type in _ONE_LOOKUP for parameter in found
    )


def elements_named(value: str) -> tuple[str, ...]:
    """Return the elements that `_elements` asks for.

    Raises:
        ValueFormError: one is not the name of an element at a resource's root.
    """
    elements = tuple(element.strip() for element in value.split(","))
    if not all(element.isascii() and element.isalnum() for element in elements):
        raise ValueFormError("elements of the root are named, with commas between them")
    return elements


def _shown(name: str) -> str:
    """Return a parameter's name for a message; a text without the form of a name might be a value."""
    return name if _NAMEABLE.fullmatch(name) else "a parameter"


@dataclass(slots=True)
class _Parser:
    """Gathers a Query parameter by parameter."""

    resource_type: str
    table: Table
    base: str
    exact: bool
    times: Collection[str]
    clauses: list[Clause] = field(default_factory=list)
    last_updated: list[tuple[int | None, int | None]] = field(default_factory=list)
    patients: set[str] = field(default_factory=set)
    results: dict[str, Any] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    lookups: int = 0

    def query(self) -> Query:
        """Return the query of all parameters added."""
        return Query(
            resource_type=self.resource_type,
            clauses=tuple(self.clauses),
            last_updated=tuple(self.last_updated),
            patients=tuple(sorted(self.patients)),
            ignored=tuple(self.ignored),
            **({"count": DEFAULT_COUNT} | self.results),
        )

    def add(self, name: str, value: str) -> None:
        """Add one parameter of the request."""
        if len(value) > LONGEST_VALUE:
            raise TooCostlyError(f"{_shown(name)}: the value is too long")
        code, _, modifier = name.partition(":")
        if code in _TOLERATED or (name == "_contained" and value == "false"):
            return
        if code in _REFUSED:
            raise _UnsupportedError(_REFUSED[code])
        if "." in name:
            raise _UnsupportedError("chained parameters are not supported")
        if name in {"_count", "_sort", "_elements", *_CHOICES}:
            self._result(name, value)
        elif name in self.times:
            self.last_updated.append(_write_times(value))
        else:
            self._criterion(code, modifier, value)

    def _criterion(self, code: str, modifier: str, value: str) -> None:
        if code in self.table.unsupported:
            raise _UnsupportedError(f"not supported: {self.table.unsupported[code]}")
        parameter = self.table.parameters.get(code)
        if parameter is None:
            raise _UnsupportedError(f"unknown search parameter of {self.resource_type}")
        if modifier and not self._knows(parameter, modifier):
            raise _UnsupportedError(f"this modifier is not supported on a {parameter.type} parameter")
        values = split(value, ",")
        if len(values) > MOST_VALUES:
            raise TooCostlyError(f"{code}: at most {MOST_VALUES} values")
        planner = Planner(self.table, self.base, most=MOST_LOOKUPS - self.lookups, exact=self.exact)
        alternatives = planner.plan(code, modifier, values)
        self.lookups += sum(len(union) for alternative in alternatives for union in alternative)
        self.clauses.append(Clause(code, alternatives, tuple(values) if planner.narrows else ()))
        self.patients |= self._named(alternatives)

    def _knows(self, parameter: Parameter, modifier: str) -> bool:
        if parameter.type != "reference":
            return False
        if modifier == "identifier":
            return True
        return modifier in (parameter.targets or resource_types())

    def _named(self, alternatives: Sequence[Alternative]) -> set[str]:
        """Return the patients that the look-ups name by their compartment."""
        paths = patient_paths(self.resource_type)
        marks = {
            name: "rPatient/"
            for name, index in self.table.indexes.items()
            if index.kind == "reference" and any(leaf.path in paths for leaf in index.leaves)
        }
        if self.resource_type == "Patient":
            marks["_id"] = "E="
        terms = (term for alternative in alternatives for union in alternative for term in union)
        return {
            term.text.removeprefix(mark)
            for term in terms
            if (mark := marks.get(term.parameter)) is not None and term.text.startswith(mark)
        }

    def _result(self, name: str, value: str) -> None:
        if name == "_count":
            if not (value.isascii() and value.isdigit()):
                raise ValueFormError("a count is a whole number")
            self.results["count"] = min(int(value[:9]), MOST_COUNT)
        elif name == "_sort":
            keys = value.split(",")
            if len(keys) > MOST_SORT_KEYS:
                raise TooCostlyError(f"_sort: at most {MOST_SORT_KEYS} keys")
            self.results["sort"] = tuple(self._sort(key.strip()) for key in keys)
        elif name == "_elements":
            self.results["elements"] = elements_named(value)
        elif value in _CHOICES[name]:
            self.results[name[1:]] = value
        else:
            raise ValueFormError(f"one of {', '.join(_CHOICES[name])}")

    def _sort(self, key: str) -> Sort:
        code = key.removeprefix("-")
        parameter = self.table.parameters.get(code)
        if parameter is None or parameter.type not in _SORTED:
            raise _UnsupportedError("sorting is by date, token and string parameters")
        return Sort(code, descending=key.startswith("-"))


def _write_times(value: str) -> tuple[int | None, int | None]:
    """Return the half-open range, in ms since 1970 UTC, of write times that compare with `value`."""
    prefix, text = comparison(value)
    try:
        first, last = intervals.around(text) if prefix == "ap" else intervals.interval(text)
    except ValueError:
        raise ValueFormError("one date or time; repeat the parameter to give two ends") from None
    start, end = intervals.milliseconds(first), intervals.milliseconds(last) + 1
    ranges: dict[str, tuple[int | None, int | None]] = {
        "eq": (start, end),
        "ap": (start, end),
        "gt": (end, None),
        "sa": (end, None),
        "ge": (start, None),
        "lt": (None, start),
        "eb": (None, start),
        "le": (None, end),
    }
    if prefix not in ranges:
        raise ValueFormError("ne is not supported; eq gt ge lt le sa eb ap are")
    return ranges[prefix]
