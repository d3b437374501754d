"""Order by values: smallest or largest of several, starts of intervals, what has none at the end."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.fhir.search import Sort, sort_by_values, sort_values


def sort_bodies(resource_type: str, bodies: list[bytes], keys: list[Sort]) -> list[bytes]:
    """Return `bodies` sorted by their values for `keys`."""
    valued = [(sort_values(resource_type, body, keys), body) for body in bodies]
    return [body for _, body in sort_by_values(valued, keys)]


def order(resource_type: str, sort: str, *resources: dict[str, Any]) -> list[str]:
    """Return the ids of `resources` in the order of `sort`; each gets its place as id."""
    keys = [Sort(key.removeprefix("-"), descending=key.startswith("-")) for key in sort.split(",")]
    bodies = [
        msgspec.json.encode({"resourceType": resource_type, "id": str(at)} | resource)
        for at, resource in enumerate(resources)
    ]
    random.shuffle(bodies)
    return [msgspec.json.decode(body)["id"] for body in sort_bodies(resource_type, bodies, keys)]


DATES = (
    {"effectiveDateTime": "2020"},
    {"effectivePeriod": {"start": "2020-01-01T00:00:00.001Z"}},
    {"effectiveInstant": "2020-03-01T00:30:00+01:00"},
    {"effectiveDateTime": "2020-03"},
    {"effectiveTiming": {"event": ["2021-05-05", "2022"]}},
)


def test_dates_of_every_kind_are_in_the_order_of_their_starts():
    assert order("Observation", "date", *DATES) == ["0", "1", "2", "3", "4"]
    assert order("Observation", "-date", *DATES) == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("sort", ["date", "-date"])
def test_what_has_no_date_comes_last(sort: str):
    assert order("Observation", sort, *DATES, {}, {"effectiveDateTime": "2020-02-30"})[-2:] in (
        ["5", "6"],
        ["6", "5"],
    )


def test_a_period_without_a_start_comes_first():
    ended = {"effectivePeriod": {"end": "2024"}}
    assert order("Observation", "date", *DATES, ended)[0] == "5"


def test_names_are_compared_as_searches_compare_them():
    people = [{"name": [{"family": name}]} for name in ("Abel", "ábelard", "ACHTERBERG", "zuñiga")]
    assert order("Patient", "family", *people) == ["0", "1", "2", "3"]


def test_of_several_values_the_one_nearest_the_front_counts():
    people = [
        {"name": [{"family": "m"}]},
        {"name": [{"family": "a"}, {"family": "z"}]},
    ]
    assert order("Patient", "family", *people) == ["1", "0"]
    assert order("Patient", "-family", *people) == ["1", "0"]


def test_codes_identifiers_and_flags_have_an_order():
    coded = [{"code": {"coding": [{"system": "urn:x", "code": code}]}} for code in ("1", "2", "a")]
    assert order("Observation", "code", *coded) == ["0", "1", "2"]
    people = [
        {"active": False, "identifier": [{"value": "2"}]},
        {"active": True, "identifier": [{"value": "1"}]},
    ]
    assert order("Patient", "active", *people) == ["0", "1"]
    assert order("Patient", "identifier", *people) == ["1", "0"]
    assert order("Patient", "-_id", *people) == ["1", "0"]


RESOURCES = st.lists(
    st.fixed_dictionaries(
        {"meta": st.just({"lastUpdated": "2026-01-01T00:00:00Z"})},
        optional={
            "effectiveDateTime": st.sampled_from(["2020", "2020-02", "2021-01-01"]),
            "status": st.sampled_from(["final", "amended"]),
        },
    ),
    max_size=12,
)
SORTS = st.lists(
    st.builds(Sort, st.sampled_from(["date", "status", "_lastUpdated"]), descending=st.booleans()),
    min_size=1,
    max_size=3,
)


@given(RESOURCES, SORTS)
def test_nothing_is_lost_and_sorting_again_changes_nothing(resources: list[dict[str, Any]], keys: list[Sort]):
    bodies = [msgspec.json.encode(one | {"id": str(at)}) for at, one in enumerate(resources)]
    once = sort_bodies("Observation", bodies, keys)
    assert sorted(once) == sorted(bodies)
    assert sort_bodies("Observation", once, keys) == once
