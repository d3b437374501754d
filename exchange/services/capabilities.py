"""The CapabilityStatement: this server's interactions, made from the table of them and from nothing else."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

from exchange.auth.principal import Member, Principal
from exchange.errors import BadRequestError
from exchange.fhir import r4
from exchange.fhir.interaction import Interaction
from exchange.services.interactions import InteractionRow, Interactions, Outcome
from exchange.services.records.limits import RecordLimits

_OF_SYSTEM: Final = ("transaction", "batch", "search-system", "history-system")
"""The codes of the value set system-restful-interaction."""


class Capabilities:
    """The CapabilityStatement of one gateway, and its row; `base` is the FHIR base URL."""

    def __init__(self, *, interactions: Interactions, base: str, member: Member, token_url: str) -> None:
        self._interactions = interactions
        self._base = base
        self._member = member
        self._token_url = token_url

    def row(self) -> InteractionRow:
        """Return the row of the statement, the one answer that needs no token."""
        return InteractionRow(
            code="capabilities",
            resource_type="",
            handle=self._tell,
            scopes=(),
            public=True,
            parameters=frozenset({"mode"}),
        )

    async def _tell(self, _principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        if any(value != "full" for name, value in interaction.parameters if name == "mode"):
            raise BadRequestError("capabilities supports only the mode full")
        return Outcome(body=self.statement)

    @cached_property
    def statement(self) -> bytes:
        """The statement as JSON, built and checked by the R4B model once."""
        from fhir.resources.R4B.capabilitystatement import (  # noqa: PLC0415 - half a second that only a server needs
            CapabilityStatement,
        )

        statement = {
            "status": "active",
            "date": "2026-11-22",
            "kind": "instance",
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "json"],
            "software": {"name": "Consentry", "version": version("consentry")},
            "implementation": {"description": self._member.name, "url": self._base},
            "rest": [self._rest()],
        }
        rendered: str = CapabilityStatement.model_validate(statement).model_dump_json()
        return rendered.encode()

    def _rest(self) -> dict[str, Any]:
        codes = {row.code for row in self._interactions.of_type("")}
        return {
            "mode": "server",
            "documentation": (
                "Every disclosure is a ledger transaction, named in X-Consentry-Tx. A search with _sort, "
                f"_total=accurate or _summary=count examines up to {RecordLimits().whole} records."
            ),
            "security": {
                "service": [
                    {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                                "code": "SMART-on-FHIR",
                            }
                        ]
                    }
                ],
                "extension": [
                    {
                        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                        "extension": [{"url": "token", "valueUri": self._token_url}],
                    }
                ],
            },
            "resource": [
                _resource(kind, rows)
                for kind in sorted(r4.RESOURCE_TYPES)
                if (rows := self._interactions.of_type(kind))
            ],
            "interaction": [{"code": code} for code in _OF_SYSTEM if code in codes],
        }


def _resource(kind: str, rows: list[InteractionRow]) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "type": kind,
        "interaction": [{"code": row.code} for row in rows if not row.method],
        "versioning": "versioned",
        "readHistory": False,
        "updateCreate": False,
        "conditionalCreate": False,
    }
    for row in rows:
        resource |= row.declares
    found_by = [
        {"name": code, "type": of}
        for row in rows
        if row.search_parameters is not None
        for code, of in row.search_parameters(kind)
    ]
    if found_by:
        resource["searchParam"] = found_by
    operations = [{"name": row.code[1:], "definition": row.definition} for row in rows if row.method]
    if operations:
        resource["operation"] = operations
    return resource
