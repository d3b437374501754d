"""References of a Bundle lead to its entries, by their fullUrls, and every refusal names its entry."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.scenarios.interactions.test_fhir_bundles import bundle, entry, run
from tests.support.scenarios.scenario_site import EVERY_STORE, Site, fresh_id, observation

LEDGERS = EVERY_STORE

ELSEWHERE = "http://elsewhere.example/fhir"


@pytest.fixture(scope="module")
def local(site: Site) -> str:
    """A person of this server, whose id another server gave to somebody else."""
    return site.new_patient()


def place_of(said: dict[str, Any]) -> str:
    location: str = said["response"]["location"]
    return location.rpartition("/fhir/")[2].partition("/_history")[0]


def stored(site: Site, said: dict[str, Any]) -> dict[str, Any]:
    return dict(site.city.get(place_of(said)).json())


def stranger(local: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": local, "name": [{"family": "Foreign"}]} | elements


REFERENCES = [
    "Patient/{}",
    ELSEWHERE + "/Patient/{}",
    "Patient/{}/_history/7",
    "HTTP://ELSEWHERE.example/fhir/Patient/{}",
]


@pytest.mark.parametrize("written", REFERENCES)
@pytest.mark.parametrize("how", ["post", "put", "creates", "matches"])
def test_a_diagnosis_of_another_server_follows_its_patient(site: Site, local: str, written: str, how: str):
    mark = uuid.uuid4().hex
    identifier = [{"system": "urn:mark", "value": mark}]
    matched = ""
    if how == "matches":
        known = site.city.post("Patient", {"resourceType": "Patient", "identifier": identifier}).json()
        matched = f"Patient/{known['id']}"
    if how == "put":
        # The same id under PUT is chosen by the sender, for an id of its own.
        theirs = fresh_id()
        patient = entry(
            "PUT", f"Patient/{theirs}", stranger(theirs), full_url=f"{ELSEWHERE}/Patient/{theirs}"
        )
    else:
        theirs = local
        conditions = {} if how == "post" else {"ifNoneExist": f"identifier=urn:mark|{mark}"}
        patient = entry(
            "POST",
            "Patient",
            stranger(local, identifier=identifier),
            full_url=f"{ELSEWHERE}/Patient/{local}",
            **conditions,
        )
    sick = observation("", subject={"reference": written.format(theirs)}, id="c")
    diagnosis = entry("POST", "Observation", sick, full_url=f"{ELSEWHERE}/Observation/c")
    order = -1 if how == "post" else 1
    said = run(site.city, "transaction", *[patient, diagnosis][::order])[::order]
    assert place_of(said[0]) != f"Patient/{local}"
    assert matched in {"", place_of(said[0])}
    assert stored(site, said[1])["subject"] == {"reference": place_of(said[0])}


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_diagnosis_whose_patient_stayed_on_the_other_server_is_nobodys_here(
    site: Site, local: str, kind: str
):
    sick = observation(local, id="c")
    answer = site.city.post(
        "", bundle(kind, entry("POST", "Observation", sick, full_url=f"{ELSEWHERE}/Observation/c"))
    )
    outcome = answer.json()
    if kind == "batch":
        assert outcome["entry"][0]["response"]["status"].startswith("422")
        outcome = outcome["entry"][0]["response"]["outcome"]
    else:
        assert answer.status_code == 422
    assert outcome["issue"][0]["expression"] == ["Bundle.entry[0].resource.Observation.subject"]


def test_the_entries_of_a_batch_lead_to_those_before_and_to_no_local_record(site: Site, local: str):
    patient = entry("POST", "Patient", stranger(local), full_url=f"{ELSEWHERE}/Patient/{local}")
    sick = entry("POST", "Observation", observation(local, id="c"), full_url=f"{ELSEWHERE}/Observation/c")
    said = run(site.city, "batch", patient, sick)
    assert stored(site, said[1])["subject"] == {"reference": place_of(said[0])}
    ahead, _ = run(site.city, "batch", sick, patient)
    assert ahead["response"]["status"].startswith("422")
    invalid = {**patient, "resource": stranger(local, gender="x")}
    assert [one["response"]["status"][:3] for one in run(site.city, "batch", invalid, sick)] == ["422", "422"]


def test_a_name_that_looks_like_a_link_stays_and_links_in_narrative_follow(site: Site, local: str):
    urn = f"urn:uuid:{uuid.uuid4()}"
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": urn},
        "subject": {"reference": f"Patient/{local}"},
        "content": [{"attachment": {"contentType": "text/plain", "title": urn, "url": urn}}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{urn}">it</a></div>',
        },
    }
    [said] = run(site.city, "transaction", entry("POST", "DocumentReference", document, full_url=urn))
    found = stored(site, said)
    assert found["masterIdentifier"]["value"] == urn
    assert found["content"][0]["attachment"] == {
        "contentType": "text/plain",
        "title": urn,
        "url": place_of(said),
    }
    assert f'href="{place_of(said)}"' in found["text"]["div"]
    query = {"identifier": f"urn:ietf:rfc:3986|{urn}"}
    assert len(site.city.found("DocumentReference", query)) == 1


def test_an_escaped_conditional_reference_is_resolved(site: Site, local: str):
    number = uuid.uuid4().hex
    doctor = {
        "resourceType": "Practitioner",
        "id": fresh_id(),
        "identifier": [{"system": "http://sid.example/npi", "value": number}],
    }
    assert site.city.put(f"Practitioner/{doctor['id']}", doctor).status_code == 201
    reference = f"Practitioner?identifier=http://sid.example/npi|{number}"
    one = entry("POST", "Observation", observation(local, performer=[{"reference": reference}]))
    answer = site.city.post("", json.dumps(bundle("transaction", one)).replace("/", "\\/"))
    assert answer.status_code == 200, answer.text
    found = stored(site, answer.json()["entry"][0])
    assert found["performer"] == [{"reference": f"Practitioner/{doctor['id']}"}]


def _refused(site: Site, local: str) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return entries that each refuse a transaction, with the status of the refusal."""
    body = observation(local)
    twice = fresh_id()
    for _ in range(2):
        site.city.post("Observation", observation(local, identifier=[{"value": twice}]))
    chosen = fresh_id()
    named = observation(local, id=chosen)
    lost = observation(local, performer=[{"reference": f"Practitioner?identifier={chosen}"}])
    return {
        "stale ifMatch": (412, entry("PUT", f"Observation/{chosen}", named, ifMatch='W/"99"')),
        "broken ifMatch": (412, entry("PUT", f"Observation/{chosen}", named, ifMatch="x")),
        "condition of many": (412, entry("POST", "Observation", body, ifNoneExist=f"identifier={twice}")),
        "condition of nothing": (400, entry("POST", "Observation", body, ifNoneExist="_count=1")),
        "condition unknown": (400, entry("POST", "Observation", body, ifNoneExist="colour=red")),
        "reference to nothing": (412, entry("POST", "Observation", lost)),
        "stale delete": (412, entry("DELETE", f"Observation/{chosen}", ifMatch='W/"99"')),
        "id of another": (400, entry("PUT", f"Observation/{fresh_id()}", named)),
        "the log": (403, entry("DELETE", f"AuditEvent/{chosen}")),
        "an address of nothing": (400, entry("GET", "Nothing/1")),
        "no valid R4": (422, entry("POST", "Observation", observation(local, status="x"))),
        "nobody's": (422, entry("POST", "Observation", observation(local, subject={"display": "x"}))),
    }


REFUSALS = (
    *("stale ifMatch", "broken ifMatch", "condition of many", "condition of nothing", "condition unknown"),
    *(
        "reference to nothing",
        "stale delete",
        "id of another",
        "the log",
        "an address of nothing",
    ),
    *("no valid R4", "nobody's"),
)


@pytest.fixture(scope="module")
def refused(site: Site, local: str) -> dict[str, tuple[int, dict[str, Any]]]:
    return _refused(site, local)


@pytest.mark.parametrize("why", REFUSALS)
def test_a_refusal_of_a_transaction_names_its_entry(
    site: Site, local: str, refused: dict[str, tuple[int, dict[str, Any]]], why: str
):
    status, one = refused[why]
    mark = uuid.uuid4().hex
    good = entry("POST", "Observation", observation(local, identifier=[{"value": mark}]))
    answer = site.city.post("", bundle("transaction", good, good, one, good))
    assert answer.status_code == status, answer.text
    assert {path for issue in answer.json()["issue"] for path in issue["expression"]} == {
        path for issue in answer.json()["issue"] for path in issue["expression"] if "entry[2]" in path
    }
    assert not site.city.found("Observation", {"identifier": mark})


def test_one_record_written_twice_names_the_second_entry(site: Site, local: str):
    chosen = fresh_id()
    one = entry("PUT", f"Observation/{chosen}", observation(local, id=chosen))
    other = entry("POST", "Observation", observation(local))
    answer = site.city.post("", bundle("transaction", one, other, one))
    assert answer.status_code == 409
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[2].request"]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
@pytest.mark.parametrize("other", ["{}", "https://elsewhere.example/fhir/Observation/{}"])
def test_two_entries_of_one_full_url_are_refused_and_the_second_is_named(
    site: Site, local: str, kind: str, other: str
):
    theirs = fresh_id()
    url = f"{ELSEWHERE}/Observation/{theirs}"
    written = url if other == "{}" else other.format(theirs)
    entries = [entry("POST", "Observation", observation(local), full_url=one) for one in (url, written)]
    answer = site.city.post("", bundle(kind, *entries))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].fullUrl"]
