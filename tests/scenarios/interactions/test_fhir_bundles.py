"""Transactions that hold whole or not at all, batches whose entries stand alone, and real Synthea bundles."""

from __future__ import annotations

import bz2
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.scenarios.scenario_site import (
    CITY,
    EVERY_STORE,
    LAKE,
    MISSING,
    SCALE,
    Caller,
    Site,
    consent,
    fresh_id,
    is_outcome,
    observation,
)
from tests.support.shared_data import SHARED

LEDGERS = EVERY_STORE

SYNTHEA = SHARED / "synthea-r4"


def entry(
    method: str, url: str, resource: Any = None, *, full_url: str = "", **request: str
) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url:
        made["fullUrl"] = full_url
    return made


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def run(caller: Caller, kind: str, *entries: dict[str, Any]) -> list[dict[str, Any]]:
    answer = caller.post("", bundle(kind, *entries))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["type"] == f"{kind}-response"
    assert len(said["entry"]) == len(entries)
    return list(said["entry"])


def statuses(entries: list[dict[str, Any]]) -> list[str]:
    return [one["response"]["status"][:3] for one in entries]


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


def marked(patient: str, value: str, **elements: Any) -> dict[str, Any]:
    return observation(patient, identifier=[{"system": "urn:mark", "value": value}], **elements)


def count(site: Site, value: str, kind: str = "Observation") -> int:
    return len(site.city.found(f"{kind}?identifier=urn:mark|{value}"))


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_transaction_is_taken_at_the_base_with_and_without_a_slash(site: Site, patient: str, slash: str):
    body = bundle("transaction", entry("POST", "Observation", observation(patient)))
    answer = site.city.post(site.base + slash, body)
    assert answer.status_code == 200
    [one] = answer.json()["entry"]
    assert one["response"]["status"].startswith("201")
    assert site.city.get(one["response"]["location"]).status_code == 200
    assert one["response"]["etag"] == 'W/"1"'
    assert one["response"]["lastModified"] > "2026"


def test_a_transaction_creates_updates_deletes_and_reads_in_one_go(site: Site, patient: str):
    old, gone, value = site.observation(patient), site.observation(patient), fresh_id()
    changed = marked(patient, value, id=old["id"], status="amended")
    answers = run(
        site.city,
        "transaction",
        entry("GET", f"Observation/{old['id']}"),
        entry("POST", "Observation", marked(patient, value)),
        entry("PUT", f"Observation/{old['id']}", changed, ifMatch='W/"1"'),
        entry("DELETE", f"Observation/{gone['id']}"),
        entry("GET", f"Observation?identifier=urn:mark|{value}"),
    )
    assert statuses(answers) == ["200", "201", "200", "204", "200"]
    assert answers[0]["resource"]["status"] == "amended"
    assert answers[4]["resource"]["type"] == "searchset"
    assert len(answers[4]["resource"]["entry"]) == 2
    is_outcome(site.city.get(f"Observation/{gone['id']}"), 410)


def bad_entries(patient: str, good: str) -> dict[str, tuple[dict[str, Any], int]]:
    chosen = fresh_id()
    return {
        "an invalid resource": (entry("POST", "Observation", observation(patient, status="fine")), 422),
        "an If-Match of another version": (
            entry("PUT", f"Observation/{good}", observation(patient, id=good), ifMatch='W/"7"'),
            412,
        ),
        "a conditional reference to nothing": (
            entry(
                "POST",
                "Observation",
                observation(patient, performer=[{"reference": "Practitioner?identifier=none"}]),
            ),
            412,
        ),
        "an entry of the access log": (entry("POST", "AuditEvent", {"resourceType": "AuditEvent"}), 403),
        "an unknown method": (entry("BREW", "Observation", observation(patient)), 400),
        "an unknown type": (entry("POST", "Observations", observation(patient)), 400),
        "an address elsewhere": (
            entry("POST", "http://other.example/fhir/Observation", observation(patient)),
            400,
        ),
        "a resource without a request": ({"resource": observation(patient)}, 400),
        "a request without a resource": (entry("POST", "Observation"), 400),
        "an id that is not the address's": (
            entry("PUT", f"Observation/{chosen}", observation(patient, id=MISSING)),
            400,
        ),
        "a consent that can't be enforced": (
            entry("POST", "Consent", consent(patient, LAKE, purpose=[{"system": "urn:x", "code": "Y"}])),
            422,
        ),
        "a read that can't be understood": (entry("GET", "Observation/1/2/3/4"), 400),
        "a read out of scope": (entry("GET", "Nonsense/1"), 404),
    }


@pytest.mark.parametrize("name", list(bad_entries("", "")))
@pytest.mark.parametrize("place", ["first", "last"])
def test_one_bad_entry_refuses_the_whole_transaction_and_stores_nothing(
    site: Site, patient: str, name: str, place: str
):
    good, value = site.observation(patient), fresh_id()
    bad, status = bad_entries(patient, good["id"])[name]
    fine = [
        entry("POST", "Observation", marked(patient, value)),
        entry("PUT", f"Observation/{good['id']}", marked(patient, value, id=good["id"]))
        if name != "an If-Match of another version"
        else entry("POST", "Observation", marked(patient, value)),
    ]
    entries = [bad, *fine] if place == "first" else [*fine, bad]
    said = is_outcome(site.city.post("", bundle("transaction", *entries)), status, 400, 422)
    if status in {400, 422} and name != "an id that is not the address's":
        assert any(
            f"Bundle.entry[{entries.index(bad)}]" in path or path == "Bundle.entry"
            for issue in said["issue"]
            for path in issue.get("expression", ())
        ), said
    assert count(site, value) == 0
    assert site.city.get(f"Observation/{good['id']}").json() == good


def test_a_record_may_change_once_in_a_transaction(site: Site, patient: str):
    value, chosen = fresh_id(), fresh_id()
    put = entry("PUT", f"Observation/{chosen}", marked(patient, value, id=chosen))
    is_outcome(site.city.post("", bundle("transaction", put, put)), 400, 409)
    assert count(site, value) == 0


def test_urns_of_entries_become_their_addresses_everywhere(site: Site):
    value = fresh_id()
    person, seen = f"urn:uuid:{fresh_id()}", f"urn:uuid:{fresh_id()}"
    visit = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": person},
    }
    about = marked("x", value, subject={"reference": person}, encounter={"reference": seen})
    answers = run(
        site.city,
        "transaction",
        entry("POST", "Observation", about, full_url=f"urn:uuid:{fresh_id()}"),
        entry("POST", "Encounter", visit, full_url=seen),
        entry("POST", "Patient", {"resourceType": "Patient"}, full_url=person),
    )
    places = ["/".join(one["response"]["location"].split("/")[-4:-2]) for one in answers]
    stored = site.city.get(places[0]).json()
    assert stored["encounter"]["reference"] == places[1]
    assert stored["subject"]["reference"] == places[2]
    assert len(site.city.found(f"Observation?patient={places[2]}")) == 1


def test_a_conditional_reference_becomes_the_record_it_finds(site: Site, patient: str):
    value = fresh_id()
    made = site.city.post(
        "Practitioner",
        {"resourceType": "Practitioner", "identifier": [{"system": "urn:npi", "value": value}]},
    ).json()
    about = marked(patient, value, performer=[{"reference": f"Practitioner?identifier=urn:npi|{value}"}])
    [answer] = run(site.city, "transaction", entry("POST", "Observation", about))
    stored = site.city.get(answer["response"]["location"]).json()
    assert stored["performer"] == [{"reference": f"Practitioner/{made['id']}"}]


def test_a_conditional_create_in_a_transaction_uses_what_is_there(site: Site):
    value = fresh_id()
    person = {"resourceType": "Patient", "identifier": [{"system": "urn:mark", "value": value}]}
    name = f"urn:uuid:{fresh_id()}"
    create = entry("POST", "Patient", person, full_url=name, ifNoneExist=f"identifier=urn:mark|{value}")
    about = entry("POST", "Observation", observation("x", subject={"reference": name}))
    first = run(site.city, "transaction", create, about)
    second = run(site.city, "transaction", create, about)
    assert statuses(first) == ["201", "201"]
    assert statuses(second) == ["200", "201"]
    assert count(site, value, "Patient") == 1
    there = "/".join(first[0]["response"]["location"].split("/")[-4:-2])
    assert site.city.get(second[1]["response"]["location"]).json()["subject"]["reference"] == there


def test_a_version_can_be_read_inside_a_bundle(site: Site, patient: str):
    made = site.observation(patient)
    for kind in ("transaction", "batch"):
        [answer] = run(site.city, kind, entry("GET", f"Observation/{made['id']}/_history/1"))
        assert answer["resource"] == made


def test_others_read_in_a_bundle_only_what_they_may(site: Site):
    patient = site.new_patient()
    made = site.observation(patient)
    asked = [entry("GET", f"Observation/{made['id']}"), entry("GET", f"Observation?patient={patient}")]
    answers = run(site.lake, "batch", *asked)
    assert statuses(answers) == ["404", "200"]
    assert "entry" not in answers[1]["resource"]
    site.city.post("Consent", consent(patient, LAKE))
    answers = run(site.lake, "batch", *asked)
    assert answers[0]["resource"] == made
    assert len(answers[1]["resource"]["entry"]) == 1
    assert statuses(run(site.ridge, "batch", *asked)) == ["404", "200"]


def test_others_write_nothing_through_a_bundle(site: Site, patient: str):
    value = fresh_id()
    write = entry("POST", "Observation", marked(patient, value))
    is_outcome(site.lake.post("", bundle("transaction", write)), 403)
    assert statuses(run(site.lake, "batch", write)) == ["403"]
    assert count(site, value) == 0


def test_each_entry_of_a_batch_has_an_outcome_of_its_own(site: Site, patient: str):
    value, chosen, old = fresh_id(), fresh_id(), site.observation(patient)
    answers = run(
        site.city,
        "batch",
        entry("POST", "Observation", marked(patient, value)),
        entry("POST", "Observation", observation(patient, status="fine")),
        entry("PUT", f"Observation/{chosen}", marked(patient, value, id=chosen)),
        entry("PUT", f"Observation/{old['id']}", observation(patient, id=old["id"]), ifMatch='W/"9"'),
        entry("GET", f"Observation/{MISSING}"),
        entry("DELETE", f"Observation/{old['id']}"),
        entry("BREW", "Observation"),
        {"resource": observation(patient)},
    )
    assert statuses(answers) == ["201", "422", "201", "412", "404", "204", "400", "400"]
    issue = answers[1]["response"]["outcome"]["issue"][0]
    assert issue["expression"] == ["Bundle.entry[1].resource.Observation.status"]
    assert count(site, value) == 2


@pytest.mark.parametrize("resource", ["5", "null", '"x"', "[]", "[{}]", "true", "{}", '{"a":1,"a":2}'])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_batch_entry_that_is_no_resource_is_refused_alone(
    site: Site, patient: str, resource: str, method: str
):
    value = fresh_id()
    good = entry("POST", "Observation", marked(patient, value))
    url = "Observation" if method == "POST" else "Observation/1"
    bad = entry(method, url, "RESOURCE")
    text = json.dumps(bundle("batch", bad, good)).replace('"RESOURCE"', resource)
    answer = site.city.post("", text)
    assert answer.status_code == 200, answer.text
    first, second = statuses(answer.json()["entry"])
    assert first in {"400", "422"}
    assert second == "201"


@pytest.mark.parametrize("by", ["transaction", "batch"])
def test_a_repeated_name_is_refused_in_an_entry_too(site: Site, patient: str, by: str):
    text = json.dumps(bundle(by, entry("POST", "Observation", observation(patient))))
    text = text.replace('"status": "final"', '"status": "final", "status": "amended"')
    answer = site.city.post("", text)
    if by == "batch":
        assert statuses(answer.json()["entry"])[0] in {"400", "422"}
    else:
        is_outcome(answer, 400, 422)


@pytest.mark.parametrize(
    "text",
    [
        b'{"request":{"method":"POST","url":"Observation"},"resource":{"a":"urn:uuid:\xff\xfe"}}',
        b'{"request":{"method":"POST","url":"Observation"},"resource":{"reference":"Patient?x=\xff"}}',
        b'{"request":{"method":"POST","url":"Observation"},"resource":{"reference":"Patient?x=%ff\\u0000"}}',
    ],
)
def test_an_entry_that_is_not_utf8_is_refused(site: Site, text: bytes):
    for kind in (b"batch", b"transaction"):
        body = b'{"resourceType":"Bundle","type":"' + kind + b'","entry":[' + text + b"]}"
        answer = site.city.post("", body)
        assert answer.status_code < 500
        if answer.status_code == 200:
            assert statuses(answer.json()["entry"])[0] in {"400", "422"}


@pytest.mark.parametrize("kind", ["collection", "history", "searchset", "document", "message", ""])
def test_other_kinds_of_bundle_are_refused_at_the_base(site: Site, kind: str):
    is_outcome(site.city.post("", bundle(kind)), 400, 422)


def test_an_empty_bundle_is_answered_with_an_empty_one(site: Site):
    for kind in ("transaction", "batch"):
        body = {"resourceType": "Bundle", "type": kind}
        answer = site.city.post("", body)
        assert answer.json() == {"resourceType": "Bundle", "type": f"{kind}-response"}


def test_a_body_at_the_base_that_is_no_bundle_is_refused(site: Site):
    is_outcome(site.city.post("", {"resourceType": "Patient"}), 400, 422)
    is_outcome(site.city.post("", {"resourceType": "Patient", "type": "batch"}), 400, 422)


def synthea() -> list[Path]:
    if not SYNTHEA.is_dir():
        return []
    found = sorted(SYNTHEA.glob("*.json.bz2"), key=lambda path: path.stat().st_size)
    shared = [path for path in found if "Information" in path.name]
    return [*sorted(shared), *[path for path in found if path not in shared][: int(SCALE) or 1]]


def test_real_synthea_bundles_are_stored_as_transactions_and_found(site: Site):
    paths = synthea()
    if not paths:
        pytest.skip("no Synthea bundles: set CONSENTRY_SHARED to a folder with synthea-r4")
    for path in paths:
        body = bz2.decompress(path.read_bytes())
        answer = site.city.post("", body)
        assert answer.status_code == 200, answer.text[:1000]
        said = answer.json()["entry"]
        assert {one["response"]["status"][:3] for one in said} <= {"200", "201"}
        sent = json.loads(body)["entry"]
        assert len(said) == len(sent)
        people = [
            one["response"]["location"].split("/")[-3]
            for one, was in zip(said, sent, strict=True)
            if was["resource"]["resourceType"] == "Patient"
        ]
        if not people:
            continue
        [person] = people
        kinds = Counter(was["resource"]["resourceType"] for was in sent)
        for kind in ("Observation", "Condition", "Encounter", "Immunization", "Claim"):
            assert len(site.city.found(f"{kind}?patient={person}&_count=100")) == kinds[kind], kind
        stored = site.city.found(f"Patient/{person}/$everything?_count=500")
        assert len({(one["resourceType"], one["id"]) for one in stored}) == len(stored)
        assert (
            b"urn:uuid" not in json.dumps([one for one in stored if one["resourceType"] == "Claim"]).encode()
        )
        asked = f"Observation?patient={person}&code=http://loinc.org|8302-2"
        heights = sum(
            was["resource"]["resourceType"] == "Observation"
            and was["resource"]["code"]["coding"][0]["code"] == "8302-2"
            for was in sent
        )
        assert len(site.city.found(asked)) == heights
        assert site.lake.found(asked) == []
        assert site.system(CITY, "HRESCH").found(asked) == []
