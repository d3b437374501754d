"""An emergency has a person and a reason, which officer and patient read; a denial says whether it binds."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.client.system import ClientError
from tests.support.scenarios.scenario_site import CITY, LAKE, Site, consent, is_outcome

PHYSICIAN = "Practitioner/er"
REASON = "found unconscious, no relatives"


@pytest.fixture
def patient(site: Site) -> str:
    return site.new_patient()


def emergencies(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in events if one["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"]


def test_a_hospitals_own_emergency_is_as_open_as_its_routine_and_its_reason_is_read(
    site: Site, patient: str
) -> None:
    physician = site.system(CITY, "BTG", user=PHYSICIAN, reason=REASON)
    assert physician.get(f"Patient/{patient}").status_code == 200
    for reader in (site.patient(patient), site.officer()):
        (event,) = emergencies(reader.found(f"AuditEvent?patient=Patient/{patient}"))
        assert event["purposeOfEvent"][0]["text"] == REASON
        assert event["meta"]["tag"] == [{"system": "urn:consentry:log", "code": "review"}]
        assert event["agent"][0]["who"]["identifier"]["value"] == PHYSICIAN


@pytest.mark.parametrize(("user", "reason"), [("", REASON), (PHYSICIAN, " . ")])
def test_without_a_person_or_with_a_reason_of_no_words_there_is_no_token(
    site: Site, patient: str, user: str, reason: str
) -> None:
    with pytest.raises(ClientError, match=r"BTG needs|in words"):
        site.system(CITY, "BTG", user=user, reason=reason).get(f"Patient/{patient}")


def test_a_hospitals_own_emergency_without_a_reason_is_shown_as_that(site: Site, patient: str) -> None:
    assert site.system(CITY, "BTG", user=PHYSICIAN).get(f"Patient/{patient}").status_code == 200
    for reader in (site.patient(patient), site.officer()):
        (event,) = emergencies(reader.found(f"AuditEvent?patient=Patient/{patient}"))
        assert event["purposeOfEvent"][0]["text"] == "no reason was stated"
        assert event["meta"]["tag"] == [{"system": "urn:consentry:log", "code": "review"}]


@pytest.mark.parametrize(
    "address", ["Patient/{}", "Observation?patient={}", "Patient/{}/_history", "Patient"]
)
def test_of_another_hospital_the_reason_is_demanded(site: Site, patient: str, address: str) -> None:
    assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    answer = site.system(LAKE, "BTG", user=PHYSICIAN).get(address.format(patient))
    assert "emergency_reason" in is_outcome(answer, 403)["issue"][0]["diagnostics"]


def test_an_emergency_elsewhere_is_open_where_treatment_is_permitted(site: Site, patient: str) -> None:
    physician = site.system(LAKE, "BTG", user=PHYSICIAN, reason=REASON)
    is_outcome(physician.get(f"Patient/{patient}"), 404)
    assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    assert physician.get(f"Patient/{patient}").status_code == 200


def test_a_denial_of_treatment_binds_in_an_emergency_and_says_so(site: Site, patient: str) -> None:
    body = consent(patient, CITY)
    body["provision"]["type"] = "deny"
    answer = site.patient(patient).post("Consent", body)
    assert "this denies in an emergency (BTG) too" in answer.headers["Warning"]
    physician = site.system(CITY, "BTG", user=PHYSICIAN, reason=REASON)
    is_outcome(physician.get(f"Patient/{patient}"), 404)
    (event,) = emergencies(site.patient(patient).found("AuditEvent"))
    assert event["outcome"] == "4"
    assert event["purposeOfEvent"][0]["text"] == REASON
