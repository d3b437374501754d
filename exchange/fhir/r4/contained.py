"""The rules about resources in resources: dom-2 to dom-5 and ref-1
(https://hl7.org/fhir/R4/references.html#contained).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Broken(NamedTuple):
    """A rule that does not hold, with the place below the containing resource."""

    at: str
    key: str
    asks: str


def broken(resource: dict[str, Any], local: frozenset[str]) -> Iterator[Broken]:
    """Return the problems of the contained resources of `resource`, which has a valid structure.

    `local` are the ids that references starting with `#` in it (its contained resources included) name; the
    empty id names the containing resource.
    """
    for index, inner in enumerate(resource.get("contained", ())):
        at = f".contained[{index}]"
        if "contained" in inner:
            yield Broken(f"{at}.contained", "dom-2", "no resources nested in a contained resource")
        meta = inner.get("meta", {})
        if meta.keys() & {"versionId", "lastUpdated"}:
            yield Broken(f"{at}.meta", "dom-4", "no versionId and no lastUpdated in a contained resource")
        if "security" in meta:
            yield Broken(f"{at}.meta", "dom-5", "no security label on a contained resource")
        if inner.get("id") not in local and "" not in local_references(inner):
            yield Broken(at, "dom-3", "a reference to the contained resource, or from it to its container")


def ids(resource: dict[str, Any]) -> frozenset[str]:
    """Return the ids that local references in `resource` may name."""
    return frozenset(inner["id"] for inner in resource.get("contained", ()) if "id" in inner) | {""}


def local_references(resource: dict[str, Any]) -> list[str]:
    """Return the ids after `#` of the local references in a resource, at any depth."""
    found = []
    pending: list[Any] = [resource]
    while pending:
        part = pending.pop()
        if type(part) is list:
            pending += part
            continue
        if type(part) is not dict:
            continue
        for name, value in part.items():
            if type(value) is str:
                if name == "reference" and value.startswith("#"):
                    found.append(value[1:])
            else:
                pending.append(value)
    return found
