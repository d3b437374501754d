"""The Patient compartment: the patients of a resource, and the resource types that have none.

By the official CompartmentDefinition of Patient. Beyond it, types that it leaves out count by their own
references to a Patient (`Device.patient`, `GuidanceResponse.subject`), so that no record about a person
passes for a record without a patient.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from exchange.fhir.references import ID, literal


class _Definition(msgspec.Struct, frozen=True):
    """The generated tables: element paths by type, and the types without patients."""

    paths: dict[str, tuple[str, ...]]
    beyond: dict[str, tuple[str, ...]]
    directory: frozenset[str]


_DEFINITION = msgspec.json.decode(Path(__file__).with_name("compartment.json").read_bytes(), type=_Definition)
DIRECTORY_TYPES = _DEFINITION.directory
"""Types that by nature hold no patient, such as Organization, Location and ValueSet.

They are the types outside the compartment from which no reference leads back into it, and all that have
a canonical URL and a publisher.
"""
_PATIENT = re.compile(rf"Patient/({ID})")


def patient_paths(resource_type: str) -> tuple[str, ...]:
    """Return the dotted paths of the references that place a resource in a patient's compartment."""
    return _DEFINITION.paths.get(resource_type) or _DEFINITION.beyond.get(resource_type, ())


@cache
def _steps(resource_type: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in patient_paths(resource_type))


def patients_of(resource_type: str, resource: dict[str, Any], *, base: str = "") -> tuple[str, ...]:
    """Return the logical ids of the patients with a valid `resource` in their compartment, sorted.

    A Patient is in its own compartment, and in that of each Patient it links to. References to other
    servers don't count; those under `base`, the URL of this server, count as relative. Empty for a
    resource that names no patient.
    """
    found: set[str] = set()
    if resource_type == "Patient" and "id" in resource:
        found.add(resource["id"])
    for steps in _steps(resource_type):
        _collect(resource, steps, base, found)
    return tuple(sorted(found))


def paths_of(resource_type: str, resource: dict[str, Any], patient: str, *, base: str) -> list[str]:
    """Return the paths of the elements that place a valid `resource` in the compartment of `patient`."""
    found: list[str] = []
    for path in patient_paths(resource_type):
        named: set[str] = set()
        _collect(resource, tuple(path.split(".")), base, named)
        if patient in named:
            found.append(f"{resource_type}.{path}")
    return found


def _collect(value: Any, steps: tuple[str, ...], base: str, found: set[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _collect(item, steps, base, found)
    elif isinstance(value, dict):
        if steps:
            _collect(value.get(steps[0]), steps[1:], base, found)
        elif (patient := _PATIENT.fullmatch(literal(value.get("reference", ""), base))) is not None:
            found.add(patient[1])
