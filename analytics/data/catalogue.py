"""The declared features of the diabetes risk model: codes, units, plausible ranges.

Codes are LOINC's, and for diagnoses those of `diagnoses`. Where laboratories also report by amount of
substance, that code is listed with the molar mass. HbA1c and fasting glucose are declared but no part of the
default model: diabetes is diagnosed by them, and a model that has them predicts its own definition.
"""

from __future__ import annotations

from collections.abc import Iterable

from analytics.data.diagnoses import MYOCARDIAL_INFARCTION, STROKE
from analytics.data.features import LOINC, ExtractionRule, Feature, FeatureCatalogue, FeatureCode
from analytics.errors import DataError

CHOLESTEROL_G_PER_MOL = 386.65
GLUCOSE_G_PER_MOL = 180.156


def ngsp_percent(ifcc: float) -> float:
    """Convert HbA1c from IFCC mmol/mol to NGSP percent, by the reference systems' master equation."""
    return 0.09148 * ifcc + 2.152


def _loinc(*codes: str, molar_mass: float | None = None) -> tuple[FeatureCode, ...]:
    return tuple(FeatureCode(LOINC, code, molar_mass) for code in codes)


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

DIABETES_ALL = FeatureCatalogue(
    name="diabetes",
    features=(
        Feature("age", "Age", ExtractionRule.AGE, "a", low=18, high=120),
        Feature("sex", "Sex (1 female, 0 male)", ExtractionRule.SEX),
        Feature("bmi", "Body mass index", ExtractionRule.LATEST, "kg/m2", _loinc("39156-5"), 10, 100),
        Feature(
            "waist",
            "Waist circumference",
            ExtractionRule.LATEST,
            "cm",
            _loinc("56114-2", "8280-0", "56115-9", "56086-2"),
            40,
            220,
        ),
        Feature("systolic", "Systolic pressure", ExtractionRule.LATEST, "mm[Hg]", _loinc("8480-6"), 60, 280),
        Feature(
            "diastolic", "Diastolic pressure", ExtractionRule.LATEST, "mm[Hg]", _loinc("8462-4"), 20, 180
        ),
        Feature("heart_rate", "Heart rate", ExtractionRule.LATEST, "/min", _loinc("8867-4"), 20, 250),
        Feature(
            "total_cholesterol",
            "Total cholesterol",
            ExtractionRule.LATEST,
            "mg/dL",
            _loinc("2093-3", "14647-2", molar_mass=CHOLESTEROL_G_PER_MOL),
            40,
            900,
        ),
        Feature(
            "hdl_cholesterol",
            "HDL cholesterol",
            ExtractionRule.LATEST,
            "mg/dL",
            _loinc("2085-9", "14646-4", molar_mass=CHOLESTEROL_G_PER_MOL),
            5,
            250,
        ),
        Feature(
            "smoking",
            "Smoking (0 never, 1 former, 2 current)",
            ExtractionRule.ANSWER,
            codes=_loinc("72166-2"),
            high=2,
            answers=SMOKING_ANSWERS,
        ),
        Feature(
            "myocardial_infarction",
            "Myocardial infarction, ever",
            ExtractionRule.PRESENT,
            codes=MYOCARDIAL_INFARCTION,
        ),
        Feature(
            "stroke",
            "Stroke, ever",
            ExtractionRule.PRESENT,
            codes=STROKE,
        ),
        Feature(
            "hba1c",
            "HbA1c",
            ExtractionRule.LATEST,
            "%",
            _loinc("4548-4", "17856-6", "59261-8"),
            3,
            20,
            by_amount=ngsp_percent,
        ),
        Feature(
            "fasting_glucose",
            "Fasting glucose",
            ExtractionRule.LATEST,
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


def catalogue_for(features: Iterable[str]) -> FeatureCatalogue:
    """Return the catalogue of just these features, by which a model's features are found in records.

    Raises:
        DataError: no catalogue declares them all, or a required feature is not among them.
    """
    names = set(features)
    if not set(DIABETES_ALL.required) <= names <= set(DIABETES_ALL.names):
        raise DataError("no catalogue declares how the model's features are found in records")
    return DIABETES_ALL.without(*(set(DIABETES_ALL.names) - names))
