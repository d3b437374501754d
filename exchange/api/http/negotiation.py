"""HTTP headers and query strings as FHIR R4 uses them (section 3.1.0)."""

from __future__ import annotations

import email.utils
import re
import urllib.parse
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Literal

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from exchange.api.http.body_encoding import check_coding, decoded
from exchange.api.http.limits import admit_body, body_limit
from exchange.errors import BadRequestError, TooLargeError, UnsupportedMediaError
from exchange.fhir.interaction import MOST_PARAMETERS, Parameters, bounded, given
from exchange.fhir.outcome import MEDIA_TYPE
from exchange.runtime.offload import offload

BODY_TYPES = frozenset({"application/fhir+json", "application/json", "text/json"})
LONGEST_FORM = 4 * 1024 * 1024
"""Bytes of the form of a search: the longest values that a search accepts, all of them escaped."""
TX_HEADER = "X-Consentry-Tx"
"""The response header that names the ledger transaction behind an answer."""

_FORMATS = frozenset({"json", *BODY_TYPES})
_FORM = "application/x-www-form-urlencoded"

_CONDITIONS: Mapping[bytes, str] = {
    b"if-none-exist": "condition",
    b"if-match": "if_match",
    b"if-none-match": "if_none_match",
    b"if-modified-since": "if_modified_since",
}

_VERSION = re.compile(r';\s*fhirversion\s*=\s*"?([^\s;,"]*)', re.IGNORECASE)
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;,"]*)', re.IGNORECASE)
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
_REFUSED_RANGE = re.compile(r";\s*q\s*=\s*0(?:\.0*)?\s*(?:;|$)", re.IGNORECASE)
_LONGEST_ACCEPT = 2_000

Prefer = Literal["representation", "minimal", "OperationOutcome"]


def media_type(request: Request) -> str:
    """Return the body's media type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def fhir_body(request: Request) -> bytes:
    """Return the body of a request that carries FHIR JSON.

    Raises:
        UnsupportedMediaError: the media type or the charset is another one.
        BadRequestError: there is no body.
    """
    if media_type(request) not in BODY_TYPES:
        raise UnsupportedMediaError("send application/fhir+json")
    _check_charset(request)
    if not _is_r4(request.headers.get("content-type", "")):
        raise UnsupportedMediaError("send FHIR R4, with fhirVersion=4.0 or without the parameter")
    check_coding(request.headers, supported=frozenset({"gzip"}))  # before the body is read
    body = await decoded(request.headers, await request.body(), most=body_limit(request.scope))
    if not body:
        raise BadRequestError("the request needs a body")
    return body


async def read_body(request: Request, *, optional: bool) -> bytes:
    """Return the body of a request that carries FHIR JSON, or with `optional` none.

    Raises:
        UnsupportedMediaError, BadRequestError: see `fhir_body`.
    """
    admit_body(request.scope)
    if optional and not await request.body():
        return b""
    return await fhir_body(request)


async def form_parameters(request: Request, queried: Parameters) -> Parameters:
    """Return the parameters of a `_search` by POST: those of the URL, `queried`, and those of the form.

    Raises:
        UnsupportedMediaError: the body is no form in UTF-8.
        TooLargeError: the form is longer than `LONGEST_FORM` bytes, packed or unpacked.
        BadRequestError: there are too many parameters.
        HTTPException: `_format` in the form asks for another format (406).
    """
    if media_type(request) != _FORM:
        raise UnsupportedMediaError(f"send {_FORM}")
    _check_charset(request)
    check_coding(request.headers, supported=frozenset({"gzip"}))
    admit_body(request.scope)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise TooLargeError("the form is over the limit")
    form = await decoded(request.headers, bytes(body), most=LONGEST_FORM)
    sent = await offload(partial(_fields, form), size=len(form))
    _is_format_asked(sent)
    return bounded((*queried, *given(sent)))


def _fields(body: bytes) -> Parameters:
    try:
        found = urllib.parse.parse_qsl(
            body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        raise BadRequestError(f"more than {MOST_PARAMETERS} parameters") from None
    return tuple(found)


def check_accept(request: Request, parameters: Parameters) -> None:
    """Refuse a client that can read no FHIR R4 as JSON, by `_format` of its `parameters` or by its headers.

    Raises:
        HTTPException: 406.
    """
    if not _is_format_asked(parameters) and answer_type(request) is None:
        raise HTTPException(406)


def _is_format_asked(parameters: Parameters) -> bool:
    """Check whether `_format` asks for the format of this server; it stands above the headers.

    Raises:
        HTTPException: it asks for another one (406).
    """
    asked = [value for name, value in parameters if name == "_format" and value.strip()]
    for value in asked:
        kind = value.partition(";")[0].strip().lower().replace(" ", "+")  # a `+` that was not escaped
        if kind not in _FORMATS or not _is_r4(value):
            raise HTTPException(406)
    return bool(asked)


def _check_charset(request: Request) -> None:
    found = _CHARSET.search(request.headers.get("content-type", ""))
    if found is not None and found[1].lower() not in _UTF_8:
        raise UnsupportedMediaError("send the body in UTF-8, with this charset or without the parameter")


def answer_type(request: Request) -> str | None:
    """Return the media type of the answer that a client accepts, None where it accepts none of FHIR R4's.

    It is FHIR's own, or `application/json` or `text/json` for one that names these alone.
    """
    accept = ", ".join(request.headers.getlist("accept"))
    return _accepted(accept) if accept.strip() else MEDIA_TYPE


@lru_cache(maxsize=256)
def _accepted(accept: str) -> str | None:
    if len(accept) > _LONGEST_ACCEPT:
        return MEDIA_TYPE
    ranges = {
        part.partition(";")[0].strip().lower()
        for part in accept.split(",")
        if _is_r4(part) and not _REFUSED_RANGE.search(part)
    }
    if ranges & {MEDIA_TYPE, "*/*", "application/*"}:
        return MEDIA_TYPE
    return next((one for one in ("application/json", "text/json") if one in ranges), None)


def _is_r4(text: str) -> bool:
    """Check whether a media type's parameter `fhirVersion`, if there is one, names this release."""
    found = _VERSION.search(text)
    return found is None or found[1] in {"4.0", "4.0.1"}


def preference(request: Request) -> Prefer:
    """Return the wish of `Prefer: return=`; the representation without it."""
    prefer = request.headers.get("prefer", "")
    if "return=minimal" in prefer:
        return "minimal"
    if "return=OperationOutcome" in prefer:
        return "OperationOutcome"
    return "representation"


def lenient(request: Request) -> bool:
    """Check whether unknown search parameters shall be ignored (`Prefer: handling=lenient`)."""
    return "handling=lenient" in request.headers.get("prefer", "")


def conditions(headers: Headers) -> dict[str, str]:
    """Return the conditional headers of a request by the names that `fhir.interaction.parse` has for them.

    Raises:
        BadRequestError: a condition is not supported, or is there twice and no list.
    """
    found: dict[str, str] = {}
    for raw, value in headers.raw:
        if raw[:3] != b"if-":
            continue
        name = _CONDITIONS.get(raw)
        if name is None:
            if raw == b"if-unmodified-since":
                raise BadRequestError("If-Unmodified-Since is not supported; use If-Match")
        elif name not in found:
            found[name] = value.decode("latin-1")
        elif name in {"if_match", "if_none_match"}:
            found[name] += f", {value.decode('latin-1')}"
        else:
            raise BadRequestError("a condition is there more than once")
    return found


def http_date(milliseconds: int) -> str:
    """Return `milliseconds` since 1970 UTC as an HTTP date."""
    return _http_date(milliseconds // 1000)


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    return email.utils.formatdate(seconds, usegmt=True)
