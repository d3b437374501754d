"""The operation `$assess-risk`: a patient's risk as a RiskAssessment, and the definition that tells of it.

Source: FHIR R4, "Extended Operations on the RESTful API" (3.2.0).
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from exchange.api.fhir.routes import require
from exchange.api.http.negotiation import check_accept, etag, fhir_body, fhir_response, http_date
from exchange.api.smart.token import authenticate
from exchange.auth.principal import Principal
from exchange.errors import BadRequestError
from exchange.fhir import r4
from exchange.fhir.outcome import MEDIA_TYPE
from exchange.node.gateway import Gateway
from exchange.services.scoring import Assessed, Scoring

DEFINITION_ID = "Patient-assess-risk"
"""The logical id of the OperationDefinition."""


def add_routes(app: FastAPI, gateway: Gateway, prefix: str) -> None:
    """Add the operation and its definition under the FHIR base `prefix`, on a node that scores.

    The definition lies where a record could, so this comes before the routes of records.
    """
    scoring = gateway.scoring
    if scoring is None:
        return
    definition = operation_definition(gateway.base)
    principal = authenticate(gateway.tokens)

    async def define(request: Request) -> Response:
        check_accept(request)
        return Response(definition, media_type=MEDIA_TYPE)

    async def assess(request: Request) -> Response:
        who = await principal(request)
        check_accept(request)
        require_scopes(who)
        await _check_input(request, scoring)
        assessed = await scoring.assess(who, request.path_params["logical_id"])
        return fhir_response(assessed.body, tx_id=assessed.tx_id, headers=_headers(assessed))

    app.add_route(f"{prefix}/OperationDefinition/{DEFINITION_ID}", define, methods=["GET"])
    app.add_route(f"{prefix}/Patient/{{logical_id}}/$assess-risk", assess, methods=["POST"])


def require_scopes(principal: Principal) -> None:
    """Refuse a token that does not reach all that a score tells of.

    Raises:
        ForbiddenError: which interaction is not reached.
    """
    for interaction, kind in (
        ("read", "Patient"),
        ("search-type", "Observation"),
        ("search-type", "Condition"),
        ("read", "RiskAssessment"),
    ):
        require(principal, interaction, kind)


async def _check_input(request: Request, scoring: Scoring) -> None:
    # An operation without parameters may be called without a body.
    if not await request.body():
        return
    body = await fhir_body(request)
    resource = (await asyncio.to_thread(r4.check, body, expected="Parameters")).resource
    for parameter in resource.get("parameter", ()):
        if parameter["name"] != "model":
            raise BadRequestError("the operation has one parameter, model")
        if parameter.get("valueCode") != scoring.model.digest:
            raise BadRequestError("model is the digest of this server's model, as a valueCode")


def _headers(assessed: Assessed) -> dict[str, str]:
    written = assessed.written
    return {"ETag": etag(written.version), "Last-Modified": http_date(written.written)}


def operation_definition(base: str) -> bytes:
    """The OperationDefinition as JSON; `base` is the FHIR base URL."""
    from fhir.resources.R4B.operationdefinition import (  # noqa: PLC0415 - half a second that only a server needs
        OperationDefinition,
    )

    definition: dict[str, Any] = {
        "id": DEFINITION_ID,
        "url": f"{base}/OperationDefinition/{DEFINITION_ID}",
        "name": "AssessRisk",
        "title": "Assess a patient's risk on encrypted features",
        "status": "active",
        "kind": "operation",
        "date": "2026-11-23",
        "affectsState": True,
        "description": (
            "Computes a risk from those of the patient's records that the requester may see, on ciphertext, "
            "and stores it. The ledger is asked with action score before a record is read, and once more, "
            "with commitments to input and output, before the answer is given."
        ),
        "code": "assess-risk",
        "resource": ["Patient"],
        "system": False,
        "type": False,
        "instance": True,
        "parameter": [
            {
                "name": "model",
                "use": "in",
                "min": 0,
                "max": "1",
                "documentation": "The digest of the model that is meant; refused if the server has another.",
                "type": "code",
            },
            {
                "name": "return",
                "use": "out",
                "min": 1,
                "max": "1",
                "documentation": "The RiskAssessment, as it is now stored.",
                "type": "RiskAssessment",
            },
        ],
    }
    rendered: str = OperationDefinition.model_validate(definition).model_dump_json()
    return msgspec.json.encode({"resourceType": "OperationDefinition", **msgspec.json.decode(rendered)})
