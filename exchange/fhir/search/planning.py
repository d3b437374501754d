"""The planner of look-ups: from a search parameter and its values to the terms to look up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from exchange.errors import TooCostlyError
from exchange.fhir.search.algebra import Alternatives, ValueFormError, any_of, both, joined
from exchange.fhir.search.escaping import comparison, split, unescape
from exchange.fhir.search.extract import Term
from exchange.fhir.search.parameters import Index, Leaf, Parameter, Part, Table
from exchange.fhir.search.query import Alternative
from exchange.fhir.search.types import codes, dates, quantities, references, strings
from exchange.runtime import budget

_ALL_AT_ONCE = "the parts of a composite value are joined by $, one for each component"


class Planner:
    """Plans the criteria of one resource type; references under `base` count as relative.

    Each value's look-ups are counted once it is planned: no more than `most` are planned in all, and what the
    request as a whole may look up (`exchange.runtime.budget`). `exact` is for `codes.lookups`.
    """

    def __init__(self, table: Table, base: str, *, most: int, exact: bool = False) -> None:
        self._table = table
        self._base = base
        self._exact = exact
        self._left = most
        self.narrows = False
        """True if the terms of a value are cut, so that they find more than meets it."""

    def plan(self, code: str, modifier: str, values: Sequence[str]) -> tuple[Alternative, ...]:
        """Plan the alternatives that meet the parameter `code` with one of `values`, still escaped.

        Raises:
            ValueFormError: a value is not of the parameter's type.
            TooCostlyError: the values need too many look-ups.
        """
        parameter = self._table.parameters[code]
        found: list[Alternative] = []
        for value in dict.fromkeys(values):
            if not value.strip():
                raise ValueFormError("a value is missing")
            budget.spend(lookups=1)  # before the work: one that is spent does none
            if parameter.type == "composite":
                planned = self._composite(parameter, value)
            else:
                planned = self._plain(parameter, modifier, value)
            self._count(code, planned)
            found += planned
        return _merged(found)

    def _count(self, code: str, planned: Sequence[Alternative]) -> None:
        lookups = sum(len(union) for alternative in planned for union in alternative)
        budget.spend(lookups=lookups)
        self._left -= lookups
        if self._left < 0:
            raise TooCostlyError(f"{code}: the search needs too many look-ups; narrow it")

    def _plain(self, parameter: Parameter, modifier: str, value: str) -> list[Alternative]:
        targets = parameter.targets if modifier in {"", "identifier"} else (modifier,)
        form = "identifier" if modifier == "identifier" else parameter.type
        return self._over(parameter.indexes, form, value, targets)

    def _over(
        self, indexes: Sequence[str], form: str, value: str, targets: Sequence[str] = ()
    ) -> list[Alternative]:
        """Plan one value in any of `indexes`; the form must suit at least one of them."""
        found: list[Alternative] = []
        refusal: ValueFormError | None = None
        suited = False
        for name in indexes:
            index = self._table.indexes[name]
            try:
                alternatives = self._lookups(form, index.leaves, value, targets, many=index.many)
            except ValueFormError as wrong:
                refusal = wrong
                continue
            suited = True
            found += _terms(name, alternatives)
            if form == "uri" and "|" in value:
                found += self._versioned(name, index, unescape(value))
        if refusal is not None and not suited:
            raise refusal
        return found

    def _versioned(self, name: str, index: Index, value: str) -> list[Alternative]:
        """Plan `url|version` of a canonical resource, which has its version in an element of its own."""
        url, _, version = value.partition("|")
        if name != "url" or "version" not in self._table.indexes or index.leaves[0].datatype != "uri":
            return []
        versions = self._lookups("token", self._table.indexes["version"].leaves, version, (), many=False)
        return both(_terms(name, any_of([url])), _terms("version", versions))

    def lookups(self, form: str, leaves: Sequence[Leaf], value: str) -> Alternatives:
        """Return the look-ups of one value at `leaves`.

        Raises:
            ValueFormError: the value is not of the form.
        """
        return self._lookups(form, leaves, value, (), many=False)

    def _lookups(
        self, form: str, leaves: Sequence[Leaf], value: str, targets: Sequence[str], *, many: bool
    ) -> Alternatives:
        if form == "token":
            return any_of(codes.lookups(_parts(value), leaves, exact=self._exact))
        if form == "reference":
            return any_of(references.lookups(unescape(value), targets, self._base))
        if form == "identifier":
            return any_of(references.identifier_lookups(_parts(value), exact=self._exact))
        if form == "string":
            text = unescape(value)
            self.narrows = self.narrows or strings.is_cut(text)
            return any_of([strings.lookup(text)])
        if form == "uri":
            return any_of([unescape(value)])
        return self._ordered(form, frozenset(leaf.datatype for leaf in leaves), value, many=many)

    def _ordered(self, form: str, datatypes: frozenset[str], value: str, *, many: bool) -> Alternatives:
        prefix, rest = comparison(value)
        if form == "date":
            return dates.lookups(prefix, rest, datatypes)
        parts = _parts(rest)
        if form == "number" and len(parts) > 1:
            raise ValueFormError("a number has no unit")
        self.narrows = True
        return quantities.lookups(prefix, parts, datatypes, many=many)

    def _composite(self, parameter: Parameter, value: str) -> list[Alternative]:
        values = split(value, "$")
        return list(chain.from_iterable(self._part(part, values) for part in parameter.parts))

    def _part(self, part: Part, values: list[str]) -> list[Alternative]:
        if part.joined:
            first, second = self._table.indexes[part.joined].components
            if len(values) != 2:
                raise ValueFormError(_ALL_AT_ONCE)
            heads = self._lookups(first.kind, first.leaves, values[0], (), many=False)
            tails = self._lookups(second.kind, second.leaves, values[1], (), many=False)
            texts = chain.from_iterable(union for alternative in heads for union in alternative)
            return _terms(part.joined, joined(texts, tails))
        if len(values) != len(part.indexes):
            raise ValueFormError(_ALL_AT_ONCE)
        met: list[Alternative] = [()]
        for indexes, one in zip(part.indexes, values, strict=True):
            kind = self._table.indexes[indexes[0]].kind
            met = both(met, self._over(indexes, kind, one))
        return met


def _parts(value: str) -> list[str]:
    return [unescape(part) for part in split(value, "|")]


def _terms(index: str, alternatives: Alternatives) -> list[Alternative]:
    return [
        tuple(tuple(Term(index, text) for text in union) for union in alternative)
        for alternative in alternatives
    ]


def _merged(alternatives: list[Alternative]) -> tuple[Alternative, ...]:
    """Merge alternatives that are one plain union into one; one empty union if there are none."""
    plain = dict.fromkeys(
        chain.from_iterable(alternative[0] for alternative in alternatives if len(alternative) == 1)
    )
    compound = dict.fromkeys(alternative for alternative in alternatives if len(alternative) > 1)
    return (((tuple(plain),),) if plain or not compound else ()) + tuple(compound)
