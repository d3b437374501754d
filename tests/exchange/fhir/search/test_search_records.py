"""Every kind of record gives its terms: the official examples and a synthetic population."""

from __future__ import annotations

import bz2
import json
import os
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exchange.crypto.index_tokens import TokenKeys
from exchange.fhir.search import capability, parse, terms
from exchange.fhir.search.parameters import Index, Leaf, resource_types, table
from tests.support.shared_data import SHARED

EXAMPLES = SHARED / "fhir-r4-examples" / "fhir-r4-examples-4.0.1.tgz"
SYNTHEA = SHARED / "synthea-r4"
SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))


def test_all_pairs_of_type_and_parameter_compile_but_those_listed() -> None:
    supported = Counter(kind == "composite" for name in resource_types() for _, kind in capability(name))
    unsupported = {(name, code) for name in resource_types() for code in table(name).unsupported}
    assert len(resource_types()) == 147
    assert unsupported == {
        ("Location", "near"),
        ("MolecularSequence", "chromosome-variant-coordinate"),
        ("MolecularSequence", "referenceseqid-variant-coordinate"),
        *((name, "phonetic") for name in ("InsurancePlan", "Organization", "Patient", "Person")),
        *((name, "phonetic") for name in ("Practitioner", "RelatedPerson")),
    }
    # R4 has 2,510 pairs with an expression that are not composite, and 72 composite ones.
    assert supported[False] == 2_510 - 7
    assert supported[True] == 72 - 2
    for name in resource_types():
        assert terms(name, {"resourceType": name, "id": "a"})[0] == ("_id", "E=a")


def test_every_parameter_has_an_index_and_every_index_a_parameter() -> None:
    for name in resource_types():
        indexes, parameters = table(name).indexes, table(name).parameters
        used = {index for parameter in parameters.values() for index in parameter.indexes}
        for parameter in parameters.values():
            for part in parameter.parts:
                used |= {part.joined} if part.joined else {index for group in part.indexes for index in group}
        assert used == indexes.keys()
        assert [
            code for code, parameter in parameters.items() if not (parameter.indexes or parameter.parts)
        ] == ["_lastUpdated"]


def test_elements_that_parameters_share_are_stored_once() -> None:
    for name in resource_types():
        leaves = [
            (index.kind, leaf.path, leaf.datatype)
            for index in table(name).indexes.values()
            for leaf in index.leaves
        ]
        assert len(leaves) == len(set(leaves))


def examples() -> Iterator[dict[str, Any]]:
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            if member.name.endswith(".json") and not member.name.startswith("package/."):
                opened = archive.extractfile(member)
                assert opened is not None
                resource = json.load(opened)
                if resource.get("resourceType") in resource_types():
                    yield resource


@pytest.mark.skipif(
    not EXAMPLES.is_file(), reason="no official examples under CONSENTRY_SHARED or ../shared/data"
)
def test_every_official_example_is_found_by_its_own_terms() -> None:
    counted: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for resource in examples():
        name = resource["resourceType"]
        found = terms(name, resource)
        counted[name] += 1
        seen |= {(name, term.parameter) for term in found}
        assert len(found) == len(set(found))
        assert parse(name, [("_id", resource["id"])], lenient=False).matches(found)
    assert counted.total() > 5_000
    assert len(counted) > 120
    # The examples have a value for more than half of all (type, index) pairs.
    assert len(seen) > 900


def leaf_values(resource: dict[str, Any], index: Index) -> Iterator[tuple[Leaf, Any]]:
    """Return the elements at an index's paths, by the plainest walk there is."""
    for leaf in index.leaves:
        values: list[Any] = [resource]
        for part in leaf.path.split("."):
            values = [value[part] for value in values if isinstance(value, dict) and part in value]
            values = [item for value in values for item in (value if isinstance(value, list) else [value])]
        yield from ((leaf, value) for value in values)


def own_search(leaf: Leaf, value: Any) -> str | None:
    """Return a search value that must find the record that has `value`."""
    escape = str.maketrans({character: "\\" + character for character in "\\,|$"})
    match leaf.datatype:
        case "Coding" if value.get("code"):
            return f"{value.get('system', '').translate(escape)}|{value['code'].translate(escape)}"
        case "Identifier" if value.get("value"):
            return f"{value.get('system', '').translate(escape)}|{value['value'].translate(escape)}"
        case "Reference" if not value.get("reference", "#").startswith("#"):
            return value["reference"].translate(escape)
        case "code" | "id" | "uri" | "url" | "canonical" if not value.startswith("#"):
            return value.translate(escape)
        case "string" | "markdown":
            return value.translate(escape) if any(map(str.isalnum, value)) else None
        case "date" | "dateTime" | "instant":
            return value
        case "Quantity" if "value" in value and "comparator" not in value:
            return f"{value['value']}"
        case "decimal" | "integer":
            return f"{value}"
        case _:
            return None


def population(most: int) -> Iterator[dict[str, Any]]:
    for path in sorted(SYNTHEA.glob("*.json.bz2"))[:most]:
        bundle = json.loads(bz2.decompress(path.read_bytes()))
        yield from (entry["resource"] for entry in bundle["entry"])


def assert_found_by_each_value(resource: dict[str, Any]) -> None:
    name = resource["resourceType"]
    found = terms(name, resource)
    definition = table(name)
    for code, parameter in definition.parameters.items():
        for index in parameter.indexes:
            for leaf, value in leaf_values(resource, definition.indexes[index]):
                search = own_search(leaf, value)
                if search is not None and (parameter.type != "reference" or not parameter.targets):
                    assert parse(name, [(code, search)], lenient=False).matches(found), (name, code)


@pytest.mark.skipif(
    not EXAMPLES.is_file(), reason="no official examples under CONSENTRY_SHARED or ../shared/data"
)
def test_an_official_example_is_found_by_each_of_its_values() -> None:
    conformance = {"CodeSystem", "ValueSet", "ConceptMap", "StructureDefinition", "SearchParameter", "Bundle"}
    for resource in examples():
        if resource["resourceType"] not in conformance:
            assert_found_by_each_value(resource)


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="no Synthea export under CONSENTRY_SHARED or ../shared/data")
def test_a_synthetic_population_costs_under_thirty_terms_a_record(
    record_property: Callable[[str, object], None],
) -> None:
    keys = TokenKeys(bytes(32))
    records, stored, spent = Counter[str](), Counter[str](), 0.0
    for resource in population(max(5, int(8 * SCALE))):
        name = resource["resourceType"]
        started = time.process_time()
        found = terms(name, resource)
        tokens = keys.tokens(name, found)
        spent += time.process_time() - started
        assert len(set(tokens)) == len(tokens) == len(found)
        records[name] += 1
        stored[name] += len(found)
    average = stored.total() / records.total()
    record_property("microseconds", spent / records.total() * 1e6)
    record_property(
        "terms", {name: stored[name] / count for name, count in records.items()} | {"all": average}
    )
    assert average < 30
