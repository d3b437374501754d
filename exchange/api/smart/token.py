"""SMART Backend Services over HTTP: the token endpoint, and the bearer tokens of requests.

A token is ended by its holder at `POST /auth/revoke`, with no other credential: persons have none.

Source: SMART App Launch 2.2, "Backend Services" and "Conformance"; RFC 6749, 6750, 7009.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from fastapi import FastAPI
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exchange.api.http.limits import RETRY_AFTER
from exchange.auth.assertions import ALGORITHMS
from exchange.auth.oauth import OAuthError
from exchange.auth.principal import Principal
from exchange.errors import DamagedError, UnauthenticatedError, UnavailableError
from exchange.services.auth.tokens import Tokens

LONGEST_FORM: Final = 64 * 1024
"""Bytes of the longest token request that is read."""

CONFIGURATION: Final = "/fhir/.well-known/smart-configuration"
"""The one address under the FHIR base that is not FHIR's."""

_MOST_FIELDS = 50
_FORM_TYPE = "application/x-www-form-urlencoded"
_NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_encode = msgspec.json.Encoder().encode


def add_routes(app: FastAPI, tokens: Tokens) -> None:
    """Add the routes `GET /fhir/.well-known/smart-configuration`, `POST /auth/token` and `/auth/revoke`."""
    configuration = _encode(
        {
            "token_endpoint": tokens.token_url,
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "revocation_endpoint": tokens.token_url.removesuffix("token") + "revoke",
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.read", "system/*.write"],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }
    )

    class SmartConfiguration(HTTPEndpoint):  # answers every method: the address lies under the FHIR base
        async def get(self, _request: Request) -> Response:
            return Response(configuration, media_type="application/json")

    app.router.routes.append(Route(CONFIGURATION, SmartConfiguration))

    @app.post("/auth/token", include_in_schema=False)
    async def token(request: Request) -> Response:
        try:
            issued = await tokens.exchange_assertion(await _form(request))
        except OAuthError as refused:
            return _refuse(refused)
        except (UnavailableError, DamagedError):
            return _refuse(OAuthError("temporarily_unavailable", "no token can be issued now; ask again"))
        return Response(_encode(issued), 200, _NOT_STORED, "application/json")

    @app.post("/auth/revoke", include_in_schema=False)
    async def revoke(request: Request) -> Response:
        try:
            await tokens.revoke(_token_to_end(await _form(request)))
        except OAuthError as refused:
            return _refuse(refused)
        except UnavailableError:
            return _refuse(OAuthError("temporarily_unavailable", "no token can be ended now; ask again"))
        return Response(b"", 200, _NOT_STORED)


def authenticate(tokens: Tokens) -> Callable[[Request], Awaitable[Principal]]:
    """Return the function that finds the principal of a request by its bearer token.

    The function raises UnauthenticatedError if there is no token, or more than one, or an invalid one, and
    UnavailableError if the database of tokens can't be reached.
    """

    async def principal(request: Request) -> Principal:
        sent = request.headers.getlist("authorization")
        if len(sent) != 1:
            raise UnauthenticatedError("send one bearer access token in the Authorization header")
        scheme, _, token = sent[0].partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError("the Authorization header must be of the form Bearer token")
        return await tokens.resolve(token.strip(" "))

    return principal


async def _form(request: Request) -> list[tuple[str, str]]:
    if "authorization" in request.headers:
        raise OAuthError("invalid_request", "authenticate by client_assertion only, without Authorization")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM_TYPE:
        raise OAuthError("invalid_request", f"the body must be {_FORM_TYPE}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise OAuthError("invalid_request", "the body is over the limit of 64 KiB")
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:  # not ASCII, not UTF-8 behind the percent signs, or too many fields
        raise OAuthError("invalid_request", "the body is not a form in UTF-8") from None


def _token_to_end(form: list[tuple[str, str]]) -> str:
    found = [value for name, value in form if name == "token" and value]
    if len(found) != 1:
        raise OAuthError("invalid_request", "send the token to end, once, as token")
    return found[0]


def _refuse(refused: OAuthError) -> Response:
    body = {"error": refused.code, "error_description": refused.description}
    headers = dict(_NOT_STORED)
    if refused.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="token"'
    if refused.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER)
    return Response(_encode(body), refused.status, headers, "application/json")
