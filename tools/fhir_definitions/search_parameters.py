"""The search tables of the gateway, from the official SearchParameters and the patient compartment.

`exchange/fhir/search/parameters.json` has for each resource type its *indexes* (which JSON paths, ending in
which datatypes, give the terms of that index) and its *parameters* (which indexes answer them). Elements
that the same parameters read form one index, so a value that several parameters cover is stored once:
`Patient.name.family` is in the index `family`, which answers `family` and `name`; `Observation.subject` is
in `subject`, which answers `subject` and `patient`.

`exchange/fhir/compartment.json` has the paths by which each type joins a patient's compartment, and the
types that hold no patient.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.fhir_definitions.search_expressions import Expressions, Leaf, spread

SEARCH = "exchange/fhir/search/parameters.json"
COMPARTMENT = "exchange/fhir/compartment.json"

COMPARABLE = {
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "number": {"decimal", "integer", "Range"},
    "quantity": {"Age", "Duration", "Money", "Quantity", "Range", "SampledData"},
    "reference": {"Reference", "Resource", "canonical", "uri"},
    "string": {"markdown", "string"},
    "token": {"Coding", "ContactPoint", "Identifier", "boolean", "code", "id", "present", "string", "uri"},
    "uri": {"canonical", "uri", "url"},
}
"""The datatypes that have values of a parameter's type; expressions reach others too."""

PHONETIC = "phonetic matching depends on an algorithm that R4 does not name; use name, family or given"
UNSUPPORTED = {
    "near": "distance needs the coordinates, which are not kept outside the sealed record",
    "phonetic": PHONETIC,
}
JOINED_BY_ONE = "a variant's start and end would have to be joined with each other and with the sequence"

_RELATIONSHIP = "http://hl7.org/fhir/SearchParameter/DocumentReference-relat"
AS_MEANT = {f"{_RELATIONSHIP}esto": f"{_RELATIONSHIP}ion", f"{_RELATIONSHIP}ion": f"{_RELATIONSHIP}esto"}
"""Definitions of components that R4 names the wrong way round: their expressions are the other's."""

MOST_TARGETS = 100
"""A reference parameter with as many target types as this may point to any type."""

_Table = dict[str, Any]
_Key = tuple[str, str, str]
"""A parameter type, a path and a datatype."""
_Part = tuple[Leaf, list[tuple[str, list[Leaf]]]]
"""The focus of a composite, and for each component its parameter type and leaves."""


def generate(definitions: Path) -> dict[str, bytes]:
    """Return the generated files, by their paths in the repository, from a folder of R4 definitions."""
    structures = [
        resource
        for name in ("profiles-types.json", "profiles-resources.json")
        for resource in _entries(definitions / name)
        if resource["resourceType"] == "StructureDefinition"
    ]
    value_sets = {
        resource["url"]: resource
        for name in ("valuesets.json", "v3-codesystems.json")
        for resource in _entries(definitions / name)
        if resource["resourceType"] == "ValueSet"
    }
    expressions = Expressions(structures, value_sets)
    parameters = [
        entry for entry in _entries(definitions / "search-parameters.json") if "expression" in entry
    ]
    concrete = [
        structure for structure in structures if structure["kind"] == "resource" and not structure["abstract"]
    ]
    names = sorted(structure["id"] for structure in concrete)
    by_type: dict[str, list[dict[str, Any]]] = {name: [] for name in ["Resource", *names]}
    for parameter in parameters:
        for base in parameter["base"]:
            by_type[base].append(parameter)
    by_url = {parameter["url"]: parameter for parameter in parameters}
    tables = {name: _Types(name, expressions, by_url).table(defined) for name, defined in by_type.items()}
    compartment = json.loads((definitions / "compartmentdefinition-patient.json").read_bytes())
    paths = _compartment(compartment, tables)
    directory = _directory(concrete, paths)
    beyond = {
        structure["id"]: found
        for structure in concrete
        if structure["id"] not in directory and structure["id"] not in paths
        if (found := _patient_paths(structure))
    }
    return {
        SEARCH: _lines(tables),
        COMPARTMENT: _lines({"paths": paths, "beyond": beyond, "directory": directory}),
    }


def _entries(path: Path) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in json.loads(path.read_bytes())["entry"]]


def _lines(table: _Table) -> bytes:
    """Write JSON with one line for each member, so that a changed definition is a changed line."""
    rows = (f"{json.dumps(key)}:{json.dumps(table[key], separators=(',', ':'))}" for key in table)
    return ("{\n" + ",\n".join(rows) + "\n}\n").encode()


class _Types:
    """Makes the table of one resource type."""

    def __init__(self, name: str, expressions: Expressions, by_url: dict[str, dict[str, Any]]) -> None:
        self._name = name
        self._expressions = expressions
        self._by_url = by_url
        self._indexes: dict[str, _Table] = {}
        self._index_of: dict[tuple[str, str, str], str] = {}

    def table(self, defined: list[dict[str, Any]]) -> _Table:
        """Return `indexes`, `parameters` and `unsupported` of this type, from its SearchParameters."""
        entries = {entry["code"]: entry for entry in sorted(defined, key=lambda entry: str(entry["code"]))}
        unsupported = {code: UNSUPPORTED[code] for code in entries if code in UNSUPPORTED}
        plain, composite = {}, {}
        for code, entry in entries.items():
            if entry["type"] != "composite":
                plain[code] = entry
            elif any(component["expression"].startswith("%") for component in entry["component"]):
                unsupported[code] = JOINED_BY_ONE
            else:
                composite[code] = self._parts(entry)
        leaves = {
            code: self._leaves(entry["type"], self._expressions.leaves(self._name, entry["expression"]))
            for code, entry in plain.items()
            if code not in unsupported
        }
        # Write times are a column of the store, in order; terms would say less and cost more.
        leaves.pop("_lastUpdated", None)
        self._partition(plain, leaves, composite)
        parameters: dict[str, _Table] = {}
        for code, entry in entries.items():
            if code in composite:
                parts = [self._part(code, focus, components) for focus, components in composite[code]]
                parameters[code] = {"type": "composite", "parts": parts}
            elif code not in unsupported:
                parameters[code] = self._plain(entry, leaves.get(code, []))
        table: _Table = {"indexes": self._indexes, "parameters": parameters}
        return table | ({"unsupported": unsupported} if unsupported else {})

    @staticmethod
    def _leaves(kind: str, found: list[Leaf]) -> list[Leaf]:
        spreads = (part for leaf in found for part in spread(leaf, kind))
        return [leaf for leaf in spreads if leaf.datatype in COMPARABLE[kind]]

    def _parts(self, entry: dict[str, Any]) -> list[_Part]:
        """Return each focus of a composite with its components' kinds and leaves."""
        return [
            (
                focus,
                [
                    (
                        kind := self._by_url[AS_MEANT.get(url := component["definition"], url)]["type"],
                        self._leaves(kind, self._expressions.below(focus, component["expression"])),
                    )
                    for component in entry["component"]
                ],
            )
            for focus in self._expressions.leaves(self._name, entry["expression"])
        ]

    def _partition(
        self,
        plain: dict[str, dict[str, Any]],
        leaves: dict[str, list[Leaf]],
        composite: dict[str, list[_Part]],
    ) -> None:
        """Group the elements by the parameters that read them; the group gets the name of its narrowest
        parameter.
        """
        readers: dict[_Key, list[str]] = defaultdict(list)
        leaf_of: dict[_Key, Leaf] = {}

        def breadth(code: str) -> tuple[int, bool, str]:
            return len(leaves[code]), any(leaf.only for leaf in leaves[code]), code

        for code in sorted(leaves, key=breadth):
            for leaf in leaves[code]:
                key = (str(plain[code]["type"]), leaf.path, leaf.datatype)
                readers[key].append(code)
                leaf_of[key] = leaf
        for code, parts in composite.items():
            for focus, components in parts:
                for at, (kind, found) in enumerate(components):
                    for leaf in found if not focus.many else ():
                        readers[kind, leaf.path, leaf.datatype].append(f"{code}/{at}")
        groups: dict[tuple[str, ...], list[_Key]] = defaultdict(list)
        for key, codes in readers.items():
            groups[tuple(codes)].append(key)
        for by, keys in sorted(groups.items(), key=lambda group: (-len(group[0]), group[0])):
            name = by[0]
            if name in self._indexes:  # what only a part of this parameter's elements have in common
                name = f"{name}.{keys[0][1]}"
            index: _Table = {"kind": keys[0][0], "leaves": [_row(leaf_of[key]) for key in keys]}
            if any(leaf_of[key].many for key in keys):
                index["many"] = True
            self._indexes[name] = index
            self._index_of.update(dict.fromkeys(keys, name))

    def _plain(self, entry: dict[str, Any], leaves: list[Leaf]) -> _Table:
        kind = entry["type"]
        indexes = list(dict.fromkeys(self._index_of[kind, leaf.path, leaf.datatype] for leaf in leaves))
        table: _Table = {"type": kind, "indexes": indexes}
        if kind != "reference":
            return table
        only = {leaf.only for leaf in leaves}
        if len(only) > 1:
            raise ValueError(
                f"{self._name}.{entry['code']}: only a part of its elements is limited to a type"
            )
        targets = [*filter(None, only)] or sorted(set(entry.get("target", ())) - {"Resource"})
        return table | ({"targets": targets} if len(targets) < MOST_TARGETS else {})

    def _part(self, code: str, focus: Leaf, components: list[tuple[str, list[Leaf]]]) -> _Table:
        """Return the plan for one focus of a composite: by its components' own indexes, or by a joined
        one.
        """
        if not focus.many:
            # There is one focus, so its components are met together when each is: nothing more is stored.
            return {
                "indexes": [
                    list(dict.fromkeys(self._index_of[kind, leaf.path, leaf.datatype] for leaf in found))
                    for kind, found in components
                ]
            }
        name = code.replace("combo-", "component-", 1)
        start = len(focus.path) + 1
        self._indexes[name] = {
            "kind": "composite",
            "focus": focus.path,
            "components": [
                {"kind": kind, "leaves": [_row(leaf, start) for leaf in found]} for kind, found in components
            ],
        }
        return {"joined": name}


def _row(leaf: Leaf, start: int = 0) -> list[Any]:
    return [leaf.path[start:], leaf.datatype, *([list(leaf.systems)] if leaf.systems else [])]


def _compartment(definition: dict[str, Any], tables: dict[str, _Table]) -> dict[str, list[str]]:
    """Return the paths of the references that place a resource of each type in a patient's compartment."""
    paths: dict[str, list[str]] = {}
    for entry in definition["resource"]:
        table = tables[entry["code"]]
        found = [
            leaf[0]
            for code in entry.get("param", ())
            for index in table["parameters"][code]["indexes"]
            for leaf in table["indexes"][index]["leaves"]
            if leaf[1] == "Reference"
        ]
        if found:
            paths[entry["code"]] = list(dict.fromkeys(found))
    return paths


HOLDS_QUERIES = frozenset({"OperationOutcome", "Subscription", "SubscriptionStatus"})
"""Types with no reference to a patient that may still speak of one, in a criterion or a message."""


def _directory(structures: list[dict[str, Any]], paths: dict[str, list[str]]) -> list[str]:
    """Return the types that hold no patient: outside the compartment, and no reference leads back into it.

    Canonical resources (they have a `url` and a `publisher`) define things, and count even where a
    definition may point to anything. Of the others, those count whose references all lead to types that
    count, and that contain no resource of any type.
    """
    targets: dict[str, set[str]] = {}
    canonical = set()
    for structure in structures:
        name = structure["id"]
        elements = {element["path"] for element in structure["snapshot"]["element"]}
        if {f"{name}.url", f"{name}.publisher"} <= elements:
            canonical.add(name)
        targets[name] = {target for _, found in _references(structure) for target in found}
    candidates = targets.keys() - paths.keys() - HOLDS_QUERIES
    while True:
        led_back = {name for name in candidates - canonical if targets[name] - candidates}
        if not led_back:
            return sorted(candidates)
        candidates -= led_back


def _patient_paths(structure: dict[str, Any]) -> list[str]:
    """Return the JSON paths of the references in a type that may point to a Patient."""
    return [
        path.replace("[x]", "Reference")
        for path, targets in _references(structure)
        if targets & {"Patient", "Resource"}
    ]


def _references(structure: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Yield each element of a type that refers to or contains a resource, with the types it may be."""
    for element in structure["snapshot"]["element"]:
        path = element["path"].partition(".")[2]
        if path.rpartition(".")[2] in {"contained", "extension", "modifierExtension"}:
            continue
        targets: set[str] = set()
        for kind in element.get("type", ()):
            if kind["code"] == "Resource":
                targets.add("contained")
            elif kind["code"] == "Reference":
                profiles = kind.get("targetProfile", ["Resource"])
                targets |= {profile.rpartition("/")[2] for profile in profiles}
        if targets:
            yield path, targets
