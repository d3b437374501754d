"""Every refusal as an OperationOutcome, and failures without words that could be a patient's.

`install` covers the errors that FastAPI's routes raise; the middleware it adds is the last resort for all
others, and for those of an application without routes. An unexpected failure is answered with 500 and the
request's id, and logged by class and place: it never reaches the server's own handler, which would print its
message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exchange.api.http.limits import RETRY_AFTER
from exchange.errors import (
    BadRequestError,
    ExchangeError,
    MethodNotAllowedError,
    Problem,
    TooManyRequestsError,
    UnauthenticatedError,
    UnsupportedMediaError,
)
from exchange.fhir.outcome import MEDIA_TYPE, outcome, refusal

_HTTP: Mapping[int, tuple[str, str]] = {
    400: ("invalid", "the request can't be understood"),
    401: ("login", "send a bearer access token"),
    403: ("forbidden", "this is not allowed"),
    404: ("not-found", "there is nothing at this address"),
    405: ("not-supported", "this address does not support the method"),
    406: ("not-supported", "only FHIR R4 as JSON is supported"),
    408: ("timeout", "the request took too long to arrive"),
    413: ("too-long", "the body is over the limit"),
    415: ("not-supported", "the body's media type is not supported"),
    429: ("throttled", "too many requests; wait a little"),
    503: ("transient", "not available at this moment"),
}
_PARAMETERS = frozenset({"query", "path", "header", "cookie"})

_log = structlog.get_logger()


def install(app: FastAPI) -> None:
    """Answer every refusal and failure of `app` with an OperationOutcome.

    Add middlewares that may fail before this one, and `limits.RequestLimits` after it.
    """
    app.add_exception_handler(ExchangeError, _refused)
    app.add_exception_handler(HTTPException, _refused_by_http)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_middleware(LastResort)
    refusal("informational", "ready")  # loads the models now, not while the first refused client waits


def respond(error: ExchangeError, headers: Headers) -> Response:
    """Return the answer to a request with `headers` that was refused with `error`."""
    answer = {"Cache-Control": "no-store"}  # a refusal may turn into a permission at any moment
    if isinstance(error, UnauthenticatedError):
        invalid = ', error="invalid_token"' if "authorization" in headers else ""
        answer["WWW-Authenticate"] = f'Bearer realm="FHIR"{invalid}'
    if error.tx_id:
        answer["X-Consentry-Tx"] = error.tx_id
    if isinstance(error, UnsupportedMediaError) and "content-encoding" in headers:
        answer["Accept-Encoding"] = "gzip"
    if isinstance(error, MethodNotAllowedError):
        answer["Allow"] = ", ".join(error.allow)
    if error.status == 503:
        answer["Retry-After"] = str(RETRY_AFTER)
    if isinstance(error, TooManyRequestsError):
        answer["Retry-After"] = str(error.retry_after)
    if error.status >= 500:
        _log.error("request.unavailable", status=error.status, code=error.code, exc_info=error)
    return Response(outcome(error), error.status, answer, MEDIA_TYPE)


class LastResort:
    """ASGI middleware: a refusal that is caught nowhere else is answered.

    Any other error is logged without its message, as 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
            return
        except ExchangeError as error:
            response = respond(error, Headers(scope=scope))
        except HTTPException as error:
            response = _by_status(error)
        except ClientDisconnect:
            response = _timed_out()
        except Exception as error:  # noqa: BLE001 - the purpose of this class
            _log.error("request.failed", method=scope["method"], exc_info=error)
            message = "the gateway failed; X-Request-Id names the entry in its log"
            response = Response(refusal("exception", message), 500, {"Cache-Control": "no-store"}, MEDIA_TYPE)
        if not started:  # otherwise the server sees an unfinished answer and cuts the connection
            await response(scope, receive, send)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, ExchangeError):
        raise TypeError("registered for ExchangeError") from error
    return respond(error, request.headers)


async def _refused_by_http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError("registered for HTTPException") from error
    return _by_status(error)


def _by_status(error: HTTPException) -> Response:
    default = ("exception", "the gateway failed") if error.status_code >= 500 else ("processing", "refused")
    code, message = _HTTP.get(error.status_code, default)
    headers = {**(error.headers or {}), "Cache-Control": "no-store"}
    if error.status_code == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER))
    return Response(refusal(code, message), error.status_code, headers, MEDIA_TYPE)


async def _not_understood(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError("registered for RequestValidationError") from error
    problems = [Problem("", _place(told), "invalid") for told in error.errors()]
    return respond(BadRequestError("the request can't be understood", problems=problems), request.headers)


def _place(told: Mapping[str, Any]) -> str:
    # Only a parameter that the route declares is named: other names, and all values, are the sender's.
    where = told["loc"][0] if told["loc"] else "request"
    if where in _PARAMETERS and len(told["loc"]) == 2 and told["type"] != "extra_forbidden":
        return f"the {where} parameter {told['loc'][1]} is missing or not understood"
    return f"the {where} is not understood"


async def _gone(_request: Request, _error: Exception) -> Response:
    return _timed_out()


def _timed_out() -> Response:
    return Response(refusal("timeout", _HTTP[408][1]), 408, {"Cache-Control": "no-store"}, MEDIA_TYPE)
