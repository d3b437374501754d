"""The access log is searched by everything that an AuditEvent shows, and patients see its readers."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest

from exchange.fhir import search
from tests.support.scenarios.scenario_site import CITY, EVERY_STORE, LAKE, Caller, Site, consent, is_outcome

LEDGERS = EVERY_STORE

Event = dict[str, Any]


def events(caller: Caller, query: str = "") -> dict[str, Event]:
    return {event["id"]: event for event in caller.found(f"AuditEvent?{query}")}


def first_page(caller: Caller, query: str) -> list[Event]:
    return [entry["resource"] for entry in caller.get(f"AuditEvent?{query}").json().get("entry", ())]


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


@pytest.fixture(scope="module")
def record(site: Site, patient: str) -> str:
    return f"Observation/{site.observation(patient)['id']}"


@pytest.fixture(scope="module", autouse=True)
def accesses(site: Site, patient: str, record: str) -> None:
    """Accesses that differ in all that an AuditEvent shows."""
    assert site.city.post("Consent", consent(patient, LAKE)).status_code == 201
    nurse = site.system(CITY, user="Practitioner/nurse", role="http://snomed.info/sct|106292003")
    lake = site.system(LAKE, user="Practitioner/l1")
    for caller in (nurse, lake, site.ridge, site.system(LAKE, "HRESCH"), site.patient(patient)):
        for path in (record, f"Observation?patient={patient}", f"{record}/_history", f"Patient/{patient}"):
            assert caller.get(path).status_code < 500
    nurse.get("Observation?code=8867-4")


TX = "urn:consentry:ledger-transaction"
PARAMETERS = [
    "action=R",
    "action=E",
    "action=R,E",
    "address=Lake",
    "address=Lake Clinic,Ridge",
    "agent=Practitioner/nurse",
    "agent=nurse",
    "agent=Practitioner/nurse,Practitioner/l1",
    "agent=Patient/{patient}",
    "agent:Practitioner=nurse",
    "agent:identifier=Practitioner/l1",
    "agent:identifier=Practitioner/nurse",
    "agent:identifier=o.search",
    "agent=LakeClinicMSP",
    "agent=Organization/lake-clinic",
    "agent-role=106292003",
    "agent-role=http://snomed.info/sct|106292003",
    "altid=lake-clinic-ehr",
    "altid=patient-{patient}",
    "altid=OFFICER-o.search",
    "entity={record}",
    "entity={base}/{record}",
    "entity=Patient/{patient}",
    "entity={record},Patient/{patient}",
    "entity-type=Observation",
    "entity-type=http://hl7.org/fhir/resource-types|Patient",
    "entity-type=http://terminology.hl7.org/CodeSystem/audit-entity-type|1",
    "entity-type=2",
    "entity-type=4",
    "outcome=0",
    "outcome=4",
    "patient={patient}",
    "purpose=HRESCH",
    "purpose=http://terminology.hl7.org/CodeSystem/v3-ActReason|HRESCH",
    "date=ge2026",
    "site=City Hospital",
    "source=Organization/city-hospital",
    "source=CityHospitalMSP",
    "subtype=read",
    "subtype=http://hl7.org/fhir/restful-interaction|history-instance",
    "subtype=search-type,read",
    "type=rest",
    "type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest",
    "agent=Practitioner/nurse&agent=CityHospitalMSP",
    "agent=Practitioner/l1&outcome=0&entity-type=Observation&subtype=read",
]


def shows(event: Event, query: str, base: str) -> bool:
    """Return whether R4's search, over the event as it is shown, finds it; our own names for it included."""
    shown = [*search.terms("AuditEvent", event, base=base)]
    requestor, member = event["agent"][0], {"Lake Clinic": LAKE, "City Hospital": CITY}
    named = [requestor["who"].get("identifier", {}).get("value", "")]
    organization = member.get(requestor["network"]["address"])
    named += [f"Practitioner/{named[0]}"] if "/" not in named[0] else []
    named += (
        [f"Organization/{organization.organization}", f"Organization/{organization.msp_id}"]
        if organization
        else []
    )
    shown += [search.Term("agent", f"r{one}") for one in named]
    site = ["city-hospital", "CityHospitalMSP"]
    shown += [search.Term("source", f"rOrganization/{one}") for one in site]
    given = urllib.parse.parse_qsl(query)
    rest = [one for one in given if one[0] != "purpose"]
    purposes = {value.rpartition("|")[2] for name, value in given if name == "purpose"}
    purpose = event["purposeOfEvent"][0]["coding"][0]["code"]
    return search.parse("AuditEvent", rest, lenient=False, base=base).matches(shown) and purposes <= {purpose}


@pytest.mark.parametrize("who", ["officer", "patient"])
def test_the_log_is_found_by_everything_that_it_shows(site: Site, patient: str, record: str, who: str):
    caller = site.patient(patient) if who == "patient" else site.officer("o.search")
    caller.get("AuditEvent?_count=1")
    everything = events(caller, "_count=500")
    for query in PARAMETERS:
        asked = query.format(patient=patient, record=record, base=site.base)
        expected = {name for name, event in everything.items() if shows(event, asked, site.base)}
        found = events(caller, f"{asked}&_count=500")
        assert expected or who == "patient", query
        assert set(found) & set(everything) == expected, query
        assert all(shows(event, asked, site.base) for event in found.values()), query


@pytest.mark.parametrize(
    "query",
    [
        *("agent=Practitioner/none", "altid=none", "entity=Observation/none", "outcome=8", "_id=none"),
        *("purpose=http://other.example|TREAT", "purpose=|TREAT", "date=lt2020", "patient=none"),
    ],
)
def test_what_no_entry_has_finds_none(site: Site, query: str):
    assert events(site.officer(), query) == {}


@pytest.mark.parametrize(
    "query",
    [
        "agent:missing=true",
        "agent.name=x",
        "policy=urn:x",
        "entity-name=x",
        "_sort=outcome",
        "_sort=date,outcome",
        "_total=many",
        "_summary=x",
        "_include=AuditEvent:agent",
        "patient:identifier=x",
        "purpose:not=TREAT",
        "outcome:not=0",
        "_has:Provenance:target:agent=x",
        "agent=not a reference",
        "_tag=x",
        "_id=x,y",
        *(
            "action=r",
            "action=read",
            "action=R,x",
            "outcome=success",
            "outcome=00",
            "purpose=treat",
            "purpose=X",
        ),
    ],
)
def test_what_is_not_supported_is_refused_and_never_an_empty_list(site: Site, query: str):
    is_outcome(site.officer().get(f"AuditEvent?{query}"), 400)


@pytest.mark.parametrize("name", ["date", "_lastUpdated"])
@pytest.mark.parametrize("value", ["yesterday", "2026-11-29T10", "ne2026", "ge", "2026,2027"])
def test_a_time_that_is_none_is_refused_by_the_name_that_was_sent(site: Site, name: str, value: str):
    said = is_outcome(site.officer().get(f"AuditEvent?{name}={value}"), 400)
    assert said["issue"][0]["diagnostics"].startswith(f"{name}: ")


def test_a_patient_is_found_by_each_way_to_write_the_reference(site: Site, patient: str):
    officer = site.officer("o.refer")
    for written in (patient, f"Patient/{patient}", f"{site.base}/Patient/{patient}"):
        assert events(officer, f"patient={written}&action=C")
    loud = site.base.replace("http", "HTTP")
    assert events(officer, f"patient={loud}//Patient/{patient}&action=C")
    is_outcome(officer.get(f"AuditEvent?patient=http://elsewhere.example/fhir/Patient/{patient}"), 400)


@pytest.mark.parametrize("query", ["", "agent=Practitioner/nurse&", "outcome=4&"])
def test_totals_are_those_of_all_pages(site: Site, query: str):
    officer = site.officer("o.count")
    for form in ("_count=0", "_summary=count"):
        answer = officer.get(f"AuditEvent?{query}{form}").json()
        assert "entry" not in answer
        bound = answer["total"]
        page = officer.get(f"AuditEvent?{query}_total=accurate&_count=40").json()
        assert page["total"] - bound in ({0} if query else {1})  # the reading itself
        found = len(page["entry"])
        while following := [link["url"] for link in page["link"] if link["relation"] == "next"]:
            page = officer.get(following[0]).json()
            found += len(page["entry"])
        assert found == page["total"]


@pytest.mark.parametrize("query", ["", "agent=Practitioner/nurse&", "entity-type=Observation&"])
def test_both_orders_have_the_same_entries_and_paging_ends(site: Site, patient: str, query: str):
    for caller in (site.officer("o.order"), site.patient(patient)):
        newest = list(events(caller, f"{query}_count=40&_sort=-date"))
        oldest = list(events(caller, f"{query}_count=40&_sort=date"))
        assert [name for name in oldest if name in newest] == newest[::-1]


def test_elements_are_those_asked_for(site: Site):
    for event in first_page(site.officer(), "_elements=outcome&_count=3"):
        assert {"id", "outcome", "resourceType"} <= set(event)
        assert "entity" not in event


def readers(site: Site, patient: str) -> list[str]:
    found = events(site.patient(patient), "_count=500").values()
    return [event["agent"][0]["who"]["identifier"]["value"] for event in found]


@pytest.mark.parametrize(
    "query",
    [
        "_count=500",
        "_count=200",
        "agent=Practitioner/nurse",
        "_sort=date&_count=200",
        "outcome=0",
        "patient={patient}",
    ],
)
def test_a_patient_sees_who_has_read_her_entries(site: Site, patient: str, query: str):
    reader = f"o.{query[:9].strip('_=')}"
    read = events(site.officer(reader), query.format(patient=patient))
    assert any(f"Patient/{patient}" in str(event) for event in read.values())
    assert reader in readers(site, patient)


def test_a_patient_sees_who_has_opened_one_entry_about_her(site: Site, patient: str):
    event = next(iter(events(site.patient(patient))))
    assert site.officer("o.one-entry").get(f"AuditEvent/{event}").status_code == 200
    assert "o.one-entry" in readers(site, patient)


def test_nobody_is_told_of_a_reading_that_handed_out_nothing_of_theirs(site: Site, patient: str):
    stranger = site.new_patient()
    site.lake.get(f"Patient/{stranger}")
    site.officer("o.elsewhere").found(f"AuditEvent?patient={stranger}")
    site.officer("o.elsewhere").get("AuditEvent?_summary=count")
    assert "o.elsewhere" not in readers(site, patient)
    assert "o.elsewhere" in readers(site, stranger)


@pytest.mark.parametrize(
    "search_for", ["Patient?family=Smollett", "Patient?birthdate=1956-07-01", "Observation?code=99999-1"]
)
def test_the_officer_reads_what_was_searched_for_and_patients_do_not(site: Site, search_for: str):
    twins = [site.new_patient(name=[{"family": "Smollett"}], birthDate="1956-07-01") for _ in range(2)]
    for twin in twins:
        site.observation(twin, code="99999-1")
    assert site.city.get(search_for).json()["total"] >= 2
    shown = [str(event) for event in first_page(site.officer(), "agent=CityHospitalMSP&_count=20")]
    wanted = search_for.partition("=")[2]
    assert sum(wanted in one for one in shown) >= 2
    for twin in twins:
        assert wanted not in str(events(site.patient(twin)))


def test_the_capabilities_declare_what_the_log_is_searched_by(site: Site):
    statement = site.city.get("metadata").json()
    [log] = [one for one in statement["rest"][0]["resource"] if one["type"] == "AuditEvent"]
    declared = {parameter["name"] for parameter in log["searchParam"]}
    used = {one.partition("=")[0].partition(":")[0] for query in PARAMETERS for one in query.split("&")}
    assert used | {"_id", "_lastUpdated", "agent-name", "date"} == declared
