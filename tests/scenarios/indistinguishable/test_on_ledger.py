"""A member that reads the whole ledger learns nothing from its own requests, and the patient finds all.

Lake Clinic asks a real gateway for all kinds of things that it may not have, and then compares what the
ledger says of them. The witness has the custodian's keys and says whose each entry really is.
"""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaincode.access.model import LogEntry
from exchange.demo.consortium import MEMBERS
from exchange.demo.nhanes import Participant
from exchange.services.access import enforcement
from tests.support.scenarios.ledger_reader import Witness, findings, witnessed
from tests.support.scenarios.scenario_site import (
    LAKE,
    RIDGE,
    TX,
    Caller,
    Site,
    consent,
    copied,
    fresh_id,
    opened,
)

PLAIN = {"recipient", "custodian", "purpose", "action", "role", "classes", "outcome", "reason", "schema"}


def said_of(record: LogEntry) -> set[str]:
    """Return all of an entry that could be compared with another's, except its transaction and time."""
    told: dict[str, Any] = msgspec.to_builtins(record)
    return {value for name, value in told.items() if isinstance(value, str) and name not in {*PLAIN, "tx"}}


def entries_of(witness: Witness, answer: Any) -> list[LogEntry]:
    return witness.entries[answer.headers[TX]]


@pytest.fixture(scope="module")
def hidden(site: Site) -> dict[str, list[str]]:
    """Three patients who granted nothing, and three observations of each."""
    patients = [site.new_patient() for _ in range(3)]
    return {patient: [str(site.observation(patient)["id"]) for _ in range(3)] for patient in patients}


@pytest.fixture(scope="module")
def refused(site: Site, hidden: dict[str, list[str]]) -> list[Any]:
    """Lake's requests for what is hidden and for what is not there, all refused or without a match."""
    answers = []
    for patient, records in hidden.items():
        answers += [site.lake.get(f"Observation/{one}") for one in records for _ in range(2)]
        answers += [site.lake.get(f"Observation?patient={patient}"), site.lake.get(f"Patient?_id={patient}")]
        answers += [site.lake.get(f"Patient/{patient}/$everything"), site.lake.get(f"Patient/{patient}")]
    answers += [site.lake.get(f"Observation/{fresh_id()}") for _ in range(3)]
    answers += [site.lake.get(f"Observation?patient={fresh_id()}"), site.lake.get("Observation?code=8867-4")]
    return answers


def test_no_two_refused_requests_share_a_word_on_the_ledger(
    site: Site, hidden: dict[str, list[str]], refused: list[Any]
):
    witness = witnessed(site.demo.folder)
    records = [entries_of(witness, answer) for answer in refused]
    assert [len(entries) for entries in records] == [1] * len(refused)
    flat = [record for [record] in records]
    assert {(record.outcome, record.reason) for record in flat} == {("deny", "pair-not-open")}
    for one, other in itertools.combinations(flat, 2):
        assert not said_of(one) & said_of(other)
    pairs = {witness.pair(patient, LAKE.msp_id) for patient in hidden}
    assert not pairs & {word for record in flat for word in said_of(record)}


def test_with_the_patients_secret_every_entry_about_the_patient_is_found(
    site: Site, hidden: dict[str, list[str]], refused: list[Any]
):
    witness = witnessed(site.demo.folder)
    everything = [record for entries in witness.entries.values() for record in entries]
    for patient, records in hidden.items():
        secret = witness.secrets[witness.references.subject(patient)]
        found = {
            (record.tx, record.n)
            for record in everything
            if record.pair == secret.pair(record.recipient)
            or secret.is_one_time_pseudonym(record.pair, record.recipient)
        }
        about = [answer for answer in refused if any(one in str(answer.url) for one in (patient, *records))]
        assert {(entries_of(witness, answer)[0].tx, 0) for answer in about} <= found
        listed = site.officer().found(f"AuditEvent?patient={patient}&_count=200")
        # The reading itself has come since; what else is listed is what the secret finds, and no more.
        assert len(listed) == len(found) + 1


def test_every_entry_belongs_to_somebody(site: Site, refused: list[Any]):
    """So none can be slipped in: the custodian's own secrets account for each of its entries."""
    witness = witnessed(site.demo.folder)
    names = {secret.pair(member.msp_id) for secret in witness.secrets.values() for member in MEMBERS}
    for entries in witness.entries.values():
        for record in entries:
            assert record.pair in names or any(
                secret.is_one_time_pseudonym(record.pair, record.recipient)
                for secret in witness.secrets.values()
            )


def test_a_patient_sees_the_attempts_upon_her_and_whoever_made_them(
    site: Site, hidden: dict[str, list[str]], refused: list[Any]
):
    patient, records = next(iter(hidden.items()))
    seen = site.patient(patient).found("AuditEvent?_count=200&outcome=4")
    told = [entity.get("description", "") for event in seen for entity in event["entity"]]
    assert {f"Observation/{one}" for one in records} <= set(told)
    assert all(event["agent"][0]["network"]["address"] == LAKE.name for event in seen)


def test_attempts_whose_details_were_lost_are_found_by_the_secret(
    built: Path, people: tuple[Participant, ...], tmp_path: Path
):
    demo = copied(built, tmp_path / "node")
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient, other = site.new_patient(), site.new_patient()
        lost = [site.lake.get(f"Patient/{one}").headers[TX] for one in (patient, patient, other)]
        site.officer().get("AuditEvent")  # waits for the projection
    with sqlite3.connect(demo.folder.log) as db:  # as after a power cut
        marks = ",".join("?" * len(lost))
        ids = [bytes.fromhex(one) for one in lost]
        assert db.execute(f"DELETE FROM details WHERE tx IN ({marks})", ids).rowcount == 3
        entries = f"SELECT sequence FROM entries WHERE tx IN ({marks})"
        db.execute(f"DELETE FROM terms WHERE sequence IN ({entries})", ids)  # written after the details
    db.close()
    assert findings(demo.folder) == []
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        for _ in range(2):
            events = site.patient(patient).found("AuditEvent?outcome=4")
            assert len(events) == 2
            assert {event["purposeOfEvent"][0]["coding"][0]["code"] for event in events} == {"TREAT"}
        again = site.lake.get(f"Patient/{patient}").headers[TX]
        found = [str(event) for event in site.patient(patient).found("AuditEvent?outcome=4")]
        assert sorted(tx for tx in (*lost[:2], again) if any(tx in one for one in found)) == sorted(
            (*lost[:2], again)
        )


def test_what_a_search_asks_of_the_ledger_is_the_same_whatever_matches(site: Site):
    granting = [site.new_patient() for _ in range(3)]
    for patient in granting:
        assert site.city.post("Consent", consent(patient, RIDGE)).status_code == 201
    mark = fresh_id()
    queries = [f"Observation?identifier={mark}", "Observation", "Condition?code=none", "Patient?active=true"]
    before = {query: site.ridge.get(query) for query in queries}
    hidden = site.new_patient()
    site.observation(hidden, identifier=[{"value": mark}])
    site.observation(granting[0], identifier=[{"value": mark}])
    after = {query: site.ridge.get(query) for query in queries}
    witness = witnessed(site.demo.folder)
    pairs = {witness.pair(patient, RIDGE.msp_id) for patient in granting}
    for query in queries:
        for answer in (before[query], after[query]):
            asked = entries_of(witness, answer)
            assert {record.pair for record in asked} == pairs
            assert {record.outcome for record in asked} == {"permit"}
    [found] = after[queries[0]].json()["entry"]
    assert found["resource"]["subject"] == {"reference": f"Patient/{granting[0]}"}


def test_a_search_that_names_patients_asks_for_them_and_no_others(site: Site):
    yes, no, other = (site.new_patient() for _ in range(3))
    for patient in (yes, other):
        assert site.city.post("Consent", consent(patient, RIDGE)).status_code == 201
        site.observation(patient)
    answer = site.ridge.get(f"Observation?patient={yes},{no},{fresh_id()}")
    assert len(answer.json()["entry"]) == 1
    witness = witnessed(site.demo.folder)
    asked = entries_of(witness, answer)
    outcomes = sorted((record.outcome, record.reason) for record in asked)
    assert outcomes == [("deny", "pair-not-open"), ("permit", "consent")]  # one attempt upon both others
    assert witness.pair(yes, RIDGE.msp_id) in {record.pair for record in asked}
    assert witness.pair(no, RIDGE.msp_id) not in {record.pair for record in asked}


def test_a_record_of_two_patients_is_found_by_naming_both_or_nobody(site: Site):
    one, other = site.new_patient(), site.new_patient()
    for patient in (one, other):
        assert site.city.post("Consent", consent(patient, RIDGE)).status_code == 201
    record = site.observation(one, performer=[{"reference": f"Patient/{other}"}])["id"]

    def found(query: str) -> bool:
        return record in {resource["id"] for resource in site.ridge.found(query)}

    assert found(f"Observation?patient={one},{other}")
    assert found(f"Observation?_id={record}")
    assert not found(f"Observation?patient={one}")


def test_directory_types_are_searched_without_asking_for_patients(site: Site):
    answer = site.ridge.get("Organization?active=true")
    assert len(answer.json()["entry"]) == len(MEMBERS)
    witness = witnessed(site.demo.folder)
    [asked] = entries_of(witness, answer)
    directory = witness.secrets[witness.references.directory]
    assert asked.pair == directory.pair(RIDGE.msp_id)


def test_more_open_pairs_than_one_search_asks_for_want_names(site: Site):
    patients = [site.new_patient() for _ in range(3)]
    for patient in patients:
        assert site.city.post("Consent", consent(patient, LAKE)).status_code == 201
        site.observation(patient)
    assert site.lake.get("Observation").status_code == 200
    with site.limited(asked=2):
        refused = site.lake.get("Observation")
        assert refused.status_code == 422
        assert "name" in refused.text
        assert site.lake.get(f"Observation?code=none&identifier={fresh_id()}").content == refused.content
        assert site.lake.get(f"Observation?patient={','.join(patients[:2])}").status_code == 200


def test_a_search_over_several_transactions_finds_everything_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    caller: Caller = site.lake
    patients = [site.new_patient() for _ in range(5)]
    for patient in patients:
        assert site.city.post("Consent", consent(patient, LAKE)).status_code == 201
    single = [site.observation(patient)["id"] for patient in patients]
    joint = [
        site.observation(one, performer=[{"reference": f"Patient/{other}"}])["id"]
        for one, other in itertools.pairwise(patients)
    ]
    monkeypatch.setattr(enforcement, "MOST_SUBJECTS", 2)
    found = [
        resource["id"] for resource in caller.found(f"Observation?patient={','.join(patients)}&_count=4")
    ]
    assert sorted(found) == sorted([*single, *joint])
