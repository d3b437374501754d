"""One access-log entry as a FHIR `AuditEvent`, after IHE BALP (Basic Audit Log Patterns).

The ledger's part comes from its record. Requester and target in clear come from the sealed detail where
the reader may have it, and are left out otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from chaincode.access.model import LogEntry, Reason
from exchange.fhir.resource_bytes import instant

TRANSACTION_SYSTEM = "urn:consentry:ledger-transaction"
"""Identifier system of ledger transaction ids."""

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
_PURPOSES = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
MSP = "urn:consentry:msp"
"""Identifier system of members, by their MSP ids."""
_KINDS = "http://hl7.org/fhir/resource-types"
_DISCLOSURE = {
    "system": "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle",
    "code": "11",
    "display": "Disclosure",
}
_SOURCE = {"system": _DICOM, "code": "110153", "display": "Source Role ID"}
_DESTINATION = {"system": _DICOM, "code": "110152", "display": "Destination Role ID"}

_SUCCESS, _REFUSED, _FAILED = "0", "4", "8"
"""`AuditEvent.outcome`: success, minor failure, serious failure."""
_NOT_RELEASED = "; not released, the answer failed"
_ID_DIGITS = 48
_VERSION = re.compile(r"[A-Za-z]+/[A-Za-z0-9.\-]+/_history/[0-9]+")


class ReleaseTold(Protocol):
    """The note of what was released on a permission: the number of records by kind, and the first of them."""

    @property
    def failed(self) -> bool:
        """Whether the answer was not sent although it was permitted."""

    @property
    def kinds(self) -> Mapping[str, int]:
        """The number of records by resource type."""

    @property
    def named(self) -> Sequence[str]:
        """References of the first ones, each with its version."""


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """The sealed detail of an entry: the requester, the target and an emergency's reason in clear."""

    client: str
    user: str
    user_name: str
    role: str
    interaction: str
    target: str
    patient: str
    reason: str = ""
    released: ReleaseTold | None = None
    """The note of what was released; None where it is not known."""


def event_id(tx: str, n: int) -> str:
    """Return the AuditEvent's logical id: 48 digits of the transaction id, and the entry's number."""
    return f"{tx[:_ID_DIGITS]}-{n}"


_OPERATIONS = frozenset({"everything", "assess-risk", "load", "baseline", "review"})
_EXECUTES = frozenset({"search", "export", "log", "score", "train", "baseline"})
_CHANGES = {"create": "C", "load": "C", "update": "U", "delete": "D"}
"""The log's actions that change records, with an AuditEvent's `action` (IHE BALP create, update, delete)."""


_USER_AUTHENTICATION = ("110114", "User Authentication")
_SECURITY_ALERT = ("110113", "Security Alert")
_LOGIN, _LOGOUT = ("110122", "Login"), ("110123", "Logout")
_SECURITY_CHANGED = ("110137", "User security Attributes Changed")
_IDENTITY = {
    "login-refused": (_USER_AUTHENTICATION, _LOGIN),
    "code-issued": (_USER_AUTHENTICATION, _LOGIN),
    "token-issued": (_USER_AUTHENTICATION, _LOGIN),
    "token-ended": (_USER_AUTHENTICATION, _LOGOUT),
    "client-added": (_SECURITY_ALERT, _SECURITY_CHANGED),
    "client-changed": (_SECURITY_ALERT, _SECURITY_CHANGED),
    "client-disabled": (_SECURITY_ALERT, _SECURITY_CHANGED),
    "settings-changed": (_SECURITY_ALERT, _SECURITY_CHANGED),
    "pairs-retired": (_SECURITY_ALERT, _SECURITY_CHANGED),
}
"""The log's actions that are events of identity, with the type and the subtype of DICOM's event codes."""


def parse_event_id(text: str) -> tuple[str, int] | None:
    """Return the start of the transaction id and the entry number of an AuditEvent id, or None."""
    tx, _, n = text.partition("-")
    if len(tx) != _ID_DIGITS or not set(tx) <= set("0123456789abcdef"):
        return None
    if not n.isdecimal() or len(n) > 3 or str(int(n)) != n:
        return None
    return tx, int(n)


_RECORD = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history(?:/[0-9]+)?)?")


def records_of(target: str) -> list[str]:
    """Return the records (`Type/id`) that an entry's target names; a request for a search names none."""
    named = (_RECORD.fullmatch(place) for place in target.split(","))
    return list(dict.fromkeys(found[1] for found in named if found is not None))


def audit_event(
    record: LogEntry, who: EntryDetail | None, names: Mapping[str, str], consent: str = ""
) -> bytes:
    """Return the AuditEvent of `record` as JSON; `names` maps MSP ids to the names of that time.

    `consent` is id and version (`id/_history/n`) of the Consent that the decision rests on, where the reader
    may know it.
    """
    permitted = record.outcome == "permit"
    note = None if who is None else who.released
    agents = [_requestor(record, who, names), *_software(who), _custodian(record, names)]
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": event_id(record.tx, record.n),
        "meta": {"versionId": "1", "lastUpdated": instant(record.time)},
        "type": {"system": _TYPES, "code": "rest", "display": "RESTful Operation"},
        "action": _CHANGES.get(record.action)
        or ("E" if record.action in _EXECUTES | _IDENTITY.keys() else "R"),
        "period": {"start": instant(record.time)},
        "recorded": instant(record.time),
        "outcome": _outcome(record, note),
        "outcomeDesc": f"{record.outcome}: {record.reason}{_NOT_RELEASED if _is_failure(note) else ''}",
        "purposeOfEvent": [{"coding": [{"system": _PURPOSES, "code": record.purpose}]}],
        "agent": agents,
        "source": {
            "site": names.get(record.custodian, record.custodian),
            "observer": {"identifier": {"system": MSP, "value": record.custodian}},
        },
        "entity": [*_entities(record, who), *_rests_on(consent), *_given(note)],
    }
    if permitted and record.purpose == "BTG":  # breaking the glass is reviewed afterwards
        resource["meta"]["tag"] = [{"system": "urn:consentry:log", "code": "review"}]
    if who is not None and (who.reason or record.purpose == "BTG"):
        resource["purposeOfEvent"][0]["text"] = who.reason or "no reason was stated"
    if who is not None:
        interaction = {"system": _INTERACTIONS, "code": _interaction(who.interaction)}
        resource["subtype"] = [interaction]
    if record.action in _IDENTITY:
        kind, sort = _IDENTITY[record.action]
        resource["type"], resource["subtype"] = _dicom(*kind), [_dicom(*sort)]
    return msgspec.json.encode(resource)


def _outcome(record: LogEntry, note: ReleaseTold | None) -> str:
    if record.outcome != "permit":
        return _REFUSED
    return _FAILED if _is_failure(note) else _SUCCESS


def _is_failure(note: ReleaseTold | None) -> bool:
    return note is not None and note.failed


def _released(record: LogEntry, who: EntryDetail | None) -> list[dict[str, str]]:
    """Return what came of a permission, as a detail of the entry."""
    if record.outcome != "permit" or record.reason == Reason.RECORDED:
        return []
    note = None if who is None else who.released
    if note is None:
        said = "not known"
    elif note.failed:
        said = "nothing, the answer failed"
    elif not note.kinds:
        said = "nothing"
    else:
        said = ", ".join(f"{number} {kind}" for kind, number in sorted(note.kinds.items()))
    return [{"type": "released", "valueString": said}]


def _given(note: ReleaseTold | None) -> list[dict[str, Any]]:
    if note is None:
        return []
    return [
        {
            "what": {"reference": reference},
            "type": {"system": _ENTITY_TYPES, "code": "2", "display": "System Object"},
            "role": {"system": _ROLES, "code": "4", "display": "Domain Resource"},
            "lifecycle": _DISCLOSURE,
            "name": "a record that was released",
        }
        for reference in note.named
    ]


def _dicom(code: str, display: str) -> dict[str, str]:
    return {"system": _DICOM, "code": code, "display": display}


def _interaction(name: str) -> str:
    return "operation" if name in _OPERATIONS else name


def _requestor(record: LogEntry, who: EntryDetail | None, names: Mapping[str, str]) -> dict[str, Any]:
    agent: dict[str, Any] = {
        "type": {"coding": [_SOURCE if record.action in _CHANGES else _DESTINATION]},
        "who": {"identifier": {"system": "urn:consentry:user-pseudonym", "value": record.user}},
        "requestor": True,
        "network": {"address": names.get(record.recipient, record.recipient), "type": "1"},
        "policy": [f"urn:consentry:basis:{record.basis}"] if record.basis else None,
    }
    if who is not None:
        agent["who"] = {"identifier": {"value": who.user}}
        if record.recipient == record.custodian and _RECORD.fullmatch(who.user):
            agent["who"]["reference"] = who.user  # of this server; another hospital's reference would mislead
        agent["altId"] = who.client
        if who.user_name and (who.user == who.client or who.user_name != who.client):
            agent["who"]["display"] = agent["name"] = who.user_name
        if who.role:
            system, _, code = who.role.rpartition("|")
            agent["role"] = [{"coding": [{"system": system, "code": code} if system else {"code": code}]}]
    organization = {"identifier": {"system": MSP, "value": record.recipient}}
    agent["who"]["identifier"]["assigner"] = {
        **organization,
        "display": names.get(record.recipient, record.recipient),
    }
    return {name: value for name, value in agent.items() if value is not None}


def _software(who: EntryDetail | None) -> list[dict[str, Any]]:
    # The system that asked for a person; where it asked for itself, it is the requestor.
    if who is None or who.user == who.client:
        return []
    return [
        {
            "type": {"coding": [{"system": _DICOM, "code": "110150", "display": "Application"}]},
            "who": {"identifier": {"value": who.client}},
            "requestor": False,
        }
    ]


def _custodian(record: LogEntry, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": {"coding": [_DESTINATION if record.action in _CHANGES else _SOURCE]},
        "who": {
            "identifier": {"system": MSP, "value": record.custodian},
            "display": names.get(record.custodian, record.custodian),
        },
        "requestor": False,
    }


def _score_details(record: LogEntry) -> list[dict[str, str]]:
    if not record.model:
        return []
    details = {"model": record.model}
    if record.result is not None:
        details |= {
            "permitted-by": record.result.tx,
            "input-commitment": record.result.input,
            "output-commitment": record.result.output,
        }
    return [{"type": name, "valueString": value} for name, value in details.items()]


def _entities(record: LogEntry, who: EntryDetail | None) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = [
        {
            "what": {"identifier": {"system": TRANSACTION_SYSTEM, "value": record.tx}},
            "type": {"system": _ENTITY_TYPES, "code": "4", "display": "Other"},
            "detail": [
                {"type": "entry", "valueString": str(record.n)},
                {"type": "reason", "valueString": record.reason},
                {"type": "pair", "valueString": record.pair},
                {"type": "request-digest", "valueString": record.digest},
                {"type": "evidence-digest", "valueString": record.evidence},
                {"type": "epoch", "valueString": str(record.epoch)},
                *_score_details(record),
                *_released(record, who),
            ],
        }
    ]
    entities += [
        {"type": {"system": _KINDS, "code": name, "display": name}, "name": "kind of record asked for"}
        for name in record.classes
    ]
    if who is not None and who.patient:
        entities.append(
            {
                "what": {"reference": f"Patient/{who.patient}"},
                "type": {"system": _ENTITY_TYPES, "code": "1", "display": "Person"},
                "role": {"system": _ROLES, "code": "1", "display": "Patient"},
            }
        )
    if who is not None and record.action in _CHANGES and record.outcome == "permit":
        entities += (_changed(place) for place in who.target.split(",") if _RECORD.fullmatch(place))
    elif who is not None:
        entities.append(_asked_for(who.target))
    return entities


def _rests_on(consent: str) -> list[dict[str, Any]]:
    if not consent:
        return []
    return [
        {
            "what": {"reference": f"Consent/{consent}"},
            "type": {"system": _ENTITY_TYPES, "code": "2", "display": "System Object"},
            "name": "the consent that the decision rests on",
        }
    ]


def _changed(place: str) -> dict[str, Any]:
    entity = {
        "what": {"reference": place},
        "type": {"system": _ENTITY_TYPES, "code": "2", "display": "System Object"},
        "role": {"system": _ROLES, "code": "4", "display": "Domain Resource"},
        "description": place,
    }
    # Only a deletion of what is not there names no version.
    return entity if _VERSION.fullmatch(place) else entity | {"name": "a record that was not there"}


def _asked_for(target: str) -> dict[str, Any]:
    records = records_of(target)
    entity: dict[str, Any] = {
        "type": {"system": _ENTITY_TYPES, "code": "2", "display": "System Object"},
        "role": {"system": _ROLES, "code": "24", "display": "Query"},
        "description": target,
    }
    if len(records) == 1:
        entity["what"] = {"reference": records[0]}
        entity["role"] = {"system": _ROLES, "code": "4", "display": "Domain Resource"}
    return entity
