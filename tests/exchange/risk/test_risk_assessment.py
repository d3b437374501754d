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
from exchange.crypto.pseudonyms import PatientSecret
from exchange.fhir import r4
from exchange.fhir.resource_bytes import with_identity
from exchange.risk.port import ModelFeature, UnusedRecord
from exchange.risk.risk_assessment import (
    Estimate,
    Evidence,
    assessed_inputs,
    failure_commitment,
    input_commitment,
    output_commitment,
    records_set_aside,
    risk_assessment,
    shown_estimate,
)
from exchange.services.records.prepare import is_assigned

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
    [prediction] = resource["prediction"]
    assert prediction["probabilityDecimal"] == pytest.approx(100 * probability, abs=0.005)
    assert prediction["whenPeriod"] == {
        "start": resource["occurrenceDateTime"],
        "end": resource["occurrenceDateTime"],
    }
    shown = shown_estimate(body, model=GIVEN["model"])
    assert shown is not None
    assert (shown.qualitative, shown.relative, shown.query) == ("moderate", 1.5, "4a" * 32)
    assert shown.probability == pytest.approx(probability, abs=5e-5)


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
        {"status": "amended"},
        {"status": "entered-in-error"},
        {"method": {"coding": [{"system": "urn:consentry:risk-model", "code": "0" * 64}]}},
        {"method": {"text": "by eye"}},
        {"prediction": []},
        {"prediction": [{"probabilityRange": {"low": {"value": 1}}}]},
        {"extension": []},
    ],
)
def test_an_assessment_that_was_changed_is_no_longer_the_models_word(changes: dict[str, Any]) -> None:
    changed = msgspec.json.encode(msgspec.json.decode(assessment()) | changes)
    assert shown_estimate(changed, model=GIVEN["model"]) is None


def test_what_was_set_aside_is_said_and_its_labels_and_codes_are_carried() -> None:
    aside = OBSERVATION | {"id": "2", "meta": {"security": [{"system": "urn:labels", "code": "PSY"}]}}
    body = assessment(considered={"Observation/2": aside}, remarks=["Set aside for Heart rate: 1 x."])
    resource = msgspec.json.decode(body)
    assert [one["reference"] for one in resource["basis"]] == ["Observation/1"]
    assert {one["code"] for one in resource["meta"]["security"]} == {"HIV", "PSY"}
    assert "Set aside for Heart rate: 1 x." in {one["text"] for one in resource["note"]}


def test_notes_count_what_was_set_aside_and_say_each_reason_once() -> None:
    unit, bound = UnusedRecord("Observation/1", "in another unit"), UnusedRecord("Observation/2", "a bound")
    seen = ModelFeature("hr", "Heart rate", 70.0, "/min", ("Observation/3",), "", (unit, unit, bound))
    gone = ModelFeature("bmi", "Body mass index", math.nan, "kg/m2", (), "a bound", (bound, unit))
    assert records_set_aside([seen, gone]) == [
        "Set aside for Heart rate: 2 in another unit.",
        "Set aside for Heart rate: 1 a bound.",
        "Set aside for Body mass index: 1 in another unit.",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"patient": "p2"},
        {"model": "0" * 64},
        {"features": {"age": 62.0, "bmi": math.nan}},
        {"records": {"Observation/1": 2}},
        {"notes": ["another"]},
    ],
)
def test_other_inputs_have_another_id_and_equal_ones_the_same(changes: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "patient": "p1",
        "model": GIVEN["model"],
        "features": GIVEN["features"],
        "records": {"Observation/1": 1, "Patient/p1": 3},
        "notes": [],
    }
    secret, other = PatientSecret(b"\x01" * 32), PatientSecret(b"\x02" * 32)
    right = secret.assessment_id(assessed_inputs(**given))
    again = given | {"records": {"Patient/p1": 3, "Observation/1": 1}}
    assert right == secret.assessment_id(assessed_inputs(**again))
    assert is_assigned(right)
    assert right != secret.assessment_id(assessed_inputs(**(given | changes)))
    assert right != other.assessment_id(assessed_inputs(**given))


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
    right = output_commitment(SALT, body, transaction="2e" * 32)
    stored = with_identity(body, logical_id="r1", version=1, written=1_800_000_000_000)
    assert output_commitment(SALT, stored, transaction="2e" * 32) == right
    assert output_commitment(SALT, assessment(0.3001), transaction="2e" * 32) != right
    assert output_commitment(b"\x02" * 32, body, transaction="2e" * 32) != right
    assert output_commitment(SALT, body, transaction="2f" * 32) != right, "given out again"
    other = msgspec.json.encode(msgspec.json.decode(body) | {"status": "amended"})
    assert output_commitment(SALT, other, transaction="2e" * 32) != right


def test_a_failure_looks_like_an_output() -> None:
    failed = failure_commitment(SALT, query="4a" * 32, answer="5b" * 32)
    assert len(failed) == 64
    assert failed != failure_commitment(SALT, query="4a" * 32, answer="5c" * 32)
