"""The access log as officers and patients read it: every access is there, once, with what it was."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.fhir import r4
from tests.support.scenarios.scenario_site import (
    EVERY_NODE,
    LAKE,
    MISSING,
    RIDGE,
    TX,
    Caller,
    Site,
    consent,
    is_outcome,
)

LEDGERS = EVERY_NODE

TRANSACTION = "urn:consentry:ledger-transaction"


def transaction(event: dict[str, Any]) -> str:
    for entity in event["entity"]:
        identifier = entity.get("what", {}).get("identifier", {})
        if identifier.get("system") == TRANSACTION:
            return str(identifier["value"])
    raise AssertionError("the event names no transaction")


def interaction(event: dict[str, Any]) -> str:
    return str(event["subtype"][0]["code"])


def targets(event: dict[str, Any]) -> list[str]:
    return [entity["description"] for entity in event["entity"] if "description" in entity]


def events(caller: Caller, query: str = "") -> dict[str, dict[str, Any]]:
    return {transaction(event): event for event in caller.found(f"AuditEvent?_count=200{query}")}


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


@pytest.fixture(scope="module")
def accesses(site: Site, patient: str) -> list[tuple[str, str, str, str, str]]:
    """(transaction, interaction, target, AuditEvent.action, outcome) of what was done with one patient."""
    place = f"Observation/{site.observation(patient)['id']}"
    done: list[tuple[str, str, str, str, str]] = []

    def note(caller: Caller, path: str, name: str, action: str, outcome: str) -> None:
        answer = caller.get(path)
        assert answer.status_code < 500
        done.append((answer.headers[TX], name, path, action, outcome))

    note(site.city, place, "read", "R", "0")
    note(site.lake, place, "read", "R", "4")
    note(site.lake, f"Observation?patient={patient}", "search-type", "E", "4")
    assert site.city.post("Consent", consent(patient, LAKE)).status_code == 201
    lake = site.system(LAKE, user="Practitioner/lake-3")
    note(lake, place, "read", "R", "0")
    note(lake, f"{place}/_history/1", "vread", "R", "0")
    note(lake, f"{place}/_history", "history-instance", "R", "0")
    note(lake, f"Observation?patient={patient}", "search-type", "E", "0")
    note(lake, f"Patient/{patient}/$everything", "operation", "E", "0")
    note(site.system(LAKE, "HRESCH"), place, "read", "R", "4")
    note(site.ridge, place, "read", "R", "4")
    note(site.patient(patient), place, "read", "R", "0")
    return done


@pytest.mark.parametrize("who", ["patient", "officer"])
def test_every_access_is_in_the_log_with_what_it_was(
    site: Site, patient: str, accesses: list[tuple[str, str, str, str, str]], who: str
):
    caller = site.patient(patient) if who == "patient" else site.officer()
    log = events(caller, f"&patient={patient}" if who == "officer" else "")
    for tx, name, target, action, outcome in accesses:
        event = log[tx]
        assert (event["action"], event["outcome"]) == (action, outcome), target
        assert interaction(event) == name
        if name != "search-type":
            assert targets(event) == [target]
        else:
            assert targets(event)[0].startswith("Observation?patient=")
        assert {"reference": f"Patient/{patient}"} in [entity.get("what") for entity in event["entity"]]


def test_an_entry_says_who_asked_for_what_purpose_and_from_where(
    site: Site, patient: str, accesses: list[tuple[str, str, str, str, str]]
):
    log = events(site.patient(patient))
    event = log[accesses[3][0]]
    requestor, software, custodian = event["agent"]
    assert requestor["who"]["identifier"]["value"] == "Practitioner/lake-3"
    assert requestor["network"]["address"] == "Lake Clinic"
    assigner = requestor["who"]["identifier"]["assigner"]
    assert assigner["identifier"] == {"system": "urn:consentry:msp", "value": "LakeClinicMSP"}
    assert assigner["display"] == "Lake Clinic"
    assert "name" not in requestor
    assert "display" not in requestor["who"]  # she stated no name, and the software's is not hers
    assert requestor["altId"] == software["who"]["identifier"]["value"] == "lake-clinic-ehr"
    assert not software["requestor"]
    assert requestor["requestor"]
    assert not custodian["requestor"]
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert log[accesses[8][0]]["purposeOfEvent"][0]["coding"][0]["code"] == "HRESCH"


def test_every_entry_is_valid_r4(site: Site, patient: str, accesses: list[Any]):
    answer = site.officer().get("AuditEvent?_count=500")
    assert r4.check(answer.content, expected="Bundle")
    for entry in answer.json()["entry"]:
        assert entry["fullUrl"] == f"{site.base}/AuditEvent/{entry['resource']['id']}"


@pytest.mark.parametrize("version", [1, 3])
def test_an_entry_names_the_consent_that_it_rests_on(site: Site, version: int):
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    granted = site.patient(patient).post("Consent", consent(patient, LAKE)).json()["id"]
    for n in range(2, version + 1):
        changed = {**consent(patient, LAKE), "id": granted, "dateTime": f"2026-01-0{n}"}
        assert site.patient(patient).put(f"Consent/{granted}", changed).status_code == 200
    assert (site.lake.get(record).status_code, site.city.get(record).status_code) == (200, 200)
    for reader in (site.patient(patient), site.officer()):
        named = {
            event["outcomeDesc"]: [
                entity["what"]["reference"]
                for entity in event["entity"]
                if entity.get("what", {}).get("reference", "").startswith("Consent/")
            ]
            for event in reader.found(f"AuditEvent?entity={record}")
            if event["action"] == "R"
        }
        assert named == {
            "permit: consent": [f"Consent/{granted}/_history/{version}"],
            "permit: policy": [],
        }


def test_an_entry_can_be_read_by_its_id(site: Site, patient: str, accesses: list[Any]):
    for caller in (site.patient(patient), site.officer()):
        _, event, *_ = events(caller).values()  # the first is this reading, whose end is not known then
        answer = caller.get(f"AuditEvent/{event['id']}")
        assert answer.status_code == 200
        assert answer.json() == event
        [found] = caller.found(f"AuditEvent?_id={event['id']}")
        assert found == event


def test_a_patient_sees_what_concerns_her_and_nothing_else(site: Site, patient: str, accesses: list[Any]):
    stranger = site.new_patient()
    theirs = site.patient(stranger)
    site.lake.get(f"Patient/{stranger}")
    own = events(theirs)
    for event in own.values():
        people = [entity.get("what", {}).get("reference") for entity in event["entity"]]
        assert f"Patient/{stranger}" in people
        assert f"Patient/{patient}" not in people
    hers = events(site.patient(patient))
    assert not set(hers) & set(own)
    is_outcome(theirs.get(f"AuditEvent?patient={patient}"), 403)
    for event in hers.values():
        hidden = theirs.get(f"AuditEvent/{event['id']}")
        is_outcome(hidden, 404)
    missing = theirs.get(f"AuditEvent/{'0' * 48}-0")
    assert missing.content == hidden.content


def test_a_patient_sees_refusals_that_came_before_any_consent(site: Site):
    patient = site.new_patient()
    answer = site.ridge.get(f"Patient/{patient}")
    log = events(site.patient(patient))
    assert log[answer.headers[TX]]["outcome"] == "4"
    assert log[answer.headers[TX]]["agent"][0]["network"]["address"] == RIDGE.name


def test_the_officer_sees_refused_requests_for_nothing(site: Site):
    answer = site.lake.get(f"Patient/{MISSING}")
    event = events(site.officer(), "&outcome=4")[answer.headers[TX]]
    assert targets(event) == [f"Patient/{MISSING}"]


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("outcome=4", lambda event: event["outcome"] == "4"),
        ("outcome=0", lambda event: event["outcome"] == "0"),
        ("outcome=0,4", lambda event: event["outcome"] in "04"),
        ("action=R", lambda event: event["action"] == "R"),
        ("action=E", lambda event: event["action"] == "E"),
        ("purpose=HRESCH", lambda event: event["purposeOfEvent"][0]["coding"][0]["code"] == "HRESCH"),
        (
            "purpose=http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT",
            lambda event: event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT",
        ),
        (f"agent={LAKE.msp_id}", lambda event: event["agent"][0]["network"]["address"] == LAKE.name),
        (
            f"agent=urn:consentry:msp|{RIDGE.msp_id}",
            lambda event: event["agent"][0]["network"]["address"] == RIDGE.name,
        ),
        ("date=ge2026", lambda event: True),
        ("_lastUpdated=ge2026&_sort=-date", lambda event: True),
    ],
)
def test_an_officer_filters_the_log_and_misses_nothing(
    site: Site, accesses: list[Any], query: str, holds: Any
):
    officer = site.officer("o.filter")
    everything = events(officer)
    expected = {tx for tx, event in everything.items() if holds(event)}
    found = events(officer, f"&{query}")
    assert expected
    assert expected <= set(found)
    assert all(holds(event) for event in found.values())


@pytest.mark.parametrize("query", ["outcome=8", "agent=Nobody", "date=lt2020", "_id=x"])
def test_a_filter_that_nothing_meets_finds_nothing(site: Site, accesses: list[Any], query: str):
    assert site.officer().found(f"AuditEvent?{query}") == []


def test_an_officer_narrows_the_log_to_one_patient(site: Site, patient: str, accesses: list[Any]):
    officer = site.officer("o.one")
    for form in (patient, f"Patient/{patient}", f"{site.base}/Patient/{patient}"):
        found = events(officer, f"&patient={form}")
        assert {tx for tx, *_ in accesses} <= set(found)
        for event in found.values():
            assert {"reference": f"Patient/{patient}"} in [entity.get("what") for entity in event["entity"]]


def test_the_log_of_a_patient_who_is_none_is_empty(site: Site):
    answer = site.officer().get(f"AuditEvent?patient={MISSING}")
    assert answer.status_code == 200
    assert "entry" not in answer.json()


@pytest.mark.parametrize(
    "query", ["nonsense=1", "entity=x", "date=yesterday", "_count=x", "patient=a,b", "patient=a&patient=b"]
)
def test_what_the_log_can_not_be_searched_by_is_refused(site: Site, query: str):
    is_outcome(site.officer().get(f"AuditEvent?{query}"), 400)


def test_reading_the_log_is_itself_in_the_log(site: Site, patient: str):
    hers = site.patient(patient)
    search = hers.get("AuditEvent")
    assert search.headers[TX] == transaction(search.json()["entry"][0]["resource"])
    event = search.json()["entry"][0]["resource"]
    assert (event["action"], event["outcome"]) == ("E", "0")
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "PATRQT"
    read = hers.get(f"AuditEvent/{event['id']}")
    assert read.headers[TX] in events(hers)
    officer = site.officer("o.watched")
    looked = officer.get(f"AuditEvent?patient={patient}")
    seen = events(hers)[looked.headers[TX]]
    assert seen["agent"][0]["who"]["identifier"]["value"] == "o.watched"
    assert seen["purposeOfEvent"][0]["coding"][0]["code"] == "HOPERAT"
    whole = officer.get("AuditEvent")
    assert whole.headers[TX] in events(site.officer())


@pytest.mark.parametrize("who", ["city", "lake", "ridge"])
def test_no_system_reads_the_log(site: Site, patient: str, accesses: list[Any], who: str):
    caller: Caller = getattr(site, who)
    is_outcome(caller.get("AuditEvent"), 403)
    is_outcome(caller.get(f"AuditEvent?patient={patient}"), 403)
    event = next(iter(events(site.officer()).values()))
    is_outcome(caller.get(f"AuditEvent/{event['id']}"), 403)


@pytest.mark.parametrize(
    "logical_id", ["x", "0-0", "-", f"{'0' * 48}-0", f"{'g' * 48}-0", f"{'0' * 48}-0001", "%00"]
)
def test_an_id_that_is_no_entrys_is_not_found(site: Site, logical_id: str):
    is_outcome(site.officer().get(f"AuditEvent/{logical_id}"), 404)


@pytest.mark.parametrize("count", [1, 7, 50])
def test_pages_of_the_log_give_each_entry_once_though_paging_adds_entries(
    site: Site, patient: str, accesses: list[Any], count: int
):
    hers = site.patient(patient)
    before = set(events(hers))
    found = hers.found(f"AuditEvent?_count={count}")
    seen = [transaction(event) for event in found]
    assert len(set(seen)) == len(seen)
    assert before <= set(seen)
    recorded = [event["recorded"] for event in found]
    assert recorded == sorted(recorded, reverse=True)


def test_a_log_page_link_holds_for_its_reader_alone(site: Site, patient: str, accesses: list[Any]):
    page = site.patient(patient).get("AuditEvent?_count=1").json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    is_outcome(site.patient(site.new_patient()).get(following), 400)
    is_outcome(site.officer().get(following), 400)


def test_the_log_has_no_versions_and_no_history(site: Site, accesses: list[Any]):
    officer = site.officer()
    event = next(iter(events(officer).values()))
    assert officer.get(f"AuditEvent/{event['id']}/_history").status_code in {403, 404}
    assert officer.get(f"AuditEvent/{event['id']}/_history/1").status_code in {403, 404}


def test_a_patient_reads_no_other_patients_id_in_her_log(site: Site):
    one, other = site.new_patient(), site.new_patient()
    assert site.city.get("Observation", {"patient": f"{one},{other}"}).status_code == 200
    seen = site.patient(one).get("AuditEvent").text
    assert one in seen
    assert other not in seen
