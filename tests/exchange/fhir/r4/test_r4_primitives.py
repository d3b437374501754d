"""Primitive types accept what the specification's expressions accept, less what its text rules out."""

from __future__ import annotations

import calendar
import os
import re
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.fhir.r4.definitions import PRIMITIVES
from exchange.fhir.r4.primitives import LONGEST, PRIMITIVE_TYPES, annotation
from exchange.fhir.r4.wellformed import CONTROL

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
EXAMPLES = max(10, round(60 * SCALE))
STRINGS = sorted(PRIMITIVES.keys() - {"boolean", "decimal", "integer", "positiveInt", "unsignedInt", "xhtml"})


def fast(name: str, value: object) -> bool:
    try:
        msgspec.convert(value, annotation(name, ""))
    except msgspec.ValidationError:
        return False
    return True


def exact(name: str, value: object) -> bool:
    return PRIMITIVE_TYPES[name].accepts(value)


def real_date(text: str) -> bool:
    """Check that the date at the start of a text that matches the official expression exists."""
    if len(text) < 10:
        return True
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    return day <= calendar.monthrange(year, month)[1]


def test_every_primitive_type_of_the_definitions_is_known() -> None:
    assert PRIMITIVE_TYPES.keys() == PRIMITIVES.keys()


@pytest.mark.parametrize("name", STRINGS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_what_the_official_expression_matches_is_accepted_unless_the_text_rules_it_out(
    name: str, data: st.DataObject
) -> None:
    value = data.draw(st.from_regex(re.compile(PRIMITIVES[name], re.ASCII), fullmatch=True))
    ruled_out = value == "" or (name in {"date", "dateTime", "instant"} and not real_date(value))
    if name == "base64Binary":
        ruled_out = (
            re.search("=[^=]|={3}|^=", re.sub(r"\s", "", value)) is not None or "\v" in value or "\f" in value
        )
    assert exact(name, value) == (not ruled_out)
    assert not fast(name, value) or exact(name, value)


@pytest.mark.parametrize("name", STRINGS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_what_is_accepted_the_official_expression_matches(name: str, data: st.DataObject) -> None:
    value = data.draw(st.from_regex(re.compile(PRIMITIVES[name], re.ASCII)) | st.text(max_size=12))
    if fast(name, value):
        assert exact(name, value)
    if exact(name, value) and not CONTROL.search(value):  # control characters are refused in the whole body
        assert re.fullmatch(PRIMITIVES[name], value, re.ASCII)


@pytest.mark.parametrize("name", ["integer", "positiveInt", "unsignedInt", "decimal", "boolean"])
@given(value=st.integers() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3) | st.none())
def test_numbers_and_booleans_are_told_apart_alike_in_both_passes(name: str, value: Any) -> None:
    if fast(name, value):
        assert exact(name, value)
    if exact(name, value):
        assert isinstance(value, bool) == (name == "boolean")
        assert fast(name, value) or name == "decimal"
        if name not in {"decimal", "boolean"}:
            assert re.fullmatch(PRIMITIVES[name], str(value))
            assert -(2**31) <= value < 2**31


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("2000-02-29", True),
        ("1900-02-29", False),
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("0000", False),
    ],
)
def test_leap_days_are_those_of_the_calendar(value: str, accepted: bool) -> None:
    assert exact("date", value) is accepted
    assert fast("date", value) is accepted


def test_a_value_does_not_end_in_a_line_feed() -> None:
    for name, value in {"date": "2020", "code": "a", "id": "a", "uri": "a:b", "time": "10:00:00"}.items():
        assert exact(name, value)
        assert not exact(name, value + "\n")
        assert not fast(name, value + "\n")


def test_strings_have_a_bound() -> None:
    for name in ("string", "markdown"):
        assert exact(name, "a" * LONGEST)
        assert not exact(name, "a" * (LONGEST + 1))
        assert not fast(name, "a" * (LONGEST + 1))


@pytest.mark.parametrize("name", STRINGS)
def test_no_expression_runs_on_for_long_on_hostile_text(name: str) -> None:
    for text in (" " * 50_000, "a " * 50_000 + "\n\n", "YQ== " * 20_000, "1." * 50_000, "0" * 100_000 + "!"):
        started = time.perf_counter()
        exact(name, text)
        fast(name, text)
        assert time.perf_counter() - started < 1


def test_codes_are_those_of_the_required_value_set() -> None:
    genders = annotation("code", "administrative-gender")
    assert msgspec.convert("female", genders) == "female"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("Female", genders)
