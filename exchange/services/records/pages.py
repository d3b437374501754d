"""Pages of searches and histories: opaque links, page sizes, and the subset that was asked for."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from exchange.auth.principal import Principal
from exchange.crypto.cursors import Cursors
from exchange.errors import BadRequestError
from exchange.fhir import search
from exchange.fhir.bundle import FoundResource, HistoryEntry, history_set, identity_of, search_set
from exchange.fhir.interaction import PAGE, Interaction
from exchange.fhir.outcome import warning
from exchange.fhir.r4.elements import elements as elements_of
from exchange.fhir.resource_bytes import instant, pick
from exchange.services.interactions import Outcome
from exchange.services.records.conditions.preconditions import etag
from exchange.services.records.history import History
from exchange.services.records.prepare import is_assigned
from exchange.services.records.read import Released
from exchange.services.records.search import FoundPage, SearchCursor, position_text

_UNCOUNTED = "there are too many matches to count, so there is no total; narrow the search"
_PARTIAL = (
    "the log is being indexed: its newest entries were not looked through, so more may match, and there is "
    "no total; ask again in a while, or without parameters about requesters, kinds, records and outcomes"
)
_ALWAYS = frozenset({"resourceType", "id", "meta"})
_SUMMARIES = frozenset({"", "text", "data", "false"})
_MOST_PER_PAGE = 1000
_DEFAULT_EVERYTHING = 200
_DEFAULT_HISTORY = 100


class Shape(Protocol):
    """The form of the answer that a search asks for."""

    @property
    def summary(self) -> str:
        """The summary that is asked for."""

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements that are asked for, none for all."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """The parameters left out under lenient handling, by name."""


class HistoryCursor(msgspec.Struct, frozen=True):
    """The place where the history of `place` goes on: under the version `below`, `count` versions a page."""

    place: str
    below: int
    count: int


class PageRequest(msgspec.Struct, frozen=True):
    """One page of the search that `place` names, from its start or from where the page before it ended.

    `after`, `total` and `until` are the last page's, None for the first page; so is `partial`.
    """

    place: str
    parameters: tuple[tuple[str, str], ...]
    after: int | None = None
    total: int | None = None
    lenient: bool = False
    until: int | None = None
    partial: bool = False


class HistoryRequest(msgspec.Struct, frozen=True):
    """The versions under `below`, from the newest without it, and how many of them at most."""

    below: int | None
    count: int


class Pages:
    """Pages of one gateway; `base` is the FHIR base URL, and `cursors` seals the links."""

    def __init__(self, *, base: str, cursors: Cursors) -> None:
        self._base = base
        self._cursors = cursors

    def asked(self, principal: Principal, interaction: Interaction, place: str) -> PageRequest:
        """Return the page of a search that an interaction asks for; a `_page` parameter continues one.

        Raises:
            BadRequestError: the page link does not hold, or belongs to another search.
        """
        given = interaction.parameters
        cursors = [value for name, value in given if name == PAGE]
        if not cursors:
            return PageRequest(place, given, lenient=interaction.lenient)
        cursor = self._cursors.open(cursors[0], SearchCursor, client=principal.client_id)
        if cursor.resource_type != place:
            raise BadRequestError("the page link belongs to another search")
        return PageRequest(
            place,
            cursor.parameters,
            int(cursor.after),
            cursor.total,
            cursor.lenient,
            cursor.until,
            cursor.partial,
        )

    def search_set(self, principal: Principal, page: PageRequest, found: FoundPage, query: Shape) -> Outcome:
        """Frame one page of a search; `query` is the search as it was understood."""
        ignored = set(query.ignored)
        used = [(name, value) for name, value in page.parameters if name not in ignored]
        encoded = urllib.parse.urlencode(used)
        links = {"self": f"{self._base}/{page.place}" + (f"?{encoded}" if encoded else "")}
        if query.summary == "count":
            body = search_set(_notices(found), base=self._base, links=links, total=found.total)
            return Outcome(body=body, tx_id=found.tx_id)
        self._add_next(links, principal, page, found)
        return self._framed(found, links, elements=query.elements, summary=query.summary)

    def compartment_set(self, principal: Principal, page: PageRequest, found: FoundPage) -> Outcome:
        """Frame one page of a patient's compartment."""
        links = {"self": f"{self._base}/{page.place}"}
        self._add_next(links, principal, page, found)
        return self._framed(found, links)

    def _add_next(
        self, links: dict[str, str], principal: Principal, page: PageRequest, found: FoundPage
    ) -> None:
        if found.more_after is not None:
            after = position_text(found.more_after)
            cursor = SearchCursor(
                page.place, page.parameters, after, page.lenient, found.total, found.until, found.partial
            )
            sealed = self._cursors.seal(cursor, client=principal.client_id)
            links["next"] = f"{self._base}/{page.place}?{PAGE}={sealed}"

    def _framed(
        self,
        found: FoundPage,
        links: Mapping[str, str],
        *,
        elements: Sequence[str] = (),
        summary: str = "",
    ) -> Outcome:
        resources = list(found.resources)
        if elements or summary:
            resources = [
                msgspec.structs.replace(one, body=subset(one.body, elements=elements, summary=summary))
                for one in resources
            ]
        body = search_set([*resources, *_notices(found)], base=self._base, links=links, total=found.total)
        return Outcome(body=body, tx_id=found.tx_id)

    def history_asked(self, principal: Principal, interaction: Interaction) -> HistoryRequest:
        """Return the page of a record's history that an interaction asks for.

        Raises:
            BadRequestError: a number is none, or the page link does not hold or belongs to another history.
        """
        given = dict(interaction.parameters)
        if PAGE in given:
            cursor = self._cursors.open(given[PAGE], HistoryCursor, client=principal.client_id)
            if cursor.place != interaction.target:
                raise BadRequestError("the page link belongs to another history")
            return HistoryRequest(cursor.below, cursor.count)
        # A page of none has no end to go on from, so the shortest has one version.
        return HistoryRequest(None, max(1, page_size(given.get("_count"), default=_DEFAULT_HISTORY)))

    def history_set(self, principal: Principal, place: str, page: HistoryRequest, found: History) -> Outcome:
        """Frame one page of the history of the record at `place`."""
        links = {"self": f"{self._base}/{place}/_history"}
        if found.more_below is not None:
            cursor = HistoryCursor(place, found.more_below, page.count)
            sealed = self._cursors.seal(cursor, client=principal.client_id)
            links["next"] = f"{links['self']}?{PAGE}={sealed}"
        versions = [_history_entry(self._base, place, released) for released in found.versions]
        return Outcome(body=history_set(versions, links=links), tx_id=found.tx_id)


def _notices(found: FoundPage) -> list[FoundResource]:
    """Return what a page says of its search besides the matches."""
    said = []
    if found.uncounted:
        said.append(warning("too-costly", _UNCOUNTED))
    if found.partial:
        said.append(warning("incomplete", _PARTIAL))
    return [FoundResource(body, mode="outcome") for body in said]


def everything_size(parameters: Sequence[tuple[str, str]]) -> int:
    """Return the page size of `$everything`.

    Raises:
        BadRequestError: it is no number.
    """
    return page_size(dict(parameters).get("_count"), default=_DEFAULT_EVERYTHING)


def page_size(text: str | None, *, default: int) -> int:
    """Return the page size that `_count` asks for, within bounds.

    Raises:
        BadRequestError: it is no number.
    """
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise BadRequestError("_count is a whole number")
    return min(int(text), _MOST_PER_PAGE)


def shape(parameters: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """Return `body` as `_elements` and `_summary` of a read ask for it.

    Raises:
        BadRequestError: they are none that a read has.
    """
    given = dict(parameters)
    summary = given.get("_summary", "")
    if summary not in _SUMMARIES:
        raise BadRequestError("_summary of a read is text, data or false")
    elements = given.get("_elements", "")
    try:
        named = search.elements_named(elements) if elements else ()
    except ValueError as wrong:
        raise BadRequestError(f"_elements: {wrong}") from None
    return subset(body, elements=named, summary=summary)


def subset(body: bytes, *, elements: Sequence[str], summary: str) -> bytes:
    """Return `body` reduced to `elements`, or by `summary` (`text` and `data`; `false` changes nothing).

    The elements that R4 requires of the resource's type stay, so that the rest is valid. A choice is named
    by its stem (`value`) or in full (`valueQuantity`).
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


def _history_entry(base: str, place: str, released: Released) -> HistoryEntry:
    # Only an id that the server has assigned comes of a POST; how else a version was sent is not recorded.
    resource_type, _, logical_id = place.partition("/")
    method, url = "PUT", place
    released.give()
    if released.deleted:
        method = "DELETE"
    elif released.version == 1 and is_assigned(logical_id):
        method, url = "POST", resource_type
    written = "201" if released.creates else "200"
    return HistoryEntry(
        full_url=f"{base}/{place}",
        method=method,
        url=url,
        body=None if released.deleted else released.body,
        status="204" if released.deleted else written,
        etag=etag(released.version),
        last_modified=instant(released.written),
    )
