"""HTTP headers and query strings as FHIR R4 uses them (section 3.1.0)."""

from __future__ import annotations

import email.utils
from functools import lru_cache
from typing import Literal

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from exchange.errors import BadRequestError, UnsupportedMediaError
from exchange.fhir.outcome import MEDIA_TYPE

BODY_TYPES = frozenset({"application/fhir+json", "application/json", "text/json"})
PATCH_TYPES = frozenset({"application/json-patch+json", "application/merge-patch+json"})
TX_HEADER = "X-Consentry-Tx"
"""The response header that names the ledger transaction behind an answer."""

SHAPING = frozenset({"_format", "_pretty"})
"""Parameters of any request that say how the answer is written, and nothing of what is asked."""

_FORMATS = frozenset(
    {"json", "application/json", "application/fhir+json", "application/fhir json", "text/json"}
)
_MOST_PARAMETERS = 200

Prefer = Literal["representation", "minimal", "OperationOutcome"]


def media_type(request: Request) -> str:
    """The body's media type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def fhir_body(request: Request) -> bytes:
    """The body of a request that carries FHIR JSON.

    Raises:
        UnsupportedMediaError: the media type is another one.
        BadRequestError: there is no body.
    """
    if media_type(request) not in BODY_TYPES:
        raise UnsupportedMediaError("send application/fhir+json")
    body = await request.body()
    if not body:
        raise BadRequestError("the request needs a body")
    return body


def parameters(request: Request) -> list[tuple[str, str]]:
    """The query's parameters in order, without those that only shape the HTTP answer."""
    found = request.query_params.multi_items()
    return bounded(found)


async def form_parameters(request: Request) -> list[tuple[str, str]]:
    """The parameters of a `_search` by POST: those of the URL and those of the form."""
    if media_type(request) != "application/x-www-form-urlencoded":
        raise UnsupportedMediaError("send application/x-www-form-urlencoded")
    form = await request.form(max_files=0, max_fields=_MOST_PARAMETERS)
    items = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    return bounded([*request.query_params.multi_items(), *items])


def bounded(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """`found`, refused when it is longer than any honest search.

    Raises:
        BadRequestError: too many parameters.
    """
    if len(found) > _MOST_PARAMETERS:
        raise BadRequestError(f"more than {_MOST_PARAMETERS} parameters")
    return found


def check_accept(request: Request) -> None:
    """Refuse a client that can read no JSON.

    Raises:
        HTTPException: 406.
    """
    wanted = request.query_params.get("_format") if request.scope["query_string"] else None
    if wanted is not None:
        if wanted.lower().replace("+", " ") not in {f.replace("+", " ") for f in _FORMATS}:
            raise HTTPException(406, "only JSON is spoken here")
        return
    accept = request.headers.get("accept", "")
    if accept and not any(part in accept for part in ("json", "*/*", "application/*")):
        raise HTTPException(406, "only JSON is spoken here")


def preference(request: Request) -> Prefer:
    """What `Prefer: return=` asks for; the representation without it."""
    prefer = request.headers.get("prefer", "")
    if "return=minimal" in prefer:
        return "minimal"
    if "return=OperationOutcome" in prefer:
        return "OperationOutcome"
    return "representation"


def lenient(request: Request) -> bool:
    """Whether unknown search parameters shall be ignored (`Prefer: handling=lenient`)."""
    return "handling=lenient" in request.headers.get("prefer", "")


def etag(version: int) -> str:
    """The weak entity tag of a version."""
    return f'W/"{version}"'


def version_number(text: str) -> int:
    """The version that the `vid` of an address names; 0, which no record has, for what is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def http_date(milliseconds: int) -> str:
    """`milliseconds` since 1970 UTC as an HTTP date."""
    return _http_date(milliseconds // 1000)


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


def fhir_response(
    body: bytes, *, status: int = 200, tx_id: str = "", headers: dict[str, str] | None = None
) -> Response:
    """A FHIR answer that no cache may keep."""
    out = {"Cache-Control": "no-store", **(headers or {})}
    if tx_id:
        out[TX_HEADER] = tx_id
    return Response(body, status_code=status, headers=out, media_type=MEDIA_TYPE)
