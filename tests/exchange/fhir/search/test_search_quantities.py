"""Number and quantity comparisons by look-up give what plain decimal arithmetic gives."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.fhir.search.algebra import ValueFormError
from exchange.fhir.search.types import numbers, quantities

EXAMPLES = int(120 * float(os.environ.get("CONSENTRY_TEST_SCALE", "1")))
COMPARISONS = ("eq", "gt", "lt", "ge", "le", "sa", "eb", "ap")
INFINITY = Decimal("Infinity")

# Close together, so that equal numbers and neighbours in each digit are common.
decimals = st.builds(
    lambda sign, digits, power: (sign * Decimal(digits)).scaleb(power),
    st.sampled_from([1, -1]),
    st.one_of(st.integers(0, 130), st.integers(9_990, 10_010), st.integers(0, 999_999_999)),
    st.integers(-8, 2),
)
LONG = ["1e-12", "-1e-12", "1e20", "98.600000000000000001", "3.14159265358979", "0.30000000000000004"]
stored = st.one_of(
    decimals,
    st.sampled_from(
        ["1e-12", "-1e-12", "1e20", "3.14159265358979", "0.30000000000000004", "98.600000000000000001"]
    ).map(Decimal),
)
searches = st.one_of(
    decimals.map(str), st.sampled_from(["100", "1e2", "100.00", "0", "5.40e-3", "-0.5", *LONG])
)


def precision(search: str) -> Decimal:
    """Return half a unit of the last digit that was written."""
    exponent = Decimal(search).as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(exponent) / 2


def wanted(comparison: str, search: str, low: Decimal, high: Decimal, *, below: bool, above: bool) -> bool:
    """Check whether the values from `low` to `high` compare; `below` and `above` leave out the ends."""
    x = Decimal(search)
    half = precision(search)
    if comparison == "ap":
        half = max(half, abs(x) / 10)
        return low <= x + half and high >= x - half
    return {
        "eq": x - half <= low and high < x + half,
        "gt": high > x,
        "lt": low < x,
        "ge": high > x or (high == x and not above),
        "le": low < x or (low == x and not below),
        "sa": low > x or (low == x and below),
        "eb": high < x or (high == x and above),
    }[comparison]


def found(comparison: str, search: str, datatype: str, value: Any, datatypes: set[str]) -> bool:
    """Check whether the look-ups find the value, and the opened record admits it."""
    terms = set(quantities.texts([(datatype, as_indexed(value))]))
    looked_up = meets(terms, quantities.lookups(comparison, [search], datatypes, many=False))
    admitted = quantities.meets(comparison, [search], datatypes, datatype, value)
    assert looked_up or not admitted  # the look-ups narrow, and lose nothing
    return looked_up and admitted


def as_indexed(value: Any) -> Any:
    """Return a value as the index reads it: JSON's numbers as floats."""
    if isinstance(value, dict):
        return {name: as_indexed(part) for name, part in value.items()}
    return float(value) if isinstance(value, Decimal) else value


def meets(terms: set[str], alternatives: list[tuple[tuple[str, ...], ...]]) -> bool:
    return any(all(terms & set(union) for union in alternative) for alternative in alternatives)


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(st.sampled_from(COMPARISONS[:-1]), searches, stored)
def test_look_ups_find_a_number_exactly_when_it_compares(
    comparison: str, search: str, value: Decimal
) -> None:
    expected = wanted(comparison, search, value, value, below=False, above=False)
    assert found(comparison, search, "decimal", value, {"decimal"}) == expected
    assert found(comparison, search, "Quantity", {"value": value}, {"Quantity", "Range"}) == expected


@settings(max_examples=EXAMPLES, deadline=None)
@given(searches, stored)
def test_approximately_is_within_a_tenth(search: str, value: Decimal) -> None:
    tenth = max(abs(Decimal(search)) / 10, precision(search))
    distance = abs(value - Decimal(search))
    assert found("ap", search, "decimal", value, {"decimal"}) == (distance <= tenth)


@settings(max_examples=EXAMPLES * 2, deadline=None)
@given(st.sampled_from(COMPARISONS[:-1]), searches, st.none() | stored, st.none() | stored)
def test_look_ups_find_a_range_exactly_when_it_compares(
    comparison: str, search: str, one: Decimal | None, other: Decimal | None
) -> None:
    if one is None and other is None:
        return
    if one is not None and other is not None and other < one:
        one, other = other, one
    value = {side: {"value": end} for side, end in (("low", one), ("high", other)) if end is not None}
    low, high = (-INFINITY if one is None else one), (INFINITY if other is None else other)
    assert found(comparison, search, "Range", value, {"Quantity", "Range"}) == wanted(
        comparison, search, low, high, below=False, above=False
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(COMPARISONS[1:-1]),
    searches,
    decimals,
    st.sampled_from(["<", "<=", ">", ">="]),
)
def test_a_comparator_makes_a_quantity_a_range(
    comparison: str, search: str, value: Decimal, comparator: str
) -> None:
    low, high = (value, INFINITY) if comparator[0] == ">" else (-INFINITY, value)
    strict = len(comparator) == 1
    assert found(
        comparison, search, "Quantity", {"value": value, "comparator": comparator}, {"Quantity"}
    ) == wanted(
        comparison,
        search,
        low,
        high,
        below=strict and comparator == ">",
        above=strict and comparator == "<",
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(stored, stored)
def test_places_keep_the_order_of_numbers(one: Decimal, other: Decimal) -> None:
    if numbers.place(one) < numbers.place(other):
        assert one < other
    if one == other:
        assert numbers.place(one) == numbers.place(other)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(decimals, decimals)
def test_no_look_up_is_for_a_term_that_no_number_has(one: Decimal, other: Decimal) -> None:
    for term in numbers.cover(*sorted([numbers.place(one), numbers.place(other)])):
        if term[0] == "=" and term != "=0":
            power, _, digits = term[1:].partition(":")
            number = Decimal(power[0] + (digits or "1")).scaleb(int(power[1:]) - max(len(digits) - 1, 0))
            assert list(numbers.texts(numbers.place(number)))[-1] == term


@pytest.mark.parametrize(
    ("search", "value", "matches"),
    [
        ("100", "99.5", True),
        ("100", "100.5", False),
        ("100.00", "100.005", False),
        ("100.00", "99.995", True),
        ("1e2", "149.9", True),
        ("1e2", "150", False),
    ],
)
def test_equal_means_equal_to_the_precision_of_the_search(search: str, value: str, *, matches: bool) -> None:
    assert found("eq", search, "decimal", Decimal(value), {"decimal"}) is matches


def test_integers_are_equal_only_to_themselves() -> None:
    assert found("eq", "248956422", "integer", 248956422, {"integer"})
    assert not found("eq", "248956422", "integer", 248956421, {"integer"})
    assert not found("eq", "2.5", "integer", 2, {"integer"})
    assert found("eq", "2.0", "integer", 2, {"integer"})


def test_a_long_decimal_is_found_by_itself() -> None:
    for value in ("3.14159265358979", "-0.30000000000000004", "28.1547853261"):
        assert found("eq", value, "decimal", Decimal(value), {"decimal"})
        assert not found("eq", value, "decimal", Decimal(value) + Decimal("1e-7"), {"decimal"})


def test_a_number_is_the_same_however_json_reads_it() -> None:
    as_read = [72.5, Decimal("72.5"), Decimal("72.50")]
    assert {tuple(quantities.texts([("decimal", value)])) for value in as_read} == {
        ("~+1", "~+1:72", "=+1:7250")
    }


@pytest.mark.parametrize(("value", "count"), [("80", 2), ("72.5", 3), ("128.37", 4), ("100", 1), ("0", 1)])
def test_a_number_costs_a_term_for_two_or_three_digits(value: str, count: int) -> None:
    assert len(list(numbers.texts(numbers.place(Decimal(value))))) == count


MG = {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligram"}


@pytest.mark.parametrize(
    ("parts", "matches"),
    [
        (["5.4", "http://unitsofmeasure.org", "mg"], True),
        (["5.4", "", "mg"], True),
        (["5.4", "", "milligram"], True),
        (["5.4"], True),
        (["5.4", "http://unitsofmeasure.org", "milligram"], False),
        (["5.4", "http://snomed.info/sct", "mg"], False),
        (["5.4", "", "g"], False),
        (["5.5", "", "mg"], False),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_a_unit_is_part_of_the_search(parts: list[str], *, matches: bool, many: bool) -> None:
    terms = set(quantities.texts([("Quantity", {"value": 5.4, **MG})]))
    assert meets(terms, quantities.lookups("eq", parts, {"Quantity"}, many=many)) is matches


def test_a_number_is_not_paired_with_the_unit_of_another() -> None:
    terms = set(
        quantities.texts(
            [("Quantity", {"value": 98, "code": "%"}), ("Quantity", {"value": 5, "code": "kPa"})]
        )
    )
    assert meets(terms, quantities.lookups("eq", ["98", "", "%"], {"Quantity"}, many=True))
    assert not meets(terms, quantities.lookups("eq", ["98", "", "kPa"], {"Quantity"}, many=True))
    assert meets(terms, quantities.lookups("eq", ["98"], {"Quantity"}, many=True))


def test_money_has_its_currency_as_unit() -> None:
    terms = set(quantities.texts([("Money", {"value": 129.16, "currency": "USD"})]))
    for parts in (["129.16", "urn:iso:std:iso:4217", "USD"], ["129.16", "", "USD"]):
        assert meets(terms, quantities.lookups("eq", parts, {"Money"}, many=False))


def test_sampled_data_range_from_the_least_to_the_greatest_sample() -> None:
    data = {"origin": {"value": 2048, "unit": "mV"}, "factor": 2, "data": "-10 E 0 25"}
    for comparison, number, matches in (
        ("gt", "2097", True),
        ("gt", "2098", False),
        ("lt", "2029", True),
        ("lt", "2028", False),
    ):
        assert found(comparison, number, "SampledData", data, {"SampledData"}) is matches
    beyond = data | {"data": "-10 U"}
    assert found("gt", "9999", "SampledData", beyond, {"SampledData"})


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1_000", "1e401"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueFormError):
        quantities.lookups("gt", [text], {"decimal"}, many=False)


@pytest.mark.parametrize("parts", [["5", "mg"], ["5", "s", ""], ["5", "s", "c", "d"]])
def test_a_quantity_has_one_or_three_parts(parts: list[str]) -> None:
    with pytest.raises(ValueFormError):
        quantities.lookups("eq", parts, {"Quantity"}, many=False)


@pytest.mark.parametrize("search", ["5.4", "120", "37.25", "123456789", "-1.23456789"])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_a_comparison_needs_a_bounded_number_of_look_ups(comparison: str, search: str) -> None:
    alternatives = quantities.lookups(comparison, [search], {"Quantity", "Range"}, many=False)
    assert sum(len(union) for alternative in alternatives for union in alternative) < 16_000
