"""The CapabilityStatement: what this gateway really does, per resource type."""

from __future__ import annotations

from importlib.metadata import version

from exchange.fhir import r4, search
from exchange.node.gateway import Gateway

_RECORD = ("read", "vread", "create", "update", "delete", "history-instance", "search-type")
_LOG = ("read", "search-type")


def capability_statement(gateway: Gateway) -> bytes:
    """The statement as JSON, built and checked by the R4B model once at start-up."""
    from fhir.resources.R4B.capabilitystatement import (  # noqa: PLC0415 - half a second that only a server needs
        CapabilityStatement,
    )

    resources = [_resource(name, gateway) for name in sorted(r4.RESOURCE_TYPES)]
    statement = {
        "status": "active",
        "date": "2026-11-22",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "software": {"name": "Consentry", "version": version("consentry")},
        "implementation": {"description": gateway.member.name, "url": gateway.base},
        "rest": [
            {
                "mode": "server",
                "documentation": "Every disclosure is a ledger transaction, named in X-Consentry-Tx.",
                "security": {
                    "service": [
                        {
                            "coding": [
                                {
                                    "system": (
                                        "http://terminology.hl7.org/CodeSystem/restful-security-service"
                                    ),
                                    "code": "SMART-on-FHIR",
                                }
                            ]
                        }
                    ],
                    "extension": [
                        {
                            "url": ("http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"),
                            "extension": [{"url": "token", "valueUri": gateway.tokens.token_url}],
                        }
                    ],
                },
                "resource": resources,
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }
    rendered: str = CapabilityStatement.model_validate(statement).model_dump_json()
    return rendered.encode()


def _resource(name: str, gateway: Gateway) -> dict[str, object]:
    is_log = name == "AuditEvent"
    parameters = gateway.audit.parameters if is_log else tuple(search.capability(name))
    interactions = _LOG if is_log else _RECORD
    resource: dict[str, object] = {
        "type": name,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned",
        "readHistory": not is_log,
        "updateCreate": not is_log,
        "conditionalCreate": not is_log,
    }
    if parameters:
        resource["searchParam"] = [{"name": code, "type": kind} for code, kind in parameters]
    if name == "Patient":
        definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
        operations = [{"name": "everything", "definition": definition}]
        if gateway.scoring is not None:
            own = f"{gateway.base}/OperationDefinition/Patient-assess-risk"
            operations.append({"name": "assess-risk", "definition": own})
        resource["operation"] = operations
    return resource
