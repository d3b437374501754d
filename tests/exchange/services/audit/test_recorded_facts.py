"""Facts for a review from FHIR records."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.review.model import Access, Involved
from exchange.review.triage import review
from exchange.services.audit.recorded_facts import PATIENT_TYPES, StaffDirectory

BASE = "http://city.example/fhir"
HOSPITAL = "Organization/city"
DOCTOR = {
    "resourceType": "Practitioner",
    "id": "d",
    "name": [{"family": "Miller", "given": ["Ann"]}],
    "birthDate": "1980-01-01",
    "address": [{"line": ["1 Main St."], "postalCode": "12345"}],
}
ROLE = {
    "resourceType": "PractitionerRole",
    "id": "r",
    "practitioner": {"reference": "Practitioner/d"},
    "organization": {"reference": HOSPITAL},
    "location": [{"reference": f"{BASE}/Location/ward"}],
    "period": {"start": "2020-01-01", "end": "2030-01-01"},
}
RECORDS: dict[str, dict[str, Any]] = {
    "Encounter": {"status": "finished", "period": {"start": "2026-01-05", "end": "2026-01-09"}},
    "Appointment": {"status": "booked", "created": "2026-01-01", "start": "2026-01-07T10:00:00Z"},
    "ServiceRequest": {"status": "active", "authoredOn": "2026-01-06"},
    "MedicationRequest": {"status": "active", "authoredOn": "2026-01-06"},
    "CareTeam": {"status": "active", "period": {"start": "2026-01-01"}},
}
NAMED: dict[str, dict[str, Any]] = {
    "Encounter": {"participant": [{"individual": {"reference": "Practitioner/d"}}]},
    "Appointment": {"participant": [{"actor": {"reference": "PractitionerRole/r"}}]},
    "ServiceRequest": {"performer": [{"reference": "PractitionerRole/r"}]},
    "MedicationRequest": {"requester": {"reference": f"{BASE}/Practitioner/d"}},
    "CareTeam": {"participant": [{"member": {"reference": "Practitioner/d"}}]},
}
DAY_8 = 1_767_830_400_000  # 2026-01-08


def directory() -> StaffDirectory:
    return StaffDirectory([ROLE, DOCTOR], base=BASE, hospital=HOSPITAL)


def record(kind: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": "x", **RECORDS[kind], **more}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_that_names_the_user_explains(kind: str) -> None:
    staff = directory()
    facts = staff.patient_facts([record(kind, **NAMED[kind])], {})

    class Known:
        def patient(self, patient: str) -> Any:
            return facts

        def staff(self, access: Access) -> Any:
            return staff.staff.get(access.user)

    access = Access("e-0", DAY_8, "Practitioner/d", "CityMSP", "p", "TREAT", ("Observation",))
    [found] = review([access], Known())
    assert found.explanation is not None
    assert found.explanation.record == f"{kind}/x"
    assert not found.flagged


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "revoked"])
def test_a_record_that_does_not_count_says_nothing(kind: str, status: str) -> None:
    found = record(kind, **NAMED[kind]) | {"status": status}
    assert directory().patient_facts([found], {}).involvements == ()


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_without_a_time_says_nothing(kind: str) -> None:
    bare = {"resourceType": kind, "id": "x", "status": "active", **NAMED[kind]}
    assert directory().patient_facts([bare], {}).involvements == ()


def test_the_hospital_itself_is_no_department() -> None:
    staff = directory()
    assert [one.unit for one in staff.staff["Practitioner/d"].postings] == ["Location/ward"]
    [found] = staff.patient_facts(
        [record("Encounter", serviceProvider={"reference": HOSPITAL})], {}
    ).involvements
    assert found.units == frozenset()


def test_a_referral_is_told_from_an_order() -> None:
    category = [{"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}]}]
    lake = {"performer": [{"reference": "Organization/lake"}]}
    [found] = (
        directory()
        .patient_facts(
            [record("ServiceRequest", category=category, **lake)], {"Organization/lake": "LakeMSP"}
        )
        .involvements
    )
    assert found.kind is Involved.REFERRAL
    assert found.organizations == {"LakeMSP"}


def test_a_consent_names_the_organisations_that_it_is_for() -> None:
    consent = {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "dateTime": "2026-01-01",
        "provision": {"actor": [{"reference": {"reference": "Organization/lake"}}]},
    }
    [found] = directory().patient_facts([consent], {"Organization/lake": "LakeMSP"}).involvements
    assert (found.kind, found.end) == (Involved.CONSENT, None)
    assert found.organizations == {"LakeMSP"}


def test_the_patient_is_found_among_the_staff_and_as_a_neighbour() -> None:
    same = {**DOCTOR, "resourceType": "Patient", "id": "p", "deceasedDateTime": "2026-01-01"}
    facts = directory().patient_facts([same], {})
    assert facts.colleague == "Practitioner/d"
    assert facts.persona == directory().staff["Practitioner/d"].persona
    assert facts.died == 1_767_225_600_000
    other = {**same, "birthDate": "1981-01-01"}
    assert directory().patient_facts([other], {}).colleague is None


@pytest.mark.parametrize(
    ("famous", "records"),
    [
        (True, [{"resourceType": "Patient", "id": "p", "meta": {"security": [{"code": "CEL"}]}}]),
        (True, [record("Encounter", hospitalization={"specialCourtesy": [{"coding": [{"code": "VIP"}]}]})]),
        (False, [{"resourceType": "Patient", "id": "p", "meta": {"security": [{"code": "R"}]}}]),
    ],
)
def test_a_vip_is_told_by_label_or_courtesy(famous: bool, records: list[dict[str, Any]]) -> None:
    assert directory().patient_facts(records, {}).is_vip == famous


def test_every_type_that_is_read_is_used() -> None:
    assert set(PATIENT_TYPES) == {*RECORDS, "Consent", "Patient"}
