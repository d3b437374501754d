"""The types of what references lead to, beside those that R4 allows in their place.

A reference tells its target's type by its URL, relative or absolute (R4, references.html#literal), as a
search on a type, by what it leads to among the contained resources, and by its `type`. A reference that tells
none, such as a `urn:uuid:` or an identifier alone, may lead to anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from exchange.errors import Problem
from exchange.fhir.r4.definitions import PRIMITIVES
from exchange.fhir.r4.elements import RESOURCE_TYPES, Element, elements, fhir_type
from exchange.fhir.references import ID

_TYPED = re.compile(rf"(?:.*/)?([A-Z][A-Za-z]+)(?:/{ID}(?:/_history/{ID})?/?|\?.*)")


def literal_type(text: str) -> str:
    """Return the type that the URL of a reference names; empty where it names none."""
    match = _TYPED.fullmatch(text)
    return match[1] if match is not None and match[1] in RESOURCE_TYPES else ""


def stated_type(text: str) -> str:
    """Return the type of this release that `Reference.type` names, as a name or a URL; empty for another."""
    name = text.rpartition("/")[2]
    return name if name in RESOURCE_TYPES else ""


def leads_astray(reference: Any, stated: Any, allowed: Collection[str]) -> bool:
    """Check whether a Reference with these two members leads to a type that is not `allowed`.

    Members that are no strings are absent. A contained resource is `misdirected`'s to find.
    """
    if isinstance(reference, str) and (name := literal_type(reference)) and name not in allowed:
        return True
    return isinstance(stated, str) and bool(name := stated_type(stated)) and name not in allowed


def wrong_target(allowed: Collection[str]) -> str:
    """Return the message about a reference to another type than the `allowed` ones."""
    names = sorted(allowed)
    listed = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
    return f"leads to another type than {listed}"


def contained_types(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return the types of the contained resources by the reference to each (`#id`)."""
    contained = resource.get("contained")
    return {
        f"#{inner.get('id')}": str(inner.get("resourceType"))
        for inner in (contained if isinstance(contained, list) else ())
        if isinstance(inner, dict)
    }


def misdirected(resource: dict[str, Any], path: str = "") -> Iterator[Problem]:
    """Yield the problems of references in a valid `resource` to its contained resources and to itself.

    `path` is that of the resource; `#` alone leads to the resource.
    """
    name = str(resource["resourceType"])
    known = contained_types(resource) | {"#": name}
    at = path or name
    yield from _of_object(resource, name, at, known)
    for index, inner in enumerate(resource.get("contained", ())):
        yield from _of_object(inner, inner["resourceType"], f"{at}.contained[{index}]", known)


def _of_object(value: Any, type_name: str, path: str, known: Mapping[str, str]) -> Iterator[Problem]:
    leading = _leading(type_name)
    for key, inner in value.items():
        if key in leading:
            element, of = leading[key]
            at = f"{path}.{element.name}" + (f".ofType({fhir_type(of)})" if element.choice else "")
            if isinstance(inner, list):
                for index, item in enumerate(inner):
                    yield from _of_value(item, element, of, f"{at}[{index}]", known)
            else:
                yield from _of_value(inner, element, of, at, known)


def _of_value(
    value: Any, element: Element, of: str, path: str, known: Mapping[str, str]
) -> Iterator[Problem]:
    if not isinstance(value, dict):
        return
    if of == "Reference" and element.targets:
        name = known.get(value.get("reference", ""), "")
        if name and name not in element.targets:
            yield Problem(path, wrong_target(element.targets), "value")
    yield from _of_object(value, of, path, known)


@cache
def _leading(type_name: str) -> dict[str, tuple[Element, str]]:
    """Return the properties of a type that are objects, with their elements and types."""
    return {
        key: (element, of)
        for element in elements(type_name)
        for key, of in element.keys.items()
        if of not in PRIMITIVES and of != "Resource"
    }
