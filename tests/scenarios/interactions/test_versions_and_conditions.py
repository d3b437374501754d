"""Older versions, chosen ids and conditions: ways around a rule that holds for the plain request."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.scenarios.scenario_site import LAKE, TX, Site, consent, fresh_id, is_outcome, observation

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RESTRICTED = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


def granted(site: Site, patient: str, **provision: Any) -> None:
    answer = site.city.post("Consent", consent(patient, LAKE, **provision))
    assert answer.status_code == 201, answer.text


def changed(site: Site, record: dict[str, Any], **elements: Any) -> None:
    body = {name: value for name, value in record.items() if name != "meta"} | elements
    answer = site.city.put(f"Observation/{record['id']}", body)
    assert answer.status_code == 200, answer.text


def versions(answer: dict[str, Any]) -> list[str]:
    return [entry["resource"]["meta"]["versionId"] for entry in answer.get("entry", ())]


def test_a_label_added_later_hides_the_versions_before_it(site: Site):
    patient = site.new_patient()
    record = site.observation(patient)
    label = {"securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}
    granted(site, patient, provision=[{"type": "deny", **label}])
    path = f"Observation/{record['id']}"
    assert site.lake.get(f"{path}/_history/1").status_code == 200
    changed(site, record, meta=RESTRICTED)
    is_outcome(site.lake.get(path), 404)
    is_outcome(site.lake.get(f"{path}/_history/1"), 404)
    is_outcome(site.lake.get(f"{path}/_history"), 404)
    assert versions(site.city.get(f"{path}/_history").json()) == ["2", "1"]


def test_a_label_taken_away_still_hides_the_version_that_had_it(site: Site):
    patient = site.new_patient()
    record = site.observation(patient, meta=RESTRICTED)
    label = {"securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}
    granted(site, patient, provision=[{"type": "deny", **label}])
    path = f"Observation/{record['id']}"
    taken = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": RESTRICTED}]}
    assert site.city.post(f"{path}/$meta-delete", taken).status_code == 200
    assert versions(site.lake.get(f"{path}/_history").json()) == ["2"]
    is_outcome(site.lake.get(f"{path}/_history/1"), 404)


def test_a_record_that_was_moved_to_another_patient_takes_its_versions_along(site: Site):
    first, second = site.new_patient(), site.new_patient()
    record = site.observation(first)
    granted(site, first)
    path = f"Observation/{record['id']}"
    assert site.lake.get(f"{path}/_history/1").status_code == 200
    changed(site, record, subject={"reference": f"Patient/{second}"})
    is_outcome(site.lake.get(f"{path}/_history/1"), 404)
    is_outcome(site.lake.get(f"{path}/_history"), 404)
    is_outcome(site.patient(first).get(f"{path}/_history/1"), 404)
    assert versions(site.patient(second).get(f"{path}/_history").json()) == ["2"]


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


CONDITIONS: tuple[dict[str, str], ...] = ({}, {"If_Match": 'W/"1"'}, {"If_Match": 'W/"7"'})


@pytest.mark.parametrize("headers", CONDITIONS)
def test_a_patients_update_of_anothers_consent_is_answered_as_of_none(
    site: Site, patient: str, headers: dict[str, str]
):
    other = site.new_patient()
    theirs = site.city.post("Consent", consent(other, LAKE)).json()["id"]
    caller = site.patient(patient)
    answers = [
        caller.put(f"Consent/{chosen}", consent(patient, LAKE, logical_id=chosen), **headers)
        for chosen in (theirs, fresh_id())
    ]
    assert is_outcome(answers[0], 404) == is_outcome(answers[1], 404)
    assert _headers(answers[0]) == _headers(answers[1])


@pytest.mark.parametrize("headers", CONDITIONS)
def test_a_patients_deletion_of_anothers_consent_is_answered_as_of_none(
    site: Site, patient: str, headers: dict[str, str]
):
    other = site.new_patient()
    theirs = site.city.post("Consent", consent(other, LAKE)).json()["id"]
    caller = site.patient(patient)
    answers = [caller.delete(f"Consent/{chosen}", **headers) for chosen in (theirs, fresh_id())]
    assert is_outcome(answers[0], 409) == is_outcome(answers[1], 409)


def test_a_patient_changes_the_own_consent_under_if_match(site: Site, patient: str):
    caller = site.patient(patient)
    made = caller.post("Consent", consent(patient, LAKE)).json()
    ended = consent(patient, LAKE, status="inactive", logical_id=made["id"])
    is_outcome(caller.put(f"Consent/{made['id']}", ended, If_Match='W/"9"'), 412)
    assert caller.put(f"Consent/{made['id']}", ended, If_Match='W/"1"').status_code == 200


def test_a_patient_does_not_choose_ids_in_a_bundle_either(site: Site, patient: str):
    chosen = fresh_id()
    entry = {
        "resource": consent(patient, LAKE, logical_id=chosen),
        "request": {"method": "PUT", "url": f"Consent/{chosen}"},
    }
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    answer = site.patient(patient).post("", bundle).json()
    assert answer["entry"][0]["response"]["status"] == "404 Not Found"


def test_of_many_conditional_creates_at_once_one_creates(site: Site, patient: str):
    value = uuid.uuid4().hex
    body = observation(patient, identifier=[{"system": "urn:example:lab", "value": value}])
    conditions = [f"identifier=urn:example:lab|{value}", f"identifier={value}"]
    caller = site.city

    def create(n: int) -> int:
        return caller.post("Observation", body, If_None_Exist=conditions[n % 2]).status_code

    def transact(n: int) -> int:
        entry = {
            "resource": body,
            "request": {"method": "POST", "url": "Observation", "ifNoneExist": conditions[n % 2]},
        }
        answer = caller.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        return int(answer.json()["entry"][0]["response"]["status"][:3])

    caller.token()
    with ThreadPoolExecutor(20) as pool:
        made = [pool.submit((create, transact)[n % 3 == 0], n) for n in range(20)]
        assert sorted(one.result() for one in made) == [200] * 19 + [201]
    assert len(caller.found("Observation", {"identifier": value})) == 1


def test_one_condition_twice_in_a_transaction_makes_one_record(site: Site, patient: str):
    value = uuid.uuid4().hex
    body = observation(patient, identifier=[{"system": "urn:example:lab", "value": value}])
    request = {"method": "POST", "url": "Observation", "ifNoneExist": f"identifier={value}"}
    urns = [f"urn:uuid:{fresh_id()}" for _ in range(2)]
    entries = [{"fullUrl": urn, "resource": body, "request": request} for urn in urns]
    derived = observation(patient, derivedFrom=[{"reference": urn} for urn in urns])
    entries.append({"resource": derived, "request": {"method": "POST", "url": "Observation"}})
    answer = site.city.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries}).json()
    said = [entry["response"] for entry in answer["entry"]]
    assert [one["status"][:3] for one in said] == ["201", "200", "201"]
    assert said[0]["location"].startswith(said[1]["location"])
    stored = site.city.get(said[2]["location"]).json()
    assert len({one["reference"] for one in stored["derivedFrom"]}) == 1
    assert len(site.city.found("Observation", {"identifier": value})) == 1


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_an_entry_whose_full_url_contradicts_its_id_is_refused(site: Site, patient: str, kind: str):
    chosen = fresh_id()
    request = {"method": "PUT", "url": f"Observation/{chosen}"}
    for full_url, status in ((f"{site.base}/Observation/{fresh_id()}", 400), (f"urn:uuid:{chosen}", 201)):
        entry = {"fullUrl": full_url, "resource": observation(patient, id=chosen), "request": request}
        answer = site.city.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
        if kind == "transaction":
            assert answer.status_code == (200 if status == 201 else 400)
        else:
            assert answer.json()["entry"][0]["response"]["status"].startswith(str(status))


def test_each_read_in_a_bundle_names_its_transaction(site: Site, patient: str):
    record = site.observation(patient)
    urls = [f"Observation/{record['id']}", f"Observation/{fresh_id()}", f"Observation?patient={patient}"]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    answer = site.city.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    named = []
    for entry in answer["entry"]:
        [extension] = entry["response"]["extension"]
        assert extension["url"] == "urn:consentry:ledger-transaction"
        named.append(extension["valueString"])
    assert len(set(named)) == 3
    assert all(len(tx) == 64 for tx in named)
    alone = site.city.get(urls[0])
    assert alone.headers[TX] not in named
