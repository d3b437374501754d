"""`$validate`: what a resource, sent alone or in a Parameters body, is found to be by R4 itself.

Profiles are not known here, so a resource that claims one, itself or in a resource within it, is answered
with a warning and never with the all-clear.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from exchange.errors import InvalidResourceError, Problem
from exchange.fhir import r4
from exchange.fhir.outcome import validation

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_NOT_CHECKED = "the profile is not known here: the resource was checked against R4 and not against it"


class _Kind(msgspec.Struct):
    resource_type: str = msgspec.field(name="resourceType", default="")


class _Part(msgspec.Struct):
    name: str
    resource: msgspec.Raw = msgspec.Raw()


class _Parameters(msgspec.Struct):
    parameter: list[_Part] = []


def validate(body: bytes, resource_type: str) -> bytes:
    """Return the OperationOutcome of the validation of `body` as a resource of `resource_type`.

    Raises:
        InvalidResourceError: a Parameters body has no resource, or a part that is not supported.
    """
    resource = _sent(body, resource_type)
    try:
        r4.check(resource, expected=resource_type)
    except InvalidResourceError as invalid:  # the operation itself has succeeded
        return validation(invalid.problems)
    return validation(warnings=list(_unknown_profiles(msgspec.json.decode(resource), resource_type)))


def _sent(body: bytes, resource_type: str) -> bytes:
    """Return the resource of a Parameters body, or `body` itself where it is another resource."""
    if resource_type == "Parameters":
        return body
    try:
        if msgspec.json.decode(body, type=_Kind).resource_type != "Parameters":
            return body
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return body  # the check says what is wrong
    try:
        parts = msgspec.json.decode(body, type=_Parameters).parameter
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        problem = Problem("Parameters.parameter", "is no list of parts with names")
        raise InvalidResourceError("the Parameters can't be used", problems=[problem]) from None
    problems: list[Problem] = []
    found: list[bytes] = []
    for number, part in enumerate(parts):
        path = f"Parameters.parameter[{number}]"
        if part.name != "resource":
            problems.append(Problem(path, "is not supported; send the resource alone", "not-supported"))
        elif not bytes(part.resource).startswith(b"{") or found:
            problems.append(Problem(path, "has to hold the one resource", "invalid"))
        else:
            found.append(bytes(part.resource))
    if not problems and not found:
        problems.append(Problem("Parameters.parameter", "has no part `resource`", "required"))
    if problems:
        raise InvalidResourceError("the Parameters can't be used", problems=problems)
    return found[0]


def _unknown_profiles(element: Any, path: str) -> Iterator[Problem]:
    """Yield a problem for each profile that the resource at `path`, or one within it, claims."""
    if isinstance(element, list):
        for number, item in enumerate(element):
            yield from _unknown_profiles(item, f"{path}[{number}]")
    elif isinstance(element, dict):
        kind = element.get("resourceType")
        if kind is not None:
            for number, profile in enumerate(element.get("meta", {}).get("profile", ())):
                if profile != f"{_CORE}{kind}":
                    yield Problem(f"{path}.meta.profile[{number}]", _NOT_CHECKED, "not-supported")
        for name, item in element.items():
            if isinstance(item, dict | list):
                yield from _unknown_profiles(item, f"{path}.{name}")
