"""A reference leads to a type that its element allows, however it tells the type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import InvalidResourceError
from exchange.fhir.r4 import RESOURCE_TYPES, check, structs, wellformed
from exchange.fhir.r4.diagnosis import diagnose
from exchange.fhir.r4.elements import Element, elements

ASTRAY = "leads to another type than"


def problems(resource: dict[str, Any]) -> list[str]:
    """Return the paths at which a resource is refused for the type of a target."""
    try:
        check(json.dumps(resource).encode())
    except InvalidResourceError as refused:
        found = list(refused.problems)
    else:
        found = []
    assert all(problem.message.startswith(ASTRAY) for problem in found), found
    return [problem.path for problem in found]


def fits(resource: dict[str, Any]) -> bool:
    """Return whether the fast pass accepts."""
    text = wellformed.read(json.dumps(resource).encode())
    assert text is not None
    try:
        structs.conforms(text.resource, text.encoded)
    except ValueError:
        return False
    return True


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}} | elements


RIGHT = [
    {"reference": "Patient/1"},
    {"reference": "Patient/1/_history/2"},
    {"reference": "http://elsewhere.example/fhir/Group/1"},
    {"reference": "Patient?identifier=urn:x|Substance/1"},
    {"reference": "urn:uuid:7d0c4f4e-1111-4222-8333-444455556688"},
    {"reference": "http://elsewhere.example/Substance/of/another/kind"},
    {"type": "Device", "identifier": {"value": "1"}},
    {"type": "http://hl7.org/fhir/StructureDefinition/Location"},
    {"type": "http://elsewhere.example/StructureDefinition/Animal"},
    {"display": "Substance/1"},
]
WRONG = [
    {"reference": "Substance/x"},
    {"reference": "Substance/x/_history/2"},
    {"reference": "http://127.0.0.1:8400/fhir/Substance/x"},
    {"reference": "https://elsewhere.example/fhir/Substance/x/_history/1"},
    {"reference": "Substance?identifier=urn:x|1"},
    {"type": "Substance", "identifier": {"value": "1"}},
    {"type": "http://hl7.org/fhir/StructureDefinition/Substance", "display": "x"},
    {"reference": "Patient/1", "type": "Substance"},
    {"reference": "Substance/1", "type": "Patient"},
]


@pytest.mark.parametrize("reference", RIGHT, ids=str)
def test_what_may_be_the_subject_is_accepted(reference: dict[str, Any]) -> None:
    assert problems(observation(subject=reference)) == []
    assert fits(observation(subject=reference))


@pytest.mark.parametrize("reference", WRONG, ids=str)
def test_another_type_of_subject_is_refused_at_its_element(reference: dict[str, Any]) -> None:
    assert problems(observation(subject=reference)) == ["Observation.subject"]
    assert problems(observation(performer=[{"reference": "Patient/1"}, reference])) == [
        "Observation.performer[1]"
    ]
    assert problems(observation(note=[{"text": "x", "authorReference": reference}])) == [
        "Observation.note[0].author.ofType(Reference)"
    ]


def test_a_target_is_checked_in_entries_parts_contained_resources_and_extensions() -> None:
    wrong = observation(subject={"reference": "Substance/x"})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": wrong}]}
    assert problems(bundle) == ["Bundle.entry[0].resource.subject"]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "x", "resource": wrong}]}
    assert problems(parameters) == ["Parameters.parameter[0].resource.subject"]
    inside = observation(hasMember=[{"reference": "#o"}], contained=[wrong | {"id": "o"}])
    assert problems(inside) == ["Observation.contained[0].subject"]
    note = {"text": "x", "authorReference": {"reference": "Substance/x"}}
    extended = observation(extension=[{"url": "urn:x", "valueAnnotation": note}])
    assert problems(extended) == [
        "Observation.extension[0].value.ofType(Annotation).author.ofType(Reference)"
    ]


@pytest.mark.parametrize(
    ("kind", "right"), [("Patient", True), ("Group", True), ("Substance", False), ("Practitioner", False)]
)
def test_a_contained_target_has_the_type_that_it_has(kind: str, right: bool) -> None:
    extra = {"Group": {"type": "person", "actual": True}, "Substance": {"code": {"text": "x"}}}
    contained = {"resourceType": kind, "id": "c", **extra.get(kind, {})}
    resource = observation(contained=[contained], subject={"reference": "#c"})
    assert problems(resource) == ([] if right else ["Observation.subject"])
    assert fits(resource) is right


def test_a_contained_resource_refers_to_its_container_by_its_type() -> None:
    specimen = {"resourceType": "Specimen", "id": "s", "parent": [{"reference": "#"}]}
    resource = observation(specimen={"reference": "#s"}, contained=[specimen])
    assert problems(resource) == ["Observation.contained[0].parent[0]"]
    report = {"resourceType": "DiagnosticReport", "id": "s", "status": "final", "code": {"text": "x"}}
    report["result"] = [{"reference": "#"}]
    derived = observation(derivedFrom=[{"reference": "Observation/1"}], contained=[report])
    assert problems(derived) == []


PLACES: list[tuple[str, Element, str]] = [
    (name, element, key)
    for name in sorted(RESOURCE_TYPES)
    for element in elements(name)
    for key, of in element.keys.items()
    if of == "Reference" and element.targets
]


@given(st.data())
def test_every_element_refuses_what_it_does_not_allow_and_nothing_else(data: st.DataObject) -> None:
    name, element, key = data.draw(st.sampled_from(PLACES))
    kind = data.draw(st.sampled_from(sorted(RESOURCE_TYPES)))
    text = data.draw(
        st.sampled_from(["{}/1", "http://a.example/fhir/{}/1", "{}/1/_history/2", "{}?_id=1", "type"])
    ).format(kind)
    reference = {"type": kind} if text == "type" else {"reference": text}
    value = [reference] if element.repeats else reference
    found = [
        problem.path
        for problem in diagnose({"resourceType": name, key: value})
        if problem.message.startswith(ASTRAY)
    ]
    assert bool(found) is (kind not in element.targets)
    assert all(path.startswith(f"{name}.{element.name}") for path in found)
    # The fast pass never accepts what the diagnosis refuses.
    if name == "Observation":
        whole = observation(**{key: value})
        assert fits(whole) is (kind in element.targets)


def test_the_table_knows_the_targets_of_hundreds_of_elements() -> None:
    assert len(PLACES) > 450
