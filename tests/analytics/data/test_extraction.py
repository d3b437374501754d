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
NOW = datetime(2024, 6, 1, 20, tzinfo=UTC)
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
    return extract_features(DIABETES_ALL, patient or PATIENT, [*enough(), *records], NOW)


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
        (measured("39156-5", 27, "kg/m2", "2025-01-01"), MissingReason.FUTURE),
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
    assert [one.reason for one in found.set_aside] == [MissingReason.IMPLAUSIBLE]


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
    assert [one.reason for one in found["diastolic"].set_aside] == [MissingReason.NO_VALUE]


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
        values = extract_features(DIABETES_ALL, PATIENT, records, NOW, **given).feature_values
        return {one.feature: one.value for one in values}

    assert math.isnan(found()["bmi"])
    assert found()["stroke"] == 0
    found_with_urls = found(canonical_system=lambda system: urls.get(system, system))
    assert (found_with_urls["bmi"], found_with_urls["stroke"], found_with_urls["systolic"]) == (31.0, 1, 130)


def test_too_little_data_is_no_score_and_names_what_is_missing() -> None:
    with pytest.raises(NoUsableDataError) as refusal:
        extract_features(DIABETES, PATIENT, enough()[:2], NOW)
    assert {"bmi", "heart_rate", "smoking"} <= set(refusal.value.missing)
    with pytest.raises(NoUsableDataError) as refusal:
        extract_features(DIABETES, {"resourceType": "Patient", "id": "p"}, enough(), NOW)
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
            found = extract_features(
                DIABETES, person.patient, person.records, datetime(2017, 12, 31, tzinfo=UTC)
            )
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


# -- codes ----------------------------------------------------------------------------------------


def condition(system: str, code: str, **more: Any) -> dict[str, Any]:
    coding = {"system": system, "code": code}
    return {"resourceType": "Condition", "id": f"c-{code}", "code": {"coding": [coding]}, **more}


@given(
    st.sampled_from(["I21", "I22", "I25.2"]),
    st.sampled_from(["", "0", "4", "9", "01", "A1", "A9", "B"]),
    st.sampled_from(["icd-10", "icd-10-cm", "icd-10-gm", "icd-10-nl"]),
    st.booleans(),
    st.booleans(),
)
def test_every_code_below_an_icd_category_counts(
    category: str, rest: str, edition: str, point: bool, lower: bool
) -> None:
    code = f"{category}.{rest}" if rest and "." not in category else category + rest
    code = code if point else code.replace(".", "")
    written = code.lower() if lower else code
    found = feature_value("myocardial_infarction", condition(f"http://hl7.org/fhir/sid/{edition}", written))
    assert found.value == 1
    assert found.sources == (f"Condition/c-{written}",)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "I20.0"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "I25.10"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "I2"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "G45.9"),
        ("http://hl7.org/fhir/sid/icd-10-pcs", "I21.4"),
        ("urn:local", "I21.4"),
        ("http://snomed.info/sct", "I21.4"),
        ("http://snomed.info/sct", "222980061"),
        ("http://hl7.org/fhir/sid/icd-9-cm", "411.1"),
    ],
)
def test_what_is_not_below_a_code_does_not_count(system: str, code: str) -> None:
    for name in ("myocardial_infarction", "stroke"):
        assert feature_value(name, condition(system, code)).value == 0


@pytest.mark.parametrize(
    "feature", [f for f in DIABETES.features if f.rule == "present"], ids=lambda f: f.name
)
def test_every_listed_diagnosis_counts_for_its_feature_alone(feature: Any) -> None:
    assert len({(code.system, code.code) for code in feature.codes}) == len(feature.codes) > 20
    for code in feature.codes:
        found = {one.feature: one.value for one in run(condition(code.system, code.code)).feature_values}
        assert found[feature.name] == 1
        assert found["stroke"] + found["myocardial_infarction"] == 1


@pytest.mark.parametrize(
    ("status", "value", "said"),
    [
        (None, 1, False),
        ("confirmed", 1, False),
        ("differential", 0, True),
        ("provisional", 0, True),
        ("unconfirmed", 0, True),
        ("refuted", 0, False),
        ("entered-in-error", 0, False),
    ],
)
def test_a_diagnosis_that_is_not_established_does_not_count_and_is_said(
    status: str | None, value: float, said: bool
) -> None:
    more = {} if status is None else {"verificationStatus": {"coding": [{"code": status}]}}
    found = feature_value("stroke", condition("http://snomed.info/sct", "230690007", **more))
    assert found.value == value
    assert [one.reason for one in found.set_aside] == [MissingReason.NOT_ESTABLISHED] * said


def test_a_verification_status_without_a_code_establishes_nothing() -> None:
    told = {"verificationStatus": {"text": "to be ruled out"}}
    assert feature_value("stroke", condition("http://snomed.info/sct", "230690007", **told)).value == 0


# -- what replaces what ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["corrected", "amended"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_corrected_value_replaces_the_final_one_of_its_moment(status: str, order: int) -> None:
    when = "2024-05-01T10:00:00Z"
    same = "2024-05-01T12:00:00+02:00"
    records = [
        measured("8480-6", 190, "mm[Hg]", when, id="wrong"),
        measured("8480-6", 130, "mm[Hg]", same, id="right", status=status),
    ]
    found = feature_value("systolic", *records[::order])
    assert (found.value, found.sources) == (130, ("Observation/right",))


def test_a_corrected_value_replaces_the_final_one_of_its_identifier() -> None:
    name = {"identifier": [{"system": "urn:lab", "value": "7"}]}
    found = feature_value(
        "systolic",
        measured("8480-6", 190, "mm[Hg]", "2024-05-02", id="wrong", **name),
        measured("8480-6", 130, "mm[Hg]", "2024-05-01", id="right", status="corrected", **name),
    )
    assert (found.value, found.sources) == (130, ("Observation/right",))


def test_a_value_that_was_taken_back_by_its_correction_is_not_used() -> None:
    taken_back = measured("8480-6", 0, "mm[Hg]", "2024-05-01", id="correction", status="corrected")
    taken_back |= {"valueQuantity": None, "dataAbsentReason": {"text": "wrong patient"}}
    found = feature_value("systolic", measured("8480-6", 190, "mm[Hg]", "2024-05-01"), taken_back)
    assert found.value == 130
    assert [one.source for one in found.set_aside] == ["Observation/correction"]


def test_what_is_not_final_is_set_aside_and_said_and_what_was_never_made_is_not() -> None:
    for status in ("registered", "preliminary", "unknown"):
        found = feature_value("bmi", measured("39156-5", 31, "kg/m2", status=status))
        assert found.reason is MissingReason.NOT_FINAL
    for status in ("cancelled", "entered-in-error"):
        assert feature_value("bmi", measured("39156-5", 31, "kg/m2", status=status)).set_aside == ()


# -- moments ---------------------------------------------------------------------------------------


@given(st.integers(-3 * 24 * 60, 3 * 24 * 60), st.integers(-12 * 60, 14 * 60))
def test_a_value_is_of_the_future_by_its_moment_and_not_by_its_date(minutes: int, offset: int) -> None:
    moment = NOW + timedelta(minutes=minutes)
    text = moment.astimezone(timezone(timedelta(minutes=offset))).isoformat()
    found = feature_value("systolic", measured("8480-6", 120, "mm[Hg]", text))
    assert found.value == (120 if moment <= NOW else 130)
    reasons = [one.reason for one in found.set_aside]
    assert reasons == [MissingReason.FUTURE] * (moment > NOW)


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        (TODAY, True),
        (TODAY + timedelta(days=1), True),  # it has begun at +14:00, where it is 10:00 by now
        (TODAY + timedelta(days=2), False),
    ],
)
def test_a_date_is_of_the_future_where_it_has_begun_nowhere(when: date, counts: bool) -> None:
    found = feature_value("systolic", measured("8480-6", 120, "mm[Hg]", when.isoformat()))
    assert found.value == (120 if counts else 130)


@pytest.mark.parametrize("when", ["2024", "2024-05", "2024-05-01"])
def test_a_rough_date_counts_from_its_beginning(when: str) -> None:
    newer = measured("8480-6", 150, "mm[Hg]", "2024-05-02")
    assert feature_value("systolic", measured("8480-6", 120, "mm[Hg]", when)).value == 120
    assert feature_value("systolic", measured("8480-6", 120, "mm[Hg]", when), newer).value == 150


@pytest.mark.parametrize("when", ["2024-05-01T23:59:60Z", "0001-01-01", "9999-12-31T23:59:59-12:00"])
def test_times_at_the_ends_of_clock_and_calendar_are_no_fault(when: str) -> None:
    assert feature_value("systolic", measured("8480-6", 120, "mm[Hg]", when)).value in {120, 130}


def test_an_age_is_that_on_the_day_where_the_hospital_is() -> None:
    for zone, age in ((UTC, 63), (timezone(timedelta(hours=10)), 64)):
        found = extract_features(DIABETES_ALL, PATIENT, enough(), NOW.astimezone(zone))
        assert found.vector(["age"]) == [age]


# -- units -----------------------------------------------------------------------------------------


def quantity(code: str, given: dict[str, Any]) -> dict[str, Any]:
    return {**measured(code, 0, "1", "2024-05-01"), "valueQuantity": given}


@pytest.mark.parametrize(
    ("feature", "code", "given", "expected"),
    [
        ("hba1c", "4548-4", {"value": 48, "code": "mmol/mol"}, 6.543),
        ("hba1c", "4548-4", {"value": 48, "code": "mmol/mol{Hb}"}, 6.543),
        ("hba1c", "17856-6", {"value": 48, "unit": "mmol/mol"}, 6.543),
        ("hba1c", "4548-4", {"value": 0.048, "code": "mol/mol"}, 6.543),
        ("hba1c", "59261-8", {"value": 6.5, "code": "%"}, 6.5),
        ("hba1c", "4548-4", {"value": 6.5, "unit": "%"}, 6.5),
        ("hba1c", "4548-4", {"value": 6.5, "unit": "% of total Hb", "code": "%"}, 6.5),
        ("hba1c", "4548-4", {"value": 6.5, "code": "%{HemoglobinA1c}"}, 6.5),
        ("heart_rate", "8867-4", {"value": 130, "unit": "bpm"}, 130),
        ("heart_rate", "8867-4", {"value": 130, "unit": "Beats  per minute"}, 130),
        ("heart_rate", "8867-4", {"value": 130, "unit": "beats/min", "code": "{beats}/min"}, 130),
        ("systolic", "8480-6", {"value": 118, "unit": "mm Hg"}, 118),
        ("systolic", "8480-6", {"value": 118, "unit": "mmHg", "code": "mm[Hg]"}, 118),
        ("waist", "8280-0", {"value": 40, "unit": "inches"}, 101.6),
        ("bmi", "39156-5", {"value": 27.5, "unit": "kg/m²"}, 27.5),
        ("total_cholesterol", "2093-3", {"value": 5.17, "unit": "mmol/l"}, 199.9),
    ],
)
def test_a_value_is_read_in_the_unit_that_is_written(
    feature: str, code: str, given: dict[str, Any], expected: float
) -> None:
    assert feature_value(feature, quantity(code, given)).value == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("code", ["4548-4", "17856-6", "59261-8"])
@pytest.mark.parametrize(
    "given",
    [
        {"value": 48},
        {"value": 48, "code": "%"},
        {"value": 48, "unit": "%"},
        {"value": 48, "unit": "mmol/mol", "code": "%"},
        {"value": 48, "unit": "%", "code": "mmol/mol"},
        {"value": 48, "unit": "mmol/L"},
        {"value": 48, "unit": "HbA1c"},
        {"value": 6.5, "unit": "mmol/mol", "code": "%"},
    ],
    ids=str,
)
def test_an_hba1c_that_may_be_in_another_unit_is_set_aside_and_never_guessed(
    code: str, given: dict[str, Any]
) -> None:
    found = feature_value("hba1c", quantity(code, given))
    assert found.missing
    assert found.reason in {MissingReason.UNIT, MissingReason.IMPLAUSIBLE}
    assert [one.source for one in found.set_aside] == [f"Observation/{code}-2024-05-01-0"]


@given(st.floats(15, 180), st.sampled_from(["4548-4", "17856-6", "59261-8"]))
def test_hba1c_in_amount_is_converted_by_the_master_equation(value: float, code: str) -> None:
    found = feature_value("hba1c", quantity(code, {"value": value, "code": "mmol/mol"}))
    assert found.value == pytest.approx(0.09148 * value + 2.152)


def test_a_newer_value_that_was_set_aside_is_said_and_an_older_one_is_not() -> None:
    older, newer = (measured("8867-4", 66, "furlongs", f"20{year}-01-02", id=str(year)) for year in (19, 24))
    found = feature_value("heart_rate", older, newer)
    assert found.value == 70
    assert [(one.source, one.reason) for one in found.set_aside] == [("Observation/24", MissingReason.UNIT)]


def test_an_answer_is_known_by_its_code_system_and_alone() -> None:
    def answered(*coding: dict[str, str]) -> FeatureValue:
        record = {**measured("72166-2", 0, "1"), "valueCodeableConcept": {"coding": list(coding)}}
        return feature_value("smoking", {k: v for k, v in record.items() if k != "valueQuantity"})

    never = {"system": "http://snomed.info/sct", "code": "266919005"}
    current = {"system": "http://loinc.org", "code": "LA18976-3"}
    assert answered(never).value == 0
    assert answered({**never, "system": "urn:local"}).reason is MissingReason.UNKNOWN_ANSWER
    assert answered(never, current).reason is MissingReason.UNKNOWN_ANSWER
