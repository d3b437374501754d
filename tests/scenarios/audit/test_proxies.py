"""A person who acts for a patient comes under a name of her own, as long as the record says so."""

from __future__ import annotations

import time
from typing import Any

import pytest

from exchange.auth.principal import Principal
from exchange.services.auth.tokens import RECHECK
from tests.support.scenarios.scenario_site import CITY, Caller, Site, consent, is_outcome

MOTHER = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}]


def related(site: Site, patient: str, **changes: Any) -> str:
    body = {
        "resourceType": "RelatedPerson",
        "patient": {"reference": f"Patient/{patient}"},
        "relationship": MOTHER,
    }
    answer = site.city.post("RelatedPerson", {**body, **changes})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def proxy(site: Site, person: str, patient: str) -> Caller:
    return site.bearer(site.issue(Principal.for_related(CITY.msp_id, person, patient)))


@pytest.fixture(scope="module")
def son(site: Site) -> str:
    return site.new_patient(birthDate="2014-03-01")


def test_the_log_names_her_and_the_patient_sees_it(site: Site, son: str) -> None:
    mother = related(site, son, active=True, period={"start": "2014-03-01", "end": "2099-03-01"})
    caller = proxy(site, mother, son)
    assert caller.get(f"Patient/{son}").status_code == 200
    seen = {
        event["agent"][0]["who"]["identifier"]["value"]
        for event in site.patient(son).found("AuditEvent")
        if event["subtype"][0]["code"] == "read"
    }
    assert seen == {f"RelatedPerson/{mother}"}
    other = site.new_patient()
    is_outcome(caller.get(f"Patient/{other}"), 404)
    assert caller.post("Consent", {"resourceType": "Consent"}).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"period": {"end": "2020-01-01"}},
        {"period": {"start": "2099-01-01"}},
        {"period": {"start": "2021-01-01", "end": "2022-01-01"}},
    ],
)
def test_who_does_not_act_for_the_patient_has_no_way_in(
    site: Site, son: str, changes: dict[str, Any]
) -> None:
    is_outcome(proxy(site, related(site, son, **changes), son).get(f"Patient/{son}"), 401)


def test_a_person_of_another_patient_has_no_way_in(site: Site, son: str) -> None:
    strange = related(site, site.new_patient())
    is_outcome(proxy(site, strange, son).get(f"Patient/{son}"), 401)


def test_the_way_in_ends_with_a_change_of_the_record(site: Site, son: str) -> None:
    body = {
        "resourceType": "RelatedPerson",
        "patient": {"reference": f"Patient/{son}"},
        "relationship": MOTHER,
    }
    mother = related(site, son)
    caller = proxy(site, mother, son)
    assert caller.get(f"Patient/{son}").status_code == 200
    assert (
        site.city.put(f"RelatedPerson/{mother}", {**body, "id": mother, "active": False}).status_code == 200
    )
    time.sleep(RECHECK + 0.1)
    is_outcome(caller.get(f"Patient/{son}"), 401)


def test_neither_a_hidden_record_nor_its_consent_nor_the_accesses_to_it_are_told_to_a_proxy(
    site: Site,
) -> None:
    girl = site.new_patient()
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "STD"}
    hidden = site.observation(girl, meta={"security": [label]})["id"]
    plain = site.observation(girl)["id"]
    denial = denied(girl, purpose=[purpose("PATRQT")], securityLabel=[label])
    assert site.city.post("Consent", denial).status_code == 201
    for name in (hidden, plain):
        assert site.city.get(f"Observation/{name}").status_code == 200
    assert site.city.get(f"Observation?patient={girl}&_security=STD").status_code == 200
    mother = proxy(site, related(site, girl), girl)
    assert mother.get(f"Observation/{hidden}").status_code == 404
    assert mother.get(f"Observation/{plain}").status_code == 200
    for place in ("Consent", f"Patient/{girl}/$everything", "AuditEvent", "AuditEvent?_total=accurate"):
        told = mother.get(place).text
        assert "STD" not in told
        assert hidden not in told
        assert f"Consent/{girl}" not in told
    log = mother.get("AuditEvent?_total=accurate").json()
    assert "total" not in log
    assert any(f"Observation/{plain}" in str(entry) for entry in log["entry"])
    is_outcome(mother.get("AuditEvent?_summary=count"), 400)
    own = site.patient(girl)
    assert own.get(f"Observation/{hidden}").status_code == 200
    assert "STD" in own.get("Consent").text
    read, *_ = [
        one for one in own.found("AuditEvent") if f"Observation/{hidden}" in str(one) and one["action"] == "R"
    ]
    is_outcome(mother.get(f"AuditEvent/{read['id']}"), 404)


def purpose(code: str) -> dict[str, str]:
    return {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": code}


def denied(patient: str, **rule: Any) -> dict[str, Any]:
    body = consent(patient, CITY)
    body["provision"] = {"type": "deny", **rule}
    return body
