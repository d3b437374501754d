"""Validation of FHIR R4 resources, decided on the bytes as received.

Structure, cardinality, choices, primitive types, required codes, contained resources and the invariants
listed in `exchange.fhir.r4.rules` are those of R4 4.0.1, from its official definitions. Not checked:
profiles, slices, bindings that are not required (or whose codes are defined outside FHIR), whether what
references name exists, and terminology. The types of what they name are checked as far as they tell it
(`targets`).

The body is read once. A fast pass (`structs`) accepts nearly all that is valid; what it does not is read
again, exactly, and `diagnosis` finds every problem or that there is none. Stored bytes are passed on
unchanged, so what JSON parsers read differently is refused (`wellformed`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from exchange.errors import InvalidResourceError, Problem
from exchange.fhir.r4 import wellformed
from exchange.fhir.r4.diagnosis import diagnose
from exchange.fhir.r4.elements import RESOURCE_TYPES
from exchange.fhir.r4.structs import conforms

__all__ = ["RESOURCE_TYPES", "CheckedResource", "check"]


class CheckedResource(msgspec.Struct, frozen=True):
    """A valid resource: its type, and its plain parsed JSON for indexing (decimals as floats)."""

    resource_type: str
    resource: dict[str, Any]


def check(body: bytes, *, expected: str | None = None) -> CheckedResource:
    """Return the resource that `body` is, of the type `expected` if one is given.

    A Bundle's resources, and those in Parameters, are checked by their types. Raises BadRequestError for
    what is not one JSON object in UTF-8, or is nested more than 100 levels deep, and InvalidResourceError
    with every problem for what is not valid R4. Neither carries values from the body.
    """
    text = wellformed.read(body)
    if text is not None and text.plain and _fits(text):
        resource = text.resource
    else:
        resource = wellformed.read_exactly(body)
        problems = diagnose(resource)
        if problems:
            raise InvalidResourceError("the body is not valid FHIR R4", problems=problems)
    name: str = resource["resourceType"]
    if expected is not None and name != expected:
        problem = Problem(f"{name}.resourceType", f"expected {expected}", "value")
        raise InvalidResourceError(f"the body is not of the type {expected}", problems=[problem])
    return CheckedResource(name, resource)


def _fits(text: wellformed.Text) -> bool:
    try:
        conforms(text.resource, text.encoded)
    except ValueError:  # msgspec.ValidationError is one
        return False
    return True
