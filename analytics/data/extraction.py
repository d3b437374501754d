"""From a patient's FHIR resources to the vector that a model scores, with the sources of every value.

A catalogue declares each feature (see `features`). A record that can't be used counts as missing and is
never guessed, and the result gives the reason. Consent is not checked here: the caller has read the records
on the patient's terms.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from analytics.data.feature_values import FeatureValue, MissingReason, NoUsableDataError
from analytics.data.features import UCUM, ExtractionRule, Feature, FeatureCatalogue, FeatureCode
from analytics.data.units import UnitError, conversion_factor

Resource = Mapping[str, Any]
CanonicalSystem = Callable[[str], str]
"""Returns a code system's identifier as the catalogue writes it: a URL, where a record may have an OID."""


@dataclass(frozen=True)
class Measurement:
    """One number found for a feature: its value in the feature's unit, its record, and its date."""

    value: float
    source: str
    when: date | None


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
    as_of: date,
    *,
    canonical_system: CanonicalSystem = str,
) -> ExtractedFeatures:
    """Compute every feature of a catalogue from a Patient and the patient's other resources.

    Resources are dictionaries in FHIR R4's JSON shape; other types than Observation and Condition are
    ignored. `canonical_system` gives the URL of a record's code system; without it, only systems written
    as in the catalogue (`http://loinc.org`) are recognised.

    Raises:
        NoUsableDataError: the records hold too little for a score; names the features that are missing.
    """
    given = list(records)
    observations = [r for r in given if r.get("resourceType") == "Observation" and _is_final(r)]
    conditions = [r for r in given if r.get("resourceType") == "Condition" and _is_not_refuted(r)]
    values = []
    for feature in catalogue.features:
        if feature.rule is ExtractionRule.AGE:
            values.append(_age(feature, patient, as_of))
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


def _is_final(observation: Resource) -> bool:
    return observation.get("status") in {"final", "amended", "corrected"}


def _is_not_refuted(condition: Resource) -> bool:
    status = condition.get("verificationStatus", {})
    codes = {c.get("code") for c in status.get("coding", ())}
    return not codes & {"refuted", "entered-in-error"}


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '')}"


def _matching_code(
    concept: Resource, codes: tuple[FeatureCode, ...], canonical_system: CanonicalSystem
) -> FeatureCode | None:
    given = {(_system(c, canonical_system), c.get("code")) for c in concept.get("coding", ())}
    return next((code for code in codes if (code.system, code.code) in given), None)


def _system(coded: Resource, canonical_system: CanonicalSystem) -> str | None:
    system = coded.get("system")
    return canonical_system(system) if isinstance(system, str) else None


def _feature_value(
    feature: Feature,
    found: Sequence[Measurement],
    unused: Mapping[MissingReason, int] | None = None,
) -> FeatureValue:
    counts = dict(unused or {})
    if not found:
        reason = max(counts, key=lambda r: counts[r]) if counts else MissingReason.NOT_RECORDED
        return FeatureValue(feature.name, math.nan, feature.unit, (), None, reason, counts)
    value = math.fsum(f.value for f in found) / len(found)
    sources = tuple(dict.fromkeys(f.source for f in found))
    return FeatureValue(feature.name, value, feature.unit, sources, found[0].when, None, counts)


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
        return _feature_value(feature, (), {MissingReason.IMPLAUSIBLE: 1})
    return _feature_value(feature, [Measurement(float(years), _reference(patient), None)])


def _sex(feature: Feature, patient: Resource) -> FeatureValue:
    value = {"female": 1.0, "male": 0.0}.get(str(patient.get("gender")))
    return _feature_value(feature, () if value is None else [Measurement(value, _reference(patient), None)])


def _present(
    feature: Feature, conditions: Sequence[Resource], as_of: date, canonical_system: CanonicalSystem
) -> FeatureValue:
    known = [
        c
        for c in conditions
        if _matching_code(c.get("code", {}), feature.codes, canonical_system)
        and (
            (when := _first_and_last_day(c.get("recordedDate") or c.get("onsetDateTime"))) is None
            or when[0] <= as_of
        )
    ]
    if not known:
        return FeatureValue(feature.name, 0.0, feature.unit, (), None, None, {})
    return _feature_value(feature, [Measurement(1.0, _reference(c), None) for c in known])


def _latest(
    feature: Feature, observations: Sequence[Resource], as_of: date, canonical_system: CanonicalSystem
) -> FeatureValue:
    found: list[tuple[datetime, Measurement]] = []
    unused: dict[MissingReason, int] = {}
    for observation in observations:
        moment, day = _moment(observation)
        if day is not None and day > as_of:
            continue
        for part, code in _matching_parts(observation, feature.codes, canonical_system):
            value = _number(feature, part, code, canonical_system)
            if isinstance(value, MissingReason):
                unused[value] = unused.get(value, 0) + 1
            else:
                found.append((moment, Measurement(value, _reference(observation), day)))
    newest = max((moment for moment, _ in found), default=None)
    return _feature_value(feature, [one for moment, one in found if moment == newest], unused)


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
        return _answer(feature, part)
    quantity = part.get("valueQuantity")
    if not isinstance(quantity, Mapping) or not isinstance(quantity.get("value"), int | float):
        return MissingReason.NO_VALUE
    if quantity.get("comparator"):
        return MissingReason.INEXACT
    if quantity.get("system") is not None and _system(quantity, canonical_system) != UCUM:
        return MissingReason.UNIT
    source = quantity.get("code") or quantity.get("unit") or ""
    number = float(quantity["value"])
    try:
        if code.convert and code.unit:
            value = code.convert(number * conversion_factor(source, code.unit))
        else:
            value = number * conversion_factor(source, feature.unit, code.molar_mass)
    except UnitError:
        return MissingReason.UNIT
    return value if feature.low <= value <= feature.high else MissingReason.IMPLAUSIBLE


def _answer(feature: Feature, part: Resource) -> float | MissingReason:
    concept = part.get("valueCodeableConcept")
    if not isinstance(concept, Mapping):
        return MissingReason.NO_VALUE
    answers = feature.answers or {}
    known = [answers[c["code"]] for c in concept.get("coding", ()) if c.get("code") in answers]
    return known[0] if known else MissingReason.UNKNOWN_ANSWER


def _moment(observation: Resource) -> tuple[datetime, date | None]:
    """Return the moment of an observation in UTC, to compare by, and the first day it can have been made.

    Both are those of the time with its offset; a date without a time is taken as it stands. Without any date
    an observation is older than all others.
    """
    period = observation.get("effectivePeriod", {})
    instant = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    first = _first_and_last_day(
        instant or period.get("start") or period.get("end") or observation.get("issued")
    )
    text = instant or period.get("end") or period.get("start") or observation.get("issued")
    last = _first_and_last_day(text)
    if first is None or last is None:
        return datetime.min, None  # noqa: DTZ901 - only compared with other naive moments
    start = _in_utc(instant or period.get("start") or period.get("end") or observation.get("issued"))
    day = first[0] if start is None else start.date()
    return _in_utc(text) or datetime.combine(last[1], datetime.min.time()), day


def _in_utc(text: Any) -> datetime | None:
    """Return a FHIR dateTime as a naive moment in UTC; None for a date without a time, or none at all."""
    if "T" not in str(text):
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:  # a leap second, or a text that is no time
        return None
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:  # on the first or the last day of the calendar
        return moment.replace(tzinfo=None)


def _first_and_last_day(text: Any) -> tuple[date, date] | None:
    """Return the first and last day of a FHIR date, which may be a year or a month."""
    parts = str(text or "")[:10].split("-")
    try:
        numbers = [int(p) for p in parts]
        if len(numbers) == 1:
            return date(numbers[0], 1, 1), date(numbers[0], 12, 31)
        if len(numbers) == 2:
            year, month = numbers
            return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
        year, month, number = numbers
        day = date(year, month, number)
        return day, day
    except (ValueError, TypeError, IndexError, calendar.IllegalMonthError):
        return None
