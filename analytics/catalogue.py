"""The declared features of the diabetes risk model: codes, units, plausible ranges.

Codes are LOINC's and SNOMED CT's; where laboratories report by amount of substance, the code for that is
listed with the molar mass. HbA1c and fasting glucose are declared but no part of the default model: they are
how diabetes is diagnosed, and a model that has them predicts its own definition.
"""

from __future__ import annotations

from collections.abc import Iterable

from analytics.errors import DataError
from analytics.features import LOINC, SNOMED, Catalogue, Code, Feature, Rule

CHOLESTEROL_G_PER_MOL = 386.65
GLUCOSE_G_PER_MOL = 180.156


def ngsp_percent(ifcc: float) -> float:
    """HbA1c in NGSP percent from IFCC mmol/mol, by the master equation of the two reference systems."""
    return 0.09148 * ifcc + 2.152


def _loinc(*codes: str, molar_mass: float | None = None) -> tuple[Code, ...]:
    return tuple(Code(LOINC, code, molar_mass) for code in codes)


SMOKING_ANSWERS = {
    # never
    "266919005": 0.0,
    "LA18978-9": 0.0,
    # former
    "8517006": 1.0,
    "LA15920-4": 1.0,
    # current
    "77176002": 2.0,
    "449868002": 2.0,
    "428041000124106": 2.0,
    "428061000124105": 2.0,
    "428071000124103": 2.0,
    "LA18976-3": 2.0,
    "LA18977-1": 2.0,
    "LA18979-7": 2.0,
    "LA18981-3": 2.0,
    "LA18982-1": 2.0,
}
"""LOINC's and SNOMED CT's answers to 72166-2: 0 never, 1 former, 2 current."""

OPTIONAL = ("hba1c", "fasting_glucose")
"""Features that define the outcome; left out unless a model was trained with them."""

DIABETES_ALL = Catalogue(
    name="diabetes",
    features=(
        Feature("age", "Age", Rule.AGE, "a", low=18, high=120),
        Feature("sex", "Sex (1 female, 0 male)", Rule.SEX),
        Feature("bmi", "Body mass index", Rule.LATEST, "kg/m2", _loinc("39156-5"), 10, 100),
        Feature(
            "waist",
            "Waist circumference",
            Rule.LATEST,
            "cm",
            _loinc("56114-2", "8280-0", "56115-9", "56086-2"),
            40,
            220,
        ),
        Feature("systolic", "Systolic pressure", Rule.LATEST, "mm[Hg]", _loinc("8480-6"), 60, 280),
        Feature("diastolic", "Diastolic pressure", Rule.LATEST, "mm[Hg]", _loinc("8462-4"), 20, 180),
        Feature("heart_rate", "Heart rate", Rule.LATEST, "/min", _loinc("8867-4"), 20, 250),
        Feature(
            "total_cholesterol",
            "Total cholesterol",
            Rule.LATEST,
            "mg/dL",
            _loinc("2093-3", "14647-2", molar_mass=CHOLESTEROL_G_PER_MOL),
            40,
            900,
        ),
        Feature(
            "hdl_cholesterol",
            "HDL cholesterol",
            Rule.LATEST,
            "mg/dL",
            _loinc("2085-9", "14646-4", molar_mass=CHOLESTEROL_G_PER_MOL),
            5,
            250,
        ),
        Feature(
            "smoking",
            "Smoking (0 never, 1 former, 2 current)",
            Rule.ANSWER,
            codes=_loinc("72166-2"),
            high=2,
            answers=SMOKING_ANSWERS,
        ),
        Feature(
            "myocardial_infarction",
            "Myocardial infarction, ever",
            Rule.PRESENT,
            codes=(Code(SNOMED, "22298006"), Code(SNOMED, "399211009")),
        ),
        Feature(
            "stroke",
            "Stroke, ever",
            Rule.PRESENT,
            codes=(Code(SNOMED, "230690007"), Code(SNOMED, "275526006")),
        ),
        Feature(
            "hba1c",
            "HbA1c",
            Rule.LATEST,
            "%",
            (
                *_loinc("4548-4", "17856-6"),
                Code(LOINC, "59261-8", unit="mmol/mol", convert=ngsp_percent),
            ),
            3,
            20,
        ),
        Feature(
            "fasting_glucose",
            "Fasting glucose",
            Rule.LATEST,
            "mg/dL",
            _loinc("1558-6", "14771-0", molar_mass=GLUCOSE_G_PER_MOL),
            20,
            900,
        ),
    ),
    required=("age",),
    at_least=3,
)
"""Everything declared for diabetes, the optional features included."""

DIABETES = DIABETES_ALL.without(*OPTIONAL)
"""The catalogue of the default model; its names are those of `datasets.nhanes`."""


def declaring(features: Iterable[str]) -> Catalogue:
    """The catalogue with just these features, by which a model that has them finds them in records.

    Raises:
        DataError: no catalogue declares them all, or what it requires is not among them.
    """
    names = set(features)
    if not set(DIABETES_ALL.required) <= names <= set(DIABETES_ALL.names):
        raise DataError("no catalogue declares how the model's features are found in records")
    return DIABETES_ALL.without(*(set(DIABETES_ALL.names) - names))
