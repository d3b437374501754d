"""Every resource that HL7 publishes with R4 or Synthea makes is judged as the specification judges it."""

from __future__ import annotations

import bz2
import json
import os
import tarfile
from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class

from exchange.errors import InvalidResourceError
from exchange.fhir.r4 import RESOURCE_TYPES, check, diagnosis, structs, wellformed
from tests.support.shared_data import SHARED

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
EXAMPLES = SHARED / "fhir-r4-examples" / "fhir-r4-examples-4.0.1.tgz"
SYNTHEA = SHARED / "synthea-r4"

needs_examples = pytest.mark.skipif(not EXAMPLES.is_file(), reason="no R4 examples under CONSENTRY_SHARED")
needs_synthea = pytest.mark.skipif(not SYNTHEA.is_dir(), reason="no Synthea export under CONSENTRY_SHARED")

_BLANK = "txt-2: its narrative holds nothing but white space"
_ASTRAY = "its reference leads to a type that the element does not allow"
_NO_BASE = "SearchParameter.base is 1..* and absent"

REFUSED = {
    "ActivityDefinition-blood-tubes-supply": ("ActivityDefinition.text.div", _BLANK),
    "ActivityDefinition-heart-valve-replacement": ("ActivityDefinition.text.div", _BLANK),
    "EventDefinition-example": ("EventDefinition.text.div", _BLANK),
    "Questionnaire-zika-virus-exposure-assessment": ("Questionnaire.text.div", _BLANK),
    "DeviceMetric-example": ("DeviceMetric.parent", _ASTRAY),
    "DeviceUseStatement-example": ("DeviceUseStatement.reasonReference[0]", _ASTRAY),
    "MedicationRequest-medrx0301": ("MedicationRequest.dispenseRequest.performer", _ASTRAY),
    "Observation-clinical-gender": ("Observation.performer[0]", _ASTRAY),
    "ImplementationGuide-fhir": (
        "ImplementationGuide.name",
        "name and status are 1..1 and absent",
    ),
    "ig-r4": ("ImplementationGuide.name", "name and status are 1..1 and absent"),
    "Questionnaire-qs1": (
        "Questionnaire.item[0].item[0].linkId",
        "linkId is 1..1 and absent",
    ),
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject": (
        "SearchParameter.id",
        "its id has 67 characters; an id has at most 64",
    ),
} | {
    f"SearchParameter-{prefix}-{name}": ("SearchParameter.base", _NO_BASE)
    for prefix, names in {
        "codesystem-extensions-CodeSystem": ("author", "effective", "end", "keyword", "workflow"),
        "valueset-extensions-ValueSet": ("author", "effective", "end", "keyword", "workflow"),
    }.items()
    for name in names
}
"""The published examples that the specification contradicts: one path where it does, and how."""

_NO_TARGETS = "the models do not look at the types of what references lead to"
_NOT_IN_R4B = "R4B has no such resource type"

R4B_DISAGREES = {
    "ActivityDefinition-blood-tubes-supply": "the models do not look into narratives",
    "ActivityDefinition-heart-valve-replacement": "the models do not look into narratives",
    "EventDefinition-example": "the models do not look into narratives",
    "DeviceMetric-example": _NO_TARGETS,
    "DeviceUseStatement-example": _NO_TARGETS,
    "MedicationRequest-medrx0301": _NO_TARGETS,
    "Observation-clinical-gender": _NO_TARGETS,
    "Questionnaire-zika-virus-exposure-assessment": "the models do not look into narratives",
    "Evidence-example": "R4B changed Evidence: it requires variableDefinition, which R4 does not have",
    "EffectEvidenceSynthesis-example": _NOT_IN_R4B,
    "MedicinalProduct-example": _NOT_IN_R4B,
    "MedicinalProductAuthorization-example": _NOT_IN_R4B,
    "MedicinalProductContraindication-example": _NOT_IN_R4B,
    "MedicinalProductIndication-example": _NOT_IN_R4B,
    "MedicinalProductIngredient-example": _NOT_IN_R4B,
    "MedicinalProductInteraction-example": _NOT_IN_R4B,
    "MedicinalProductManufactured-example": _NOT_IN_R4B,
    "MedicinalProductPackaged-example": _NOT_IN_R4B,
    "MedicinalProductPharmaceutical-example": _NOT_IN_R4B,
    "MedicinalProductUndesirableEffect-example": _NOT_IN_R4B,
    "RiskEvidenceSynthesis-example": _NOT_IN_R4B,
    "SubstanceSpecification-example": _NOT_IN_R4B,
}
"""The examples on which `fhir.resources.R4B` and this decoder differ, and why."""

CONFORMANCE = {
    "CodeSystem",
    "ConceptMap",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "ValueSet",
}


@pytest.fixture(scope="module")
def examples() -> dict[str, bytes]:
    """Every published example that is a resource, by its name (`Patient-example`)."""
    found = {}
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None or not member.name.endswith(".json"):
                continue
            body = content.read()
            if "resourceType" in json.loads(body):
                found[Path(member.name).stem] = body
    return found


def fits(body: bytes) -> bool:
    """Check whether the fast pass alone accepts."""
    text = wellformed.read(body)
    if text is None or not text.plain:
        return False
    try:
        structs.conforms(text.resource, text.encoded)
    except ValueError:
        return False
    return True


@needs_examples
def test_published_examples_are_accepted_but_for_those_the_specification_contradicts(
    examples: dict[str, bytes],
) -> None:
    refused = {}
    for name, body in examples.items():
        try:
            checked = check(body)
        except InvalidResourceError as error:
            refused[name] = {problem.path for problem in error.problems}
        else:
            assert checked.resource == json.loads(body)
            assert checked.resource_type == checked.resource["resourceType"]
    assert len(examples) > 5000
    assert refused.keys() == REFUSED.keys()
    for name, (path, _) in REFUSED.items():
        assert path in refused[name], name


@needs_examples
def test_examples_cover_nearly_every_resource_type(examples: dict[str, bytes]) -> None:
    seen = {json.loads(body)["resourceType"] for body in examples.values()}
    assert seen <= RESOURCE_TYPES
    assert len(seen) > 130


@needs_examples
def test_what_the_fast_pass_accepts_the_exact_one_finds_no_problem_in(examples: dict[str, bytes]) -> None:
    fast = [body for body in examples.values() if fits(body)]
    assert len(fast) > 0.97 * len(examples)
    for body in fast[:: max(1, round(8 / SCALE))]:
        assert diagnosis.diagnose(wellformed.read_exactly(body)) == []


@needs_examples
def test_the_r4b_models_agree_but_where_explained(examples: dict[str, bytes]) -> None:
    differing = set()
    step = max(1, round(2 / SCALE))
    for name in sorted(set(sorted(examples)[::step]) | R4B_DISAGREES.keys()):
        body = examples[name]
        resource_type = json.loads(body)["resourceType"]
        if resource_type in CONFORMANCE:
            continue
        try:
            get_fhir_model_class(resource_type).model_validate_json(body)
            theirs = True
        except ValueError:  # pydantic's ValidationError is one, and so is an unknown type
            theirs = False
        try:
            check(body)
            ours = True
        except InvalidResourceError:
            ours = False
        if ours != theirs:
            differing.add(name)
    assert differing == R4B_DISAGREES.keys()


@needs_synthea
def test_every_synthea_bundle_is_accepted_by_the_fast_pass_and_its_entries_alone_too() -> None:
    files = sorted(SYNTHEA.glob("*.json.bz2"))
    for path in files[:: max(1, round(8 / SCALE))]:
        body = bz2.decompress(path.read_bytes())
        checked = check(body, expected="Bundle")
        assert fits(body), path.name
        for entry in checked.resource["entry"][:: max(1, round(10 / SCALE))]:
            resource = entry["resource"]
            assert (
                check(json.dumps(resource).encode(), expected=resource["resourceType"]).resource == resource
            )
