"""The patients of a record, by the patient compartment."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.fhir.compartment import DIRECTORY_TYPES, patient_paths, patients_of
from exchange.fhir.search.parameters import resource_types, table

BASE = "https://a.example/fhir"


@pytest.mark.parametrize(
    ("resource", "patients"),
    [
        ({"resourceType": "Patient", "id": "b"}, ("b",)),
        ({"resourceType": "Patient", "id": "b", "link": [{"other": {"reference": "Patient/a"}}]}, ("a", "b")),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/a"}}, ("a",)),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/a/_history/3"}}, ("a",)),
        ({"resourceType": "Observation", "subject": {"reference": f"{BASE}/Patient/a"}}, ("a",)),
        ({"resourceType": "Observation", "subject": {"reference": "https://b.example/fhir/Patient/a"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": f"{BASE}x/Patient/a"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": f"{BASE}xPatient/a"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": "Group/a"}}, ()),
        ({"resourceType": "Observation", "subject": {"display": "someone"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": "#a"}}, ()),
        ({"resourceType": "Observation"}, ()),
        (
            {
                "resourceType": "Observation",
                "subject": {"reference": "Patient/z"},
                "performer": [
                    {"reference": "Patient/a"},
                    {"reference": "Practitioner/p"},
                    {"reference": "Patient/a"},
                ],
                "focus": [{"reference": "Patient/other"}],
            },
            ("a", "z"),
        ),
        (
            {
                "resourceType": "Appointment",
                "participant": [
                    {"actor": {"reference": "Patient/a"}},
                    {"actor": {"reference": "Location/l"}},
                    {},
                ],
            },
            ("a",),
        ),
        (
            {"resourceType": "Group", "member": [{"entity": {"reference": f"Patient/{n}"}} for n in "cab"]},
            ("a", "b", "c"),
        ),
        (
            {
                "resourceType": "Provenance",
                "target": [{"reference": "Patient/a"}, {"reference": "Condition/c"}],
            },
            ("a",),
        ),
        # Beyond the definition: records about a person of types that it leaves out.
        ({"resourceType": "Device", "patient": {"reference": "Patient/a"}}, ("a",)),
        ({"resourceType": "GuidanceResponse", "subject": {"reference": "Patient/a"}}, ("a",)),
        ({"resourceType": "Linkage", "item": [{"resource": {"reference": "Patient/a"}}]}, ("a",)),
        ({"resourceType": "Organization", "id": "o"}, ()),
    ],
)
def test_the_patients_of(resource: dict[str, Any], patients: tuple[str, ...]) -> None:
    assert patients_of(resource["resourceType"], resource, base=BASE) == patients


def test_a_full_url_needs_the_base_to_count() -> None:
    resource = {"subject": {"reference": f"{BASE}/Patient/a"}}
    assert patients_of("Observation", resource) == ()
    assert patients_of("Observation", resource, base=BASE + "/") == ("a",)


def test_directory_types_have_no_reference_to_a_patient() -> None:
    assert {
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Location",
        "HealthcareService",
    } < DIRECTORY_TYPES
    assert {"Endpoint", "Medication", "Substance", "ValueSet", "Questionnaire", "Library"} < DIRECTORY_TYPES
    for name in DIRECTORY_TYPES:
        assert patient_paths(name) == ()
        for parameter in table(name).parameters.values():
            assert "Patient" not in parameter.targets


@pytest.mark.parametrize(
    "name",
    [
        "Bundle",
        "Binary",
        "Device",
        "Schedule",
        "Slot",
        "MessageHeader",
        "Subscription",
        "Contract",
        "Parameters",
    ],
)
def test_types_that_may_concern_a_patient_are_no_directory(name: str) -> None:
    assert name in resource_types()
    assert name not in DIRECTORY_TYPES


def test_every_type_of_the_compartment_has_a_path() -> None:
    assert sum(bool(patient_paths(name)) for name in resource_types()) > 66
    assert patient_paths("Encounter") == ("subject",)
    assert patient_paths("ExplanationOfBenefit") == ("patient", "payee.party")
