"""CDS Hooks: a card with the patient's risk when a clinician opens the chart.

- `GET /cds-services` lists the service; it needs no token, as the specification has it.
- `POST /cds-services/{id}` needs the JWT of a registered client, signed for exactly this address and good
  for one request. `context.userId` names the user, as the client states it; the purpose is treatment.
- The patient's id is one of this server: a request that names another `fhirServer` is refused, because the
  same id may be another person's there. A Patient in `prefetch` is not read: an answer that depended on it
  would tell about a Patient that the client may not read.
- Where there is no such patient, or no permission, there is no card, and the answer is the same for both.
  Too little data is a card that says so. A failure is an error, never an empty list of cards.

Records are read here and nowhere else, under the ledger's decision, so an access token that a request may
contain (`fhirAuthorization`) is neither used nor stored.

Source: CDS Hooks 2.0, "CDS Service Request", "CDS Card Attributes", "Trusting CDS Clients";
hook patient-view 1.0.
"""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import uuid4

import msgspec
from fastapi import FastAPI, Request, Response

from exchange.api.http.limits import admit_body
from exchange.api.http.negotiation import TX_HEADER, media_type
from exchange.auth.principal import Principal
from exchange.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    UnscorableError,
    UnsupportedMediaError,
)
from exchange.fhir.interaction import Interaction
from exchange.fhir.references import ID
from exchange.node.gateway import Gateway
from exchange.services.risk_interactions import ASSESS_RISK
from exchange.services.scoring import Assessed, Scoring

SERVICE_ID: Final = "consentry-risk"
_PATIENT_VIEW = "patient-view"
_LONGEST_SUMMARY = 140
_INDICATORS = {"low": "info", "moderate": "warning", "high": "warning"}
_CLINICIAN = re.compile(rf"(?:Practitioner|PractitionerRole)/{ID}")
_ID = re.compile(ID)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    user_id: str
    patient_id: str


class _Hook(msgspec.Struct, frozen=True, rename="camel"):
    hook: str
    hook_instance: str
    context: _Context
    fhir_server: str | None = None


_hook = msgspec.json.Decoder(_Hook)


def add_routes(app: FastAPI, gateway: Gateway) -> None:
    """Add discovery and the service, on a node that scores."""
    scoring = gateway.scoring
    if scoring is None:
        return
    services = _Services(gateway, scoring)
    app.add_route("/cds-services", services.discover, methods=["GET"])
    app.add_route(f"/cds-services/{SERVICE_ID}", services.call, methods=["POST"])


class _Services:
    def __init__(self, gateway: Gateway, scoring: Scoring) -> None:
        self._gateway, self._scoring = gateway, scoring
        self._url = f"{gateway.base.removesuffix('/fhir')}/cds-services/{SERVICE_ID}"
        self._offered = msgspec.json.encode({"services": [_service(scoring)]})

    async def discover(self, _request: Request) -> Response:
        """List the service."""
        return Response(self._offered, media_type="application/json")

    async def call(self, request: Request) -> Response:
        """Answer with the cards for one opened chart."""
        text = _bearer(request)
        # The signature is checked first: a stranger learns nothing of the body's check, and sends little.
        registered = await self._gateway.tokens.recognise(text, url=self._url, user="")
        self._gateway.rates.admit(registered.client_id)
        admit_body(request.scope)
        body = await request.body()
        if media_type(request) != "application/json":
            raise UnsupportedMediaError("send application/json")
        hook = _read(body, self._gateway.base)
        principal = msgspec.structs.replace(registered, user=hook.context.user_id, user_name="")
        patient = hook.context.patient_id
        asked = Interaction(ASSESS_RISK, "Patient", patient, method="POST")
        self._gateway.interactions.authorise(principal, asked)
        return await self._cards(principal, hook)

    async def _cards(self, principal: Principal, hook: _Hook) -> Response:
        try:
            assessed = await self._scoring.assess(principal, hook.context.patient_id)
        except NotFoundError as hidden:
            return _answer([], hidden.tx_id)
        except UnscorableError as bare:
            return _answer([self._without(bare)], bare.tx_id)
        return _answer([self._card(assessed)], assessed.tx_id)

    def _source(self) -> dict[str, str]:
        return {"label": f"Consentry at {self._gateway.member.name}", "url": self._gateway.base}

    def _card(self, assessed: Assessed) -> dict[str, Any]:
        model, estimate = self._scoring.model, assessed.estimate
        compared = f"{estimate.relative:g} times the share in {model.title}"
        lines = [
            f"{model.outcome['text']}: {estimate.probability:.1%}, {compared}.",
            "An estimate to draw attention, computed on encrypted features. It is no diagnosis.",
        ]
        if assessed.missing:
            lines.append(f"Not recorded, so not used: {', '.join(assessed.missing)}.")
        place = f"RiskAssessment/{assessed.written.logical_id}"
        summary = f"Risk {estimate.probability:.0%} ({estimate.qualitative}): {model.outcome['text']}"
        return {
            "uuid": str(uuid4()),
            "summary": _cut(summary),
            "indicator": _INDICATORS[estimate.qualitative],
            "detail": "\n\n".join(lines),
            "source": self._source(),
            "links": [
                {"label": "RiskAssessment", "url": f"{self._gateway.base}/{place}", "type": "absolute"}
            ],
        }

    def _without(self, bare: UnscorableError) -> dict[str, Any]:
        return {
            "uuid": str(uuid4()),
            "summary": "No risk estimate: too little is recorded",
            "indicator": "info",
            "detail": "\n".join(f"- {problem.message}" for problem in bare.problems),
            "source": self._source(),
        }


def _service(scoring: Scoring) -> dict[str, Any]:
    return {
        "hook": _PATIENT_VIEW,
        "id": SERVICE_ID,
        "title": "Risk on encrypted features",
        "description": f"The risk of {scoring.model.outcome['text']}, from records of this server.",
        "usageRequirements": "The patient's consent must permit the use of records for treatment.",
    }


def _bearer(request: Request) -> str:
    sent = request.headers.getlist("authorization")
    scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("send one bearer JWT in the Authorization header")
    return token.strip(" ")


def _read(body: bytes, base: str) -> _Hook:
    try:
        hook = _hook.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        raise BadRequestError("the body is no CDS Hooks request: hook, hookInstance, context") from None
    if hook.hook != _PATIENT_VIEW:
        raise BadRequestError(f"this service is for the hook {_PATIENT_VIEW}")
    if not _UUID.fullmatch(hook.hook_instance):
        raise BadRequestError("hookInstance is a UUID")
    if not _ID.fullmatch(hook.context.patient_id):
        raise BadRequestError("context.patientId is the logical id of a Patient")
    if not _CLINICIAN.fullmatch(hook.context.user_id):
        raise ForbiddenError("context.userId must be a Practitioner or a PractitionerRole")
    if hook.fhir_server is not None and hook.fhir_server.rstrip("/") != base:
        raise BadRequestError("fhirServer is not this server, so its patients are others")
    return hook


def _cut(text: str) -> str:
    return text if len(text) < _LONGEST_SUMMARY else text[: _LONGEST_SUMMARY - 2] + "…"


def _answer(cards: list[dict[str, Any]], tx_id: str) -> Response:
    headers = {"Cache-Control": "no-store", TX_HEADER: tx_id}
    return Response(msgspec.json.encode({"cards": cards}), 200, headers, "application/json")
