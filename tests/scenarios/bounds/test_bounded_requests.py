"""One request does bounded work, blocks no other client, and leaves no more in any log than it should."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from exchange.auth.principal import Kind, Principal
from exchange.fhir import code_systems, references
from exchange.services.records import transaction
from exchange.services.records.conditions.searched import Conditions
from exchange.services.records.create_update import RecordWriter
from exchange.services.records.entries import entry_reads
from tests.support.scenarios.scenario_site import (
    CITY,
    LAKE,
    Site,
    consent,
    in_thread,
    is_outcome,
    observation,
)

HIV = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def creating(resource: dict[str, Any], **request: str) -> dict[str, Any]:
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}


def entries_of(site: Site, msp_id: str) -> int:
    return int(site.officer().get(f"AuditEvent?agent={msp_id}&_summary=count").json()["total"])


def test_a_history_is_one_entry_however_many_versions_stay_hidden(site: Site):
    patient = site.new_patient()
    answer = site.city.post(
        "Consent", consent(patient, LAKE, provision=[{"type": "deny", "securityLabel": [HIV]}])
    )
    assert answer.status_code == 201, answer.text
    stored = site.observation(patient, meta={"security": [HIV]})
    body = {name: value for name, value in stored.items() if name != "meta"}
    for value in range(6):
        labelled = body | {"meta": {"security": [HIV]}, "valueQuantity": {"value": value}}
        assert site.city.put(f"Observation/{body['id']}", labelled).status_code == 200
    meta = {"name": "meta", "valueMeta": {"security": [HIV]}}
    unlabelled = {"resourceType": "Parameters", "parameter": [meta]}
    assert site.city.post(f"Observation/{body['id']}/$meta-delete", unlabelled).status_code == 200
    before = entries_of(site, LAKE.msp_id)
    answer = site.lake.get(f"Observation/{body['id']}/_history?_count=1")
    assert [entry["resource"]["meta"]["versionId"] for entry in answer.json()["entry"]] == ["8"]
    assert entries_of(site, LAKE.msp_id) == before + 1


def test_nobody_reads_in_her_log_whose_whole_record_was_asked_for(site: Site):
    whose, other = site.new_patient(), site.new_patient()
    site.observation(whose, performer=[{"reference": f"Patient/{other}"}])
    assert site.city.get(f"Patient/{whose}/$everything").json()["total"] == 2
    seen = site.patient(other).found("AuditEvent")
    asked = [entity["description"] for event in seen for entity in event["entity"] if "description" in entity]
    assert "Patient/$everything" in asked
    assert whose not in str(seen)
    assert f"Patient/{whose}/$everything" in str(site.patient(whose).found("AuditEvent"))


def test_who_may_not_store_a_type_looks_for_nothing_before_the_refusal(site: Site):
    patient = site.new_patient()
    caller = site.patient(patient)
    assert (
        caller.get(f"Patient/{patient}").status_code == 200
    )  # the token's first use logs that it was issued
    before = entries_of(site, CITY.msp_id)
    asked = bundle(
        "transaction",
        creating(consent(patient, LAKE), ifNoneExist="_id=none"),
        creating(observation(patient), ifNoneExist="_id=none"),
    )
    is_outcome(caller.post("", asked), 403)
    assert entries_of(site, CITY.msp_id) == before + 2  # the officer's new token, and the own reading


def test_a_patients_conditional_create_keeps_nobody_else_waiting():
    def principal(kind: Kind, patient: str = "") -> Principal:
        return Principal(kind, "client", CITY.msp_id, "TREAT", (), "0" * 64, user="", patient=patient)

    async def both() -> None:
        served = Conditions(base="http://x", searching=None)  # type: ignore[arg-type] - not called
        async with served.lock(principal(Kind.PATIENT, "1"), ["Consent"]):
            for other in (principal(Kind.SYSTEM), principal(Kind.PATIENT, "2")):
                async with asyncio.timeout(5), served.lock(other, ["Consent"]):
                    pass

    in_thread(both())


def test_a_batch_that_reads_too_much_is_refused_the_rest(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(entry_reads, "MOST_READ", 1_000)
    patient = site.new_patient()
    for _ in range(3):
        site.observation(patient)
    search = {"request": {"method": "GET", "url": f"Observation?subject=Patient/{patient}"}}
    answered = site.city.post("", bundle("batch", search, search, search)).json()["entry"]
    assert [entry["response"]["status"][:3] for entry in answered] == ["200", "422", "422"]
    assert all("resource" not in entry for entry in answered[1:])
    said = is_outcome(site.city.post("", bundle("transaction", search, search, search)), 422)
    assert said["issue"][0]["expression"] == ["Bundle.entry[1].request"]


def test_conditional_references_of_a_transaction_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transaction, "MOST_CONDITIONAL", 2)
    patient = site.new_patient()
    performers = [{"reference": f"Patient?_id={patient}&_count={n}"} for n in range(3)]
    asked = bundle("transaction", creating(consent(patient, LAKE) | {"performer": performers}))
    is_outcome(site.patient(patient).post("", asked), 422)
    asked = bundle("transaction", creating(consent(patient, LAKE) | {"performer": performers[:2]}))
    assert site.patient(patient).post("", asked).status_code == 200


def test_the_hospital_finds_records_of_more_patients_than_one_question_names(site: Site):
    people = [f"crowd-{n}" for n in range(75 * 7)]
    accounts = [
        {
            "resourceType": "Account",
            "status": "active",
            "name": "crowded",
            "subject": [{"reference": f"Patient/{name}"} for name in people[7 * n : 7 * n + 7]],
        }
        for n in range(75)
    ]
    stored = [
        {
            "resource": {"resourceType": "Patient", "id": name},
            "request": {"method": "PUT", "url": f"Patient/{name}"},
        }
        for name in people
    ]
    assert site.city.post("", bundle("transaction", *stored, *map(creating, accounts))).status_code == 200
    answer = site.city.get("Account?name=crowded&_count=100")
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == 75


def test_a_deletion_that_meets_a_move_to_another_patient_is_a_conflict(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    stored = site.observation(site.new_patient())

    async def before_the_move(*_: object) -> list[bytes]:
        return []

    monkeypatch.setattr(RecordWriter, "_subjects_of", before_the_move)
    is_outcome(site.city.delete(f"Observation/{stored['id']}"), 409)
    monkeypatch.undo()
    assert site.city.delete(f"Observation/{stored['id']}").status_code == 204


def test_a_search_of_the_log_has_bounded_values(site: Site):
    caller = site.patient(site.new_patient())
    for name, known in (("agent", "a"), ("outcome", "0"), ("action", "R"), ("purpose", "TREAT")):
        is_outcome(caller("POST", "AuditEvent/_search", data={name: ",".join([known] * 300)}), 422)


def test_what_a_sender_makes_long_is_not_kept_at_hand():
    long = "a" * 1_000_000
    references.literal("HTTPS://x.org:443/short", "http://x")  # the base is kept, once
    before = references._normal.cache_info().currsize, code_systems._canonical.cache_info().currsize
    assert references.literal(f"HTTPS://x.org:443/{long}", "http://x") == f"https://x.org/{long}"
    assert code_systems.canonical(f"HTTPS://www.x.org/{long}/") == f"https://x.org/{long}"
    assert before == (references._normal.cache_info().currsize, code_systems._canonical.cache_info().currsize)
