"""Every way of writing leaves its entry before it is acknowledged: who, what, for whom, what is stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from chaincode.access.model import WRITES
from exchange.load import cut, find
from exchange.load.load import BulkLoad
from exchange.node.checks import check_node
from tests.support.scenarios.ledger_reader import witnessed
from tests.support.scenarios.scenario_site import (
    CITY,
    EVERY_NODE,
    LAKE,
    TX,
    Caller,
    OpenedClient,
    Site,
    consent,
    fresh_id,
    observation,
)

LEDGERS = EVERY_NODE
DOCTOR = "Practitioner/dr-b"


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


def doctor(site: Site) -> Caller:
    return site.system(CITY, user=DOCTOR)


def entry(method: str, url: str, resource: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return one entry of a Bundle."""
    asked: dict[str, Any] = {"fullUrl": f"urn:uuid:{fresh_id()}", "request": {"method": method, "url": url}}
    return asked if resource is None else asked | {"resource": resource}


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def create(site: Site, patient: str) -> httpx.Response:
    return doctor(site).post("Observation", observation(patient))


def create_where_there_is_none(site: Site, patient: str) -> httpx.Response:
    return doctor(site).post("Observation", observation(patient), If_None_Exist=f"identifier={fresh_id()}")


def update_to_create(site: Site, patient: str) -> httpx.Response:
    new = fresh_id()
    return doctor(site).put(f"Observation/{new}", observation(patient) | {"id": new})


def update(site: Site, patient: str) -> httpx.Response:
    stored = site.observation(patient)
    return doctor(site).put(f"Observation/{stored['id']}", stored | {"status": "amended"})


def update_if_match(site: Site, patient: str) -> httpx.Response:
    stored = site.observation(patient)
    changed = stored | {"status": "amended"}
    return doctor(site).put(f"Observation/{stored['id']}", changed, If_Match='W/"1"')


def delete(site: Site, patient: str) -> httpx.Response:
    return doctor(site).delete(f"Observation/{site.observation(patient)['id']}")


def in_bundle(kind: str) -> Callable[[Site, str], httpx.Response]:
    def post(site: Site, patient: str) -> httpx.Response:
        return doctor(site).post("", bundle(kind, entry("POST", "Observation", observation(patient))))

    return post


def whole_record(site: Site, patient: str) -> httpx.Response:
    stored, gone = site.observation(patient), site.observation(patient)
    return doctor(site).post(
        "",
        bundle(
            "transaction",
            entry("POST", "Observation", observation(patient)),
            entry("PUT", f"Observation/{stored['id']}", stored | {"status": "amended"}),
            entry("DELETE", f"Observation/{gone['id']}"),
        ),
    )


def consent_filed(site: Site, patient: str) -> httpx.Response:
    return doctor(site).post("Consent", consent(patient, LAKE))


def consent_changed(site: Site, patient: str) -> httpx.Response:
    known = site.city.post("Consent", consent(patient, LAKE)).json()["id"]
    return doctor(site).put(f"Consent/{known}", consent(patient, LAKE, logical_id=known))


def consent_ended(site: Site, patient: str) -> httpx.Response:
    known = site.city.post("Consent", consent(patient, LAKE)).json()["id"]
    ended = consent(patient, LAKE, status="inactive", logical_id=known)
    return doctor(site).put(f"Consent/{known}", ended)


WAYS: Sequence[tuple[Callable[[Site, str], httpx.Response], str, str, int]] = (
    (create, "create", "C", 1),
    (create_where_there_is_none, "create", "C", 1),
    (update_to_create, "update", "C", 1),
    (update, "update", "U", 1),
    (update_if_match, "update", "U", 1),
    (delete, "delete", "D", 1),
    (in_bundle("transaction"), "transaction", "C", 1),
    (in_bundle("batch"), "batch", "C", 1),
    (whole_record, "transaction", "U", 3),
    (consent_filed, "create", "C", 1),
    (consent_changed, "update", "U", 1),
    (consent_ended, "update", "U", 1),
)


def test_every_interaction_that_writes_is_tried_here(site: Site) -> None:
    assert isinstance(site.http, OpenedClient)
    interactions = site.http.node.gateway.interactions
    for kind in ("Observation", "Consent", "Patient", "Organization"):
        writing = {row.code for row in interactions.of_type(kind) if row.writes}
        assert writing <= {code for _, code, _, _ in WAYS}


def of_tx(caller: Caller, tx: str) -> list[dict[str, Any]]:
    """Return the AuditEvents of one transaction, as `caller` sees them."""
    return [
        event
        for event in caller.found("AuditEvent?_count=500")
        if any(one.get("what", {}).get("identifier", {}).get("value") == tx for one in event["entity"])
    ]


@pytest.mark.parametrize(("write", "code", "action", "records"), WAYS)
def test_a_write_is_an_entry(
    site: Site,
    patient: str,
    write: Callable[[Site, str], httpx.Response],
    code: str,
    action: str,
    records: int,
) -> None:
    answer = write(site, patient)
    assert answer.status_code < 300, answer.text
    if code in {"transaction", "batch"}:
        written = [
            one["response"]["location"] for one in answer.json()["entry"] if "location" in one["response"]
        ]
    else:
        written = [answer.headers["location"]] if "location" in answer.headers else []
    for caller in (site.patient(patient), site.officer()):
        mine = [
            event
            for event in caller.found("AuditEvent?_count=500")
            if event["agent"][0]["who"]["identifier"]["value"] == DOCTOR
            and any(place.partition("/fhir/")[2] in str(event) for place in written)
        ]
        events = mine if written else of_tx(caller, answer.headers[TX])
        assert len(events) == 1
        (event,) = events
        assert event["action"] == action
        assert event["subtype"][0]["code"] == code
        assert event["agent"][0]["who"]["identifier"]["value"] == DOCTOR
        changed = [one for one in event["entity"] if one.get("role", {}).get("code") == "4"]
        assert len(changed) == records
        people = [one["what"]["reference"] for one in event["entity"] if one["type"]["code"] == "1"]
        assert people == [f"Patient/{patient}"]


def test_the_entry_of_a_write_is_the_custodians_own_and_says_nothing_of_the_record(
    site: Site, patient: str
) -> None:
    answer = create(site, patient)
    tx = answer.headers[TX]
    witness = witnessed(site.demo.folder)
    (found,) = witness.entries[tx]
    assert found.pair == witness.pair(patient, CITY.msp_id)
    assert (found.custodian, found.recipient) == (CITY.msp_id, CITY.msp_id)
    assert (found.action, found.outcome, found.reason) == ("create", "permit", "recorded")
    assert len(found.root) == 64
    assert found.count == 0
    again = create(site, patient).headers[TX]
    (other,) = witnessed(site.demo.folder).entries[again]
    assert other.root != found.root
    assert other.digest != found.digest


def test_a_transaction_about_several_patients_is_one_entry_of_each(site: Site) -> None:
    people = [site.new_patient() for _ in range(3)]
    entries = [
        entry("POST", "Observation", observation(who, note=[{"text": who}]))
        for who in people
        for _ in range(2)
    ]
    answer = doctor(site).post("", bundle("transaction", *entries))
    assert answer.status_code == 200
    for who in people:
        (event,) = [
            one for one in site.patient(who).found("AuditEvent") if one["subtype"][0]["code"] == "transaction"
        ]
        assert sum(one.get("role", {}).get("code") == "4" for one in event["entity"]) == 2
        assert not any(other in str(event) for other in people if other != who)


def test_a_record_of_no_patient_is_an_entry_of_the_directory(site: Site) -> None:
    answer = doctor(site).post("Practitioner", {"resourceType": "Practitioner"})
    assert answer.status_code == 201
    (event,) = of_tx(site.officer(), answer.headers[TX])
    assert event["action"] == "C"
    assert not any(one["type"]["code"] == "1" for one in event["entity"])


def test_a_load_is_one_entry_of_each_patient_and_batch(site: Site, tmp_path: Any) -> None:
    assert isinstance(site.http, OpenedClient)
    node, who = site.http.node, fresh_id()
    file = tmp_path / "one.ndjson"
    lines = [f'{{"resourceType":"Patient","id":"{who}"}}']
    lines += [
        httpx.Request("POST", "http://x", json=observation(who) | {"id": fresh_id()}).content.decode()
        for _ in range(5)
    ]
    file.write_text("\n".join(lines))

    async def load() -> int:
        stored = 0
        async with BulkLoad(
            msp_id=CITY.msp_id,
            indexer=node.indexer,
            writing=node.gateway.writing,
            conditions=node.gateway.conditions,
            records=node.records,
            workers=1,
        ) as bulk:
            async for batches in bulk.load(cut(find([file]))):
                stored += sum(batch.stored for batch in batches)
        return stored

    assert site.http.loop.run(load()) == 6
    (event,) = [one for one in site.patient(who).found("AuditEvent") if one["action"] == "C"]
    assert sum(one.get("role", {}).get("code") == "4" for one in event["entity"]) == 6
    assert event["agent"][0]["who"]["identifier"]["value"] == "consentry-load"


def test_a_deletion_of_what_is_not_there_is_an_entry_and_answers_as_any_other(
    site: Site, patient: str
) -> None:
    there, gone = site.observation(patient)["id"], site.observation(patient)["id"]
    assert site.city.delete(f"Observation/{gone}").status_code == 204
    never = fresh_id()
    deleted = {one: doctor(site).delete(f"Observation/{one}") for one in (there, gone, never)}
    told = [set(answer.headers) for answer in deleted.values()]
    assert [answer.status_code for answer in deleted.values()] == [204, 204, 204]
    assert told[0] == told[1]
    assert told[2] == told[1] - {"etag"}  # it has no version
    for one, whose in ((gone, [f"Patient/{patient}"]), (never, [])):
        (event,) = of_tx(site.officer(), deleted[one].headers[TX])
        assert (event["action"], event["outcome"]) == ("D", "0")
        assert event["agent"][0]["who"]["identifier"]["value"] == DOCTOR
        changed = [entity for entity in event["entity"] if entity.get("role", {}).get("code") == "4"]
        assert [(entity["what"]["reference"], entity["name"]) for entity in changed] == [
            (f"Observation/{one}", "a record that was not there")
        ]
        people = [entity["what"]["reference"] for entity in event["entity"] if entity["type"]["code"] == "1"]
        assert people == whose
    assert of_tx(site.patient(patient), deleted[gone].headers[TX])
    assert not of_tx(site.patient(patient), deleted[never].headers[TX])


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_deletions_in_a_bundle_are_one_entry_with_all_that_was_and_was_not_there(
    site: Site, patient: str, kind: str
) -> None:
    there, gone = site.observation(patient)["id"], site.observation(patient)["id"]
    assert site.city.delete(f"Observation/{gone}").status_code == 204
    never = [fresh_id(), fresh_id()]
    sent = bundle(kind, *(entry("DELETE", f"Observation/{one}") for one in (there, gone, *never)))
    answer = doctor(site).post("", sent)
    assert [one["response"]["status"][:3] for one in answer.json()["entry"]] == ["204"] * 4
    found = [
        str(entity["what"]["reference"])
        for event in site.officer().found("AuditEvent?_count=500&action=D")
        for entity in event["entity"]
        if entity.get("role", {}).get("code") == "4"
    ]
    assert f"Observation/{there}/_history/2" in found
    assert all(found.count(f"Observation/{one}") == 1 for one in (gone, *never))
    if site.demo.settings.ledger == "embedded":  # what it says of records holds with such entries, too
        parts = check_node(site.demo.folder, lambda *_: None).parts
        assert [part.finding for part in parts if part.finding is not None] == []


def test_what_is_sent_again_leaves_no_entry_of_a_write(site: Site, patient: str) -> None:
    stored = observation(patient) | {"id": fresh_id()}
    assert doctor(site).put(f"Observation/{stored['id']}", stored).status_code == 201

    def writes() -> int:
        entries = witnessed(site.demo.folder).entries.values()
        return sum(one.action in WRITES for some in entries for one in some)

    before = writes()
    place = f"Observation/{stored['id']}"
    again = [
        doctor(site).put(place, stored),
        doctor(site).put(place, stored, If_Match='W/"1"'),
        doctor(site).post("", bundle("transaction", entry("PUT", place, stored))),
        doctor(site).post("", bundle("batch", entry("PUT", place, stored))),
    ]
    assert [answer.status_code for answer in again] == [200] * 4
    assert writes() == before
    assert doctor(site).get(place).json()["meta"]["versionId"] == "1"


def test_a_write_that_is_refused_leaves_no_entry_of_a_write(site: Site, patient: str) -> None:
    stored = site.observation(patient)

    def writes() -> int:
        found = witnessed(site.demo.folder).entries.values()
        return sum(one.action in WRITES for entries in found for one in entries)

    before = writes()
    for answer in (
        doctor(site).put(f"Observation/{stored['id']}", stored, If_Match='W/"7"'),
        doctor(site).post("Observation", {"resourceType": "Observation"}),
        site.lake.post("Observation", observation(patient)),
        doctor(site).delete(f"Observation/{stored['id']}", If_Match='W/"7"'),
    ):
        assert answer.status_code >= 400
    assert writes() == before


@pytest.mark.parametrize("kind", ["", "batch", "transaction"])
def test_an_attempt_to_change_the_patients_own_consent_is_an_entry(site: Site, kind: str) -> None:
    patient = site.new_patient()
    me = site.patient(patient)
    place = f"Consent/{me.post('Consent', consent(patient, LAKE)).json()['id']}"
    changed = consent(patient, LAKE, status="inactive", logical_id=place.partition("/")[2])
    if kind:
        answer = doctor(site).post("", bundle(kind, entry("PUT", place, changed)))
        assert "only the patient" in answer.text
    else:
        answer = doctor(site).put(place, changed)
        assert answer.status_code == 403
        assert answer.headers[TX]
    for reader in (me, site.officer()):
        tried = reader.found("AuditEvent", {"patient": patient, "action": "U", "outcome": "4"})
        (event,) = tried
        assert event["agent"][0]["who"]["identifier"]["value"] == DOCTOR
        assert any(entity.get("description") == place for entity in event["entity"])
    assert me.get(place).json()["meta"]["versionId"] == "1"
