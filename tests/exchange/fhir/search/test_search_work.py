"""Every search parameter with the longest values: the work to plan it is counted and bounded."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest

from exchange.errors import BadRequestError, TooCostlyError
from exchange.fhir.search import parse
from exchange.fhir.search.parameters import Parameter, Part, Table, resource_types, table
from exchange.fhir.search.parse import LONGEST_VALUE, MOST_LOOKUPS, MOST_SORT_KEYS, MOST_VALUES
from exchange.fhir.search.planning import Planner
from exchange.fhir.search.types import dates, numbers
from exchange.runtime.budget import WorkBudget

ONE_VALUE = 60_000
"""Look-ups of the costliest single value, which may be planned before it is counted."""

FORMS = {
    "number": ["lt9.87654321", "ap9.87654321", "ge-9.87654321", "eq1"],
    "quantity": ["lt9.87654321|http://unitsofmeasure.org|mg", "ap-9.87654321", "ge9.87654321e14||mg"],
    "date": ["gt2024-05-17T10:31:07.250Z", "ap2024-05-17T10:31:07.250Z", "ne2024", "ap1950"],
    "token": ["http://loinc.org|8867-4", "x|", "|x"],
    "reference": ["Patient/1", "http://x.org/fhir/Patient/1|2", "1"],
    "string": ["x" * 70],
    "uri": ["http://x.org/a|1"],
}


def values_of(defined: Table, parameter: Parameter) -> Iterator[str]:
    if parameter.type != "composite":
        yield from FORMS[parameter.type]
        return
    for part in parameter.parts:
        kinds = kinds_of(defined, part)
        yield from ("$".join(one) for one in itertools.product(*(FORMS[kind][:2] for kind in kinds)))


def kinds_of(defined: Table, part: Part) -> list[str]:
    if part.joined:
        return [component.kind for component in defined.indexes[part.joined].components]
    return [defined.indexes[indexes[0]].kind for indexes in part.indexes]


def sort_of(defined: Table, parameter: Parameter) -> object:
    """Return the structure that the work depends on; parameters that share it cost the same."""
    names = [
        *parameter.indexes,
        *(
            name
            for part in parameter.parts
            for name in (part.joined, *itertools.chain(*part.indexes))
            if name
        ),
    ]
    indexes = [defined.indexes[name] for name in names]
    return (
        parameter.type,
        tuple(
            (one.kind, one.many, frozenset(leaf.datatype for leaf in one.leaves), one.components)
            for one in indexes
        ),
    )


def every_sort() -> list[tuple[str, str]]:
    found: dict[object, tuple[str, str]] = {}
    for kind in resource_types():
        defined = table(kind)
        for code, parameter in defined.parameters.items():
            found.setdefault(sort_of(defined, parameter), (kind, code))
    return sorted(found.values())


@pytest.mark.parametrize(("kind", "code"), every_sort())
def test_the_longest_values_of_a_parameter_are_refused_before_more_than_the_bound_is_planned(
    kind: str, code: str, monkeypatch: pytest.MonkeyPatch
):
    covered = 0
    for module, name in ((numbers, "cover"), (dates, "any_of")):
        original = getattr(module, name)

        def counting(*args: object, original=original) -> object:
            nonlocal covered
            found = original(*args)
            covered += (
                sum(len(union) for one in found for union in one)
                if found and isinstance(found[0], tuple)
                else len(found)
            )
            return found

        monkeypatch.setattr(module, name, counting)
    defined = table(kind)
    for form in values_of(defined, defined.parameters[code]):
        covered = 0
        head, mark, rest = form.partition("9.8")
        distinct = (f"{head}{mark}{n}{rest}" if mark else f"{form}{n}" for n in range(MOST_VALUES))
        asked = ",".join(
            itertools.islice(distinct, max(1, min(MOST_VALUES, LONGEST_VALUE // (len(form) + 4))))
        )
        with WorkBudget() as left:
            before = left.lookups
            with contextlib.suppress(BadRequestError, TooCostlyError):
                parse(kind, [(code, asked)] * 3, lenient=False)
            assert before - left.lookups <= MOST_LOOKUPS + ONE_VALUE
        assert covered <= MOST_LOOKUPS + ONE_VALUE


def test_a_request_that_is_spent_plans_nothing_more(monkeypatch: pytest.MonkeyPatch):
    planned: list[str] = []
    original = Planner._plain

    def noting(self: Planner, parameter: Parameter, modifier: str, value: str) -> object:
        planned.append(value)
        return original(self, parameter, modifier, value)

    monkeypatch.setattr(Planner, "_plain", noting)
    with WorkBudget(lookups=1_000):
        for n in range(50):
            with pytest.raises(TooCostlyError, match="at once"):
                parse("Observation", [("value-quantity", f"lt9.87654{n}")], lenient=False)
    assert len(planned) == 1


def test_searches_share_the_budget_of_their_request_and_have_a_bound_of_their_own_without():
    one = [("date", "gt2024-05-17T10:31:07.250Z")]
    with WorkBudget() as left:
        before = left.lookups
        parse("Observation", one, lenient=False)
    with WorkBudget(lookups=3 * (before - left.lookups)):
        for _ in range(3):
            parse("Observation", one, lenient=False)
        with pytest.raises(TooCostlyError):
            parse("Observation", one, lenient=False)
    for _ in range(20):
        parse("Observation", one, lenient=False)


def test_values_that_are_there_twice_cost_once():
    with WorkBudget() as left:
        before = left.lookups
        parse("Observation", [("value-quantity", ",".join(["lt9.8"] * 200))], lenient=False)
    assert before - left.lookups <= ONE_VALUE


def test_keys_of_an_order_are_bounded():
    parse("Observation", [("_sort", ",".join(["date"] * MOST_SORT_KEYS))], lenient=False)
    with pytest.raises(TooCostlyError):
        parse("Observation", [("_sort", ",".join(["date"] * (MOST_SORT_KEYS + 1)))], lenient=False)
