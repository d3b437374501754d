"""A new permission: one form, a page that says what it will mean, and the Consent that follows from it.

A form carries a name of its own, which the Consent keeps as its identifier: sent twice, it gives one consent.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from starlette.responses import Response

from exchange.errors import InvalidResourceError, TooCostlyError
from exchange.fhir.interaction import parse
from exchange.pages.answers import page, redirect
from exchange.pages.consent_pages import body_of
from exchange.pages.texts import marked
from exchange.pages.visits import Visit
from exchange.pages.words import (
    ACT_CODE,
    CONFIDENTIALITY,
    KINDS,
    TOPICS,
    kinds_in,
    purposes_in,
    topics_in,
)

FORM_SYSTEM: Final = "urn:consentry:form"
"""Identifier system of consents that a form of these pages gave."""
OFFERED_PURPOSES: Final = ("TREAT", "HPAYMT", "HRESCH")
OFFERED_KINDS: Final = ("person", "results", "illnesses", "medicines", "care", "documents")

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_FORM = re.compile(r"[0-9a-f]{32}")
_LAST_YEAR = 9000


@dataclass(frozen=True, slots=True)
class Grant:
    """The fields of the form as they were typed, and in them only what the form offers.

    `scope` is all or some, `span` is open or dated, `until` is text until `day` reads it.
    """

    form: str
    organization: str
    purposes: tuple[str, ...]
    scope: str
    kinds: tuple[str, ...]
    topics: tuple[str, ...]
    span: str
    until: str

    @property
    def day(self) -> date | None:
        """The last day, None where it is not one."""
        try:
            found = date.fromisoformat(self.until)
        except ValueError:
            return None
        return found if found.year < _LAST_YEAR else None


def read_grant(visit: Visit) -> Grant:
    """Return the fields that a form brings; values that it does not offer are left out."""
    form = visit.one("form")
    recipients = dict(recipients_of(visit))
    chosen = visit.form
    return Grant(
        form=form if _FORM.fullmatch(form) else secrets.token_hex(16),
        organization=visit.one("organization") if visit.one("organization") in recipients else "",
        purposes=tuple(one for one in OFFERED_PURPOSES if one in chosen.get("purpose", ())),
        scope=visit.one("scope") if visit.one("scope") in {"all", "some"} else "",
        kinds=tuple(one for one in OFFERED_KINDS if one in chosen.get("kind", ())),
        topics=tuple(one for one in TOPICS if one in chosen.get("topic", ())),
        span=visit.one("span") if visit.one("span") in {"open", "dated"} else "",
        until=visit.one("until")[:20],
    )


def recipients_of(visit: Visit) -> list[tuple[str, str]]:
    """Return the other hospitals that may get a permission: MSP id and name, by name."""
    gateway = visit.gateway
    others = ((msp, name) for msp, name in gateway.members.names.items() if msp != gateway.member.msp_id)
    return sorted(others, key=lambda one: one[1])


def faults_of(grant: Grant, today: date) -> dict[str, str]:
    """Return what is missing or wrong, by field, in the order of the form."""
    faults: dict[str, str] = {}
    if not grant.organization:
        faults["organization"] = marked("Choose who may see your record.")
    if not grant.purposes:
        faults["purpose"] = marked("Choose at least one reason.")
    if not grant.scope:
        faults["scope"] = marked("Choose which records.")
    elif grant.scope == "some" and not grant.kinds:
        faults["kind"] = marked("Choose at least one kind of record.")
    if not grant.span:
        faults["span"] = marked("Choose how long.")
    elif grant.span == "dated" and grant.day is None:
        faults["until"] = marked("Write the last day as year, month and day, such as 2030-12-31.")
    elif grant.span == "dated" and grant.day is not None and grant.day < today:
        faults["until"] = marked("This day is over. Choose today or a later day.")
    return faults


def consent_of(grant: Grant, patient: str, organization: str, now: datetime) -> dict[str, Any]:
    """Return the Consent that a form without faults means; `organization` is the recipient's resource id."""
    provision: dict[str, Any] = {
        "type": "permit",
        "actor": [
            {
                "role": {"coding": [{"system": f"{_TERMINOLOGY}/v3-ParticipationType", "code": "IRCP"}]},
                "reference": {"reference": f"Organization/{organization}"},
            }
        ],
        "purpose": [{"system": f"{_TERMINOLOGY}/v3-ActReason", "code": code} for code in grant.purposes],
        "securityLabel": [
            {"system": CONFIDENTIALITY, "code": "N"},
            *({"system": ACT_CODE, "code": code} for name in grant.topics for code in TOPICS[name][1]),
        ],
    }
    if grant.span == "dated":
        provision["period"] = {"end": grant.until}
    if grant.scope == "some":
        types = [one for name in grant.kinds for one in KINDS[name][1]]
        provision["class"] = [{"system": "http://hl7.org/fhir/resource-types", "code": one} for one in types]
    return {
        "resourceType": "Consent",
        "identifier": [{"system": FORM_SYSTEM, "value": grant.form}],
        "status": "active",
        "scope": {"coding": [{"system": f"{_TERMINOLOGY}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "policyRule": {"coding": [{"system": f"{_TERMINOLOGY}/v3-ActCode", "code": "OPTIN"}]},
        "provision": provision,
    }


async def show_form(visit: Visit) -> Response:
    """Show the form, empty or with what was typed."""
    return _form(visit, read_grant(visit), {})


async def show_again(visit: Visit) -> Response:
    """Show the form with what was typed before the patient signed in again."""
    note = marked("You are signed in again. Nothing was sent yet: check the form and go on.")
    return _form(visit, read_grant(visit), {}, note=note)


async def check(visit: Visit) -> Response:
    """Say what the permission will mean, or what is missing."""
    grant = read_grant(visit)
    faults = faults_of(grant, _today(visit))
    if faults:
        return _form(visit, grant, faults, status=422)
    return page(visit, "check.html", grant=grant, **_meaning(visit, grant))


async def give(visit: Visit) -> Response:
    """Store the Consent, once for each form."""
    grant = read_grant(visit)
    faults = faults_of(grant, _today(visit))
    if faults:
        return _form(visit, grant, faults, status=422)
    principal = visit.signed_in.principal
    organization = visit.gateway.members.by_msp[grant.organization].organization
    consent = consent_of(grant, principal.patient, organization, datetime.now(UTC))
    asked = parse("POST", "Consent", condition=f"identifier={FORM_SYSTEM}|{grant.form}")
    try:
        outcome = await visit.gateway.interactions.perform(principal, asked, body_of(consent))
    except (InvalidResourceError, TooCostlyError):
        fault = marked(
            "The hospital can't take this permission as it is. You may have too many permissions, or the "
            "organization has left. Change it, or ask the hospital."
        )
        return _form(visit, grant, {"organization": fault}, status=422)
    return redirect(visit, "/permissions", done="given" if outcome.status == 201 else "given-before")


def _today(visit: Visit) -> date:
    return datetime.now(visit.gateway.zone or UTC).date()


def _form(
    visit: Visit, grant: Grant, faults: dict[str, str], *, status: int = 200, note: str = ""
) -> Response:
    say = visit.language.text
    values: dict[str, Any] = {} if not note else {"note": ("note", say(note))}
    return page(
        visit,
        "grant.html",
        status=status,
        grant=grant,
        faults={name: say(text) for name, text in faults.items()},
        recipients=recipients_of(visit),
        purposes=[(code, purposes_in([code], visit.language)) for code in OFFERED_PURPOSES],
        kinds=[(name, say(KINDS[name][0])) for name in OFFERED_KINDS],
        topics=[(name, say(text)) for name, (text, _) in TOPICS.items()],
        today=_today(visit).isoformat(),
        **values,
    )


def _meaning(visit: Visit, grant: Grant) -> dict[str, Any]:
    """Return the parts of the sentences that say what a permission will mean."""
    language = visit.language
    labels = [label for name in grant.topics for label in TOPICS[name][1]]
    types = [one for name in grant.kinds for one in KINDS[name][1]]
    others = [name for name in TOPICS if name not in grant.topics]
    return {
        "who": visit.gateway.members.names[grant.organization],
        "why": purposes_in(grant.purposes, language),
        "what": kinds_in(types, language) if grant.scope == "some" else "",
        "sensitive": topics_in(labels, language) if labels else "",
        "withheld": language.listed([language.text(TOPICS[name][0]) for name in others]),
        "until": language.day(grant.until) if grant.span == "dated" else "",
        "emergency": "TREAT" in grant.purposes,
    }
