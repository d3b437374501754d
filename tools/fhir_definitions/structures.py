"""The structure of every R4 resource and datatype, from the StructureDefinitions to one readable table.

`exchange/fhir/r4/definitions.json` has for each type the rows `name min..max types [value set]`, where a
Reference that leads to some types alone names them (`Reference(Group,Patient)`), for each required value set
its codes by system, and for each primitive type its regular expression. `unlisted` names the required value
sets whose codes are defined outside FHIR. `exchange.fhir.r4` reads the rows of a type when that type is first
met.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.fhir_definitions.corrections import AS_IN_R4, NOT_R4, OTHER_VERSIONS, TYPES_AS_IN_R4
from tools.fhir_definitions.terminology import Terminology

OUTPUT = "exchange/fhir/r4/definitions.json"
SOURCES = ("profiles-types.json", "profiles-resources.json")
BASE = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
REGEX = "http://hl7.org/fhir/StructureDefinition/regex"
PROFILED = {"http://hl7.org/fhir/StructureDefinition/SimpleQuantity": "SimpleQuantity"}
ABSTRACT = frozenset({"Resource", "DomainResource", "BackboneElement"})


def generate(definitions: Path) -> dict[str, bytes]:
    """Return the generated file, by its path in the repository, from a folder of R4 definitions."""
    tables = _Tables(Terminology(definitions))
    for definition in _structures(definitions):
        tables.add(definition)
    return {OUTPUT: (json.dumps(tables.finished(), indent=1, ensure_ascii=False) + "\n").encode()}


class _Tables:
    """The tables while definitions are added."""

    def __init__(self, terminology: Terminology) -> None:
        self._terminology = terminology
        self._primitives: dict[str, str] = {}
        self._types: dict[str, list[str]] = {}
        self._resources: list[str] = []
        self._codes: dict[str, dict[str, list[str]]] = {}
        self._unlisted: set[str] = set()

    def add(self, definition: dict[str, Any]) -> None:
        """Add the rows of one StructureDefinition."""
        name = definition["id"]
        if definition["kind"] == "primitive-type":
            self._primitives[name] = _regex(definition)
            return
        if definition["kind"] == "resource":
            self._resources.append(name)
        for element in definition["snapshot"]["element"][1:]:
            path = name + element["path"].removeprefix(definition["type"])
            if element["max"] == "0" or _outside_r4(path):
                continue
            row = AS_IN_R4.get(path)
            if row is None:
                cardinality = f"{element['min']}..{element['max']}"
                row = f"{cardinality} {_types(path, element, definition)}{self._binding(element)}"
            parent, _, field = path.rpartition(".")
            self._types.setdefault(parent, []).append(f"{field} {row}")

    def _binding(self, element: dict[str, Any]) -> str:
        bound = element.get("binding", {})
        if bound.get("strength") != "required":
            return ""
        name: str = bound["valueSet"].split("|")[0].rsplit("/", 1)[1]
        expansion = self._terminology.expand(bound["valueSet"])
        if expansion is None:
            self._unlisted.add(name)
            return ""
        self._codes[name] = expansion
        return " " + name

    def finished(self) -> dict[str, Any]:
        """Return the tables, sorted by name."""
        rows = self._types | {name: text.splitlines() for name, text in TYPES_AS_IN_R4.items()}
        used = {row.split()[3] for listed in rows.values() for row in listed if row.count(" ") == 3}
        for name in used - self._codes.keys():
            expansion = self._terminology.expand(f"http://hl7.org/fhir/ValueSet/{name}")
            if expansion is None:
                raise ValueError(
                    f"a correction names the value set {name}, which the definitions do not list"
                )
            self._codes[name] = expansion
        return {
            "resources": sorted(self._resources),
            "types": {name: rows[name] for name in sorted(rows)},
            "codes": {name: self._codes[name] for name in sorted(used)},
            "primitives": {name: self._primitives[name] for name in sorted(self._primitives)},
            "unlisted": sorted(self._unlisted),
        }


def _structures(definitions: Path) -> Iterator[dict[str, Any]]:
    for name in SOURCES:
        for entry in json.loads((definitions / name).read_bytes())["entry"]:
            resource = entry["resource"]
            if (
                resource["resourceType"] == "StructureDefinition"
                and resource["kind"] != "logical"
                and resource["id"] not in ABSTRACT | OTHER_VERSIONS
            ):
                yield resource


def _outside_r4(path: str) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:end]) in NOT_R4 for end in range(2, len(parts) + 1))


def _types(path: str, element: dict[str, Any], definition: dict[str, Any]) -> str:
    if "contentReference" in element:
        return str(element["contentReference"]).split("#")[1]
    if path == f"{definition['id']}.id" and definition["kind"] == "resource":
        return "id"  # the definition says System.String, as it does for the ids of elements
    names = []
    for option in element["type"]:
        name = option["code"]
        if name in {"BackboneElement", "Element"}:
            name = path
        elif name.startswith("http://hl7.org/fhirpath/"):
            name = next(part["valueUrl"] for part in option["extension"] if part["url"] == FHIR_TYPE)
        for profile in option.get("profile", ()):
            name = PROFILED[profile]
        names.append(name + _targets(option) if name == "Reference" else name)
    return "|".join(names)


def _targets(option: dict[str, Any]) -> str:
    """Return the types that a Reference may lead to, in parentheses; nothing where it may lead to any."""
    profiles = [str(profile) for profile in option.get("targetProfile", ())]
    named = sorted(profile.removeprefix(BASE) for profile in profiles if profile.startswith(BASE))
    return f"({','.join(named)})" if named and "Resource" not in named else ""


def _regex(definition: dict[str, Any]) -> str:
    value = next(part for part in definition["snapshot"]["element"] if part["path"].endswith(".value"))
    for part in value["type"][0]["extension"]:
        if part["url"] == REGEX:
            return str(part["valueString"])
    return ""  # xhtml has none
