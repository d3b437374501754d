"""What a client sends is never taken for more, or answered as less, than it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scenarios.scenario_site import EVERY_STORE, Site, fresh_id, is_outcome, observation

LEDGERS = EVERY_STORE


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


@pytest.mark.parametrize("query", ["_elements=status", "_summary=text", "_summary=data"])
@pytest.mark.parametrize("way", ["update", "create", "transaction", "search"])
def test_a_part_of_a_record_does_not_replace_it(site: Site, patient: str, query: str, way: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    part = site.city.get(f"{place}?{query}").json()
    if way == "search":
        found = site.city.get(f"Observation?_id={made['id']}&{query}").json()
        part = found["entry"][0]["resource"]
    if way == "create":
        answer = site.city.post("Observation", part)
    elif way == "transaction":
        entry = {"resource": part, "request": {"method": "PUT", "url": place}}
        answer = site.city.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    else:
        answer = site.city.put(place, part)
    said = is_outcome(answer, 422)
    assert said["issue"][0]["expression"][0].endswith("Observation.meta.tag")
    assert site.city.get(place).json() == made


def test_a_tag_of_another_system_is_the_senders_own(site: Site, patient: str):
    meta = {"tag": [{"system": "urn:x", "code": "SUBSETTED"}]}
    assert site.city.post("Observation", observation(patient, meta=meta)).status_code == 201


@pytest.mark.parametrize(("status", "answer"), [("requested", 422), ("active", 422), ("off", 201)])
def test_a_subscription_that_would_never_fire_is_refused(site: Site, status: str, answer: int):
    body: dict[str, Any] = {"resourceType": "Subscription", "status": status, "reason": "x"}
    body |= {"criteria": "Observation?", "channel": {"type": "rest-hook"}}
    assert site.city.post("Subscription", body).status_code == answer


def test_everything_of_nobody_is_answered_as_a_read(site: Site):
    hidden = site.new_patient()
    for caller, who in ((site.city, fresh_id()), (site.lake, fresh_id()), (site.lake, hidden)):
        read = is_outcome(caller.get(f"Patient/{who}"), 404)
        assert is_outcome(caller.get(f"Patient/{who}/$everything"), 404) == read
    assert site.city.get(f"Patient/{hidden}/$everything").json()["total"] == 1


def test_a_parameter_without_a_value_asks_for_nothing(site: Site, patient: str):
    mark = fresh_id()
    site.observation(patient, identifier=[{"value": mark}])
    for empty in ("code=", "date=&value-quantity=", "_count=", "_sort=", "_elements=", "subject="):
        found = site.city.get(f"Observation?identifier={mark}&{empty}").json()
        assert found["total"] == 1
        [link] = [one["url"] for one in found["link"] if one["relation"] == "self"]
        assert link.endswith(f"Observation?identifier={mark}")


EMPTY = ("_count=", "_since=", "code=&nonsense=", "_elements=&_summary=", "_format=", "%20=%20")


@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize(
    "path",
    [
        *("Observation/{id}", "Observation/{id}/_history", "Observation/{id}/_history/1"),
        *("Patient/{patient}/$everything", "metadata"),
    ],
)
def test_it_asks_for_nothing_of_any_interaction(site: Site, patient: str, path: str, empty: str):
    place = path.format(id=site.observation(patient)["id"], patient=patient)
    plain, asked = site.city.get(place), site.city.get(f"{place}?{empty}")
    assert plain.status_code == asked.status_code == 200
    assert asked.json().get("entry") == plain.json().get("entry")
    entry = {"request": {"method": "GET", "url": f"{place}?{empty}"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    if path != "metadata":
        [answer] = site.city.post("", bundle).json()["entry"]
        assert answer["response"]["status"] == "200 OK"


@pytest.mark.parametrize(
    "elements", [",", "status,,code", "code.text", "Observation.status", "*", "status:x"]
)
def test_elements_are_named_by_one_rule(site: Site, patient: str, elements: str):
    made = site.observation(patient)["id"]
    for path in (f"Observation/{made}?", f"Observation/{made}/_history/1?", f"Observation?_id={made}&"):
        said = is_outcome(site.city.get(f"{path}_elements={elements}"), 400)
        assert said["issue"][0]["diagnostics"].startswith("_elements: ")


@pytest.mark.parametrize("path", ["Observation/{}?_summary=true", "Observation?_id={}&_summary=true"])
def test_a_summary_that_is_none_is_refused(site: Site, patient: str, path: str):
    is_outcome(site.city.get(path.format(site.observation(patient)["id"])), 400)


def versions(site: Site, place: str) -> list[tuple[str, str, str]]:
    entries = site.city.get(f"{place}/_history").json()["entry"]
    return [
        (entry["request"]["method"], entry["request"]["url"], entry["response"]["status"][:3])
        for entry in entries
    ]


def test_a_history_has_the_methods_that_made_it(site: Site, patient: str):
    posted = site.observation(patient)
    assert versions(site, f"Observation/{posted['id']}") == [("POST", "Observation", "201")]
    chosen = f"chosen-{fresh_id()[:8]}"
    place = f"Observation/{chosen}"
    for status in ("final", "amended"):
        site.city.put(place, observation(patient, id=chosen, status=status))
    site.city.delete(place)
    site.city.put(place, observation(patient, id=chosen))
    site.city.put(place, observation(patient, id=chosen, status="amended"))
    assert versions(site, place) == [
        ("PUT", place, "200"),
        ("PUT", place, "201"),
        ("DELETE", place, "204"),
        ("PUT", place, "200"),
        ("PUT", place, "201"),
    ]
    paged = site.city.get(f"{place}/_history?_count=2").json()["entry"]
    assert [entry["response"]["status"][:3] for entry in paged] == ["200", "201"]
