"""Consents about persons: known by identifiers at every hospital, named as RelatedPersons, always stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.auth.b2b import read_context
from exchange.auth.oauth import OAuthError
from exchange.auth.principal import Principal
from tests.support.scenarios.scenario_site import (
    CITY,
    LAKE,
    RIDGE,
    Site,
    consent,
    is_outcome,
    observation,
)

NPI, OTHER = "1234567893", "1679576722"
SID = "http://hl7.org/fhir/sid/us-npi"


def practitioner(site: Site, npi: str = "", **elements: object) -> str:
    identifier = {"identifier": [{"system": SID, "value": npi}]} if npi else {}
    answer = site.city.post("Practitioner", {"resourceType": "Practitioner", **identifier, **elements})
    assert answer.status_code == 201, answer.text
    return f"Practitioner/{answer.json()['id']}"


def about(patient: str, reference: str, effect: str) -> dict[str, Any]:
    body = consent(patient, LAKE, type=effect)
    body["provision"]["actor"][0]["reference"] = {"reference": reference}
    return body


def test_a_denied_doctor_is_kept_out_under_each_name_and_no_colleague_is(site: Site) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    doctor, twin = practitioner(site, NPI), practitioner(site, NPI)
    colleague = practitioner(site, OTHER)
    me = site.patient(patient)
    assert me.post("Consent", consent(patient, LAKE)).status_code == 201
    filed = me.post("Consent", about(patient, doctor, "deny"))
    assert filed.status_code == 201, filed.text
    assert "NPI" in filed.headers["warning"]

    def status(member: object, user: str) -> int:
        return site.system(member, user=user).get(record).status_code  # type: ignore[arg-type]

    theirs = f"{SID}|{NPI}"
    assert [status(CITY, user) for user in (doctor, twin, NPI, theirs)] == [404] * 4
    assert [status(LAKE, user) for user in (NPI, theirs, "Practitioner/1", "x.doctor")] == [404] * 4
    assert [status(CITY, user) for user in (colleague, OTHER, f"{SID}|{OTHER}")] == [200] * 3
    assert [status(LAKE, user) for user in (OTHER, f"urn:oid:2.16.840.1.113883.4.6|{OTHER}")] == [200] * 2


def test_a_permission_for_a_doctor_holds_by_identifier_and_for_no_one_else(site: Site) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    doctor = practitioner(site, NPI)
    assert site.patient(patient).post("Consent", about(patient, doctor, "permit")).status_code == 201
    seen = {user: site.system(RIDGE, user=user).get(record).status_code for user in (NPI, OTHER, doctor, "")}
    assert seen == {NPI: 200, OTHER: 404, doctor: 404, "": 404}


def test_a_doctor_who_is_stored_with_the_consent_is_known_by_the_same_identifiers(site: Site) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    url = "urn:uuid:1f0a6a57-5b0c-4c5c-9c39-0f6a2a9f0a11"
    doctor = {"resourceType": "Practitioner", "identifier": [{"system": SID, "value": NPI}]}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": url, "resource": doctor, "request": {"method": "POST", "url": "Practitioner"}},
            {"resource": about(patient, url, "deny"), "request": {"method": "POST", "url": "Consent"}},
        ],
    }
    answer = site.city.post("", bundle)
    assert answer.status_code == 200, answer.text
    told = answer.json()["entry"][1]["response"]["outcome"]["issue"]
    assert any("NPI" in issue["diagnostics"] for issue in told)
    assert "outcome" not in answer.json()["entry"][0]["response"]
    assert site.system(CITY, user=NPI).get(record).status_code == 404
    assert site.system(CITY, user=OTHER).get(record).status_code == 200


def proxy(site: Site, patient: str, related: str) -> Principal:
    return Principal.for_related(CITY.msp_id, related, patient)


def test_a_patient_ends_a_proxy_by_a_consent_that_nobody_else_ends(site: Site) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    body = {"resourceType": "RelatedPerson", "patient": {"reference": f"Patient/{patient}"}}
    related = site.city.post("RelatedPerson", body).json()["id"]
    mother = site.bearer(site.issue(proxy(site, patient, related)))
    assert mother.get(record).status_code == 200
    is_outcome(mother.post("Consent", consent(patient, LAKE)), 403)
    me = site.patient(patient)
    ending = about(patient, f"RelatedPerson/{related}", "deny")
    del ending["provision"]["purpose"]
    filed = me.post("Consent", ending)
    assert filed.status_code == 201, filed.text
    denial = filed.json()
    assert mother.get(record).status_code in {401, 404}
    again = site.bearer(site.issue(proxy(site, patient, related)))
    assert again.get(record).status_code in {401, 404}
    assert again.get("AuditEvent").status_code in {401, 404}
    over = denial | {"status": "inactive"}
    is_outcome(site.city.put(f"Consent/{denial['id']}", over), 403)
    assert me.get(record).status_code == 200
    assert me.put(f"Consent/{denial['id']}", over).status_code == 200
    assert site.bearer(site.issue(proxy(site, patient, related))).get(record).status_code == 200


@pytest.mark.parametrize("effect", ["permit", "deny"])
def test_a_related_person_is_stored_and_of_this_patient(site: Site, effect: str) -> None:
    patient, other = site.new_patient(), site.new_patient()
    body = {"resourceType": "RelatedPerson", "patient": {"reference": f"Patient/{other}"}}
    stranger = site.city.post("RelatedPerson", body).json()["id"]
    for name in (stranger, "missing"):
        refused = is_outcome(
            site.patient(patient).post("Consent", about(patient, f"RelatedPerson/{name}", effect)), 422
        )
        assert refused["issue"][0]["expression"] == ["Consent.provision.actor[0].reference"]


def test_a_consent_is_of_a_patient_who_is_stored(site: Site) -> None:
    site.city.put("Observation/lone", observation("nobody-here") | {"id": "lone"})
    refused = is_outcome(site.city.post("Consent", consent("nobody-here", LAKE)), 422)
    assert refused["issue"][0]["expression"] == ["Consent.patient"]
    entry = {"resource": consent("new-here", LAKE), "request": {"method": "POST", "url": "Consent"}}
    patient = {
        "resource": {"resourceType": "Patient", "id": "new-here"},
        "request": {"method": "PUT", "url": "Patient/new-here"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = site.city.post("", bundle)
    assert is_outcome(answer, 422)["issue"][0]["expression"][0].startswith("Bundle.entry[0]")
    assert site.city.post("", bundle | {"entry": [entry, patient]}).status_code == 200


def test_a_claim_of_two_numbers_is_refused() -> None:
    def context(user: str, provider: object) -> object:
        stated = {
            "version": "1",
            "organization_id": "CityMSP",
            "purpose_of_use": ["TREAT"],
            "subject_id": user,
        }
        return read_context({"hl7-b2b": stated, "ihe_iua": {"national_provider_identifier": provider}})

    assert msgspec.to_builtins(context("dr.x", NPI))["identifiers"] == (f"npi|{NPI}",)
    assert msgspec.to_builtins(context(NPI, NPI))["identifiers"] == (f"npi|{NPI}",)
    for user, provider in ((NPI, OTHER), ("", NPI), ("dr.x", "1234567890"), ("dr.x", 7)):
        with pytest.raises(OAuthError):
            context(user, provider)
