"""The paths of a search parameter in a resource: FHIRPath expressions resolved to plain JSON paths.

The official SearchParameters of R4 use a small part of FHIRPath: paths, `|`, `as`, `ofType()`, `[0]`,
`where(name = 'literal')`, `where(resolve() is Type)` and one `exists()`. Resolving them against the
StructureDefinitions while generating leaves the gateway with paths that need neither a FHIRPath engine
nor type information: choice types have become concrete names, and each path ends in one known datatype.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

PARTS_OF = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
"""The string elements that a string parameter on these datatypes covers (search.html#string)."""

_STEP = re.compile(
    r"\s*(?:\.?\s*(?P<call>ofType|as|where|exists)\((?P<argument>(?:[^()]|\(\))*)\)"
    r"|\[(?P<index>\d+)\]|as (?P<cast>\w+)|\.?\s*(?P<name>\w+))"
)
_WHERE = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_RESOLVE = re.compile(r"resolve\(\) is (\w+)")
_PRESENT = re.compile(r"(\S+)\.exists\(\) and (\S+) != false")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One JSON path that ends in one datatype.

    `path` is dotted; `name[0]` takes the first item and `name?key=value` those items whose `key` has
    `value`. `element` is where the definitions list the elements below it. `systems` are the code systems
    that a `code` stands for; `many` says that the path can have more than one value; `only` is the resource
    type that a reference must point to.
    """

    path: str
    datatype: str
    element: str
    systems: tuple[str, ...] = ()
    many: bool = False
    only: str = ""


class Expressions:
    """Resolves expressions against StructureDefinitions, with the value sets by their canonical URLs."""

    def __init__(self, structures: list[dict[str, Any]], value_sets: dict[str, dict[str, Any]]) -> None:
        self._elements: dict[str, dict[str, Any]] = {
            element["path"]: element
            for structure in structures
            if structure.get("derivation") != "constraint"
            for element in structure["snapshot"]["element"]
        }
        self._value_sets = value_sets

    def leaves(self, resource_type: str, expression: str) -> list[Leaf]:
        """Return the leaves of those parts of `expression` that apply to `resource_type`, in order.

        Raises:
            ValueError: a part uses FHIRPath beyond what R4's definitions use.
        """
        found: list[Leaf] = []
        for part in _split(expression):
            present = _PRESENT.fullmatch(part)
            if present is not None:
                root, _, name = present[1].partition(".")
                if root == resource_type:
                    found.append(Leaf(name, "present", present[1]))
                continue
            steps = _steps(part)
            root = steps[0][1]
            if root[0].isupper():
                if root not in {resource_type, "Resource", "DomainResource"}:
                    continue
                steps = steps[1:]
            found += self._walk(Leaf("", resource_type, resource_type), steps)
        return list(dict.fromkeys(found))

    def below(self, focus: Leaf, expression: str) -> list[Leaf]:
        """Return the leaves of a composite's component, whose `expression` starts at the composite's
        `focus`.
        """
        return [leaf for part in _split(expression) for leaf in self._walk(focus, _steps(part))]

    def _walk(self, start: Leaf, steps: list[tuple[str, str]]) -> list[Leaf]:
        leaves = [start]
        for kind, text in steps:
            if kind == "name":
                leaves = [below for leaf in leaves for below in self._enter(leaf, text)]
            elif kind == "type":
                wanted = "dateTime" if text == "DateTime" else text  # one definition misspells it
                leaves = [leaf for leaf in leaves if leaf.datatype == wanted]
            elif kind == "only":
                leaves = [replace(leaf, only=text) for leaf in leaves]
            else:  # an index or a condition belongs to the name before it
                leaves = [replace(leaf, path=leaf.path + text) for leaf in leaves]
        return leaves

    def _enter(self, leaf: Leaf, name: str) -> list[Leaf]:
        choice = f"{leaf.element}.{name}[x]"
        element = self._elements.get(f"{leaf.element}.{name}") or self._elements.get(choice)
        if element is None:
            raise ValueError(f"{leaf.element} has no element {name}")
        many = leaf.many or element["max"] != "1"
        if "contentReference" in element:
            target = element["contentReference"].rpartition("#")[2]
            return [self._child(leaf, name, "BackboneElement", target, many=many)]
        leaves = []
        for code in dict.fromkeys(kind["code"] for kind in element["type"]):
            datatype = "id" if code.startswith("http://hl7.org/fhirpath/") else code
            key = name + datatype[0].upper() + datatype[1:] if element["path"] == choice else name
            inside = element["path"] if datatype in {"BackboneElement", "Element"} else datatype
            below = self._child(leaf, key, datatype, inside, many=many)
            leaves.append(replace(below, systems=self._systems(element)) if datatype == "code" else below)
        return leaves

    @staticmethod
    def _child(parent: Leaf, key: str, datatype: str, element: str, *, many: bool) -> Leaf:
        path = f"{parent.path}.{key}" if parent.path else key
        return Leaf(path, datatype, element, many=many, only=parent.only)

    def _systems(self, element: dict[str, Any]) -> tuple[str, ...]:
        binding = element.get("binding", {})
        if binding.get("strength") != "required":
            return ()
        return tuple(sorted(set(self._included(binding["valueSet"]))))

    def _included(self, canonical: str) -> Iterator[str]:
        for include in self._value_sets[canonical.partition("|")[0]]["compose"]["include"]:
            if "system" in include:
                yield include["system"]
            for nested in include.get("valueSet", ()):
                yield from self._included(nested)


def spread(leaf: Leaf, parameter_type: str) -> list[Leaf]:
    """Return `leaf` as the elements that a parameter of `parameter_type` compares."""
    if leaf.datatype == "CodeableConcept":
        return [replace(leaf, path=f"{leaf.path}.coding", datatype="Coding")]
    if parameter_type == "string" and leaf.datatype in PARTS_OF:
        return [
            replace(leaf, path=f"{leaf.path}.{part}", datatype="string") for part in PARTS_OF[leaf.datatype]
        ]
    return [leaf]


def _split(expression: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, character in enumerate(expression + "|"):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            parts.append(expression[start:at].strip())
            start = at + 1
    return parts


def _steps(part: str) -> list[tuple[str, str]]:
    """Return `part` as steps: (`name`, element), (`type`, datatype), (`only`, resource type), (`suffix`,
    text).
    """
    grouped = re.fullmatch(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)((?:\..*)?)", part)
    text = grouped[1] + grouped[2] if grouped is not None else part
    steps, at = [], 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"an expression beyond what R4 uses: {part}")
        steps.append(_step(match))
        at = match.end()
    return steps


def _step(match: re.Match[str]) -> tuple[str, str]:
    if match["name"] is not None:
        return "name", match["name"]
    if match["index"] is not None:
        return "suffix", f"[{match['index']}]"
    if match["cast"] is not None:
        return "type", match["cast"]
    argument = match["argument"].strip()
    if match["call"] in {"ofType", "as"}:
        return "type", argument
    resolved, where = _RESOLVE.fullmatch(argument), _WHERE.fullmatch(argument)
    if match["call"] == "where" and resolved is not None:
        return "only", resolved[1]
    if match["call"] == "where" and where is not None:
        return "suffix", f"?{where[1]}={where[2]}"
    raise ValueError(f"an expression beyond what R4 uses: {match[0]}")
