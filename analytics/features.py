"""From a patient's FHIR resources to the vector a model scores, with an account of every feature.

A catalogue declares each feature: the codes that mean it, the unit, the rule that picks one number from
many records, and the range outside which a number is taken for an error. What can't be used is missing,
never guessed, and the account says why. Nothing here asks who may see the records: the caller has asked.

Rules, as of a day:
- *latest*: the newest usable measurement on or before the day; several of the same moment are averaged, as
  for blood pressures taken in one sitting.
- *age*: completed years; from a year of birth alone, the difference of the years.
- *present*: 1 if a matching condition is recorded and neither refuted nor entered in error, else 0. That
  none is recorded is taken for absence, as in the data that the model was trained on.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from analytics.accounts import Account, Reason
from analytics.errors import NoUsableDataError
from analytics.units import UnitError, factor

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"

Resource = Mapping[str, Any]
Spelling = Callable[[str], str]
"""Gives a code system's identifier as a catalogue writes it: a URL, where a record may have an OID."""


@dataclass(frozen=True)
class Code:
    """A code that means the feature.

    `unit` is the code's own unit where it differs from the feature's; `convert` then replaces the
    conversion by proportion. `molar_mass` (g/mol) lets mass and amount of substance convert.
    """

    system: str
    code: str
    molar_mass: float | None = None
    unit: str | None = None
    convert: Callable[[float], float] | None = None


@dataclass(frozen=True)
class Usable:
    """One number found for a feature: where, when, and in the feature's unit."""

    value: float
    source: str
    when: date | None


class Rule(StrEnum):
    """How one number is picked."""

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
    rule: Rule
    unit: str = "1"
    codes: tuple[Code, ...] = ()
    low: float = 0.0
    high: float = 1.0
    answers: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Catalogue:
    """The features of a model. A score needs all of `required` and `at_least` measured features."""

    name: str
    features: tuple[Feature, ...]
    required: tuple[str, ...]
    at_least: int

    def without(self, *names: str) -> Catalogue:
        """The catalogue less some features."""
        kept = tuple(f for f in self.features if f.name not in names)
        return Catalogue(self.name, kept, self.required, self.at_least)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(f.name for f in self.features)


@dataclass(frozen=True)
class Extract:
    """The accounts of all features of a catalogue, in its order."""

    accounts: tuple[Account, ...]

    def vector(self, names: Sequence[str]) -> list[float]:
        """Values in the order a model wants them, NaN where missing.

        Raises:
            KeyError: the catalogue does not have such a feature.
        """
        by_name = {a.feature: a.value for a in self.accounts}
        return [by_name[name] for name in names]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the features without a value."""
        return tuple(a.feature for a in self.accounts if a.missing)

    @property
    def sources(self) -> tuple[str, ...]:
        """References of all records that gave a value, each once."""
        return tuple(dict.fromkeys(s for a in self.accounts for s in a.sources))


def extract(
    catalogue: Catalogue,
    patient: Resource,
    records: Iterable[Resource],
    as_of: date,
    *,
    spelling: Spelling = str,
) -> Extract:
    """Compute every feature of a catalogue from a Patient and the patient's other resources.

    Resources are dictionaries in FHIR R4's JSON shape; other types than Observation and Condition are
    passed over. `spelling` is asked what code system a record means; without it, only what is written as
    the catalogue writes it (`http://loinc.org`) is known.

    Raises:
        NoUsableDataError: too little was found for a score; names the features that are missing.
    """
    found = list(records)
    observations = [r for r in found if r.get("resourceType") == "Observation" and _counts(r)]
    conditions = [r for r in found if r.get("resourceType") == "Condition" and _holds(r)]
    accounts = []
    for feature in catalogue.features:
        if feature.rule is Rule.AGE:
            accounts.append(_age(feature, patient, as_of))
        elif feature.rule is Rule.SEX:
            accounts.append(_sex(feature, patient))
        elif feature.rule is Rule.PRESENT:
            accounts.append(_present(feature, conditions, as_of, spelling))
        else:
            accounts.append(_latest(feature, observations, as_of, spelling))
    out = Extract(tuple(accounts))
    measured = {f.name for f in catalogue.features if f.rule in {Rule.LATEST, Rule.ANSWER}}
    usable = measured - set(out.missing)
    if set(catalogue.required) & set(out.missing) or len(usable) < catalogue.at_least:
        raise NoUsableDataError("too little is recorded for a score", accounts=out.accounts)
    return out


def _counts(observation: Resource) -> bool:
    return observation.get("status") in {"final", "amended", "corrected"}


def _holds(condition: Resource) -> bool:
    status = condition.get("verificationStatus", {})
    codes = {c.get("code") for c in status.get("coding", ())}
    return not codes & {"refuted", "entered-in-error"}


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '')}"


def _matching(concept: Resource, codes: tuple[Code, ...], spelling: Spelling) -> Code | None:
    given = {(_system(c, spelling), c.get("code")) for c in concept.get("coding", ())}
    return next((code for code in codes if (code.system, code.code) in given), None)


def _system(coded: Resource, spelling: Spelling) -> str | None:
    system = coded.get("system")
    return spelling(system) if isinstance(system, str) else None


def _account(
    feature: Feature,
    found: Sequence[Usable],
    passed_over: Mapping[Reason, int] | None = None,
) -> Account:
    over = dict(passed_over or {})
    if not found:
        reason = max(over, key=lambda r: over[r]) if over else Reason.NOT_RECORDED
        return Account(feature.name, math.nan, feature.unit, (), None, reason, over)
    value = math.fsum(f.value for f in found) / len(found)
    sources = tuple(dict.fromkeys(f.source for f in found))
    return Account(feature.name, value, feature.unit, sources, found[0].when, None, over)


def _age(feature: Feature, patient: Resource, as_of: date) -> Account:
    born = str(patient.get("birthDate", ""))
    parts = born.split("-")
    if not all(p.isdigit() for p in parts) or not 1 <= len(parts) <= 3:
        return _account(feature, ())
    numbers = [int(p) for p in parts]
    years = as_of.year - numbers[0]
    if tuple(numbers[1:]) > (as_of.month, as_of.day)[: len(numbers) - 1]:
        years -= 1
    if not feature.low <= years <= feature.high:
        return _account(feature, (), {Reason.IMPLAUSIBLE: 1})
    return _account(feature, [Usable(float(years), _reference(patient), None)])


def _sex(feature: Feature, patient: Resource) -> Account:
    value = {"female": 1.0, "male": 0.0}.get(str(patient.get("gender")))
    return _account(feature, () if value is None else [Usable(value, _reference(patient), None)])


def _present(feature: Feature, conditions: Sequence[Resource], as_of: date, spelling: Spelling) -> Account:
    known = [
        c
        for c in conditions
        if _matching(c.get("code", {}), feature.codes, spelling)
        and ((when := _date(c.get("recordedDate") or c.get("onsetDateTime"))) is None or when[0] <= as_of)
    ]
    if not known:
        return Account(feature.name, 0.0, feature.unit, (), None, None, {})
    return _account(feature, [Usable(1.0, _reference(c), None) for c in known])


def _latest(feature: Feature, observations: Sequence[Resource], as_of: date, spelling: Spelling) -> Account:
    found: list[tuple[datetime, Usable]] = []
    passed_over: dict[Reason, int] = {}
    for observation in observations:
        moment, day = _moment(observation)
        if day is not None and day > as_of:
            continue
        for part, code in _parts(observation, feature.codes, spelling):
            value = _value(feature, part, code, spelling)
            if isinstance(value, Reason):
                passed_over[value] = passed_over.get(value, 0) + 1
            else:
                found.append((moment, Usable(value, _reference(observation), day)))
    newest = max((moment for moment, _ in found), default=None)
    return _account(feature, [usable for moment, usable in found if moment == newest], passed_over)


def _parts(
    observation: Resource, codes: tuple[Code, ...], spelling: Spelling
) -> Iterator[tuple[Resource, Code]]:
    for part in (observation, *observation.get("component", ())):
        code = _matching(part.get("code", {}), codes, spelling)
        if code:
            yield part, code


def _value(feature: Feature, part: Resource, code: Code, spelling: Spelling) -> float | Reason:
    if feature.rule is Rule.ANSWER:
        return _answer(feature, part)
    quantity = part.get("valueQuantity")
    if not isinstance(quantity, Mapping) or not isinstance(quantity.get("value"), int | float):
        return Reason.NO_VALUE
    if quantity.get("comparator"):
        return Reason.INEXACT
    if quantity.get("system") is not None and _system(quantity, spelling) != UCUM:
        return Reason.UNIT
    source = quantity.get("code") or quantity.get("unit") or ""
    number = float(quantity["value"])
    try:
        if code.convert and code.unit:
            value = code.convert(number * factor(source, code.unit))
        else:
            value = number * factor(source, feature.unit, code.molar_mass)
    except UnitError:
        return Reason.UNIT
    return value if feature.low <= value <= feature.high else Reason.IMPLAUSIBLE


def _answer(feature: Feature, part: Resource) -> float | Reason:
    concept = part.get("valueCodeableConcept")
    if not isinstance(concept, Mapping):
        return Reason.NO_VALUE
    answers = feature.answers or {}
    known = [answers[c["code"]] for c in concept.get("coding", ()) if c.get("code") in answers]
    return known[0] if known else Reason.UNKNOWN_ANSWER


def _moment(observation: Resource) -> tuple[datetime, date | None]:
    """When an observation was made: a moment to compare by, and the first day it can have been.

    Without any date it is older than all others.
    """
    period = observation.get("effectivePeriod", {})
    instant = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    first = _date(instant or period.get("start") or period.get("end") or observation.get("issued"))
    text = instant or period.get("end") or period.get("start") or observation.get("issued")
    last = _date(text)
    if first is None or last is None:
        return datetime.min, None  # noqa: DTZ901 - only compared with other naive moments
    clock = str(text)[11:19] or "00:00:00"
    try:
        return datetime.fromisoformat(f"{last[1].isoformat()}T{clock}"), first[0]
    except ValueError:
        return datetime.combine(last[1], datetime.min.time()), first[0]


def _date(text: Any) -> tuple[date, date] | None:
    """First and last day of a FHIR date, which may be a year or a month."""
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
