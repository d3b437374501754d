"""The FHIR R4 routes: authenticate, check the scope, call a service, frame the answer."""

from __future__ import annotations

import asyncio
import urllib.parse

from fastapi import FastAPI, Request, Response

from exchange.api.fhir.metadata import capability_statement
from exchange.api.fhir.paging import Paging
from exchange.api.http.negotiation import (
    SHAPING,
    bounded,
    check_accept,
    etag,
    fhir_body,
    fhir_response,
    form_parameters,
    http_date,
    lenient,
    parameters,
    preference,
    version_number,
)
from exchange.api.smart.token import authenticate
from exchange.auth import scopes
from exchange.auth.principal import Kind, Principal
from exchange.errors import BadRequestError, ForbiddenError, InvalidResourceError, NotFoundError
from exchange.fhir import r4
from exchange.fhir.bundle import Asked, Past, history_set
from exchange.fhir.bundle import Response as EntryResponse
from exchange.fhir.outcome import MEDIA_TYPE, validation
from exchange.fhir.resource_bytes import instant
from exchange.node.gateway import Gateway
from exchange.services.records.create_update import Deletion, Written
from exchange.services.records.read import Released
from exchange.services.records.transaction import parse_etag

_LEVEL = {Kind.SYSTEM: "system", Kind.PATIENT: "patient", Kind.OFFICER: "user"}


def require(principal: Principal, interaction: str, resource_type: str) -> None:
    """Refuse what the token's scopes do not reach.

    Raises:
        NotFoundError: there is no such resource type.
        ForbiddenError: the scopes do not reach it.
    """
    if resource_type not in r4.RESOURCE_TYPES and resource_type != "*":
        raise NotFoundError("R4 has no such resource type")
    if not scopes.allows(principal.scopes, _LEVEL[principal.kind], interaction, resource_type):
        raise ForbiddenError(f"the token's scopes do not reach {interaction} of {resource_type}")


def add_routes(app: FastAPI, gateway: Gateway, prefix: str) -> None:
    """Add all routes under the FHIR base `prefix`.

    They stand on the application itself: an included router costs as much as a whole read. Routes are
    tried in order, so the most asked for comes first.
    """
    fhir = _Fhir(gateway)
    kind, record = f"{prefix}/{{resource_type}}", f"{prefix}/{{resource_type}}/{{logical_id}}"
    for path, endpoint, method in (
        (record, fhir.read, "GET"),
        (f"{prefix}/metadata", fhir.metadata, "GET"),
        (kind, fhir.search_by_get, "GET"),
        (f"{kind}/_search", fhir.search_by_post, "POST"),
        (kind, fhir.create, "POST"),
        (record, fhir.update, "PUT"),
        (record, fhir.delete, "DELETE"),
        (prefix, fhir.bundle, "POST"),
        (f"{prefix}/", fhir.bundle, "POST"),
        (f"{prefix}/Patient/{{logical_id}}/$everything", fhir.everything, "GET"),
        (f"{kind}/$validate", fhir.validate, "POST"),
        (f"{record}/_history", fhir.history, "GET"),
        (record + "/_history/{version}", fhir.vread, "GET"),
    ):
        app.add_route(path, endpoint, methods=[method])


class _Fhir:
    """The endpoints of one gateway.

    They are routes of Starlette, which FastAPI is built on: they take the request alone and read its path
    themselves. FastAPI's own reading of typed parameters costs as much as deciding an access, and path
    segments are plain text anyway.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._principal = authenticate(gateway.tokens)
        self._paging = Paging(gateway)
        self._statement = capability_statement(gateway)

    async def _enter(self, request: Request, interaction: str) -> tuple[Principal, str]:
        """Who asks, and of which resource type, if the token's scopes reach that."""
        principal = await self._principal(request)
        check_accept(request)
        resource_type: str = request.path_params["resource_type"]
        require(principal, interaction, resource_type)
        return principal, resource_type

    async def metadata(self, request: Request) -> Response:
        """What this server does; the one answer that needs no token."""
        check_accept(request)
        return Response(self._statement, media_type=MEDIA_TYPE)

    async def bundle(self, request: Request) -> Response:
        """Run a transaction or a batch; each entry needs its own scope."""
        principal = await self._principal(request)
        check_accept(request)
        body = await fhir_body(request)
        return fhir_response(await self._gateway.bundles.run(principal, body, self._entry, require))

    async def _entry(self, principal: Principal, asked: Asked) -> EntryResponse:
        kind, logical_id = asked.resource_type, asked.logical_id
        if asked.interaction == "search-type":
            found = bounded(urllib.parse.parse_qsl(asked.query, keep_blank_values=True))
            page = await self._paging.search(principal, kind, found, lenient=False)
            return EntryResponse("200 OK", resource=page.body, tx_id=page.tx_id)
        if kind == "AuditEvent" and asked.interaction == "read":
            event = await self._gateway.audit.read(principal, logical_id)
            return EntryResponse("200 OK", resource=event.body, tx_id=event.tx_id)
        version = version_number(asked.version) if asked.version else None
        released = await self._gateway.reading.read(principal, kind, logical_id, version)
        return EntryResponse(
            "200 OK", etag=etag(released.version), resource=released.body, tx_id=released.tx_id
        )

    async def everything(self, request: Request) -> Response:
        """One page of a patient's compartment."""
        logical_id: str = request.path_params["logical_id"]
        principal = await self._principal(request)
        check_accept(request)
        require(principal, "search-type", "*")
        page = await self._paging.everything(principal, logical_id, parameters(request))
        return fhir_response(page.body, tx_id=page.tx_id)

    async def search_by_post(self, request: Request) -> Response:
        """One page of a search whose parameters stand in a form."""
        principal, resource_type = await self._enter(request, "search-type")
        found = await form_parameters(request)
        page = await self._paging.search(principal, resource_type, found, lenient=lenient(request))
        return fhir_response(page.body, tx_id=page.tx_id)

    async def search_by_get(self, request: Request) -> Response:
        """One page of a search."""
        principal, resource_type = await self._enter(request, "search-type")
        found = parameters(request)
        page = await self._paging.search(principal, resource_type, found, lenient=lenient(request))
        return fhir_response(page.body, tx_id=page.tx_id)

    async def validate(self, request: Request) -> Response:
        """Whether a body is valid R4; nothing is stored."""
        _, resource_type = await self._enter(request, "create")
        body = await fhir_body(request)
        try:
            await asyncio.to_thread(r4.check, body, expected=resource_type)
        except InvalidResourceError as invalid:  # the operation itself has succeeded
            return fhir_response(validation(invalid.problems))
        return fhir_response(validation())

    async def create(self, request: Request) -> Response:
        """Store a new record, unless `If-None-Exist` finds one."""
        principal, resource_type = await self._enter(request, "create")
        if set(request.query_params) - SHAPING:  # some clients mean a condition, and would store twice
            raise BadRequestError("a create takes no search parameters; a condition goes in If-None-Exist")
        body = await fhir_body(request)
        condition = request.headers.get("if-none-exist")
        if not condition:
            return await self._create(request, principal, resource_type, body)
        require(principal, "search-type", resource_type)
        self._gateway.writing.allow(principal, resource_type)
        bundles = self._gateway.bundles
        async with bundles.one_at_a_time(principal, [resource_type]):
            existing = await bundles.existing(principal, resource_type, condition)
            if existing:
                return fhir_response(b"", headers={"Location": f"{self._gateway.base}/{existing}"})
            return await self._create(request, principal, resource_type, body)

    async def _create(
        self, request: Request, principal: Principal, resource_type: str, body: bytes
    ) -> Response:
        change = await self._gateway.writing.prepare(
            principal, body, resource_type=resource_type, logical_id=None
        )
        [written] = await self._gateway.writing.write([change])
        return self._after_write(request, written)

    async def read(self, request: Request) -> Response:
        """The current version of a record."""
        principal, resource_type = await self._enter(request, "read")
        logical_id: str = request.path_params["logical_id"]
        if resource_type == "AuditEvent":
            event = await self._gateway.audit.read(principal, logical_id)
            return fhir_response(event.body, tx_id=event.tx_id)
        released = await self._gateway.reading.read(principal, resource_type, logical_id)
        if request.headers.get("if-none-match") == etag(released.version):
            return fhir_response(b"", status=304, tx_id=released.tx_id, headers=_version_headers(released))
        body = self._paging.shaped(request, released.body)
        return fhir_response(body, tx_id=released.tx_id, headers=_version_headers(released))

    async def vread(self, request: Request) -> Response:
        """One version of a record."""
        principal, resource_type = await self._enter(request, "vread")
        logical_id: str = request.path_params["logical_id"]
        version: str = request.path_params["version"]
        number = version_number(version)
        released = await self._gateway.reading.read(principal, resource_type, logical_id, number)
        return fhir_response(released.body, tx_id=released.tx_id, headers=_version_headers(released))

    async def update(self, request: Request) -> Response:
        """Store a new version of a record, or the record itself if there is none."""
        principal, resource_type = await self._enter(request, "update")
        logical_id: str = request.path_params["logical_id"]
        if_match = request.headers.get("if-match")
        change = await self._gateway.writing.prepare(
            principal,
            await fhir_body(request),
            resource_type=resource_type,
            logical_id=logical_id,
            if_match=parse_etag(if_match) if if_match else None,
            replaces=True,
        )
        [written] = await self._gateway.writing.write([change])
        return self._after_write(request, written)

    async def delete(self, request: Request) -> Response:
        """Delete a record; its versions stay readable in its history."""
        principal, resource_type = await self._enter(request, "delete")
        logical_id: str = request.path_params["logical_id"]
        self._gateway.writing.allow(principal, resource_type)
        if_match = request.headers.get("if-match")
        deletion = Deletion(resource_type, logical_id, parse_etag(if_match) if if_match else None)
        [written] = await self._gateway.writing.write([deletion])
        return Response(status_code=204, headers={"ETag": etag(written.version)})

    async def history(self, request: Request) -> Response:
        """Versions of a record, the newest first."""
        principal, resource_type = await self._enter(request, "history-instance")
        logical_id: str = request.path_params["logical_id"]
        place = f"{resource_type}/{logical_id}"
        page = self._paging.history_page(principal, request, place)
        found = await self._gateway.reading.history(
            principal, resource_type, logical_id, below=page.below, limit=page.count
        )
        versions = [_past(f"{self._gateway.base}/{place}", place, released) for released in found.versions]
        links = self._paging.history_links(principal, place, page, found.more_below)
        return fhir_response(history_set(versions, links=links), tx_id=found.tx_id)

    def _after_write(self, request: Request, written: Written) -> Response:
        place = f"{self._gateway.base}/{written.resource_type}/{written.logical_id}"
        headers = {
            "ETag": etag(written.version),
            "Last-Modified": http_date(written.written),
            "Location": f"{place}/_history/{written.version}",
        }
        wanted = preference(request)
        body = written.body if wanted == "representation" else b""
        if wanted == "OperationOutcome":
            body = validation()
        status = 201 if written.outcome == "created" else 200
        return fhir_response(body, status=status, headers=headers)


def _version_headers(released: Released) -> dict[str, str]:
    return {"ETag": etag(released.version), "Last-Modified": http_date(released.written)}


def _past(full_url: str, place: str, released: Released) -> Past:
    written = "201" if released.version == 1 else "200"
    return Past(
        full_url=full_url,
        relative_url=place,
        body=None if released.deleted else released.body,
        status="204" if released.deleted else written,
        etag=etag(released.version),
        last_modified=instant(released.written),
    )
