"""Commitments change with all that they cover and with nothing else; the resource is valid R4."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B.riskassessment import RiskAssessment
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.consent.record_facts import facts_of
from exchange.fhir import r4
from exchange.fhir.resource_bytes import with_identity
from exchange.risk.risk_assessment import (
    Estimate,
    Evidence,
    failure_commitment,
    input_commitment,
    output_commitment,
    risk_assessment,
)

SALT = b"\x01" * 32
GIVEN: dict[str, Any] = {
    "model": "1d" * 32,
    "transaction": "2e" * 32,
    "features": {"age": 61.0, "bmi": math.nan},
    "query": "3f" * 32,
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "1",
    "meta": {"security": [{"system": "urn:labels", "code": "HIV"}]},
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
    "component": [{"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}}],
}


def assessment(probability: float = 0.3, **changes: Any) -> bytes:
    estimate = Estimate(
        "A survey",
        {"coding": [{"system": "http://snomed.info/sct", "code": "73211009"}], "text": "diabetes"},
        probability,
        ("moderate", "Moderate likelihood"),
        1.5,
    )
    fields: dict[str, Any] = {
        "model": GIVEN["model"],
        "transaction": GIVEN["transaction"],
        "query": "4a" * 32,
        "answer": "5b" * 32,
        "used": {"Observation/1": OBSERVATION},
        "missing": ["not recorded: Waist circumference"],
    }
    return risk_assessment(
        logical_id="r1",
        patient="p1",
        when="2026-11-23T00:00:00.000Z",
        estimate=estimate,
        evidence=Evidence(**(fields | changes)),
    )


@settings(deadline=None)  # the first example loads the decoder
@given(st.floats(0, 1), st.lists(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1)))
def test_every_assessment_is_valid_r4(probability: float, missing: list[str]) -> None:
    body = assessment(probability, missing=missing)
    resource = r4.check(body, expected="RiskAssessment").resource
    RiskAssessment.model_validate(resource)
    assert len(resource.get("note", ())) == len(missing)


def test_an_assessment_has_the_codes_labels_and_links_of_what_it_is_made_of() -> None:
    facts = facts_of(msgspec.json.decode(assessment()), salt=SALT, reference="RiskAssessment/r1")
    source = facts_of(OBSERVATION, salt=SALT, reference="Observation/1")
    assert source.own in facts.links
    assert {"http://loinc.org|85354-9", "http://loinc.org|8480-6"} <= facts.mentions
    assert "|" not in facts.mentions, "a denial of any code would hide it"
    assert source.labels <= facts.labels


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "0" * 64},
        {"transaction": "0" * 64},
        {"query": "0" * 64},
        {"features": {"age": 62.0, "bmi": math.nan}},
        {"features": {"age": 61.0, "bmi": 0.0}},
        {"features": {"age": 61.0}},
    ],
)
def test_another_input_is_another_commitment(changes: dict[str, Any]) -> None:
    right = input_commitment(SALT, **GIVEN)
    assert right == input_commitment(SALT, **GIVEN)
    assert len(right) == 64
    assert right != input_commitment(SALT, **(GIVEN | changes))
    assert right != input_commitment(b"\x02" * 32, **GIVEN)


def test_the_commitment_to_an_output_outlives_its_storage_and_no_other_change() -> None:
    body = assessment()
    right = output_commitment(SALT, body)
    stored = with_identity(body, logical_id="r1", version=1, written=1_800_000_000_000)
    assert output_commitment(SALT, stored) == right
    assert output_commitment(SALT, assessment(0.3001)) != right
    assert output_commitment(b"\x02" * 32, body) != right
    other = msgspec.json.encode(msgspec.json.decode(body) | {"status": "amended"})
    assert output_commitment(SALT, other) != right


def test_a_failure_looks_like_an_output() -> None:
    failed = failure_commitment(SALT, query="4a" * 32, answer="5b" * 32)
    assert len(failed) == 64
    assert failed != failure_commitment(SALT, query="4a" * 32, answer="5c" * 32)
