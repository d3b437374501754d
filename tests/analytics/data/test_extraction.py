from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.data import datasets, units
from analytics.data.catalogue import DIABETES, DIABETES_ALL
from analytics.data.extraction import ExtractedFeatures, extract_features
from analytics.data.feature_values import FeatureValue, MissingReason, NoUsableDataError

TODAY = date(2024, 6, 1)
PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1960-06-02", "gender": "female"}


def measured(code: str, value: float, unit: str, when: str = "2024-01-01", **more: Any) -> dict[str, Any]:
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return {
        "resourceType": "Observation",
        "id": f"{code}-{when}-{value}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": when,
        "valueQuantity": quantity,
        **more,
    }


def enough() -> list[dict[str, Any]]:
    return [
        measured("8480-6", 130, "mm[Hg]", "2020-01-01"),
        measured("8462-4", 80, "mm[Hg]", "2020-01-01"),
        measured("8867-4", 70, "/min", "2020-01-01"),
    ]


def run(*records: dict[str, Any], patient: dict[str, Any] | None = None) -> ExtractedFeatures:
    return extract_features(DIABETES_ALL, patient or PATIENT, [*enough(), *records], TODAY)


def feature_value(name: str, *records: dict[str, Any]) -> FeatureValue:
    return next(a for a in run(*records).feature_values if a.feature == name)


@pytest.mark.parametrize(
    ("born", "age"),
    [("1960-06-02", 63), ("1960-06-01", 64), ("1960-06", 64), ("1960-07", 63), ("1960", 64)],
)
def test_age_is_in_completed_years_as_far_as_the_birth_date_tells(born: str, age: int) -> None:
    assert run(patient={**PATIENT, "birthDate": born}).vector(["age"]) == [age]


@pytest.mark.parametrize(
    ("feature", "code", "value", "unit", "expected"),
    [
        ("total_cholesterol", "2093-3", 200, "mg/dL", 200),
        ("total_cholesterol", "14647-2", 5.17, "mmol/L", 199.9),
        ("hdl_cholesterol", "14646-4", 1.3, "mmol/L", 50.26),
        ("total_cholesterol", "2093-3", 2, "g/L", 200),
        ("fasting_glucose", "14771-0", 5.5, "mmol/L", 99.09),
        ("hba1c", "59261-8", 48, "mmol/mol", 6.543),
        ("hba1c", "4548-4", 6.5, "%", 6.5),
        ("waist", "8280-0", 40, "[in_i]", 101.6),
        ("systolic", "8480-6", 16, "kPa", 120.01),
        ("bmi", "39156-5", 27.5, "kg/m2", 27.5),
    ],
)
def test_units_convert_to_the_features_own(
    feature: str, code: str, value: float, unit: str, expected: float
) -> None:
    assert feature_value(feature, measured(code, value, unit)).value == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (measured("39156-5", 27, "mg/dL"), MissingReason.UNIT),
        (measured("39156-5", 27, "furlongs"), MissingReason.UNIT),
        (measured("39156-5", 0.3, "kg/m2"), MissingReason.IMPLAUSIBLE),
        (measured("39156-5", 3000, "kg/m2"), MissingReason.IMPLAUSIBLE),
        (
            measured("39156-5", 27, "kg/m2") | {"valueQuantity": {"value": 27, "comparator": ">"}},
            MissingReason.INEXACT,
        ),
        ({**measured("39156-5", 27, "kg/m2"), "valueQuantity": None}, MissingReason.NO_VALUE),
        (measured("39156-5", 27, "kg/m2", status="entered-in-error"), MissingReason.NOT_RECORDED),
        (measured("39156-5", 27, "kg/m2", "2025-01-01"), MissingReason.NOT_RECORDED),
    ],
)
def test_what_can_not_be_used_is_missing_with_the_reason(
    record: dict[str, Any], reason: MissingReason
) -> None:
    found = feature_value("bmi", record)
    assert found.missing
    assert found.reason is reason
    assert found.sources == ()


def test_the_latest_usable_value_counts_and_readings_of_one_moment_are_averaged() -> None:
    found = feature_value(
        "systolic",
        measured("8480-6", 150, "mm[Hg]", "2023-05-01"),
        measured("8480-6", 140, "mm[Hg]", "2024-05-01T10:00:00Z"),
        measured("8480-6", 130, "mm[Hg]", "2024-05-01T10:00:00Z", id="second"),
        measured("8480-6", 900, "mm[Hg]", "2024-05-30"),
    )
    assert found.value == 135
    assert len(found.sources) == 2
    assert found.unused == {MissingReason.IMPLAUSIBLE: 1}


def test_components_of_a_panel_are_read() -> None:
    panel = measured("85354-9", 0, "1", "2024-05-01")
    del panel["valueQuantity"]
    panel["component"] = [
        {k: v for k, v in measured("8480-6", 118, "mm[Hg]").items() if k in {"code", "valueQuantity"}},
        {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}, "dataAbsentReason": {}},
    ]
    found = {a.feature: a for a in run(panel).feature_values}
    assert found["systolic"].value == 118
    assert found["diastolic"].value == 80
    assert found["diastolic"].unused == {MissingReason.NO_VALUE: 1}


def test_history_is_present_unless_refuted() -> None:
    condition: dict[str, Any] = {
        "resourceType": "Condition",
        "id": "c",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "230690007"}]},
    }
    refuted = {"coding": [{"code": "refuted"}]}
    assert feature_value("stroke", condition).value == 1
    assert feature_value("stroke", condition).sources == ("Condition/c",)
    assert feature_value("stroke", {**condition, "verificationStatus": refuted}).value == 0
    assert feature_value("myocardial_infarction", condition).value == 0


def test_code_systems_are_known_by_other_names_where_canonical_ones_are_given() -> None:
    names = {"http://loinc.org": "urn:x:1", "http://snomed.info/sct": "urn:x:2"}
    names["http://unitsofmeasure.org"] = "urn:x:3"
    bmi = measured("39156-5", 31.0, "kg/m2")
    bmi["code"]["coding"][0]["system"] = names["http://loinc.org"]
    bmi["valueQuantity"]["system"] = names["http://unitsofmeasure.org"]
    stroke = {
        "resourceType": "Condition",
        "id": "c",
        "code": {"coding": [{"system": names["http://snomed.info/sct"], "code": "230690007"}, {"code": "1"}]},
    }
    urls = {name: url for url, name in names.items()}

    def found(**given: Any) -> dict[str, float]:
        records = [*enough(), bmi, stroke]
        values = extract_features(DIABETES_ALL, PATIENT, records, TODAY, **given).feature_values
        return {one.feature: one.value for one in values}

    assert math.isnan(found()["bmi"])
    assert found()["stroke"] == 0
    found_with_urls = found(canonical_system=lambda system: urls.get(system, system))
    assert (found_with_urls["bmi"], found_with_urls["stroke"], found_with_urls["systolic"]) == (31.0, 1, 130)


def test_too_little_data_is_no_score_and_names_what_is_missing() -> None:
    with pytest.raises(NoUsableDataError) as refusal:
        extract_features(DIABETES, PATIENT, enough()[:2], TODAY)
    assert {"bmi", "heart_rate", "smoking"} <= set(refusal.value.missing)
    with pytest.raises(NoUsableDataError) as refusal:
        extract_features(DIABETES, {"resourceType": "Patient", "id": "p"}, enough(), TODAY)
    assert {"age", "sex"} <= set(refusal.value.missing)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )
)
def test_odd_values_of_a_quantity_are_missing_and_not_an_exception(value: Any) -> None:
    record = {**measured("39156-5", 27, "kg/m2"), "valueQuantity": value}
    if isinstance(value, dict):
        assert feature_value("bmi", record).missing


@pytest.mark.parametrize("unit", ["", "1", "mg", "mmol/L", "((", "a" * 300])
def test_units_that_do_not_fit_are_refused(unit: str) -> None:
    with pytest.raises(units.UnitError):
        units.conversion_factor(unit, "kg/m2")


def test_fhir_resources_of_the_survey_give_the_rows_the_model_was_trained_on() -> None:
    demo = pytest.importorskip("exchange.demo.nhanes", reason="the survey as FHIR is not in this tree")
    data = datasets.nhanes()
    frame = datasets._survey()
    chosen = (frame["AgeInYearsAtScreening"] >= 20) & frame["DoctorToldYouHaveDiabetes"].notna()
    people = list(demo.participants(300))
    row = -1
    compared = 0
    for person, kept in zip(people, chosen, strict=False):
        row += bool(kept)
        if not kept:
            continue
        try:
            found = extract_features(DIABETES, person.patient, person.records, date(2017, 12, 31))
        except NoUsableDataError:
            assert np.isnan(data.table[row]).sum() >= 5
            continue
        # A period of the survey ends in 2018, but it began before the day asked about.
        got, expected = found.vector(data.features), data.table[row]
        for name, a, b in zip(data.features, got, expected, strict=True):
            assert (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, abs=0.051), name
        compared += 1
    assert compared > 100


@given(
    st.lists(
        st.tuples(st.integers(0, 14 * 24 * 60), st.integers(-12 * 60, 14 * 60)),
        min_size=2,
        max_size=5,
        unique_by=lambda one: one[0],
    )
)
def test_the_newest_is_the_newest_moment_whatever_its_zone(times: list[tuple[int, int]]) -> None:
    start = datetime(2024, 5, 10, tzinfo=UTC)
    records = []
    for number, (minutes, offset) in enumerate(times):
        moment = start + timedelta(minutes=minutes)
        text = moment.astimezone(timezone(timedelta(minutes=offset))).isoformat()
        records.append(measured("8480-6", 100 + number, "mm[Hg]", text, id=f"o{number}"))
    newest = max(range(len(times)), key=lambda number: times[number][0])
    assert feature_value("systolic", *records).value == 100 + newest


def test_a_value_of_today_is_none_of_tomorrow_east_of_greenwich() -> None:
    east = measured("8480-6", 120, "mm[Hg]", f"{TODAY + timedelta(days=1)}T08:00:00+13:00")
    assert feature_value("systolic", east).value == 120
    west = measured("8480-6", 120, "mm[Hg]", f"{TODAY}T23:00:00-08:00")
    assert feature_value("systolic", west).value == 130
