"""The structure of every R4 resource and datatype, from the StructureDefinitions to one readable table.

`exchange/fhir/r4/definitions.json` has for each type the rows `name min..max types [value set]`, for each
required value set its codes by system, and for each primitive type its regular expression. `unlisted` names
the required value sets whose codes are defined outside FHIR. `exchange.fhir.r4` reads the rows of a type when
that type is first met.
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
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
REGEX = "http://hl7.org/fhir/StructureDefinition/regex"
PROFILED = {"http://hl7.org/fhir/StructureDefinition/SimpleQuantity": "SimpleQuantity"}
ABSTRACT = frozenset({"Resource", "DomainResource", "BackboneElement"})


def generate(definitions: Path) -> dict[str, bytes]:
    """Return the generated file, by its path in the repository, from a folder of R4 definitions."""
    terminology = Terminology(definitions)
    primitives: dict[str, str] = {}
    types: dict[str, list[str]] = {}
    resources: list[str] = []
    codes: dict[str, dict[str, list[str]]] = {}
    unlisted: set[str] = set()

    def binding(element: dict[str, Any]) -> str:
        bound = element.get("binding", {})
        if bound.get("strength") != "required":
            return ""
        name: str = bound["valueSet"].split("|")[0].rsplit("/", 1)[1]
        expansion = terminology.expand(bound["valueSet"])
        if expansion is None:
            unlisted.add(name)
            return ""
        codes[name] = expansion
        return " " + name

    for definition in _structures(definitions):
        name = definition["id"]
        if definition["kind"] == "primitive-type":
            primitives[name] = _regex(definition)
            continue
        if definition["kind"] == "resource":
            resources.append(name)
        for element in definition["snapshot"]["element"][1:]:
            path = name + element["path"].removeprefix(definition["type"])
            if element["max"] == "0" or _outside_r4(path):
                continue
            row = AS_IN_R4.get(path)
            if row is None:
                cardinality = f"{element['min']}..{element['max']}"
                row = f"{cardinality} {_types(path, element, definition)}{binding(element)}"
            parent, _, field = path.rpartition(".")
            types.setdefault(parent, []).append(f"{field} {row}")
    rows = {name: "\n".join(lines) + "\n" for name, lines in types.items()} | TYPES_AS_IN_R4
    used = {row.split()[3] for text in rows.values() for row in text.splitlines() if row.count(" ") == 3}
    for name in used - codes.keys():
        expansion = terminology.expand(f"http://hl7.org/fhir/ValueSet/{name}")
        if expansion is None:
            raise ValueError(f"a correction names the value set {name}, which the definitions do not list")
        codes[name] = expansion
    listed = {name: codes[name] for name in sorted(used)}
    table = {
        "resources": sorted(resources),
        "types": {name: rows[name].splitlines() for name in sorted(rows)},
        "codes": listed,
        "primitives": {name: primitives[name] for name in sorted(primitives)},
        "unlisted": sorted(unlisted),
    }
    return {OUTPUT: (json.dumps(table, indent=1, ensure_ascii=False) + "\n").encode()}


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
        names.append(name)
    return "|".join(names)


def _regex(definition: dict[str, Any]) -> str:
    value = next(part for part in definition["snapshot"]["element"] if part["path"].endswith(".value"))
    for part in value["type"][0]["extension"]:
        if part["url"] == REGEX:
            return str(part["valueString"])
    return ""  # xhtml has none
