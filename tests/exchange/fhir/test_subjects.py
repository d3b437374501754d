"""Records that name a patient who is not stored here, and records that name none."""

from __future__ import annotations

import bz2
import json
from typing import Any

import pytest

from exchange.fhir.compartment import DIRECTORY_TYPES, patient_paths, patients_of
from exchange.fhir.search.parameters import resource_types
from exchange.fhir.subjects import unplaced
from tests.support.shared_data import SHARED

BASE = "https://city.example/fhir"
SYNTHEA = SHARED / "synthea-r4"
PERSON = {"resourceType": "Patient", "id": "p", "name": [{"family": "Chalmers"}]}
MRN = {"system": "urn:mrn", "value": "12345"}

STRANGERS = [
    {"reference": "https://lake.example/fhir/Patient/1"},
    {"reference": "https://lake.example/fhir/Patient/1/_history/2"},
    {"reference": f"{BASE}x/Patient/1"},
    {"reference": "#p"},
    {"reference": "Patient?identifier=urn:mrn|12345"},
    {"reference": "urn:uuid:0d5c8f9e-6c1e-4b54-a7b5-1d6f7c3a9e11", "type": "Patient"},
    {"type": "Patient", "identifier": MRN},
    {"type": "http://hl7.org/fhir/StructureDefinition/Patient", "display": "Peter"},
]
HERE = [{"reference": "Patient/1"}, {"reference": f"{BASE}/Patient/1"}]
NOBODY_KNOWS = [
    {"reference": "urn:uuid:0d5c8f9e-6c1e-4b54-a7b5-1d6f7c3a9e11"},
    {"reference": "https://lake.example/people?id=1"},
    {"reference": "#gone"},
    {"identifier": MRN},
    {"display": "Peter Chalmers"},
    {"type": "Somebody", "display": "Peter Chalmers"},
]
NO_PATIENT = [
    {"reference": "Group/1"},
    {"reference": "https://lake.example/fhir/Device/1"},
    {"reference": "Location?identifier=urn:x|1"},
    {"type": "Group", "identifier": MRN},
    {"extension": [{"url": "urn:x", "valueCode": "unknown"}]},
]


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "contained": [PERSON], **elements}


def refused(resource: dict[str, Any]) -> list[str]:
    kind = resource["resourceType"]
    placed = bool(patients_of(kind, resource, base=BASE))
    return [problem.path for problem in unplaced(kind, resource, placed=placed, base=BASE)]


@pytest.mark.parametrize("subject", [*STRANGERS, *NOBODY_KNOWS], ids=str)
def test_a_subject_who_is_or_may_be_a_patient_elsewhere_is_refused(subject: dict[str, Any]) -> None:
    assert refused(observation(subject=subject)) == ["Observation.subject"]
    assert refused(observation(subject=subject, performer=[{"reference": "Practitioner/1"}])) == [
        "Observation.subject"
    ]


@pytest.mark.parametrize("subject", NO_PATIENT, ids=str)
def test_a_subject_that_says_that_it_is_something_else_is_fine(subject: dict[str, Any]) -> None:
    assert refused(observation(subject=subject)) == []


def test_a_contained_subject_counts_by_its_type() -> None:
    group = {"resourceType": "Group", "id": "p"}
    assert refused(observation(contained=[group], subject={"reference": "#p"})) == []


@pytest.mark.parametrize("performer", STRANGERS, ids=str)
def test_a_patient_elsewhere_who_took_part_refuses_only_a_record_that_names_none_here(
    performer: dict[str, Any],
) -> None:
    assert refused(observation(performer=[performer])) == ["Observation.performer"]
    assert refused(observation(performer=[performer], subject={"reference": "Patient/1"})) == []


@pytest.mark.parametrize("performer", NOBODY_KNOWS, ids=str)
def test_whoever_took_part_may_stay_untold(performer: dict[str, Any]) -> None:
    assert refused(observation(performer=[performer])) == []


@pytest.mark.parametrize("subject", STRANGERS, ids=str)
def test_a_patient_here_who_took_part_makes_no_place_for_another_ones_record(subject: dict[str, Any]) -> None:
    resource = observation(subject=subject, performer=[{"reference": "Patient/1"}])
    assert refused(resource) == ["Observation.subject"]


@pytest.mark.parametrize(
    "reference",
    ["Patient/1", "Patient/1/_history/2", f"{BASE}/Patient/1", "HTTPS://City.example:443/fhir/Patient/1/"],
)
def test_a_patient_of_this_server_is_placed_however_it_is_written(reference: str) -> None:
    assert refused(observation(subject={"reference": reference})) == []
    assert patients_of("Observation", {"subject": {"reference": reference}}, base=BASE) == ("1",)


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation"},
        {"resourceType": "Group", "member": []},
        {"resourceType": "Device"},
        {"resourceType": "Bundle", "entry": [{"resource": PERSON}]},
        {
            "resourceType": "Patient",
            "id": "1",
            "link": [{"other": {"reference": "https://b.example/Patient/1"}}],
        },
        {"resourceType": "Task", "focus": {"identifier": MRN}},
        {"resourceType": "Schedule", "actor": [{"reference": "https://b.example/fhir/Practitioner/1"}]},
    ],
    ids=lambda resource: resource["resourceType"],
)
def test_a_record_that_names_no_patient_is_no_matter(resource: dict[str, Any]) -> None:
    assert refused(resource) == []


@pytest.mark.parametrize(
    "resource",
    [
        {
            "resourceType": "Group",
            "member": [{"entity": {"reference": "Patient/1"}}, {"entity": STRANGERS[0]}],
        },
        {"resourceType": "Appointment", "participant": [{"actor": {"display": "Peter"}}]},
        {"resourceType": "Person", "link": [{"target": STRANGERS[0]}]},
        {"resourceType": "Device", "patient": {"identifier": MRN}},
        {"resourceType": "Claim", "contained": [PERSON], "patient": {"reference": "#p"}},
    ],
    ids=lambda resource: resource["resourceType"],
)
def test_other_types_are_refused_alike(resource: dict[str, Any]) -> None:
    assert len(refused(resource)) == 1


def test_a_doctor_in_words_beside_the_patient_is_fine() -> None:
    people = [{"actor": {"display": "Dr. Adams"}}, {"actor": {"reference": "Patient/1"}}]
    assert refused({"resourceType": "Appointment", "participant": people}) == []


@pytest.mark.parametrize("kind", sorted(DIRECTORY_TYPES))
@pytest.mark.parametrize(
    "named", [*STRANGERS, {"reference": "Patient/1"}, {"reference": f"{BASE}/Patient/1"}], ids=str
)
def test_a_type_of_the_directory_leads_to_no_patient_by_any_sign(kind: str, named: dict[str, Any]) -> None:
    extension = {"extension": [{"url": "urn:x", "valueReference": named}]}
    assert refused({"resourceType": kind, **extension}) == [kind] or named == {"reference": "#p"}
    assert refused({"resourceType": kind, "contained": [PERSON], **extension}) == [kind]
    inner = {"resourceType": "Basic", "id": "b", "subject": named}
    assert refused({"resourceType": kind, "contained": [PERSON, inner]}) == [kind]


@pytest.mark.parametrize("named", NO_PATIENT, ids=str)
def test_a_type_of_the_directory_may_refer_to_anything_else(named: dict[str, Any]) -> None:
    extension = {"extension": [{"url": "urn:x", "valueReference": named}]}
    assert refused({"resourceType": "Organization", **extension}) == []


def test_no_type_of_the_directory_is_ever_refused() -> None:
    for name in resource_types():
        if name in DIRECTORY_TYPES:
            assert not patient_paths(name)


@pytest.mark.skipif(
    not SYNTHEA.is_dir(), reason="no Synthea bundles under CONSENTRY_SHARED or ../shared/data"
)
def test_synthea_names_its_patients_so_that_all_are_placed() -> None:
    count = 0
    for path in sorted(SYNTHEA.glob("*.json.bz2"))[:4]:
        bundle = json.loads(bz2.decompress(path.read_bytes()))
        names = {
            entry["fullUrl"]: f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            for entry in bundle["entry"]
        }
        for entry in bundle["entry"]:
            resource = resolved(entry["resource"], names)
            assert refused(resource) == [], resource["id"]
            count += 1
    assert count > 100


def resolved(value: Any, names: dict[str, str]) -> Any:
    """Return `value` with the references within a transaction resolved, as they are before it is stored."""
    if isinstance(value, list):
        return [resolved(one, names) for one in value]
    if isinstance(value, dict):
        return {name: resolved(one, names) for name, one in value.items()}
    return names.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "elements",
    [
        {"extension": [{"url": "urn:x", "valueReference": {"reference": "Patient/1"}}]},
        {"contained": [{"resourceType": "Location", "id": "l", "partOf": {"reference": "Patient/1"}}]},
        {"managingOrganization": {"reference": "Patient/1/_history/2"}},
    ],
    ids=list("abc"),
)
def test_a_type_that_every_member_reads_refers_to_no_patient(elements: dict[str, Any]) -> None:
    record = {"resourceType": "Location", **elements}
    (problem,) = unplaced("Location", record, placed=False)
    assert "every member" in problem.message
    elsewhere = {"resourceType": "Location", "partOf": {"reference": "Location/2"}}
    assert unplaced("Location", elsewhere, placed=False) == []
