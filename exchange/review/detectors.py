"""Detectors: each looks at one access in its situation, and gives a reason for suspicion or none.

A detector reads facts, and the past of the user; it never reads a later access. Weights say how much a reason
counts for an access that nothing explains (`exchange.review.triage`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from exchange.review.explanations import DAY
from exchange.review.model import Access, PatientFacts, Signal, StaffFacts
from exchange.review.past import Past


@dataclass(frozen=True, slots=True)
class Situation:
    """An access with all that detectors look at.

    `known` says that the user or the user's departments had to do with the patient at some time, and
    `in_care` that anybody has now.
    """

    access: Access
    patient: PatientFacts
    staff: StaffFacts | None
    known: bool
    in_care: bool
    past: Past


Detector = Callable[[Situation], Signal | None]

HEADER: Final = frozenset({"Appointment", "Coverage", "Patient"})
"""The kinds that tell who a patient is, and nothing of the patient's health."""
_LONG_DEAD = 30 * DAY
_RARE = 0.01
_MANY_PATIENTS = 6
_MANY_DAYS = 3
_MANY_POINTS = 5.0


def only_header(access: Access) -> bool:
    """Return whether an access asked for nothing about the patient's health."""
    return bool(access.kinds) and HEADER.issuperset(access.kinds)


def is_self(one: Situation) -> bool:
    """Return whether the user is the patient."""
    return one.staff is not None and one.patient.colleague == one.access.user


def own_record(one: Situation) -> Signal | None:
    """Report users who open their own records."""
    return Signal("self", 0.95, "The user opened the user's own record.") if is_self(one) else None


def same_surname(one: Situation) -> Signal | None:
    """Report a patient with a surname of the user's."""
    if one.staff is None or is_self(one):
        return None
    if one.staff.persona.surnames.isdisjoint(one.patient.persona.surnames):
        return None
    return Signal("same surname", 0.6, "The patient has the user's surname.")


def same_address(one: Situation) -> Signal | None:
    """Report a patient who lives at an address of the user's."""
    if one.staff is None or is_self(one):
        return None
    if one.staff.persona.addresses.isdisjoint(one.patient.persona.addresses):
        return None
    return Signal("same address", 0.7, "The patient lives at the user's address.")


def co_worker(one: Situation) -> Signal | None:
    """Report a patient who is of the hospital's staff."""
    if one.staff is None or one.patient.colleague is None or is_self(one):
        return None
    return Signal("co-worker", 0.6, "The patient works at this hospital.")


def vip(one: Situation) -> Signal | None:
    """Report a patient whom many people know."""
    return Signal("VIP", 0.65, "The patient's record is marked as a VIP's.") if one.patient.is_vip else None


def deceased(one: Situation) -> Signal | None:
    """Report a patient who died some time before."""
    if one.patient.died is None or one.access.time < one.patient.died + _LONG_DEAD:
        return None
    return Signal("deceased", 0.65, "The patient died more than thirty days before.")


def other_department(one: Situation) -> Signal | None:
    """Report a patient who is in the care of others."""
    if not one.in_care or one.known:
        return None
    weight = 0.15 if only_header(one.access) else 0.35
    return Signal("department mismatch", weight, "The patient was in the care of other departments.")


def never_treated(one: Situation) -> Signal | None:
    """Report a patient of whom neither the user nor anybody had reason to see anything."""
    if one.in_care or one.known:
        return None
    weight = 0.25 if only_header(one.access) else 0.55
    return Signal("never treated", weight, "No record says that the user ever had to do with the patient.")


def after_hours(one: Situation) -> Signal | None:
    """Report an hour at which the user hardly ever works."""
    if one.past.usual is None or one.past.usual >= _RARE:
        return None
    return Signal("after hours", 0.4, "The user hardly ever opens records at this hour.")


def volume(one: Situation) -> Signal | None:
    """Report many unexplained patients in two days."""
    if one.past.patients < _MANY_PATIENTS:
        return None
    said = f"The user opened {one.past.patients} patients without explanation within two days."
    return Signal("volume", 0.8, said)


def repeat(one: Situation) -> Signal | None:
    """Report an unexplained patient to whom the user comes back."""
    if one.past.days < _MANY_DAYS:
        return None
    said = f"The user opened this patient without explanation on {one.past.days} days."
    return Signal("repeat", 0.7, said)


def serial(one: Situation) -> Signal | None:
    """Report unexplained accesses that add up over months, few as they may be at a time."""
    if one.past.points < _MANY_POINTS:
        return None
    return Signal("serial", 0.65, "The user's accesses without explanation add up over half a year.")


DETECTORS: Final[Sequence[Detector]] = (
    own_record,
    same_surname,
    same_address,
    co_worker,
    vip,
    deceased,
    other_department,
    never_treated,
    after_hours,
    volume,
    repeat,
    serial,
)
"""All detectors; their order has no meaning."""
