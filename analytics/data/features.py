"""Declarations of features: the codes, the unit, the rule that picks one number, and the plausible range.

Rules, as of a moment:
- *latest*: the newest usable measurement that is not of the future; several of the same moment are averaged,
  as for blood pressures measured in one sitting.
- *answer*: the newest usable coded answer, as a number.
- *age*: completed years; from a year of birth alone, the difference of the years.
- *sex*: the administrative gender, 1 for female and 0 for male.
- *present*: 1 if a matching condition is recorded and established, else 0. A condition that is not recorded
  counts as absent, as in the data that the model was trained on.

An amended or corrected measurement replaces the final one of its code and moment, or of its identifier.
A condition is established unless its verification status is another than `confirmed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"

_EDITIONS = {
    f"{ICD10}-cm": ICD10,
    f"{ICD10}-ca": ICD10,
    f"{ICD10}-nl": ICD10,
    f"{ICD10}-uk": ICD10,
    "http://hl7.org/fhir/sid/icd-10-gm": ICD10,
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": ICD10,
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": ICD10,
}
"""National editions of a system whose categories mean the same in each."""


@dataclass(frozen=True)
class FeatureCode:
    """A code that means the feature, alone or with all codes `below` it in a classification.

    `molar_mass` (g/mol) lets mass and amount of substance convert.
    """

    system: str
    code: str
    molar_mass: float | None = None
    below: bool = False

    def matches(self, system: str | None, code: str) -> bool:
        """Return whether a coding means this code; the system as the catalogue writes it."""
        if not self.below:
            return (system, code) == (self.system, self.code)
        return _EDITIONS.get(system or "", system) == self.system and _plain(code).startswith(
            _plain(self.code)
        )


def _plain(code: str) -> str:
    return code.strip().upper().replace(".", "")


class ExtractionRule(StrEnum):
    """The way in which one number is picked from many records."""

    LATEST = "latest"
    AGE = "age"
    SEX = "sex"
    ANSWER = "answer"
    PRESENT = "present"


@dataclass(frozen=True)
class Feature:
    """One declared feature; `low` and `high` are the plausible range in `unit`, ends included.

    `by_amount` converts a value that is written in mmol/mol, where that is another scale than `unit` and no
    multiple of it.
    """

    name: str
    title: str
    rule: ExtractionRule
    unit: str = "1"
    codes: tuple[FeatureCode, ...] = ()
    low: float = 0.0
    high: float = 1.0
    answers: Mapping[str, float] | None = None
    by_amount: Callable[[float], float] | None = None


@dataclass(frozen=True)
class FeatureCatalogue:
    """The features of a model. A score needs all of `required` and `at_least` measured features."""

    name: str
    features: tuple[Feature, ...]
    required: tuple[str, ...]
    at_least: int

    def without(self, *names: str) -> FeatureCatalogue:
        """Return the catalogue less some features."""
        remaining = tuple(f for f in self.features if f.name not in names)
        return FeatureCatalogue(self.name, remaining, self.required, self.at_least)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the features' names, in order."""
        return tuple(f.name for f in self.features)
