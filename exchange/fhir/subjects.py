"""The refusal of records that name their patient without a `Patient` of this server.

Such a record would belong to the directory, outside the consent of its patient. So it is refused when it is
written. A reference that is no `Patient/id` of this server is of one of three kinds:

- it leads to a patient: to another server's, to a contained one, or by its `type`. In an element for the
  record's subject that refuses the record; in an element for participants only if the record names no
  patient of this server besides;
- it leads to another type, by the same signs: that is allowed;
- its target is unknown: an identifier, words, or a UUID. In an element for the record's subject that counts
  as a patient, if the record names no patient of this server besides.

A type that by nature holds no patient refers to none anywhere, by any of these signs, and contains none:
contained resources and extensions included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from exchange.errors import Problem
from exchange.fhir.compartment import DIRECTORY_TYPES, patient_paths
from exchange.fhir.r4.targets import contained_types, literal_type, stated_type
from exchange.fhir.references import ID, literal

_SUBJECT_PATHS: Final = frozenset(
    {
        *("subject", "patient", "individual", "candidate", "beneficiary", "for", "deliverTo"),
        *("actor", "participant.actor", "member.entity", "collection.source", "securityContext"),
    }
)
"""Of the elements that place a record in a patient's compartment, those for its subject."""

_PATIENT = re.compile(rf"Patient/{ID}")
_NOT_A_REFERENCE: Final = frozenset({"resourceType", "code", "name", "url", "mode"})
"""Members of objects with a `type` of another sense, such as a parameter's or an action's."""
_MESSAGE: Final = (
    "names a patient who is not a Patient of this server; store the Patient first and refer to it by "
    "Patient/id, or state the type of what this is"
)
_OPEN_TO_ALL: Final = "refers to a patient, in a type that every member may read; use a type with a subject"


def unplaced(resource_type: str, resource: dict[str, Any], *, placed: bool, base: str = "") -> list[Problem]:
    """Return the problems of a valid `resource` with its patients; none if it names patients here or none.

    `placed` is whether it has patients (`exchange.fhir.compartment.patients_of`); `base` is the URL of this
    server: references under it are its own.
    """
    contained = contained_types(resource)
    problems = []
    for path in patient_paths(resource_type):
        is_subject = path in _SUBJECT_PATHS
        strangers = {
            _leads_to(reference, contained)
            for reference in _at(resource, path.split("."))
            if _PATIENT.fullmatch(literal(reference.get("reference", ""), base)) is None
        }
        if ("Patient" in strangers and (is_subject or not placed)) or (
            "" in strangers and is_subject and not placed
        ):
            problems.append(Problem(f"{resource_type}.{path}", _MESSAGE, "not-found"))
    if resource_type in DIRECTORY_TYPES and not placed and _names_patient(resource, contained, base):
        problems.append(Problem(resource_type, _OPEN_TO_ALL, "business-rule"))
    return problems


def _names_patient(value: Any, contained: dict[str, str], base: str) -> bool:
    if isinstance(value, list):
        return any(_names_patient(item, contained, base) for item in value)
    if not isinstance(value, dict):
        return False
    if value.get("resourceType") == "Patient":
        return True
    if isinstance(value.get("reference", ""), str) and not _NOT_A_REFERENCE & value.keys():
        local = _PATIENT.fullmatch(literal(value.get("reference", ""), base))
        if local or _leads_to(value, contained) == "Patient":
            return True
    return any(
        _names_patient(item, contained, base) for item in value.values() if isinstance(item, dict | list)
    )


def _leads_to(reference: dict[str, Any], contained: dict[str, str]) -> str:
    """Return the type of the target of `reference`; empty where the target is unknown."""
    text = reference.get("reference", "")
    if text.startswith("#"):
        return contained.get(text, "")
    if named := literal_type(text) or stated_type(str(reference.get("type", ""))):
        return named
    return "" if text or "identifier" in reference or "display" in reference else "nothing"


def _at(value: Any, steps: list[str]) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _at(item, steps)
    elif isinstance(value, dict):
        if steps:
            yield from _at(value.get(steps[0]), steps[1:])
        else:
            yield value
