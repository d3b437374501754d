"""Explanations of an access from the node's own records: the strongest one counts.

An involvement explains while it lasts and for a while around it: results are read after a visit, and a chart
before it. A named person counts for more than a department, a department for more than an organisation.
Administrative work is explained by any visit, as long as no clinical record is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from exchange.review.model import Access, Explanation, Involved, Involvement, PatientFacts, StaffFacts

DAY: Final = 86_400_000
"""Milliseconds of a day."""
EXPLAINED: Final = 0.3
"""The strength from which an access counts as explained."""

_NAMED, _DEPARTMENT, _ORGANIZATION = 1.0, 0.9, 0.85
_ADMINISTRATION, _EPISODE, _QUESTION, _BEFORE = 0.75, 0.7, 0.45, 0.3
_EPISODE_LASTS = 30 * DAY
_QUESTION_LASTS = DAY // 32
_REMEMBERED = 3 * 365 * DAY
_ADMINISTRATIVE_PURPOSES = frozenset({"HPAYMT", "HOPERAT"})
_ADMINISTRATIVE_KINDS = frozenset(
    {
        *("Account", "Appointment", "Claim", "ClaimResponse", "Coverage", "CoverageEligibilityRequest"),
        *("CoverageEligibilityResponse", "Encounter", "ExplanationOfBenefit", "Invoice", "Patient"),
        *("PaymentNotice", "RelatedPerson", "Schedule", "Slot"),
    }
)


class _Window(NamedTuple):
    """The times around an involvement in which it explains: before, and after for people and departments."""

    before: int
    people: int
    units: int


_WINDOWS: Final = {
    Involved.ENCOUNTER: _Window(2 * DAY, 60 * DAY, 30 * DAY),
    Involved.APPOINTMENT: _Window(0, 60 * DAY, 30 * DAY),
    Involved.ORDER: _Window(0, 45 * DAY, 21 * DAY),
    Involved.REFERRAL: _Window(0, 60 * DAY, 30 * DAY),
    Involved.CARE_TEAM: _Window(0, 14 * DAY, 14 * DAY),
    Involved.CONSENT: _Window(0, 0, 0),
}
_ADMINISTRATION_AFTER = 120 * DAY


class Before(NamedTuple):
    """The accesses to the same patient before: the last of this user that records explained, if any.

    `named` is the last of somebody who is named in one of the patient's records.
    """

    explained: int | None
    named: int | None


def explain(
    access: Access, patient: PatientFacts, staff: StaffFacts | None, before: Before
) -> Explanation | None:
    """Return the strongest explanation of `access`; None where neither the records nor the log give one."""
    strength, kind, record, sentence = max(
        _explanations(access, patient, staff, before), default=(0.0, "", "", "")
    )
    if not strength:
        return None
    return Explanation(kind, strength, sentence.format(record=record), record)


def is_named(access: Access, patient: PatientFacts) -> bool:
    """Return whether a record of the patient names the user at the time."""
    return any(
        access.user in one.people and _holds(one, access.time, _WINDOWS[one.kind].people)
        for one in patient.involvements
    )


def is_in_care(access: Access, patient: PatientFacts) -> bool:
    """Return whether anybody had to do with the patient at the time, apart from consents."""
    return any(
        one.kind is not Involved.CONSENT and _holds(one, access.time, _WINDOWS[one.kind].units)
        for one in patient.involvements
    )


_Found = tuple[float, str, str, str]
"""Strength, kind, record and sentence; of equally strong ones the same wins, whatever their order."""


def _explanations(
    access: Access, patient: PatientFacts, staff: StaffFacts | None, before: Before
) -> Iterator[_Found]:
    at = access.time
    units = _units(staff, at)
    desk = access.purpose in _ADMINISTRATIVE_PURPOSES and _ADMINISTRATIVE_KINDS.issuperset(access.kinds)
    for one in patient.involvements:
        if one.start > at + _WINDOWS[one.kind].before:
            continue
        yield from _by_involvement(one, access, units, staff)
        if desk and access.kinds and _is_visit(one) and _holds(one, at, _ADMINISTRATION_AFTER):
            yield _ADMINISTRATION, "administration", one.record, "Administrative work on {record}."
    if before.explained is not None and at - before.explained <= _EPISODE_LASTS:
        yield _EPISODE, "episode", "", "The user's accesses shortly before were explained by records."
    if staff is not None and before.named is not None and at - before.named <= _QUESTION_LASTS:
        yield _QUESTION, "question", "", "A colleague who treats the patient opened the record just before."


def _by_involvement(
    one: Involvement, access: Access, units: frozenset[str], staff: StaffFacts | None
) -> Iterator[_Found]:
    window, at = _WINDOWS[one.kind], access.time
    if staff is not None and access.user in one.people:
        if _holds(one, at, window.people):
            yield _NAMED, one.kind.value, one.record, "The user is named in {record}."
        elif _ended_within(one, at, _REMEMBERED):
            yield _BEFORE, "treated before", one.record, "The user was named in {record}, some time ago."
    if units & one.units and _holds(one, at, window.units):
        yield _DEPARTMENT, one.kind.value, one.record, "The user's department takes part in {record}."
    elif _worked_there(staff, one) and _ended_within(one, at, _REMEMBERED):
        yield _BEFORE, "treated before", one.record, "The user's department had {record}, some time ago."
    if staff is None and access.organization in one.organizations and _holds(one, at, window.units):
        yield _ORGANIZATION, one.kind.value, one.record, "{record} names the user's organisation."


def _units(staff: StaffFacts | None, at: int) -> frozenset[str]:
    if staff is None:
        return frozenset()
    return frozenset(
        one.unit for one in staff.postings if one.start <= at and (one.end is None or at < one.end)
    )


def _worked_there(staff: StaffFacts | None, one: Involvement) -> bool:
    """Return whether the user was posted to a department of `one` while it lasted."""
    return staff is not None and any(
        posting.unit in one.units
        and (one.end is None or posting.start < one.end)
        and (posting.end is None or one.start < posting.end)
        for posting in staff.postings
    )


def _is_visit(one: Involvement) -> bool:
    return one.kind in {Involved.ENCOUNTER, Involved.APPOINTMENT}


def _holds(one: Involvement, at: int, after: int) -> bool:
    if one.start - _WINDOWS[one.kind].before > at:
        return False
    return one.end is None or at <= one.end + after


def _ended_within(one: Involvement, at: int, time: int) -> bool:
    return one.start <= at and (one.end is None or at <= one.end + time)
