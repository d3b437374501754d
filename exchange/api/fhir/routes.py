"""FHIR R4 over HTTP: one endpoint for the whole base, which parses, authenticates, performs, and encodes.

1. An address is parsed as it was sent (`fhir/interaction.py`). `HEAD` is answered as `GET` without the body.
2. A client without a token learns only that it needs one, unless the interaction is public.
3. The table in `services/interactions.py` defines the interactions and the needs of each.
4. The method alone determines the interaction: headers that would override it are refused.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from exchange.api.http.errors import LastResort
from exchange.api.http.limits import tell
from exchange.api.http.negotiation import (
    TX_HEADER,
    answer_type,
    check_accept,
    conditions,
    form_parameters,
    http_date,
    lenient,
    preference,
    read_body,
)
from exchange.api.smart.token import authenticate
from exchange.auth.principal import Kind, Principal
from exchange.errors import BadRequestError, ExchangeError, NotSupportedError
from exchange.fhir.interaction import Interaction, parse
from exchange.fhir.outcome import MEDIA_TYPE, noticed
from exchange.node.gateway import Gateway
from exchange.services.interactions import InteractionRow, Outcome
from exchange.services.records.conditions.preconditions import etag

_ANYONE: Final = Principal(Kind.SYSTEM, "", "", "", (), "", "")
"""The principal of a public interaction; it has no scope."""
_OVERRIDES: Final = ("x-http-method-override", "x-http-method", "x-method-override")
_NO_STORE: Final = {"Cache-Control": "no-store"}


class FhirBase:
    """ASGI application: the FHIR base `prefix` of a gateway, and `beside` it another application.

    The base has one endpoint, for every method, so it needs no routes: those of a framework, with its layers
    and its reading of typed parameters, cost as much as deciding an access. The addresses in `but` are not of
    the base.
    """

    def __init__(self, gateway: Gateway, prefix: str, *, beside: ASGIApp, but: Collection[str]) -> None:
        self._endpoint = LastResort(FhirEndpoint(gateway, prefix))
        self._prefix, self._under = prefix, f"{prefix}/"
        self._beside, self._but = beside, frozenset(but)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        path = scope.get("path", "")
        is_below = path.startswith(self._under) or path == self._prefix
        app = self._endpoint if is_below and path not in self._but else self._beside
        await app(scope, receive, send)


class FhirEndpoint:
    """The FHIR base of one gateway, an ASGI application."""

    def __init__(self, gateway: Gateway, prefix: str) -> None:
        self._base = gateway.base
        self._interactions = gateway.interactions
        self._authenticate = authenticate(gateway.tokens)
        self._rates = gateway.rates
        self._prefix = f"{prefix}/"
        assert gateway.capabilities.statement  # noqa: S101 - built now, not while the first client waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            interaction = self._interaction(request)
            row = self._interactions.find(interaction)
        except ExchangeError:
            await self._principal(request)
            raise
        principal = _ANYONE if row.public else await self._principal(request)
        tell(
            request.scope,
            interaction=row.code,
            resource_type=interaction.type,
            client_id=principal.client_id,
            organization=principal.organization,
            purpose=principal.purpose,
        )
        check_accept(request, interaction.parameters)
        if interaction.is_search_by_form:
            self._interactions.authorise(principal, interaction)  # before the form is read
            found = await form_parameters(request, interaction.parameters)
            interaction = msgspec.structs.replace(interaction, parameters=found)
        outcome = await self._interactions.perform(principal, interaction, partial(read_body, request))
        return self._encoded(request, row, outcome)

    async def _principal(self, request: Request) -> Principal:
        principal = await self._authenticate(request)
        self._rates.admit(principal.client_id)
        return principal

    def _interaction(self, request: Request) -> Interaction:
        scope, headers = request.scope, request.headers
        method: str = scope["method"]
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        if not path.startswith(self._prefix) and f"{path}/" != self._prefix:
            raise NotSupportedError("this address is not supported: it is not the base as it is written")
        path = path[len(self._prefix) :]
        query = scope["query_string"].decode("latin-1")
        reads = method in {"GET", "HEAD"}
        if not reads and any(name in headers for name in _OVERRIDES):
            raise BadRequestError("overriding the method is not supported")
        return parse(
            method,
            path,
            query,
            **conditions(headers),
            lenient=(bool(query) or not reads) and lenient(request),
        )

    def _encoded(self, request: Request, row: InteractionRow, outcome: Outcome) -> Response:
        headers = {} if row.public else dict(_NO_STORE)
        if outcome.version:
            headers["ETag"] = etag(outcome.version)
        if outcome.tx_id:
            headers[TX_HEADER] = outcome.tx_id
        if outcome.status == 204:  # a deletion leaves nothing to go to
            return Response(status_code=204, headers=headers)
        if outcome.written is not None:
            headers["Last-Modified"] = http_date(outcome.written)
        if outcome.location:
            headers["Location"] = f"{self._base}/{outcome.location}"
        if outcome.notices:
            headers["Warning"] = ", ".join(f'299 consentry "{notice}"' for notice in outcome.notices)
        body = outcome.body
        if row.writes and body:
            wanted = preference(request)
            if wanted != "representation":
                body = noticed(outcome.notices) if wanted == "OperationOutcome" else b""
        return Response(body, outcome.status, headers, answer_type(request) or MEDIA_TYPE)
