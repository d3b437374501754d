"""The links of a resource, found by the types of its elements, and replaced in its bytes.

A link is a value of `Reference.reference`, of an element of type uri, url, oid or uuid, or of `href` and
`src` in narrative (FHIR R4, "Transaction Processing Rules"). An identifier, code, title or note is no link,
whatever it looks like. Neither is a canonical URL, nor any other uri that is a name: a system, the URL of a
definition or of an extension, the name of a type. The links of a Bundle within a resource are its own.

The bytes of all else stay. How a string was escaped makes no difference.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from exchange.fhir.r4.definitions import PRIMITIVES
from exchange.fhir.r4.elements import RESOURCE_TYPES, elements, extensible

LinkKind = Literal["reference", "uri", "narrative"]
Replace = Callable[[LinkKind, str], str | None]
"""Returns what stands for a link, None to leave it."""

_LINKS: Final = frozenset({"uri", "url", "oid", "uuid"})
_NAMES: Final = frozenset(
    {
        *("Extension.url", "Reference.type", "StructureDefinition.type", "ElementDefinition.type.code"),
        *("CodeSystem.property.uri", "ConceptMap.group.source", "ConceptMap.group.target"),
        *("ConceptMap.group.element.target.dependsOn.property", "Consent.policy.authority"),
        *("Device.udiCarrier.issuer", "Device.udiCarrier.jurisdiction"),
        *("DeviceDefinition.udiDeviceIdentifier.issuer", "DeviceDefinition.udiDeviceIdentifier.jurisdiction"),
    }
)
"""Elements of type uri that name something; beside them all that are called `system` or `implicitRules`."""

_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]+\?.+", re.DOTALL)
_PERHAPS_CONDITIONAL = re.compile(rb"[A-Za-z0-9](?:\?|\\u003[fF])")  # what ends in an escape ends in a digit
_IN_NARRATIVE = re.compile(r"""(\s(?:href|src)\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE)
_decode = msgspec.json.Decoder().decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode

_Patch: TypeAlias = "str | dict[str, _Patch] | dict[int, _Patch]"
"""A change of a value: a new string, or the changes of some members or items."""


class _Part(NamedTuple):
    """The meaning of a property: a link of a kind, or an object of a type (empty for a resource)."""

    kind: LinkKind | None
    type_name: str


def relinked(body: bytes, replace: Replace) -> bytes:
    """Return `body`, one resource, with its links replaced; the same bytes if none is.

    A body that is no valid resource is left for the validation to refuse.
    """
    try:
        resource = _decode(body)
        patch = _of_resource(resource, replace)
        return body if patch is None else bytes(_patched(msgspec.Raw(body), patch))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body


def conditional_references(body: bytes) -> set[str]:
    """Return the conditional references in `body`, such as `Practitioner?identifier=...`."""
    found: set[str] = set()
    if _PERHAPS_CONDITIONAL.search(body) is None:
        return found

    def collect(kind: LinkKind, text: str) -> None:
        if kind == "reference" and _CONDITIONAL.fullmatch(text) is not None:
            found.add(text)

    relinked(body, collect)
    return found


def with_conditionals(body: bytes, places: Mapping[str, str]) -> bytes:
    """Return `body` with its conditional references replaced by those that they were resolved to."""
    if not places:
        return body
    return relinked(body, lambda kind, text: places.get(text) if kind == "reference" else None)


@cache
def _parts(type_name: str) -> dict[str, _Part]:
    """Return, for the properties of a type that are or lead to links, what they lead to."""
    parts: dict[str, _Part] = {}
    for element in elements(type_name):
        named = element.choice and len(element.keys) < 5 and "canonical" in element.keys.values()
        for key, of in element.keys.items():
            if type_name == "Reference" and key == "reference":
                parts[key] = _Part("reference", "")
            elif of == "xhtml":
                parts[key] = _Part("narrative", "")
            elif of in _LINKS:
                if not named and not _is_name(type_name, element.name):
                    parts[key] = _Part("uri", "")
            elif of not in PRIMITIVES:
                parts[key] = _Part(None, "" if of == "Resource" else of)
            if extensible(type_name, key):
                parts["_" + key] = _Part(None, "Element")
    return parts


def _is_name(type_name: str, name: str) -> bool:
    return (
        name in {"system", "implicitRules"}
        or (name == "url" and type_name in RESOURCE_TYPES)  # of itself: all that have one are canonical
        or f"{type_name}.{name}" in _NAMES
    )


def _of_resource(value: Any, replace: Replace) -> _Patch | None:
    name = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(name, str) or name not in RESOURCE_TYPES or name == "Bundle":
        return None
    return _of_object(value, name, replace)


def _of_object(value: dict[str, Any], type_name: str, replace: Replace) -> _Patch | None:
    parts = _parts(type_name)
    found: dict[str, _Patch] = {}
    for key, inner in value.items():
        part = parts.get(key)
        if part is not None and (patch := _of_value(inner, part, replace)) is not None:
            found[key] = patch
    return found or None


def _of_value(value: Any, part: _Part, replace: Replace) -> _Patch | None:
    if isinstance(value, list):
        found: dict[int, _Patch] = {}
        for index, item in enumerate(value):
            if (patch := _of_value(item, part, replace)) is not None:
                found[index] = patch
        return found or None
    if part.kind is None:
        if not isinstance(value, dict):
            return None
        return _of_object(value, part.type_name, replace) if part.type_name else _of_resource(value, replace)
    if not isinstance(value, str):
        return None
    if part.kind == "narrative":
        changed = _IN_NARRATIVE.sub(lambda match: _attribute(match, replace), value)
        return changed if changed != value else None
    return replace(part.kind, value)


def _attribute(match: re.Match[str], replace: Replace) -> str:
    found = replace("narrative", html.unescape(match[2][1:-1]).strip())
    return match[0] if found is None else f'{match[1]}"{html.escape(found)}"'


def _patched(raw: msgspec.Raw, patch: _Patch) -> msgspec.Raw:
    if isinstance(patch, str):
        return msgspec.Raw(_encode(patch))
    values: Any = _items(raw) if bytes(raw).lstrip()[:1] == b"[" else _members(raw)
    for at, inner in patch.items():
        values[at] = _patched(values[at], inner)
    return msgspec.Raw(_encode(values))
