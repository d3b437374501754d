"""Pages of searches and histories: opaque links, page sizes, and the subset that was asked for."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from fastapi import Request

from exchange.api.http.negotiation import SHAPING
from exchange.api.http.negotiation import lenient as is_lenient
from exchange.api.http.negotiation import parameters as parameters_of
from exchange.auth.principal import Principal
from exchange.errors import BadRequestError
from exchange.fhir import search
from exchange.fhir.bundle import Match, identity_of, search_set
from exchange.fhir.outcome import warning
from exchange.fhir.r4.elements import elements as elements_of
from exchange.fhir.resource_bytes import pick
from exchange.fhir.search import Query
from exchange.node.gateway import Gateway
from exchange.services.records.search import Cursor, Found
from exchange.services.records.search import place as at
from exchange.services.records.sort import is_by_value, search_in_order

PAGE = "_page"
"""The parameter that carries an opaque cursor."""

_UNCOUNTED = "there are too many matches to count, so there is no total; narrow the search"
_ALWAYS = frozenset({"resourceType", "id", "meta"})
_SUMMARIES = frozenset({"", "true", "text", "data", "false"})
_MOST_PER_PAGE = 1000
_DEFAULT_EVERYTHING = 200
_DEFAULT_HISTORY = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A framed page and the transaction that permitted it."""

    body: bytes
    tx_id: str


class HistoryCursor(msgspec.Struct, frozen=True):
    """Where the history of `place` goes on: under the version `below`, `count` versions a page."""

    place: str
    below: int
    count: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The versions under `below`, from the newest without it, and how many at most."""

    below: int | None
    count: int


class Paging:
    """Runs searches and frames their pages for one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def search(
        self,
        principal: Principal,
        resource_type: str,
        parameters: Sequence[tuple[str, str]],
        *,
        lenient: bool,
    ) -> Page:
        """One page of a search; a `_page` parameter continues an earlier one."""
        given = tuple(parameters)
        after: int | None = None
        total: int | None = None
        cursors = [value for name, value in given if name == PAGE]
        if cursors:
            cursor = self._gateway.cursors.open(cursors[0], Cursor, client=principal.client_id)
            if cursor.resource_type != resource_type:
                raise BadRequestError("the page link belongs to another resource type")
            given, after, lenient = cursor.parameters, int(cursor.after), cursor.lenient
            total = cursor.total
        if resource_type == "AuditEvent":
            found = await self._gateway.audit.search(principal, given, after=after, lenient=lenient)
            query: Query | None = None
        else:
            query = search.parse(resource_type, given, lenient=lenient, base=self._gateway.base)
            target = f"{resource_type}?{urllib.parse.urlencode(given)}"
            searching = self._gateway.searching
            if is_by_value(query):
                found = await search_in_order(
                    searching, principal, query, target=target, shown=after or 0, total=total
                )
            else:
                found = await searching.search(
                    principal, query, target=target, after=after, total=total, whole=False
                )
        links = {"self": self._self_link(resource_type, given, query)}
        if found.more_after is not None:
            cursor = Cursor(resource_type, given, at(found.more_after), lenient, found.total)
            sealed = self._gateway.cursors.seal(cursor, client=principal.client_id)
            links["next"] = f"{self._gateway.base}/{resource_type}?{PAGE}={sealed}"
        if query is not None and query.summary == "count":
            return Page(search_set([], links={"self": links["self"]}, total=found.total), found.tx_id)
        elements = tuple(query.elements) if query is not None else ()
        summary = query.summary if query is not None else ""
        return self._frame(found, links, elements=elements, summary=summary)

    async def everything(
        self, principal: Principal, patient: str, parameters: Sequence[tuple[str, str]]
    ) -> Page:
        """One page of a patient's compartment."""
        given = dict(parameters)
        place = f"Patient/{patient}/$everything"
        after: int | None = None
        if PAGE in given:
            cursor = self._gateway.cursors.open(given[PAGE], Cursor, client=principal.client_id)
            if cursor.resource_type != place:
                raise BadRequestError("the page link belongs to another request")
            after, given = int(cursor.after), dict(cursor.parameters)
        unknown = set(given) - {"_count", PAGE} - SHAPING
        if unknown:
            raise BadRequestError("$everything takes _count alone")
        count = page_size(given.get("_count"), default=_DEFAULT_EVERYTHING)
        found = await self._gateway.searching.everything(principal, patient, count=count, after=after)
        links = {"self": f"{self._gateway.base}/{place}"}
        if found.more_after is not None:
            cursor = Cursor(place, tuple(given.items()), at(found.more_after))
            sealed = self._gateway.cursors.seal(cursor, client=principal.client_id)
            links["next"] = f"{links['self']}?{PAGE}={sealed}"
        return self._frame(found, links)

    def _frame(
        self, found: Found, links: dict[str, str], *, elements: tuple[str, ...] = (), summary: str = ""
    ) -> Page:
        matches: list[Match] = []
        for body in found.bodies:
            identity = identity_of(body)
            url = f"{self._gateway.base}/{identity.resource_type}/{identity.id}"
            matches.append(Match(url, subset(body, elements=elements, summary=summary)))
        if found.uncounted:
            matches.append(Match("", warning("too-costly", _UNCOUNTED), "outcome"))
        return Page(search_set(matches, links=links, total=found.total), found.tx_id)

    def _self_link(self, resource_type: str, given: Sequence[tuple[str, str]], query: Query | None) -> str:
        ignored = set(query.ignored) if query is not None else set()
        used = [(name, value) for name, value in given if name not in ignored]
        encoded = urllib.parse.urlencode(used)
        return f"{self._gateway.base}/{resource_type}" + (f"?{encoded}" if encoded else "")

    def shaped(self, request: Request, body: bytes) -> bytes:
        """`body` as `_elements` and `_summary` of a read ask for it.

        Raises:
            BadRequestError: they ask for what there is not.
        """
        if not request.scope["query_string"]:
            return body
        summary = request.query_params.get("_summary", "")
        if summary not in _SUMMARIES:
            raise BadRequestError("_summary of a read is true, text, data or false")
        elements = request.query_params.get("_elements", "")
        named = tuple(name.strip() for name in elements.split(",")) if elements else ()
        if not all(name.isascii() and name.isalnum() for name in named):
            raise BadRequestError("_elements are named, with commas between them")
        return subset(body, elements=named, summary=summary)

    def history_page(self, principal: Principal, request: Request, place: str) -> HistoryPage:
        """Which versions the request for the history of `place` is about.

        Raises:
            BadRequestError: a parameter is unknown, or the page link belongs to another history.
        """
        given = dict(parameters_of(request))
        if PAGE in given:
            cursor = self._gateway.cursors.open(given[PAGE], HistoryCursor, client=principal.client_id)
            if cursor.place != place:
                raise BadRequestError("the page link belongs to another request")
            return HistoryPage(cursor.below, cursor.count)
        if set(given) - {"_count"} - SHAPING and not is_lenient(request):
            raise BadRequestError("a history takes _count alone")
        # A page of none has no end to go on from, so the shortest has one version.
        return HistoryPage(None, max(1, page_size(given.get("_count"), default=_DEFAULT_HISTORY)))

    def history_links(
        self, principal: Principal, place: str, page: HistoryPage, more_below: int | None
    ) -> dict[str, str]:
        """The links of a history page; `more_below` is the last version on it if there are more."""
        links = {"self": f"{self._gateway.base}/{place}/_history"}
        if more_below is not None:
            cursor = HistoryCursor(place, more_below, page.count)
            sealed = self._gateway.cursors.seal(cursor, client=principal.client_id)
            links["next"] = f"{links['self']}?{PAGE}={sealed}"
        return links


def subset(body: bytes, *, elements: tuple[str, ...], summary: str) -> bytes:
    """`body` reduced to `elements`, or by `summary` (`text` and `data`; others leave it whole).

    What R4 requires of the resource's type stays, so that what is left is valid. A choice is named by its
    stem (`value`) or in full (`valueQuantity`).
    """
    if summary == "data":
        return pick(body, lambda name: name != "text")
    if not elements and summary != "text":
        return body
    wanted = set(elements) or {"text"}
    keep = set(_ALWAYS)
    for element in elements_of(identity_of(body).resource_type):
        if element.required or element.name in wanted:
            keep.update(element.keys)
        else:
            keep.update(wanted.intersection(element.keys))
    return pick(body, lambda name: name.removeprefix("_") in keep)


def page_size(text: str | None, *, default: int) -> int:
    """The page size that `_count` asks for, within bounds.

    Raises:
        BadRequestError: it is no number.
    """
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise BadRequestError("_count is a whole number")
    return min(int(text), _MOST_PER_PAGE)
