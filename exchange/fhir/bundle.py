"""FHIR Bundles as bytes: read the entries of a transaction, write search sets and responses.

Resources inside stay the bytes they were; only the frame around them is built here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import msgspec

from exchange.errors import BadRequestError, ExchangeError, InvalidResourceError, Problem
from exchange.fhir.audit_event import TRANSACTION_SYSTEM

MOST_ENTRIES = 20_000
"""Entries that one transaction or batch may have."""


class EntryRequest(msgspec.Struct, frozen=True, rename="camel"):
    """`Bundle.entry.request`: the interaction that an entry asks for (FHIR R4 section 3.1.0.11)."""

    method: str
    url: str
    if_match: str | None = None
    if_none_match: str | None = None
    if_none_exist: str | None = None
    if_modified_since: str | None = None


class BundleEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of a received Bundle; `resource` is the bytes as received, empty where there is none."""

    full_url: str = ""
    resource: msgspec.Raw = msgspec.Raw()
    request: EntryRequest | None = None


class ReceivedBundle(msgspec.Struct, frozen=True, rename={"resource_type": "resourceType"}):
    """A received Bundle's frame."""

    resource_type: Literal["Bundle"]
    type: str
    entry: tuple[BundleEntry, ...] = ()


_decoder = msgspec.json.Decoder(ReceivedBundle)
_encode = msgspec.json.Encoder().encode


def entries_of(body: bytes) -> ReceivedBundle:
    """Return the frame of a Bundle, after its content has been checked as R4.

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


def frame_of(body: bytes, received: ReceivedBundle) -> bytes:
    """Return `body` with a small valid resource in place of each entry's, to check the frame by itself.

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


def with_id(body: bytes, logical_id: str) -> bytes:
    """Return `body` with its `id` set, all other members as they were."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    members["id"] = msgspec.Raw(_encode(logical_id))
    return _encode(members)


def _not_counted() -> None:
    """Do nothing: an outcome of the search is no record."""


class FoundResource(msgspec.Struct, frozen=True):
    """One resource of a search set; `version` is 0 where it has none, as an outcome of the search.

    `give` is called by what puts it into an answer.
    """

    body: bytes
    version: int = 0
    mode: Literal["match", "include", "outcome"] = "match"
    give: Callable[[], None] = _not_counted


def search_set(
    found: Iterable[FoundResource], *, base: str, links: Mapping[str, str], total: int | None
) -> bytes:
    """Return a Bundle of type `searchset`; `links` maps relations (`self`, `next`) to absolute URLs."""
    frame: dict[str, object] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        frame["total"] = total
    frame["link"] = _links(links)
    entries: list[dict[str, object]] = []
    for one in found:
        entry: dict[str, object] = {}
        one.give()
        if one.mode != "outcome":
            identity = identity_of(one.body)
            entry["fullUrl"] = f"{base}/{identity.resource_type}/{identity.id}"
        entry["resource"] = msgspec.Raw(one.body)
        entry["search"] = {"mode": one.mode}
        entries.append(entry)
    if entries:
        frame["entry"] = entries
    return _encode(frame)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One version in a history Bundle; a deletion has no body."""

    full_url: str
    method: str
    url: str
    body: bytes | None
    status: str
    etag: str
    last_modified: str


def history_set(versions: Sequence[HistoryEntry], *, links: Mapping[str, str]) -> bytes:
    """Return a Bundle of type `history`, the newest version first."""
    frame: dict[str, object] = {"resourceType": "Bundle", "type": "history", "link": _links(links)}
    entries: list[dict[str, object]] = []
    for past in versions:
        entry: dict[str, object] = {"fullUrl": past.full_url}
        if past.body is not None:
            entry["resource"] = msgspec.Raw(past.body)
        entry["request"] = {"method": past.method, "url": past.url}
        entry["response"] = {"status": past.status, "etag": past.etag, "lastModified": past.last_modified}
        entries.append(entry)
    if entries:
        frame["entry"] = entries
    return _encode(frame)


@dataclass(frozen=True, slots=True)
class EntryResponse:
    """The answer to one entry of a transaction or batch; `tx_id` where the ledger was asked for it."""

    status: str
    location: str = ""
    etag: str = ""
    last_modified: str = ""
    resource: bytes | None = None
    outcome: bytes | None = None
    tx_id: str = ""


def response_set(kind: Literal["transaction", "batch"], responses: Sequence[EntryResponse]) -> bytes:
    """Return a Bundle of type `transaction-response` or `batch-response`, in the order of the request."""
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


class ResourceIdentity(msgspec.Struct, frozen=True, rename={"resource_type": "resourceType"}):
    """Type and id of a stored resource, read without parsing the rest."""

    resource_type: str
    id: str


identity_of: Callable[[bytes], ResourceIdentity] = msgspec.json.Decoder(ResourceIdentity).decode


def entry_problem(index: int, message: str, *, code: str = "value") -> Problem:
    """Return a problem with the request of entry `index`."""
    return Problem(f"Bundle.entry[{index}].request", message, code)


@contextmanager
def in_entry(index: int, element: str = "") -> Iterator[None]:
    """Make a refusal raised within name entry `index`; `element` is below its request, such as `.ifMatch`.

    The problems of a resource are below `resource`. A failure of the server's own is no entry's.
    """
    try:
        yield
    except ExchangeError as refused:
        if refused.status < _SERVERS_OWN:
            refused.problems = tuple(_located(refused, index, element))
        raise


_SERVERS_OWN = 500


def _located(refused: ExchangeError, index: int, element: str) -> Iterator[Problem]:
    entry = f"Bundle.entry[{index}]"
    if not refused.problems:
        yield Problem(f"{entry}.request{element}", str(refused), refused.code)
    for problem in refused.problems:
        if problem.path.startswith("Bundle.entry["):
            yield problem
        elif isinstance(refused, InvalidResourceError):
            yield Problem(f"{entry}.resource.{problem.path}", problem.message, problem.code)
        else:
            yield Problem(f"{entry}.request{element}", problem.message, problem.code)
