"""The page "who looked at my record": the access log in sentences, with filters and pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from starlette.responses import Response

from exchange.errors import BadRequestError
from exchange.fhir.interaction import parse
from exchange.pages.answers import page
from exchange.pages.log_words import view_card
from exchange.pages.texts import marked
from exchange.pages.visits import Visit
from exchange.pages.words import PURPOSES

PER_PAGE: Final = 20
_OTHERS = ",".join(code for code in PURPOSES if code != "PATRQT")
_RESULTS: Mapping[str, str] = {"allowed": "0", "refused": "4"}
_LONGEST_NAME = 80


async def show_log(visit: Visit) -> Response:
    """Show one page of the log; a page that can't be shown is the first one again, with a sentence."""
    filters = _filters(visit)
    cursor = visit.asked("page")
    query = [("_page", cursor)] if cursor else [("_count", str(PER_PAGE)), *_query(filters)]
    try:
        bundle = await _found(visit, query)
    except BadRequestError:
        problem = marked("These filters can't be used as they are. Check the dates, and try again.")
        values = {"cards": [], "following": "", "problem": visit.language.text(problem)}
        return page(visit, "log.html", status=400, filters=filters, members=_members(visit), **values)
    principal = visit.signed_in.principal
    cards = [
        view_card(
            entry["resource"], patient=principal.patient, language=visit.language, zone=visit.gateway.zone
        )
        for entry in bundle.get("entry", ())
        if entry.get("resource", {}).get("resourceType") == "AuditEvent"
    ]
    following = _following(bundle)
    if following:
        following = urlencode({**filters, "page": following})
    return page(
        visit,
        "log.html",
        cards=cards,
        filters=filters,
        following=following,
        members=_members(visit),
        problem="",
    )


async def _found(visit: Visit, query: list[tuple[str, str]]) -> dict[str, Any]:
    asked = parse("GET", "AuditEvent", urlencode(query))
    outcome = await visit.gateway.interactions.perform(visit.signed_in.principal, asked)
    bundle: dict[str, Any] = msgspec.json.decode(outcome.body)
    return bundle


def _members(visit: Visit) -> list[tuple[str, str]]:
    return sorted(visit.gateway.members.names.items(), key=lambda one: one[1])


def _filters(visit: Visit) -> dict[str, str]:
    """Return the filters of the address, as they were typed, and empty where none is meant."""
    organization, result = visit.asked("organization"), visit.asked("result")
    return {
        "organization": organization if organization in visit.gateway.members.names else "",
        "result": result if result in _RESULTS else "",
        "from": visit.asked("from")[:10],
        "to": visit.asked("to")[:10],
        "name": visit.asked("name").strip()[:_LONGEST_NAME],
        "own": "1" if visit.asked("own") else "",
    }


def _query(filters: Mapping[str, str]) -> list[tuple[str, str]]:
    query = [] if filters["own"] else [("purpose", _OTHERS)]
    if filters["organization"]:
        query.append(("agent", f"urn:consentry:msp|{filters['organization']}"))
    if filters["result"]:
        query.append(("outcome", _RESULTS[filters["result"]]))
    if filters["from"]:
        query.append(("date", f"ge{filters['from']}"))
    if filters["to"]:
        query.append(("date", f"le{filters['to']}"))
    if filters["name"]:
        query.append(("agent-name:contains", _escaped(filters["name"])))
    return query


def _escaped(text: str) -> str:
    return "".join(f"\\{one}" if one in "\\,|$" else one for one in text)


def _following(bundle: Mapping[str, Any]) -> str:
    url = next((one["url"] for one in bundle.get("link", ()) if one.get("relation") == "next"), "")
    return parse_qs(urlsplit(url).query).get("_page", [""])[0]
