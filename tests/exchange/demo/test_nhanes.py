from __future__ import annotations

import json
import os
from collections import Counter
from statistics import median
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from exchange.demo import variables
from exchange.demo.nhanes import Participant, participants
from exchange.fhir.r4 import check

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
PEOPLE = 8366

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def thousand() -> list[Participant]:
    return list(participants(1000))


@pytest.fixture(scope="module")
def resources(thousand: list[Participant]) -> list[dict[str, Any]]:
    return [resource for person in thousand for resource in (person.patient, *person.records)]


def quantities(resources: list[dict[str, Any]], code: str) -> list[dict[str, Any]]:
    """Return all quantities of one LOINC code, from observations and from their components."""
    parts = (part for r in resources for part in (r, *r.get("component", ())))
    return [
        part["valueQuantity"]
        for part in parts
        if "valueQuantity" in part and code in {c["code"] for c in part["code"]["coding"]}
    ]


def values(resources: list[dict[str, Any]], code: str) -> list[float]:
    return [q["value"] for q in quantities(resources, code) if "comparator" not in q]


def test_the_whole_survey_arrives_with_unique_ids() -> None:
    expected = PEOPLE if SCALE > 1 else 2000
    people = list(participants(None if SCALE > 1 else expected))
    ids = [resource["id"] for person in people for resource in (person.patient, *person.records)]
    assert len(people) == expected
    assert len({person.number for person in people}) == expected
    assert len(set(ids)) == len(ids) > 15 * expected


def test_a_limit_is_a_prefix_of_the_survey(thousand: list[Participant]) -> None:
    assert list(participants(7)) == thousand[:7]
    assert list(participants(0)) == []


def test_every_resource_is_valid_by_the_r4b_models(resources: list[dict[str, Any]]) -> None:
    step = max(1, round(20 / SCALE))
    kinds = Counter[str]()
    for resource in resources[::step]:
        get_fhir_model_class(resource["resourceType"]).model_validate_json(json.dumps(resource))
        kinds[resource["resourceType"]] += 1
    assert set(kinds) == {"Patient", "Observation", "Condition", "MedicationStatement"}


def test_every_resource_passes_the_gateways_own_check(resources: list[dict[str, Any]]) -> None:
    for resource in resources:
        body = json.dumps(resource).encode()
        assert check(body, expected=resource["resourceType"]).resource == resource


def test_records_belong_to_their_participant(thousand: list[Participant]) -> None:
    for person in thousand:
        own = {f"{r['resourceType']}/{r['id']}" for r in (person.patient, *person.records)}
        for record in person.records:
            assert record["subject"]["reference"] == f"Patient/{person.patient['id']}"
            others = (record.get("asserter"), record.get("informationSource"), *record.get("derivedFrom", ()))
            assert {other["reference"] for other in others if other} <= own


def test_a_patient_has_no_name_and_no_place(thousand: list[Participant]) -> None:
    for person in thousand:
        assert not person.patient.keys() & {"name", "telecom", "address", "photo", "contact"}
        assert person.patient["identifier"][0]["value"] == person.number
        assert person.patient["gender"] in {"female", "male"}
        assert 1937 <= int(person.patient["birthDate"]) <= 2017


def test_ids_are_the_same_on_every_machine(thousand: list[Participant]) -> None:
    first = thousand[0]
    assert first.number == "93703"
    assert first.patient["id"] == "be09d09a-94f7-5bb8-bca9-128c89210166"


def test_the_third_person_reads_as_the_survey_says(thousand: list[Participant]) -> None:
    """SEQN 93705 in the published files: a woman of 66, 158.3 cm, 79.5 kg, BMI 31.7, HbA1c 6.2 %."""
    person = thousand[2]
    assert (person.number, person.patient["gender"], person.patient["birthDate"]) == (
        "93705",
        "female",
        "1951",
    )
    records = list(person.records)
    assert values(records, "8302-2") == [158.3]
    assert values(records, "29463-7") == [79.5]
    assert values(records, "39156-5") == [31.7]
    assert values(records, "4548-4") == [6.2]
    assert values(records, "2093-3") == [157]
    assert values(records, "2085-9") == [60]


def test_medians_are_those_of_americans(thousand: list[Participant]) -> None:
    adults = [record for p in thousand if int(p.patient["birthDate"]) <= 1997 for record in p.records]
    everyone = [record for p in thousand for record in p.records]
    assert 27 < median(values(adults, "39156-5")) < 31
    assert 160 < median(values(adults, "8302-2")) < 172
    assert 70 < median(values(adults, "29463-7")) < 88
    assert 90 < median(values(adults, "56114-2")) < 105
    assert 115 < median(values(adults, "8480-6")) < 132
    assert 65 < median(values(adults, "8462-4")) < 80
    assert 170 < median(values(adults, "2093-3")) < 200
    assert 45 < median(values(adults, "2085-9")) < 60
    assert 5.3 < median(values(adults, "4548-4")) < 6.0
    assert 60 < median(values(everyone, "8867-4")) < 85
    assert 150 < median(values(everyone, "5722-4")) < 220


def test_every_quantity_has_a_ucum_unit_and_no_float_dirt(resources: list[dict[str, Any]]) -> None:
    measures = {m.concept.code: m for m in variables.MEASURES}
    for code, measure in measures.items():
        found = quantities(resources, code)
        assert found, code
        for quantity in found:
            assert quantity["system"] == "http://unitsofmeasure.org"
            assert quantity["code"] == measure.unit.ucum
            digits = repr(quantity["value"]).partition(".")[2]
            assert len(digits) <= measure.decimals, quantity
            assert quantity["value"] > 0, quantity


def test_values_below_detection_are_bounds_and_not_numbers(resources: list[dict[str, Any]]) -> None:
    for code, limit, filler in (("5671-3", 0.07, 0.05), ("5609-3", 0.1, 0.07), ("5685-3", 0.28, 0.2)):
        found = quantities(resources, code)
        assert all(q["value"] == limit and q["comparator"] == "<" for q in found if "comparator" in q)
        assert min(values(resources, code)) >= limit > filler
    assert any("comparator" in q for q in quantities(resources, "5609-3"))


def test_refusals_and_ends_of_scales_are_not_numbers() -> None:
    records = [record for person in participants(None if SCALE > 1 else 2500) for record in person.records]
    assert max(values(records, "64218-1")) <= 60
    assert {(q["comparator"], q["value"]) for q in quantities(records, "64218-1") if "comparator" in q} == {
        ("<=", 1)
    }
    ends = {(q["comparator"], q["value"]) for q in quantities(records, "93832-4") if "comparator" in q}
    assert ends == {("<", 3), (">=", 14)}
    ages = [r["onsetAge"] for r in records if "onsetAge" in r]
    assert ages
    assert all(0 < a["value"] < 80 and a["comparator"] in {"<", "<="} and a["code"] == "a" for a in ages)


def test_a_diastolic_pressure_of_zero_is_said_to_be_absent() -> None:
    panels = [
        record
        for person in participants(2000)
        for record in person.records
        if "component" in record and record["code"]["coding"][0]["code"] == "85354-9"
    ]
    absent = [c for p in panels for c in p["component"] if "valueQuantity" not in c]
    assert absent
    assert {c["dataAbsentReason"]["coding"][0]["code"] for c in absent} == {"not-applicable"}
    assert all(len(p["component"]) == 2 for p in panels)
    assert min(values(panels, "8462-4")) > 0


def test_phq9_totals_are_the_sums_of_their_answers(thousand: list[Participant]) -> None:
    points = {concept.code: score for score, concept in enumerate(variables.PHQ9_ANSWERS)}
    totals = 0
    for person in thousand:
        by_code = {
            r["code"]["coding"][0]["code"]: r for r in person.records if r["resourceType"] == "Observation"
        }
        if total := by_code.get("44261-6"):
            items = by_code["44249-1"]["component"]
            assert len(items) == 9
            answers = [points[item["valueCodeableConcept"]["coding"][0]["code"]] for item in items]
            assert total["valueQuantity"]["value"] == sum(answers)
            totals += 1
    assert totals > 400


def test_only_diagnoses_that_a_doctor_told_become_conditions(thousand: list[Participant]) -> None:
    told = {t.concept.code: t for t in variables.TOLD}
    conditions = [r for p in thousand for r in p.records if r["resourceType"] == "Condition"]
    for condition in conditions:
        rule = told[condition["code"]["coding"][0]["code"]]
        assert ("clinicalStatus" in condition) == rule.active
        assert condition["category"][0]["coding"][0]["code"] == "health-concern"
        assert "verificationStatus" not in condition
    share = sum(c["code"]["coding"][0]["code"] == "73211009" for c in conditions) / len(thousand)
    assert 0.06 < share < 0.16


def test_children_assert_nothing_themselves(thousand: list[Participant]) -> None:
    for person in thousand:
        child = int(person.patient["birthDate"]) > 2017 - 16
        for record in person.records:
            if record["resourceType"] == "Condition":
                assert ("asserter" in record) == (not child)


def test_no_sensitivity_is_invented(resources: list[dict[str, Any]]) -> None:
    assert not any("meta" in resource for resource in resources)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("exchange.demo.nhanes.resources.files", refuse)
    with pytest.raises(ModuleNotFoundError, match="nhanes"):
        next(participants())
