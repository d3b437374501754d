"""Invariants of requests, events, definitions that are filled in, billing, consent and audit."""

from __future__ import annotations

from typing import Any

from exchange.fhir.r4.rules.invariant import Invariant, count, distinct, has, is_text
from exchange.fhir.r4.rules.moments import not_after

_ANSWERED = {"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"}
_MEASURED = {"boolean", "decimal", "integer", "string", "text", "url", "open-choice"}


def _link_ids(items: Any) -> list[str]:
    listed = []
    for item in items or ():
        listed.append(item.linkId)
        listed.extend(_link_ids(item.item))
    return [link_id for link_id in listed if is_text(link_id)]


def _only_when(kinds: set[str], *parts: str) -> Any:
    return lambda it: it.type in kinds or not any(has(getattr(it, part)) for part in parts)


def _never_when(kinds: set[str], *parts: str) -> Any:
    return lambda it: it.type not in kinds or not any(has(getattr(it, part)) for part in parts)


RULES: dict[str, tuple[Invariant, ...]] = {
    "Appointment": (
        Invariant("app-2", lambda it: has(it.start) == has(it.end), "both start and end, or neither"),
        Invariant(
            "app-3",
            lambda it: (has(it.start) and has(it.end)) or it.status in {"proposed", "cancelled", "waitlist"},
            "a start and an end, unless proposed, cancelled or on the waiting list",
        ),
        Invariant(
            "app-4",
            lambda it: not has(it.cancelationReason) or it.status in {"noshow", "cancelled"},
            "a cancelationReason only when cancelled or not shown up for",
        ),
    ),
    "Appointment.participant": (
        Invariant("app-1", lambda it: count(it.type, it.actor) > 0, "a type or an actor"),
    ),
    "AppointmentResponse": (
        Invariant(
            "apr-1", lambda it: count(it.participantType, it.actor) > 0, "a participantType or an actor"
        ),
    ),
    "AuditEvent.entity": (
        Invariant("sev-1", lambda it: count(it.name, it.query) < 2, "a name or a query, not both"),
    ),
    "CarePlan.activity": (
        Invariant(
            "cpl-3", lambda it: count(it.detail, it.reference) < 2, "a reference or a detail, not both"
        ),
    ),
    "Consent": (
        Invariant("ppc-1", lambda it: count(it.policy, it.policyRule) > 0, "a policy or a policyRule"),
    ),
    "CoverageEligibilityResponse.insurance.item": (
        Invariant(
            "ces-1",
            lambda it: count(it.category, it.productOrService) == 1,
            "a category or a productOrService",
        ),
    ),
    "InsurancePlan": (
        Invariant("ipn-1", lambda it: count(it.identifier, it.name) > 0, "a name or an identifier"),
    ),
    "Linkage": (Invariant("lnk-1", lambda it: len(it.item) > 1, "at least two items", "item"),),
    "Measure.group.stratifier": (
        Invariant(
            "mea-1",
            lambda it: (count(it.code, it.description, it.criteria) > 0) != has(it.component),
            "a single criteria or components",
        ),
    ),
    "MeasureReport": (
        Invariant(
            "mrp-1",
            lambda it: it.type != "data-collection" or not has(it.group),
            "no groups in a report for data collection",
        ),
    ),
    "MeasureReport.group.stratifier.stratum": (
        Invariant("mrp-2", lambda it: count(it.value, it.component) == 1, "a value or components, not both"),
    ),
    "Questionnaire": (
        Invariant(
            "que-2", lambda it: distinct(_link_ids(it.item)), "a linkId of its own for each item", "item"
        ),
    ),
    "Questionnaire.item": (
        Invariant(
            "que-1",
            lambda it: (it.type != "group" or has(it.item)) and (it.type != "display" or not has(it.item)),
            "nested items in a group, none in a display",
        ),
        Invariant("que-3", _never_when({"display"}, "code"), "no code for a display"),
        Invariant(
            "que-4",
            lambda it: count(it.answerOption, it.answerValueSet) < 2,
            "answerOption or answerValueSet, not both",
        ),
        Invariant(
            "que-5",
            _only_when(_ANSWERED, "answerValueSet", "answerOption"),
            "answer options only for a type that has answers to choose",
        ),
        Invariant(
            "que-6", _never_when({"display"}, "required", "repeats"), "no required or repeats for a display"
        ),
        Invariant("que-8", _never_when({"group", "display"}, "initial"), "no initial for a group or display"),
        Invariant("que-9", _never_when({"display"}, "readOnly"), "no readOnly for a display"),
        Invariant("que-10", _only_when(_MEASURED, "maxLength"), "maxLength only for simple types"),
        Invariant(
            "que-11", lambda it: count(it.answerOption, it.initial) < 2, "no initial beside answerOption"
        ),
        Invariant(
            "que-12",
            lambda it: len(it.enableWhen or ()) <= 2 or has(it.enableBehavior),
            "an enableBehavior for several enableWhen",
        ),
        Invariant(
            "que-13",
            lambda it: it.repeats is True or len(it.initial or ()) < 2,
            "several initial values only where the item repeats",
        ),
    ),
    "Questionnaire.item.enableWhen": (
        Invariant(
            "que-7",
            lambda it: it.operator != "exists" or has(it.answerBoolean),
            "a boolean answer for the operator exists",
        ),
    ),
    "QuestionnaireResponse.item": (
        Invariant(
            "qrs-1", lambda it: count(it.answer, it.item) < 2, "no items beneath both the item and its answer"
        ),
    ),
    "RequestGroup.action": (
        Invariant("rqg-1", lambda it: count(it.resource, it.action) == 1, "a resource or actions, not both"),
    ),
    "ServiceRequest": (
        Invariant(
            "prr-1", lambda it: not has(it.orderDetail) or has(it.code), "orderDetail only with a code"
        ),
    ),
    "Task": (
        Invariant(
            "inv-1",
            lambda it: (
                not is_text(it.authoredOn)
                or not is_text(it.lastModified)
                or not_after(it.authoredOn, it.lastModified)
            ),
            "a lastModified that is not before authoredOn",
        ),
    ),
}
