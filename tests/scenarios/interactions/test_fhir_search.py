"""Search as a client asks it: parameters by type, pages to the end, totals, shapes, and the compartment."""

from __future__ import annotations

import datetime
import urllib.parse
from typing import Any

import pytest

from tests.support.scenarios.scenario_site import (
    EVERY_STORE,
    MISSING,
    TX,
    Site,
    fresh_id,
    is_outcome,
    observation,
)

LEDGERS = EVERY_STORE

LOINC = "http://loinc.org"
DAYS = ("2020-01-01T10:00:00Z", "2020-06-15T10:00:00Z", "2021-01-01T10:00:00Z", "2022-12-31T23:59:59Z")


def ids(found: list[dict[str, Any]]) -> set[str]:
    return {str(resource["id"]) for resource in found}


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient(
        identifier=[{"system": "urn:mrn", "value": "A|1,x$"}, {"value": "bare"}], birthDate="1970-05-17"
    )


@pytest.fixture(scope="module")
def records(site: Site, patient: str) -> list[dict[str, Any]]:
    """One observation on each of `DAYS`, the second with another code, the last with an identifier."""
    more: list[dict[str, Any]] = [
        {},
        {"code": "8480-6"},
        {},
        {"identifier": [{"system": "urn:o", "value": "9"}]},
    ]
    return [
        site.observation(patient, effectiveDateTime=day, **elements)
        for day, elements in zip(DAYS, more, strict=True)
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3]),
        (f"&code={LOINC}|8867-4", [0, 2, 3]),
        ("&code=8867-4", [0, 2, 3]),
        ("&code=8867-4,8480-6", [0, 1, 2, 3]),
        ("&code=|8867-4", []),
        (f"&code={LOINC}|", [0, 1, 2, 3]),
        ("&code=http://snomed.info/sct|8867-4", []),
        ("&code=8867-4&code=8480-6", []),
        ("&status=final", [0, 1, 2, 3]),
        ("&status=amended", []),
        ("&identifier=urn:o|9", [3]),
        ("&identifier=9", [3]),
        ("&identifier=urn:o|8", []),
        ("&date=2020-01-01", [0]),
        ("&date=2020", [0, 1]),
        ("&date=ge2020-06-15", [1, 2, 3]),
        ("&date=gt2020-06-15", [2, 3]),
        ("&date=ge2020-06-15&date=lt2021", [1]),
        ("&date=le2020-01-01T10:00:00Z", [0]),
        ("&date=lt2020-01-01T10:00:00Z", []),
        ("&date=eb2021-01-01", [0, 1]),
        ("&date=sa2021-01-01", [3]),
        ("&date=2022-12-31T23:59:59Z", [3]),
        ("&date=2023-01-01T00:59:59%2B01:00", [3]),
        ("&_lastUpdated=ge2020", [0, 1, 2, 3]),
        ("&_lastUpdated=lt2020", []),
        ("&value-quantity=71", [0, 1, 2, 3]),
        ("&value-quantity=gt71.5", []),
    ],
)
def test_a_search_finds_what_its_parameters_say(
    site: Site, patient: str, records: list[dict[str, Any]], query: str, expected: list[int]
):
    found = ids(site.city.found(f"Observation?patient={patient}{query}"))
    assert found == {records[n]["id"] for n in expected}


@pytest.mark.parametrize(
    "form", ["patient={}", "patient=Patient/{}", "subject=Patient/{}", "subject={}", "subject:Patient={}"]
)
def test_a_patient_can_be_named_in_each_form_of_reference(
    site: Site, patient: str, records: list[dict[str, Any]], form: str
):
    assert ids(site.city.found("Observation?" + form.format(patient))) == ids(records)


def test_a_patient_can_be_named_by_this_servers_full_address(
    site: Site, patient: str, records: list[dict[str, Any]]
):
    assert ids(site.city.found(f"Observation?subject={site.base}/Patient/{patient}")) == ids(records)
    assert site.city.found(f"Observation?subject=http://other.example/fhir/Patient/{patient}") == []


def test_identifiers_with_separators_are_found_when_escaped(site: Site, patient: str):
    for value in (r"urn:mrn|A\|1\,x\$", r"A\|1\,x\$", "bare", "|bare"):
        assert ids(site.city.found("Patient", {"identifier": value})) == {patient}
    assert site.city.found("Patient", {"identifier": "urn:mrn|bare"}) == []


def test_several_ids_are_alternatives(site: Site, patient: str, records: list[dict[str, Any]]):
    wanted = [records[0]["id"], records[2]["id"], MISSING]
    assert ids(site.city.found(f"Observation?_id={','.join(wanted)}")) == set(wanted[:2])


def test_last_updated_takes_both_ends_of_a_moment(site: Site, patient: str):
    made = site.observation(patient)
    moment = datetime.datetime.fromisoformat(made["meta"]["lastUpdated"])
    told = urllib.parse.quote(made["meta"]["lastUpdated"])
    after = urllib.parse.quote(
        (moment + datetime.timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
    )
    search = f"Observation?_id={made['id']}&_lastUpdated="
    assert len(site.city.found(f"{search}ge{told}")) == 1
    assert len(site.city.found(f"{search}{told}")) == 1
    assert len(site.city.found(f"{search}lt{after}")) == 1
    assert site.city.found(f"{search}ge{after}") == []
    assert site.city.found(f"{search}gt{told}") == []


def test_a_search_by_post_finds_the_same_with_parameters_in_form_and_address(
    site: Site, patient: str, records: list[dict[str, Any]]
):
    form = {"patient": patient, "date": "2020-06-15,2021,2022"}
    answer = site.city("POST", "Observation/_search", data=form)
    assert answer.status_code == 200, answer.text
    assert {entry["resource"]["id"] for entry in answer.json()["entry"]} == ids(records[1:])
    answer = site.city("POST", "Observation/_search?code=8480-6", data=form)
    assert {entry["resource"]["id"] for entry in answer.json()["entry"]} == {records[1]["id"]}


def test_a_search_by_post_needs_a_form(site: Site):
    is_outcome(site.city.post("Observation/_search", {"patient": "x"}), 415)


def test_every_entry_says_where_it_lives_and_why_it_is_there(
    site: Site, patient: str, records: list[dict[str, Any]]
):
    answer = site.city.get(f"Observation?patient={patient}")
    assert len(answer.headers[TX]) == 64
    bundle = answer.json()
    assert bundle["type"] == "searchset"
    for entry in bundle["entry"]:
        assert entry["fullUrl"] == f"{site.base}/Observation/{entry['resource']['id']}"
        assert entry["search"] == {"mode": "match"}
    assert bundle["link"][0] == {"relation": "self", "url": f"{site.base}/Observation?patient={patient}"}
    assert bundle["entry"][0]["resource"] == records[0]


def test_nothing_found_is_an_empty_set(site: Site):
    bundle = site.city.get(f"Observation?patient={MISSING}").json()
    assert bundle["total"] == 0
    assert "entry" not in bundle


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("order", ["", "&_sort=_lastUpdated", "&_sort=-_lastUpdated"])
def test_pages_to_the_end_give_each_record_once(
    site: Site, patient: str, records: list[dict[str, Any]], count: int, order: str
):
    found = site.city.found(f"Observation?patient={patient}&date=lt2024&_count={count}{order}")
    expected = [record["id"] for record in records]
    assert [resource["id"] for resource in found] == (expected[::-1] if "=-" in order else expected)


def test_all_records_of_a_real_person_are_paged_once_each(site: Site):
    person = site.people[0]
    expected = {str(r["id"]) for r in person.records if r["resourceType"] == "Observation"}
    for count in (7, 50, 1000):
        found = site.city.found(f"Observation?patient={person.patient['id']}&_count={count}")
        assert len(found) == len(expected)
        assert ids(found) == expected


def test_records_written_between_pages_are_neither_doubled_nor_lost(site: Site):
    patient = site.new_patient()
    first = [site.observation(patient) for _ in range(6)]
    page = site.city.get(f"Observation?patient={patient}&_count=2").json()
    seen = [entry["resource"]["id"] for entry in page["entry"]]
    site.city.delete(f"Observation/{first[3]['id']}")
    late = site.observation(patient)
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    seen += [resource["id"] for resource in site.city.found(following)]
    assert seen == [record["id"] for record in [*first[:3], *first[4:], late]]


def test_a_page_link_says_nothing_about_the_search(site: Site, patient: str):
    page = site.city.get(f"Observation?patient={patient}&code=8867-4&_count=1").json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert patient not in following
    assert "8867" not in following


def test_a_page_link_holds_for_the_client_that_got_it_alone(site: Site, patient: str):
    page = site.city.get(f"Observation?patient={patient}&_count=1").json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    is_outcome(site.lake.get(following), 400)
    is_outcome(site.city.get(following.replace("/Observation?", "/Condition?")), 400)


def test_a_total_is_told_when_asked_and_exact(site: Site, patient: str, records: list[dict[str, Any]]):
    search = f"Observation?patient={patient}&date=lt2024&_count=1"
    assert "total" not in site.city.get(search).json()
    page = site.city.get(f"{search}&_total=accurate").json()
    assert page["total"] == len(records)
    assert len(page["entry"]) == 1


@pytest.mark.parametrize("shape", ["_summary=count", "_count=0&_total=accurate"])
def test_a_count_is_a_total_without_entries(
    site: Site, patient: str, records: list[dict[str, Any]], shape: str
):
    bundle = site.city.get(f"Observation?patient={patient}&date=lt2024&{shape}").json()
    assert bundle["total"] == len(records)
    assert "entry" not in bundle
    assert [link["relation"] for link in bundle["link"]] == ["self"]


def test_a_page_of_none_still_tells_the_total(site: Site, patient: str, records: list[dict[str, Any]]):
    bundle = site.city.get(f"Observation?patient={patient}&date=lt2024&_count=0").json()
    assert bundle["total"] == len(records)
    assert "entry" not in bundle


def test_elements_of_a_search_keep_what_is_mandatory(site: Site, patient: str, records: list[dict[str, Any]]):
    for resource in site.city.found(f"Observation?patient={patient}&_elements=effectiveDateTime,subject"):
        assert set(resource) == {
            *("resourceType", "id", "meta", "status", "code", "subject", "effectiveDateTime")
        }


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "_include=Observation:subject",
        "_revinclude=Provenance:target",
        "_has:Group:member:_id=1",
        "subject.name=x",
        "code:text=x",
        "_sort=value-quantity",
        "_sort=date,nonsense",
        "_filter=x",
    ],
)
def test_what_the_search_does_not_know_is_refused_or_with_lenient_handling_ignored(
    site: Site, patient: str, records: list[dict[str, Any]], query: str
):
    search = f"Observation?patient={patient}&date=lt2024&{query}"
    is_outcome(site.city.get(search), 400)
    answer = site.city.get(search, Prefer="handling=lenient")
    assert answer.status_code == 200, answer.text
    assert {entry["resource"]["id"] for entry in answer.json()["entry"]} == ids(records)
    assert "nonsense" not in answer.json()["link"][0]["url"]


@pytest.mark.parametrize(
    "query",
    [
        "date=yesterday",
        "_count=many",
        "_count=-1",
        "_lastUpdated=2020-13",
        "_summary=x",
        "_total=all",
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_without_being_repeated(site: Site, patient: str, query: str):
    for handling in ("strict", "lenient"):
        answer = site.city.get(f"Observation?patient={patient}&{query}", Prefer=f"handling={handling}")
        said = is_outcome(answer, 400)
        assert "yesterday" not in str(said)


def test_total_method_that_fhirpy_sends_is_tolerated(site: Site, patient: str):
    assert site.city.get(f"Observation?patient={patient}&_totalMethod=count").status_code == 200


def test_an_updated_record_is_found_by_what_it_is_now(site: Site, patient: str):
    made = site.observation(patient, identifier=[{"value": "before"}])
    body = observation(patient, id=made["id"], identifier=[{"value": "after"}])
    site.city.put(f"Observation/{made['id']}", body)
    assert site.city.found("Observation?identifier=before") == []
    assert ids(site.city.found("Observation?identifier=after")) == {made["id"]}


def test_everything_of_a_patient_is_the_patient_and_all_records_once(site: Site):
    person = site.people[1]
    expected = {str(r["id"]) for r in (person.patient, *person.records)}
    for query in ("", "?_count=10"):
        found = site.city.found(f"Patient/{person.patient['id']}/$everything{query}")
        assert len(found) == len(expected)
        assert ids(found) == expected


def test_everything_of_nobody_is_not_found(site: Site):
    is_outcome(site.city.get(f"Patient/{MISSING}/$everything"), 404)


@pytest.mark.parametrize("query", ["_since=2020", "_type=Observation", "start=2020", "x=1"])
def test_everything_refuses_what_it_would_have_to_ignore(site: Site, patient: str, query: str):
    is_outcome(site.city.get(f"Patient/{patient}/$everything?{query}"), 400)


def test_a_conditional_create_stores_once(site: Site, patient: str):
    value = fresh_id()
    body = observation(patient, identifier=[{"system": "urn:once", "value": value}])
    made = site.city.post("Observation", body, If_None_Exist=f"identifier=urn:once|{value}")
    again = site.city.post("Observation", body, If_None_Exist=f"identifier=urn:once|{value}")
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.headers["location"].startswith(again.headers["location"])
    assert len(site.city.found(f"Observation?identifier=urn:once|{value}")) == 1


def test_a_conditional_create_that_matches_many_is_refused(site: Site, patient: str):
    value = fresh_id()
    body = observation(patient, identifier=[{"value": value}])
    site.city.post("Observation", body)
    site.city.post("Observation", body)
    is_outcome(site.city.post("Observation", body, If_None_Exist=f"identifier={value}"), 412)


@pytest.mark.parametrize("condition", ["nonsense=1", "_lastUpdated=ge2020", "?", "_count=1"])
def test_a_condition_that_says_nothing_is_refused(site: Site, patient: str, condition: str):
    is_outcome(site.city.post("Observation", observation(patient), If_None_Exist=condition), 400)


def test_a_search_over_many_people_finds_each_persons_records(site: Site):
    expected = {
        str(record["id"])
        for person in site.people
        for record in person.records
        if record["resourceType"] == "Condition"
    }
    assert ids(site.city.found("Condition?_count=3")) == expected


def test_a_page_link_can_be_followed_after_a_long_search_by_post(site: Site, patient: str):
    records = [site.observation(patient, identifier=[{"value": "long"}]) for _ in range(3)]
    wanted = [record["id"] for record in records] + [fresh_id() for _ in range(250)]
    answer = site.city("POST", "Observation/_search", data={"_id": ",".join(wanted), "_count": "2"})
    assert answer.status_code == 200, answer.text
    following = next(link["url"] for link in answer.json()["link"] if link["relation"] == "next")
    assert ids(site.city.found(following)) == {records[2]["id"]}


def test_a_search_without_a_token_is_refused(site: Site, patient: str):
    is_outcome(site.http.get(f"{site.base}/Observation?patient={patient}"), 401)
