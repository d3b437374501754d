"""One interaction of FHIR's REST API, parsed once: from a request's method and address, or from an entry.

The grammar is FHIR's, whether or not this server supports an interaction (`services/interactions.py` says
which it does):

| address | GET | POST | PUT | PATCH | DELETE |
| --- | --- | --- | --- | --- | --- |
| (the base) | search-system | transaction | | | |
| metadata | capabilities | | | | |
| _history | history-system | | | | |
| _search | | search-system | | | |
| Type | search-type | create | conditional-update | conditional-patch | conditional-delete |
| Type/_search | | search-type | | | |
| Type/_history | history-type | | | | |
| Type/id | read | | update | patch | delete |
| Type/id/_history | history-instance | | | | |
| Type/id/_history/vid | vread | | | | |
| Type/id/Type or Type/id/* | search-compartment | | | | |
| Type/id/Type/_search | | search-compartment | | | |
| $name, Type/$name, Type/id/$name | $name | $name | | | |

Rules:
1. An address is split first and decoded afterwards, so `%2F` separates nothing.
2. Nothing is corrected: an empty segment, a slash at the end or another case is another address.
3. An id has FHIR's characters and length; no record can be at any other.
4. An address outside of the grammar is refused. No method, header or parameter stands for another method.

Source: FHIR R4, "RESTful API" (3.1.0) and "Extended Operations" (3.2.0).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from exchange.errors import BadRequestError, NotSupportedError
from exchange.fhir.bundle import EntryRequest
from exchange.fhir.r4 import RESOURCE_TYPES
from exchange.fhir.references import ID

MOST_PARAMETERS = 200
"""Parameters of one interaction; more than any honest search has."""

LONGEST_QUERY = 64 * 1024
"""Characters of a query or a condition, which are decoded at once."""

PAGE: Final = "_page"
"""The parameter that carries an opaque cursor; links have it, and no client makes it up."""

Parameters = tuple[tuple[str, str], ...]
"""Names and values of a query or a form, decoded and in order."""
Methods = Mapping[str, str]
"""The interactions of one address: a code for each method."""

_NO_METHODS: Methods = MappingProxyType({})
_ID = re.compile(ID)
_OPERATION = re.compile(r"\$[a-z][a-z\-]{0,40}")

_BASE: Methods = {"GET": "search-system", "POST": "transaction"}
_SYSTEM: Mapping[str, Methods] = {
    "": _BASE,
    "metadata": {"GET": "capabilities"},
    "_history": {"GET": "history-system"},
    "_search": {"POST": "search-system"},
}
_TYPE: Methods = {
    "GET": "search-type",
    "POST": "create",
    "PUT": "conditional-update",
    "PATCH": "conditional-patch",
    "DELETE": "conditional-delete",
}
_OF_TYPE: Mapping[str, Methods] = {"_search": {"POST": "search-type"}, "_history": {"GET": "history-type"}}
_RECORD: Methods = {"GET": "read", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_HISTORY: Methods = {"GET": "history-instance"}
_VERSION: Methods = {"GET": "vread"}
_COMPARTMENT: Methods = {"GET": "search-compartment"}
_COMPARTMENT_FORM: Methods = {"POST": "search-compartment"}


class Interaction(msgspec.Struct, frozen=True):
    """The interaction that a request or an entry asks for; `code` is FHIR's name, `$name` for an operation.

    `type` is empty for an interaction with the system. `parameters` are those of the query that have a value,
    decoded and in order. `condition` is `If-None-Exist`; `lenient` is `Prefer: handling=lenient`. `methods`
    are all interactions of the address; `code` is empty where `method` is none of them.
    """

    code: str
    type: str = ""
    id: str = ""
    version: str = ""
    parameters: Parameters = ()
    condition: str = ""
    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    lenient: bool = False
    method: str = "GET"
    methods: Methods = _NO_METHODS

    @property
    def is_search_by_form(self) -> bool:
        """Whether the search's parameters stand in a form, too (`_search`)."""
        return self.method == "POST" and self.code == "search-type"

    @property
    def target(self) -> str:
        """The record or type that it is about, as a relative address."""
        return f"{self.type}/{self.id}" if self.id else self.type


class _Address(msgspec.Struct, frozen=True):
    methods: Methods
    type: str = ""
    id: str = ""
    version: str = ""


def parse(
    method: str,
    path: str,
    query: str = "",
    *,
    condition: str | None = None,
    if_match: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: str | None = None,
    lenient: bool = False,
) -> Interaction:
    """Parse a request for `path`, which is relative to the base and as it was sent: not decoded yet.

    A condition is None where there is none: one that is empty was meant to have a value.

    Raises:
        NotSupportedError: no interaction of FHIR's has such an address.
        BadRequestError: there are more than `MOST_PARAMETERS` parameters, or a condition is empty.
    """
    address = _address(path)
    if method == "HEAD":
        method = "GET"
    for name, value in (
        ("If-None-Exist", condition),
        ("If-Match", if_match),
        ("If-None-Match", if_none_match),
    ):
        if value is not None and not value.strip(" \t,"):
            raise BadRequestError(f"{name} is empty; give it a value or leave it out")
    return Interaction(
        address.methods.get(method, ""),
        address.type,
        address.id,
        address.version,
        given(parameters_of(query)) if query else (),
        condition or "",
        if_match or "",
        if_none_match or "",
        if_modified_since or "",
        lenient,
        method,
        address.methods,
    )


def parse_entry(request: EntryRequest) -> Interaction:
    """Parse an entry's request; its address is relative to the base, with or without a slash before it.

    Raises:
        NotSupportedError, BadRequestError: see `parse`.
    """
    path, _, query = request.url.partition("?")
    if request.method == "HEAD":
        raise NotSupportedError("HEAD is not supported in a Bundle")
    return parse(
        request.method,
        path.removeprefix("/"),
        query,
        condition=request.if_none_exist,
        if_match=request.if_match,
        if_none_match=request.if_none_match,
        if_modified_since=request.if_modified_since,
    )


def parameters_of(query: str) -> Parameters:
    """Decode a query or a condition, with empty values and in order.

    Raises:
        BadRequestError: there are more than `MOST_PARAMETERS` parameters, or `LONGEST_QUERY` characters.
    """
    if len(query) > LONGEST_QUERY:
        raise BadRequestError(
            f"more than {LONGEST_QUERY} characters of parameters; search with POST and _search"
        )
    return bounded(tuple(urllib.parse.parse_qsl(query, keep_blank_values=True)))


def given(parameters: Parameters) -> Parameters:
    """Return the `parameters` that have a value; one without asks for nothing, as R4 has it.

    A link of this server that was cut is no first page: its cursor stays, to be refused.
    """
    return tuple(one for one in parameters if one[1].strip() or one[0] == PAGE)


def bounded(parameters: Parameters) -> Parameters:
    """Return `parameters`, unless there are too many.

    Raises:
        BadRequestError: there are more than `MOST_PARAMETERS`.
    """
    if len(parameters) > MOST_PARAMETERS:
        raise BadRequestError(f"more than {MOST_PARAMETERS} parameters")
    return parameters


def _address(path: str) -> _Address:
    segments = path.split("/")
    if "%" in path:
        segments = [_decoded(segment) for segment in segments]
    first = segments[0]
    if first in RESOURCE_TYPES:
        return _address_in_type(first, segments)
    if len(segments) == 1:
        if first in _SYSTEM:
            return _Address(_SYSTEM[first])
        if _OPERATION.fullmatch(first):
            return _Address(_operation(first))
    if first in _SYSTEM or not first.isalnum():
        raise NotSupportedError("this address is not supported: no interaction of FHIR has it")
    raise NotSupportedError("this address is not supported: R4 has no such resource type")


def _address_in_type(kind: str, segments: list[str]) -> _Address:
    match segments[1:]:
        case []:
            return _Address(_TYPE, kind)
        case [name] if name in _OF_TYPE:
            return _Address(_OF_TYPE[name], kind)
        case [name] if _OPERATION.fullmatch(name):
            return _Address(_operation(name), kind)
        case [logical_id, *rest] if _ID.fullmatch(logical_id):
            return _address_in_record(kind, logical_id, rest)
    raise NotSupportedError(
        "this address is not supported: a record's id has 1 to 64 letters, digits, '-' or '.'"
    )


def _address_in_record(kind: str, logical_id: str, rest: list[str]) -> _Address:
    match rest:
        case []:
            return _Address(_RECORD, kind, logical_id)
        case ["_history"]:
            return _Address(_HISTORY, kind, logical_id)
        case ["_history", version] if _ID.fullmatch(version):
            return _Address(_VERSION, kind, logical_id, version)
        case [name] if _OPERATION.fullmatch(name):
            return _Address(_operation(name), kind, logical_id)
        case [name] if name in RESOURCE_TYPES or name == "*":
            return _Address(_COMPARTMENT, kind, logical_id)
        case [name, "_search"] if name in RESOURCE_TYPES:
            return _Address(_COMPARTMENT_FORM, kind, logical_id)
    raise NotSupportedError("this address is not supported: no interaction of FHIR has it")


def _operation(name: str) -> Methods:
    return {"GET": name, "POST": name}


def _decoded(segment: str) -> str:
    try:
        return urllib.parse.unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise NotSupportedError("this address is not supported: it is not UTF-8") from None
