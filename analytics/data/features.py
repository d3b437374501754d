"""Declarations of features: the codes, the unit, the rule that picks one number, and the plausible range.

Rules, as of a day:
- *latest*: the newest usable measurement on or before the day; several of the same moment are averaged, as
  for blood pressures measured in one sitting.
- *answer*: the newest usable coded answer, as a number.
- *age*: completed years; from a year of birth alone, the difference of the years.
- *sex*: the administrative gender, 1 for female and 0 for male.
- *present*: 1 if a matching condition is recorded and neither refuted nor entered in error, else 0. A
  condition that is not recorded counts as absent, as in the data that the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True)
class FeatureCode:
    """A code that means the feature.

    `unit` is the code's own unit where it differs from the feature's; `convert` then replaces the
    conversion by proportion. `molar_mass` (g/mol) lets mass and amount of substance convert.
    """

    system: str
    code: str
    molar_mass: float | None = None
    unit: str | None = None
    convert: Callable[[float], float] | None = None


class ExtractionRule(StrEnum):
    """The way in which one number is picked from many records."""

    LATEST = "latest"
    AGE = "age"
    SEX = "sex"
    ANSWER = "answer"
    PRESENT = "present"


@dataclass(frozen=True)
class Feature:
    """One declared feature; `low` and `high` are the plausible range in `unit`, ends included."""

    name: str
    title: str
    rule: ExtractionRule
    unit: str = "1"
    codes: tuple[FeatureCode, ...] = ()
    low: float = 0.0
    high: float = 1.0
    answers: Mapping[str, float] | None = None


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
