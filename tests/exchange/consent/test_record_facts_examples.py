"""Every official example of R4 has facts, and the facts say what is in it."""

import json
import tarfile
from collections import Counter

import pytest

from exchange.consent.element_paths import CODES, TIMES
from exchange.consent.record_facts import facts_of
from exchange.fhir.code_systems import coded as spelt
from tests.support.shared_data import SHARED

EXAMPLES = SHARED / "fhir-r4-examples" / "fhir-r4-examples-4.0.1.tgz"
CLINICAL = ("Observation", "Condition", "Encounter", "MedicationRequest", "Procedure", "Immunization")
DEFINITIONS = ("StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter", "ConceptMap")


def codings(value):
    """Yield all that looks like a coding, found without the walk under test."""
    if isinstance(value, list):
        for item in value:
            yield from codings(item)
    elif isinstance(value, dict):
        if isinstance(value.get("system"), str) and isinstance(value.get("code"), str):
            yield spelt(value["system"], value["code"])
        for item in value.values():
            yield from codings(item)


@pytest.mark.skipif(
    not EXAMPLES.is_file(), reason="no official examples under CONSENTRY_SHARED or ../shared/data"
)
def test_every_official_example_has_facts():
    timed, coded, seen = Counter(), Counter(), Counter()
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            kind = member.name.removeprefix("package/").split("-")[0]
            if not member.name.endswith(".json") or kind in DEFINITIONS:
                continue
            resource = json.load(archive.extractfile(member))
            if resource.get("resourceType") != kind:
                continue
            found = facts_of(resource, salt=b"e" * 32, reference=f"{kind}/{resource['id']}")
            assert found.mentions >= set(codings(resource))
            assert found.mentions >= frozenset().union(*found.codes)
            seen[kind] += 1
            timed[kind] += found.period is not None
            coded[kind] += bool(found.codes)
    assert sum(seen.values()) > 500
    for kind in CLINICAL:
        assert seen[kind]
        assert kind in TIMES
        assert kind in CODES
        assert coded[kind] >= 0.6 * seen[kind]
        if kind != "Encounter":  # most of its examples state no period
            assert timed[kind] >= 0.6 * seen[kind]
