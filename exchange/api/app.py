"""The gateway as an ASGI application: FHIR, SMART, CDS Hooks, the patient's pages, health."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from exchange.api import cds_hooks
from exchange.api.fhir.routes import FhirBase
from exchange.api.http import errors
from exchange.api.http.limits import BodyLimits, RequestLimits
from exchange.api.smart import token
from exchange.node.gateway import Gateway
from exchange.pages.patient_pages import PatientPages
from exchange.pages.visits import PREFIX, DemoAccount
from exchange.services.health import Health, Readiness


def create_app(gateway: Gateway, *, body_limit: int, demo: DemoAccount | None = None) -> ASGIApp:
    """Return the application over services that are already open. `body_limit` is in bytes.

    With a `demo` account, the patient's pages have a button that signs in without a passkey.
    """
    # No redirects to addresses with or without a slash: they would repeat the query in a header.
    app = FastAPI(title="Consentry", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    token.add_routes(app, gateway.tokens)
    cds_hooks.add_routes(app, gateway)
    pages = PatientPages(gateway, demo)
    app.router.routes.append(Route(PREFIX, endpoint=pages))
    app.router.routes.append(Route(f"{PREFIX}/{{page:path}}", endpoint=pages))

    @app.get("/health")
    async def health() -> Response:
        return _health(await gateway.health.check())

    @app.get("/health/live")
    async def live() -> Response:
        return _health(Health("pass"))  # this process answers; nothing else is looked at

    @app.get("/health/ready")
    async def ready() -> Response:
        return _health(await gateway.health.ready())

    errors.install(app)
    served = FhirBase(gateway, "/fhir", beside=app, but={token.CONFIGURATION})
    return RequestLimits(served, gateway.quota, rates=gateway.rates, limits=BodyLimits(body=body_limit))


def _health(found: Health | Readiness) -> Response:
    status = 200 if found.serves else 503
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(found), status, headers, "application/health+json")
