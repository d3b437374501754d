"""From a patient's FHIR resources to the vector that a model scores, with the sources of every value.

A catalogue declares each feature (see `features`). A record that can't be used counts as missing and is
never guessed, and the result gives the reason. Consent is not checked here: the caller has read the records
on the patient's terms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from analytics.data.feature_values import FeatureValue, MissingReason, NoUsableDataError, SetAside
from analytics.data.features import (
    LOINC,
    SNOMED,
    UCUM,
    ExtractionRule,
    Feature,
    FeatureCatalogue,
    FeatureCode,
)
from analytics.data.record_times import OLDEST, first_time, is_future, moment_of
from analytics.data.units import UnitError, conversion_factor, is_amount, ucum_unit

Resource = Mapping[str, Any]
CanonicalSystem = Callable[[str], str]
"""Returns a code system's identifier as the catalogue writes it: a URL, where a record may have an OID."""

_REVISED: Final = frozenset({"amended", "corrected"})


@dataclass(frozen=True)
class Measurement:
    """One number found for a feature: its value in the feature's unit, its record, and its moment."""

    value: float
    source: str
    when: datetime | None


@dataclass(frozen=True)
class _Reading:
    """A part of an Observation that means the feature: its value, or the reason why it can't be used."""

    observation: Resource
    code: FeatureCode
    moment: datetime
    value: float | MissingReason

    @property
    def source(self) -> str:
        return _reference(self.observation)

    @property
    def revised(self) -> bool:
        return self.observation.get("status") in _REVISED


@dataclass(frozen=True)
class ExtractedFeatures:
    """The values of all features of a catalogue, in its order."""

    feature_values: tuple[FeatureValue, ...]

    def vector(self, names: Sequence[str]) -> list[float]:
        """Return the values in the order that a model expects, NaN where missing.

        Raises:
            KeyError: the catalogue does not have such a feature.
        """
        by_name = {found.feature: found.value for found in self.feature_values}
        return [by_name[name] for name in names]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of the features without a value."""
        return tuple(found.feature for found in self.feature_values if found.missing)

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the references of all records that gave a value, each once."""
        return tuple(dict.fromkeys(s for found in self.feature_values for s in found.sources))


def extract_features(
    catalogue: FeatureCatalogue,
    patient: Resource,
    records: Iterable[Resource],
    as_of: datetime,
    *,
    canonical_system: CanonicalSystem = str,
) -> ExtractedFeatures:
    """Compute every feature of a catalogue from a Patient and the patient's other resources.

    `as_of` has a zone: an age is that on the day there. Resources are dictionaries in FHIR R4's JSON shape;
    other types than Observation and Condition are ignored. `canonical_system` gives the URL of a record's
    code system; without it, only systems written as in the catalogue (`http://loinc.org`) are recognised.

    Raises:
        NoUsableDataError: the records hold too little for a score; names the features that are missing.
    """
    given = list(records)
    observations = [r for r in given if r.get("resourceType") == "Observation" and _is_made(r)]
    conditions = [r for r in given if r.get("resourceType") == "Condition"]
    values = []
    for feature in catalogue.features:
        if feature.rule is ExtractionRule.AGE:
            values.append(_age(feature, patient, as_of.date()))
        elif feature.rule is ExtractionRule.SEX:
            values.append(_sex(feature, patient))
        elif feature.rule is ExtractionRule.PRESENT:
            values.append(_present(feature, conditions, as_of, canonical_system))
        else:
            values.append(_latest(feature, observations, as_of, canonical_system))
    out = ExtractedFeatures(tuple(values))
    measured = {
        f.name for f in catalogue.features if f.rule in {ExtractionRule.LATEST, ExtractionRule.ANSWER}
    }
    usable = measured - set(out.missing)
    if set(catalogue.required) & set(out.missing) or len(usable) < catalogue.at_least:
        raise NoUsableDataError("too little is recorded for a score", feature_values=out.feature_values)
    return out


def _is_made(observation: Resource) -> bool:
    return observation.get("status") not in {"cancelled", "entered-in-error"}


def _verification(condition: Resource) -> str:
    """Return the verification status: `confirmed` where there is none, empty where it is no code."""
    status = condition.get("verificationStatus")
    if not status:
        return "confirmed"
    codes = {str(c.get("code", "")) for c in status.get("coding", ())}
    return next(iter(codes)) if len(codes) == 1 else ""


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '')}"


def _matching_code(
    concept: Resource, codes: tuple[FeatureCode, ...], canonical_system: CanonicalSystem
) -> FeatureCode | None:
    given = [(_system(c, canonical_system), str(c.get("code", ""))) for c in concept.get("coding", ())]
    return next((code for code in codes if any(code.matches(*one) for one in given)), None)


def _system(coded: Resource, canonical_system: CanonicalSystem) -> str | None:
    system = coded.get("system")
    return canonical_system(system) if isinstance(system, str) else None


def _feature_value(
    feature: Feature, found: Sequence[Measurement], set_aside: Sequence[SetAside] = ()
) -> FeatureValue:
    aside = tuple(dict.fromkeys(set_aside))
    if not found:
        reasons = Counter(one.reason for one in aside).most_common(1)
        reason = reasons[0][0] if reasons else MissingReason.NOT_RECORDED
        return FeatureValue(feature.name, math.nan, feature.unit, (), None, reason, aside)
    value = math.fsum(f.value for f in found) / len(found)
    sources = tuple(dict.fromkeys(f.source for f in found))
    return FeatureValue(feature.name, value, feature.unit, sources, found[0].when, None, aside)


def _age(feature: Feature, patient: Resource, as_of: date) -> FeatureValue:
    born = str(patient.get("birthDate", ""))
    parts = born.split("-")
    if not all(p.isdigit() for p in parts) or not 1 <= len(parts) <= 3:
        return _feature_value(feature, ())
    numbers = [int(p) for p in parts]
    years = as_of.year - numbers[0]
    if tuple(numbers[1:]) > (as_of.month, as_of.day)[: len(numbers) - 1]:
        years -= 1
    if not feature.low <= years <= feature.high:
        return _feature_value(feature, (), [SetAside(_reference(patient), MissingReason.IMPLAUSIBLE)])
    return _feature_value(feature, [Measurement(float(years), _reference(patient), None)])


def _sex(feature: Feature, patient: Resource) -> FeatureValue:
    value = {"female": 1.0, "male": 0.0}.get(str(patient.get("gender")))
    return _feature_value(feature, () if value is None else [Measurement(value, _reference(patient), None)])


def _present(
    feature: Feature, conditions: Sequence[Resource], as_of: datetime, canonical_system: CanonicalSystem
) -> FeatureValue:
    known, aside = [], []
    for condition in conditions:
        if not _matching_code(condition.get("code", {}), feature.codes, canonical_system):
            continue
        reference, status = _reference(condition), _verification(condition)
        if status in {"refuted", "entered-in-error"}:
            continue
        if status != "confirmed":
            aside.append(SetAside(reference, MissingReason.NOT_ESTABLISHED))
        elif is_future(condition.get("recordedDate") or condition.get("onsetDateTime"), as_of):
            aside.append(SetAside(reference, MissingReason.FUTURE))
        else:
            known.append(Measurement(1.0, reference, None))
    if not known:
        return FeatureValue(feature.name, 0.0, feature.unit, (), None, None, tuple(aside))
    return _feature_value(feature, known, aside)


def _latest(
    feature: Feature, observations: Sequence[Resource], as_of: datetime, canonical_system: CanonicalSystem
) -> FeatureValue:
    readings = [
        _Reading(observation, code, moment_of(observation), value)
        for observation in observations
        for part, code in _matching_parts(observation, feature.codes, canonical_system)
        for value in (_usable(observation, as_of) or _number(feature, part, code, canonical_system),)
    ]
    current = _current(readings)
    usable = [(one, one.value) for one in current if not isinstance(one.value, MissingReason)]
    newest = max((one.moment for one, _ in usable), default=OLDEST)
    aside = [
        SetAside(one.source, one.value)
        for one in current
        if isinstance(one.value, MissingReason) and one.moment >= newest
    ]
    found = [Measurement(value, one.source, one.moment) for one, value in usable if one.moment == newest]
    return _feature_value(feature, found, aside)


def _usable(observation: Resource, as_of: datetime) -> MissingReason | None:
    if observation.get("status") not in {"final", *_REVISED}:
        return MissingReason.NOT_FINAL
    return MissingReason.FUTURE if is_future(first_time(observation), as_of) else None


def _current(readings: Sequence[_Reading]) -> list[_Reading]:
    """Leave out what an amended or corrected reading replaces: the same moment, or the same identifier."""
    moments = {(one.code, one.moment) for one in readings if one.revised}
    names = {name for one in readings if one.revised for name in _identifiers(one.observation)}
    return [
        one
        for one in readings
        if one.revised
        or not ((one.code, one.moment) in moments or names.intersection(_identifiers(one.observation)))
    ]


def _identifiers(observation: Resource) -> set[tuple[str, str]]:
    return {
        (str(one.get("system", "")), str(one["value"]))
        for one in observation.get("identifier", ())
        if one.get("value")
    }


def _matching_parts(
    observation: Resource, codes: tuple[FeatureCode, ...], canonical_system: CanonicalSystem
) -> Iterator[tuple[Resource, FeatureCode]]:
    """Yield the observation, and those of its components, that have one of the codes."""
    for part in (observation, *observation.get("component", ())):
        code = _matching_code(part.get("code", {}), codes, canonical_system)
        if code:
            yield part, code


def _number(
    feature: Feature, part: Resource, code: FeatureCode, canonical_system: CanonicalSystem
) -> float | MissingReason:
    if feature.rule is ExtractionRule.ANSWER:
        return _answer(feature, part, canonical_system)
    quantity = part.get("valueQuantity")
    if not isinstance(quantity, Mapping) or not isinstance(quantity.get("value"), int | float):
        return MissingReason.NO_VALUE
    if quantity.get("comparator"):
        return MissingReason.INEXACT
    system = quantity.get("system")
    by_ucum = system is None or _system(quantity, canonical_system) == UCUM
    number = float(quantity["value"])
    try:
        unit = ucum_unit(str(quantity.get("code") or "") if by_ucum else "", str(quantity.get("unit") or ""))
        if feature.by_amount is not None and is_amount(unit):
            value = feature.by_amount(number * conversion_factor(unit, "mmol/mol"))
        else:
            value = number * conversion_factor(unit, feature.unit, code.molar_mass)
    except UnitError:
        return MissingReason.UNIT
    return value if feature.low <= value <= feature.high else MissingReason.IMPLAUSIBLE


def _answer(feature: Feature, part: Resource, canonical_system: CanonicalSystem) -> float | MissingReason:
    concept = part.get("valueCodeableConcept")
    if not isinstance(concept, Mapping):
        return MissingReason.NO_VALUE
    answers = feature.answers or {}
    known = {
        answers[c["code"]]
        for c in concept.get("coding", ())
        if c.get("code") in answers and _system(c, canonical_system) in {LOINC, SNOMED}
    }
    return known.pop() if len(known) == 1 else MissingReason.UNKNOWN_ANSWER
