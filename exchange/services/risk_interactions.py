"""The operation `$assess-risk` and its definition, a record that is not stored: their rows and handlers.

Source: FHIR R4, "Extended Operations on the RESTful API" (3.2.0).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import msgspec

from exchange.auth.principal import Principal
from exchange.errors import BadRequestError
from exchange.fhir import r4
from exchange.fhir.interaction import Interaction
from exchange.services.interactions import InteractionRow, Outcome
from exchange.services.scoring import Scoring

ASSESS_RISK: Final = "$assess-risk"
DEFINITION_ID: Final = "Patient-assess-risk"
"""The logical id of the OperationDefinition."""


class RiskInteractions:
    """Handlers of the operation and its definition, on a node that scores; `base` is the FHIR base URL."""

    def __init__(self, *, base: str, scoring: Scoring) -> None:
        self._base = base
        self._scoring = scoring

    def rows(self) -> Iterator[InteractionRow]:
        """Yield the rows; a token needs the scopes of all types that a score discloses."""
        yield InteractionRow(
            code=ASSESS_RISK,
            resource_type="Patient",
            handle=self._assess,
            scopes=[
                ("read", "Patient"),
                ("search-type", "Observation"),
                ("search-type", "Condition"),
                ("read", "RiskAssessment"),
            ],
            method="POST",
            on_instance=True,
            takes_body=True,
            optional_body=True,
            definition=f"{self._base}/OperationDefinition/{DEFINITION_ID}",
        )
        yield InteractionRow(
            code="read",
            resource_type="OperationDefinition",
            logical_id=DEFINITION_ID,
            handle=self._define,
            scopes=(),
            public=True,
        )

    async def _assess(self, principal: Principal, interaction: Interaction, body: bytes) -> Outcome:
        if body:
            resource = (await asyncio.to_thread(r4.check, body, expected="Parameters")).resource
            self._check_parameters(resource)
        assessed = await self._scoring.assess(principal, interaction.id)
        written = assessed.written
        return Outcome(200, written.body, assessed.tx_id, written.version, written.written)

    def _check_parameters(self, resource: dict[str, Any]) -> None:
        for parameter in resource.get("parameter", ()):
            if parameter["name"] != "model":
                raise BadRequestError("the operation has one parameter, model")
            if parameter.get("valueCode") != self._scoring.model.digest:
                raise BadRequestError("model is the digest of this server's model, as a valueCode")

    async def _define(self, _principal: Principal, _interaction: Interaction, _body: bytes) -> Outcome:
        return Outcome(body=self._definition)

    @cached_property
    def _definition(self) -> bytes:
        return operation_definition(self._base)


def operation_definition(base: str) -> bytes:
    """Return the OperationDefinition as JSON; `base` is the FHIR base URL."""
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
