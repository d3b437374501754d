"""FHIR Bundles as bytes: read the entries of a transaction, write search sets and responses.

Resources inside stay the bytes they were; only the frame around them is built here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from exchange.errors import BadRequestError, Problem
from exchange.fhir.audit_event import TRANSACTION_SYSTEM

MOST_ENTRIES = 20_000
"""Entries that one transaction or batch may have."""


class EntryRequest(msgspec.Struct, frozen=True, rename="camel"):
    """`Bundle.entry.request`: what to do with an entry (FHIR R4 section 3.1.0.11)."""

    method: str
    url: str
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    if_modified_since: str | None = None


class Entry(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of a received Bundle; `resource` is the bytes as received, empty where there is none."""

    full_url: str = ""
    resource: msgspec.Raw = msgspec.Raw()
    request: EntryRequest | None = None


class Received(msgspec.Struct, frozen=True, rename={"resource_type": "resourceType"}):
    """A received Bundle's frame."""

    resource_type: Literal["Bundle"]
    type: str
    entry: tuple[Entry, ...] = ()


_decoder = msgspec.json.Decoder(Received)
_encode = msgspec.json.Encoder().encode


def entries_of(body: bytes) -> Received:
    """The frame of a Bundle whose content has been checked as R4 already.

    Raises:
        BadRequestError: it has too many entries, or is no Bundle.
    """
    try:
        received = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        raise BadRequestError("the body is not a Bundle") from None
    if len(received.entry) > MOST_ENTRIES:
        raise BadRequestError(f"the bundle has more than {MOST_ENTRIES} entries")
    return received


_STAND_IN = b'{"resourceType":"Basic","code":{"text":"-"}}'


def frame_of(body: bytes, received: Received) -> bytes:
    """`body` with a small valid resource in place of each entry's: what is around them, to check by itself.

    Together with each resource alone that checks all of it, a piece at a time.
    """
    parts: list[bytes] = []
    at = 0
    for entry in received.entry:
        resource = bytes(entry.resource)
        if resource:
            start = body.index(resource, at)
            parts += (body[at:start], _STAND_IN)
            at = start + len(resource)
    return b"".join((*parts, body[at:]))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a GET entry asks for: a search of `resource_type` by `query`, or one record or version of it."""

    resource_type: str
    logical_id: str = ""
    version: str = ""
    query: str = ""

    @property
    def interaction(self) -> Literal["search-type", "read", "vread"]:
        """FHIR's name for it."""
        if not self.logical_id:
            return "search-type"
        return "vread" if self.version else "read"


def asked_for(url: str) -> Asked | None:
    """What the relative `url` of a GET entry asks for, or None where a Bundle can't ask so."""
    path, _, query = url.partition("?")
    match path.strip("/").split("/"):
        case [resource_type]:
            return Asked(resource_type, query=query)
        case [resource_type, logical_id] if not query:
            return Asked(resource_type, logical_id)
        case [resource_type, logical_id, "_history", version] if not query:
            return Asked(resource_type, logical_id, version)
    return None


_URN = re.compile(rb'"(urn:(?:uuid|oid):[^"\\]{1,200})"')
_CONDITIONAL = re.compile(rb'("reference"\s*:\s*)"([A-Z][A-Za-z]+\?[^"\\]{1,2000})"')


def rewrite_urns(body: bytes, places: Mapping[str, str]) -> bytes:
    """`body` with every string that is a `fullUrl` of the transaction replaced by its `Type/id`."""

    def place(match: re.Match[bytes]) -> bytes:
        target = places.get(match[1].decode())
        return match[0] if target is None else _encode(target)

    return _URN.sub(place, body)


def conditional_references(body: bytes) -> set[str]:
    """The conditional references in `body`, such as `Practitioner?identifier=...`."""
    return {match[2].decode() for match in _CONDITIONAL.finditer(body)}


def rewrite_conditionals(body: bytes, places: Mapping[str, str]) -> bytes:
    """`body` with its conditional references replaced by what they were resolved to."""

    def place(match: re.Match[bytes]) -> bytes:
        return match[1] + _encode(places[match[2].decode()])

    return _CONDITIONAL.sub(place, body)


def with_id(body: bytes, logical_id: str) -> bytes:
    """`body` with its `id` set, all other members as they were."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    members["id"] = msgspec.Raw(_encode(logical_id))
    return _encode(members)


@dataclass(frozen=True, slots=True)
class Match:
    """One resource of a search set; an outcome has no address of its own."""

    full_url: str
    body: bytes
    mode: Literal["match", "include", "outcome"] = "match"


def search_set(matches: Sequence[Match], *, links: Mapping[str, str], total: int | None) -> bytes:
    """A Bundle of type `searchset`; `links` maps relations (`self`, `next`) to absolute URLs."""
    frame: dict[str, object] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        frame["total"] = total
    frame["link"] = _links(links)
    if matches:
        frame["entry"] = [
            ({"fullUrl": match.full_url} if match.full_url else {})
            | {"resource": msgspec.Raw(match.body), "search": {"mode": match.mode}}
            for match in matches
        ]
    return _encode(frame)


@dataclass(frozen=True, slots=True)
class Past:
    """One version in a history Bundle; a deletion has no body."""

    full_url: str
    relative_url: str
    body: bytes | None
    status: str
    etag: str
    last_modified: str


def history_set(versions: Sequence[Past], *, links: Mapping[str, str]) -> bytes:
    """A Bundle of type `history`, the newest version first."""
    frame: dict[str, object] = {"resourceType": "Bundle", "type": "history", "link": _links(links)}
    entries: list[dict[str, object]] = []
    for past in versions:
        method = "DELETE" if past.body is None else ("POST" if past.status.startswith("201") else "PUT")
        entry: dict[str, object] = {"fullUrl": past.full_url}
        if past.body is not None:
            entry["resource"] = msgspec.Raw(past.body)
        entry["request"] = {"method": method, "url": past.relative_url}
        entry["response"] = {"status": past.status, "etag": past.etag, "lastModified": past.last_modified}
        entries.append(entry)
    if entries:
        frame["entry"] = entries
    return _encode(frame)


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one entry of a transaction or batch; `tx_id` where the ledger was asked for it."""

    status: str
    location: str = ""
    etag: str = ""
    last_modified: str = ""
    resource: bytes | None = None
    outcome: bytes | None = None
    tx_id: str = ""


def response_set(kind: Literal["transaction", "batch"], responses: Sequence[Response]) -> bytes:
    """A Bundle of type `transaction-response` or `batch-response`, in the order of the request."""
    entries: list[dict[str, object]] = []
    for response in responses:
        optional = {
            "location": response.location,
            "etag": response.etag,
            "lastModified": response.last_modified,
        }
        inner: dict[str, object] = {"status": response.status}
        if response.tx_id:
            inner["extension"] = [{"url": TRANSACTION_SYSTEM, "valueString": response.tx_id}]
        inner |= {name: value for name, value in optional.items() if value}
        if response.outcome is not None:
            inner["outcome"] = msgspec.Raw(response.outcome)
        entry: dict[str, object] = {"response": inner}
        if response.resource is not None:
            entry["resource"] = msgspec.Raw(response.resource)
        entries.append(entry)
    frame: dict[str, object] = {"resourceType": "Bundle", "type": f"{kind}-response"}
    if entries:
        frame["entry"] = entries
    return _encode(frame)


def _links(links: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"relation": relation, "url": url} for relation, url in links.items()]


class Identity(msgspec.Struct, frozen=True, rename={"resource_type": "resourceType"}):
    """Type and id of a stored resource, read without parsing the rest."""

    resource_type: str
    id: str


identity_of: Callable[[bytes], Identity] = msgspec.json.Decoder(Identity).decode


def entry_problem(index: int, message: str, *, code: str = "value") -> Problem:
    """A problem with the request of entry `index`."""
    return Problem(f"Bundle.entry[{index}].request", message, code)
