"""The patient's permissions: all there are, and the end of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.responses import Response

from exchange.errors import NotFoundError, PreconditionError
from exchange.fhir.interaction import parse
from exchange.fhir.references import ID
from exchange.pages.answers import page, redirect
from exchange.pages.visits import Visit
from exchange.pages.words import ConsentCard, consent_card, permits
from exchange.services.interactions import BodyReader
from exchange.services.records.conditions.preconditions import etag

MOST: Final = 200
"""Consents of one patient, as the ledger bounds them."""

_ID = re.compile(ID)


def member_names(visit: Visit) -> dict[str, str]:
    """Return the names of the hospitals by each name that a consent may give them."""
    members = visit.gateway.members
    return {named: members.names[msp_id] for named, msp_id in members.references.items()}


async def show_consents(visit: Visit) -> Response:
    """Show every consent: those that hold, and those that are over."""
    cards = await _cards(visit)
    holds = [card for card in cards if card.state in {"active", "later"}]
    over = [card for card in cards if card.state not in {"active", "later"}]
    return page(visit, "consents.html", holds=holds, over=over)


async def _cards(visit: Visit) -> list[ConsentCard]:
    patient = visit.signed_in.principal.patient
    asked = parse("GET", "Consent", f"patient={patient}&_count={MOST}")
    outcome = await visit.gateway.interactions.perform(visit.signed_in.principal, asked)
    names, now = member_names(visit), datetime.now(UTC)
    bundle = msgspec.json.decode(outcome.body)
    found = [entry["resource"] for entry in bundle.get("entry", ()) if "resource" in entry]
    found.sort(key=lambda one: str(one.get("meta", {}).get("lastUpdated", "")), reverse=True)
    return [
        consent_card(one, names=names, language=visit.language, zone=visit.gateway.zone, now=now)
        for one in found
        if one.get("resourceType") == "Consent"
    ]


async def end_consent(visit: Visit) -> Response:
    """End a consent, as it was shown; one that is over or that was changed stays as it is."""
    principal = visit.signed_in.principal
    name, version = visit.one("consent"), visit.one("version")
    interactions = visit.gateway.interactions
    if not _ID.fullmatch(name):
        raise NotFoundError("no consent is named so")
    outcome = await interactions.perform(principal, parse("GET", f"Consent/{name}"))
    consent = msgspec.json.decode(outcome.body)
    if consent.get("status") != "active":
        return redirect(visit, "/permissions", done="ended-before")
    if str(outcome.version) != version:
        return redirect(visit, "/permissions", done="changed-meanwhile")
    asked = parse("PUT", f"Consent/{name}", if_match=etag(outcome.version))
    try:
        await interactions.perform(principal, asked, body_of({**consent, "status": "inactive"}))
    except PreconditionError:
        return redirect(visit, "/permissions", done="changed-meanwhile")
    return redirect(visit, "/permissions", done="ended" if permits(consent) else "lifted")


def body_of(resource: Mapping[str, Any]) -> BodyReader:
    """Return the reader of a resource as the body of an interaction."""
    body = msgspec.json.encode(resource)

    async def read(*, optional: bool) -> bytes:  # noqa: ARG001 - as the protocol has it
        return body

    return read
