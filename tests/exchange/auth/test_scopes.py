"""SMART scopes: both versions mean what they say, and what is not understood grants nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.auth.scopes import LEVELS, PERMISSION, Scope, allows, grant, parse

TYPES = ("*", "Patient", "Observation")
scope_texts = st.builds(
    "{}/{}.{}".format,
    st.sampled_from(LEVELS),
    st.sampled_from(TYPES),
    st.sampled_from(["read", "write", "*", "cruds", "rs", "r", "s", "cud", "d", "cr"]),
)
interactions = st.sampled_from(sorted(PERMISSION))


@pytest.mark.parametrize(
    ("text", "permissions"),
    [
        ("system/Observation.rs", "rs"),
        ("system/Observation.cruds", "cruds"),
        ("system/Observation.d", "d"),
        ("system/Observation.read", "rs"),
        ("system/Observation.write", "cud"),
        ("system/Observation.*", "cruds"),
    ],
)
def test_both_versions_are_read(text: str, permissions: str) -> None:
    assert parse(text) == Scope("system", "Observation", permissions)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "system",
        "system/",
        "system/Observation",
        "system/Observation.",
        "system/Observation.sr",
        "system/Observation.rr",
        "system/Observation.rx",
        "system/Observation.readwrite",
        "system/Observation.rs?category=laboratory",
        "system/Observation.rs?",
        "system/Observation.rs\n",
        " system/Observation.rs",
        "system/observation.rs",
        "System/Observation.rs",
        "system/Obs*.rs",
        "launch/patient",
        "openid",
        "offline_access",
        "system/*.rs/",
        "system/Оbservation.rs",  # noqa: RUF001 - a Cyrillic letter is the point
    ],
)
def test_anything_else_is_no_scope_and_grants_nothing(text: str) -> None:
    assert parse(text) is None
    assert not any(allows((text,), "system", name, "Observation") for name in PERMISSION)
    assert grant([text], ["system/*.cruds"], level="system") == ()


@pytest.mark.parametrize("interaction", sorted(PERMISSION))
def test_no_scope_allows_nothing(interaction: str) -> None:
    assert not allows((), "system", interaction, "Patient")


def test_each_letter_reaches_its_interactions_only() -> None:
    for letter in "cruds":
        reached = {name for name in PERMISSION if allows((f"system/*.{letter}",), "system", name, "Patient")}
        assert reached == {name for name, needed in PERMISSION.items() if needed == letter}
        assert reached


def test_unknown_interactions_and_levels_are_not_reached() -> None:
    assert not allows(("system/*.cruds",), "system", "batch", "Patient")
    assert not allows(("system/*.cruds",), "system", "", "Patient")
    assert not allows(("system/*.cruds",), "patient", "read", "Patient")
    assert not allows(("system/*.cruds",), "", "read", "Patient")


def test_the_whole_system_needs_a_scope_on_all_types() -> None:
    assert allows(("system/*.rs",), "system", "search-system", "*")
    assert not allows(("system/Patient.rs", "system/Observation.rs"), "system", "search-system", "*")


def test_a_grant_keeps_the_wording_of_what_is_allowed_as_a_whole() -> None:
    assert grant(["system/Patient.read"], ["system/*.cruds"], level="system") == ("system/Patient.read",)


def test_a_grant_is_narrowed_to_what_is_allowed() -> None:
    allowed = ["system/Observation.rs", "system/Patient.r"]
    assert grant(["system/*.cruds"], allowed, level="system") == ("system/Observation.rs", "system/Patient.r")


def test_other_levels_are_not_granted() -> None:
    assert grant(["patient/*.rs", "user/*.rs"], ["patient/*.rs", "user/*.rs"], level="system") == ()


@given(
    st.lists(scope_texts, max_size=4), st.lists(scope_texts, max_size=4), interactions, st.sampled_from(TYPES)
)
def test_a_grant_reaches_exactly_what_was_asked_for_and_is_allowed(
    requested: list[str], allowed: list[str], interaction: str, resource_type: str
) -> None:
    granted = grant(requested, allowed, level="system")
    asked = allows(tuple(requested), "system", interaction, resource_type)
    held = allows(tuple(allowed), "system", interaction, resource_type)
    assert allows(granted, "system", interaction, resource_type) == (asked and held)
    assert not any(allows(granted, level, interaction, resource_type) for level in ("patient", "user"))


@given(scope_texts, scope_texts)
def test_overlap_is_symmetric_and_never_wider(one: str, two: str) -> None:
    first, second = parse(one), parse(two)
    assert first is not None
    assert second is not None
    both = first.overlap(second)
    assert both == second.overlap(first)
    assert both is None or (first.covers(both) and second.covers(both))


@given(st.text(max_size=40))
def test_arbitrary_text_never_breaks_the_parser(text: str) -> None:
    scope = parse(text)
    assert scope is None or parse(str(scope)) == scope
