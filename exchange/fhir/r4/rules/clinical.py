"""Invariants of the clinical resources and of those who take part
(https://hl7.org/fhir/R4/resourcelist.html).
"""

from __future__ import annotations

from typing import Any

from exchange.fhir.r4.rules.invariant import Invariant, coded, count, has, is_number, is_text
from exchange.fhir.r4.rules.moments import not_after

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_UCUM = "http://unitsofmeasure.org"


def _allergy_is_error(it: Any) -> bool:
    return coded(it.verificationStatus, _TERMINOLOGY + "allergyintolerance-verification", "entered-in-error")


def _condition_is_error(it: Any) -> bool:
    return coded(it.verificationStatus, _TERMINOLOGY + "condition-ver-status", "entered-in-error")


def _key(coding: Any) -> tuple[object, ...]:
    return coding.system, coding.version, coding.code, coding.display, coding.userSelected


def _component_repeats_code(it: Any) -> bool:
    own = {_key(coding) for coding in it.code.coding or ()}
    return any(_key(coding) in own for part in it.component or () for coding in part.code.coding or ())


def _percentage(bound: Any) -> bool:
    return not has(bound) or (bound.code == "%" and bound.system == _UCUM)


def _not_home(parts: Any) -> bool:
    return all(part.use != "home" for part in parts or ())


RULES: dict[str, tuple[Invariant, ...]] = {
    "AllergyIntolerance": (
        Invariant(
            "ait-1",
            lambda it: _allergy_is_error(it) or has(it.clinicalStatus),
            "a clinicalStatus, unless it was entered in error",
        ),
        Invariant(
            "ait-2",
            lambda it: not _allergy_is_error(it) or not has(it.clinicalStatus),
            "no clinicalStatus when it was entered in error",
        ),
    ),
    "Composition.section": (
        Invariant(
            "cmp-1", lambda it: count(it.text, it.entry, it.section) > 0, "a text, entries or sections"
        ),
        Invariant(
            "cmp-2", lambda it: not has(it.emptyReason) or not has(it.entry), "an emptyReason only when empty"
        ),
    ),
    "Condition": (
        Invariant(
            "con-4",
            lambda it: (
                not has(it.abatement)
                or coded(
                    it.clinicalStatus,
                    _TERMINOLOGY + "condition-clinical",
                    "resolved",
                    "remission",
                    "inactive",
                )
            ),
            "a clinicalStatus of inactive, resolved or remission when it has abated",
        ),
        Invariant(
            "con-5",
            lambda it: not _condition_is_error(it) or not has(it.clinicalStatus),
            "no clinicalStatus when it was entered in error",
        ),
    ),
    "Condition.evidence": (
        Invariant("con-2", lambda it: count(it.code, it.detail) > 0, "a code or details"),
    ),
    "Condition.stage": (
        Invariant("con-1", lambda it: count(it.summary, it.assessment) > 0, "a summary or an assessment"),
    ),
    "FamilyMemberHistory": (
        Invariant("fhs-1", lambda it: count(it.age, it.born) < 2, "age[x] or born[x], not both"),
        Invariant(
            "fhs-2", lambda it: has(it.age) or not has(it.estimatedAge), "estimatedAge only with age[x]"
        ),
    ),
    "Goal.target": (
        Invariant("gol-1", lambda it: not has(it.detail) or has(it.measure), "a measure for the detail"),
    ),
    "Group": (
        Invariant(
            "grp-1", lambda it: not has(it.member) or it.actual is True, "members only in an actual group"
        ),
    ),
    "Immunization.education": (
        Invariant(
            "imm-1", lambda it: count(it.documentType, it.reference) > 0, "a documentType or a reference"
        ),
    ),
    "ImmunizationRecommendation.recommendation": (
        Invariant(
            "imr-1",
            lambda it: count(it.vaccineCode, it.targetDisease) > 0,
            "a vaccineCode or a targetDisease",
        ),
    ),
    "List": (
        Invariant(
            "lst-1", lambda it: not has(it.emptyReason) or not has(it.entry), "an emptyReason only when empty"
        ),
        Invariant(
            "lst-2",
            lambda it: it.mode == "changes" or not any(has(entry.deleted) for entry in it.entry or ()),
            "the deleted flag only in the mode changes",
        ),
        Invariant(
            "lst-3",
            lambda it: it.mode == "working" or not any(has(entry.date) for entry in it.entry or ()),
            "an entry's date only in the mode working",
        ),
    ),
    "MedicationAdministration.dosage": (
        Invariant("mad-1", lambda it: count(it.dose, it.rate) > 0, "a dose or a rate[x]"),
    ),
    "MedicationDispense": (
        Invariant(
            "mdd-1",
            lambda it: (
                not is_text(it.whenHandedOver)
                or not is_text(it.whenPrepared)
                or not_after(it.whenPrepared, it.whenHandedOver)
            ),
            "a whenHandedOver that is not before whenPrepared",
        ),
    ),
    "MolecularSequence": (
        Invariant("msq-3", lambda it: it.coordinateSystem in {0, 1}, "0 or 1", "coordinateSystem"),
    ),
    "MolecularSequence.referenceSeq": (
        Invariant(
            "msq-5",
            lambda it: count(it.chromosome, it.genomeBuild) != 1,
            "chromosome and genomeBuild together",
        ),
        Invariant(
            "msq-6",
            lambda it: (
                count(it.genomeBuild, it.referenceSeqId, it.referenceSeqPointer, it.referenceSeqString) == 1
            ),
            "exactly one of genomeBuild, referenceSeqId, referenceSeqPointer and referenceSeqString",
        ),
    ),
    "Observation": (
        Invariant(
            "obs-6",
            lambda it: not has(it.dataAbsentReason) or not has(it.value),
            "dataAbsentReason only without value[x]",
        ),
        Invariant(
            "obs-7",
            lambda it: not has(it.component) or not has(it.value) or not _component_repeats_code(it),
            "no value[x] beside a component of the same code",
        ),
    ),
    "Observation.referenceRange": (
        Invariant("obs-3", lambda it: count(it.low, it.high, it.text) > 0, "a low, a high or a text"),
    ),
    "Organization": (
        Invariant("org-1", lambda it: count(it.identifier, it.name) > 0, "a name or an identifier"),
        Invariant("org-2", lambda it: _not_home(it.address), "no address of use home", "address"),
        Invariant("org-3", lambda it: _not_home(it.telecom), "no telecom of use home", "telecom"),
    ),
    "Patient.contact": (
        Invariant(
            "pat-1",
            lambda it: count(it.name, it.telecom, it.address, it.organization) > 0,
            "the contact's details, or an organization",
        ),
    ),
    "RiskAssessment.prediction": (
        Invariant(
            "ras-1",
            lambda it: (
                not has(it.probabilityRange)
                or (_percentage(it.probabilityRange.low) and _percentage(it.probabilityRange.high))
            ),
            "low and high as percentages",
            "probability",
        ),
        Invariant(
            "ras-2",
            lambda it: not is_number(it.probabilityDecimal) or it.probabilityDecimal <= 100,
            "at most 100",
            "probability",
        ),
    ),
}
