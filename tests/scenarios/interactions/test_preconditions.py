"""Preconditions of reads and writes, alone and in entries: each is obeyed or refused, never ignored."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.scenarios.scenario_site import Site, fresh_id, is_outcome, observation

KINDS = ("alone", "batch", "transaction")
_FIELDS = {"If_Match": "ifMatch", "If_None_Match": "ifNoneMatch", "If_None_Exist": "ifNoneExist"}


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


def sent(site: Site, kind: str, method: str, url: str, body: Any, **conditions: str) -> int:
    """Send one interaction alone, or as an entry, and return its status."""
    if kind == "alone":
        return site.city(method, url, body, **conditions).status_code
    fields = {_FIELDS[name]: value for name, value in conditions.items()}
    entry: dict[str, Any] = {"request": {"method": method, "url": url, **fields}}
    if body is not None:
        entry["resource"] = body
    answer = site.city.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
    if answer.status_code != 200:
        return answer.status_code
    return int(answer.json()["entry"][0]["response"]["status"][:3])


PUTS: tuple[tuple[str, dict[str, str], int], ...] = (
    ("current", {"If_None_Match": "*"}, 412),
    ("current", {"If_None_Match": ' W/"9" , W/"2"'}, 412),
    ("current", {"If_None_Match": '"9"'}, 200),
    ("current", {"If_None_Match": "garbage"}, 400),
    ("current", {"If_Match": "*"}, 200),
    ("current", {"If_Match": 'W/"9", W/"2"'}, 200),
    ("current", {"If_Match": '"2"'}, 200),
    ("current", {"If_Match": 'W/"9",W/"1"'}, 412),
    ("current", {"If_Match": "*", "If_None_Match": "*"}, 412),
    ("none", {"If_None_Match": "*"}, 201),
    ("none", {"If_None_Match": 'W/"1"'}, 201),
    ("none", {"If_Match": "*"}, 412),
    ("none", {"If_Match": 'W/"1"'}, 412),
    ("deleted", {"If_None_Match": "*"}, 201),
    ("deleted", {"If_Match": "*"}, 412),
    ("deleted", {"If_Match": 'W/"3"'}, 201),
)


@pytest.mark.parametrize(("there", "conditions", "status"), PUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_update_obeys_its_conditions(
    site: Site, patient: str, kind: str, there: str, conditions: dict[str, str], status: int
):
    place = f"Observation/{(chosen := fresh_id())}"
    if there != "none":
        for value in (70, 72):
            body = observation(patient, id=chosen, valueQuantity={"value": value})
            assert site.city.put(place, body).is_success
    if there == "deleted":
        assert site.city.delete(place).status_code == 204
    before = site.city.get(place)
    body = observation(patient, id=chosen, status="amended")
    assert sent(site, kind, "PUT", place, body, **conditions) == status
    after = site.city.get(place)
    if status < 300:
        assert after.json()["status"] == "amended"
    else:
        assert after.status_code == before.status_code
        assert after.status_code != 200 or after.json() == before.json()


@pytest.mark.parametrize("kind", KINDS)
def test_a_delete_obeys_its_conditions_and_what_is_not_there_is_deleted(site: Site, patient: str, kind: str):
    place = f"Observation/{site.observation(patient)['id']}"
    assert sent(site, kind, "DELETE", place, None, If_Match='W/"7", W/"8"') == 412
    assert sent(site, kind, "DELETE", place, None, If_None_Match="*") == 400
    assert site.city.get(place).status_code == 200
    assert sent(site, kind, "DELETE", place, None, If_Match='W/"7", W/"1"') == 204
    assert sent(site, kind, "DELETE", place, None, If_Match="*") == 412
    assert sent(site, kind, "DELETE", place, None) == 204
    missing = f"Observation/{fresh_id()}"
    assert sent(site, kind, "DELETE", missing, None) == 204
    assert sent(site, kind, "DELETE", missing, None, If_Match="*") == 412
    is_outcome(site.city.get(missing), 404)


EMPTY = ("", " ", "?", "_count=1", "_summary=count", "_lastUpdated=gt2020", "code=", "_id=1&code=")


@pytest.mark.parametrize("condition", EMPTY)
@pytest.mark.parametrize("kind", KINDS)
def test_a_condition_that_asks_for_nothing_is_refused(site: Site, patient: str, kind: str, condition: str):
    value = fresh_id()
    body = observation(patient, identifier=[{"value": value}])
    status = sent(site, kind, "POST", "Observation", body, If_None_Exist=condition)
    assert status in ({400} if condition.strip() else {400, 422})
    assert not site.city.found("Observation", {"identifier": value})


@pytest.mark.parametrize("more", ["_summary=count", "_count=0", "_sort=date", "_elements=id"])
def test_parameters_of_the_answer_change_no_condition(site: Site, patient: str, more: str):
    value = fresh_id()
    body = observation(patient, identifier=[{"value": value}])
    condition = f"identifier={value}&{more}"
    answers = [site.city.post("Observation", body, If_None_Exist=condition) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match", "If-None-Exist"])
def test_an_empty_header_is_refused(site: Site, patient: str, name: str):
    chosen = fresh_id()
    headers = {name.replace("-", "_"): ""}
    is_outcome(site.city.put(f"Observation/{chosen}", observation(patient, id=chosen), **headers), 400)
    is_outcome(site.city.get(f"Observation/{chosen}"), 404)


def _with(site: Site, method: str, path: str, headers: list[tuple[str, str]]) -> httpx.Response:
    named = [("Authorization", f"Bearer {site.city.token()}"), *headers]
    return site.city.http.request(method, f"{site.base}/{path}", headers=named)


def test_a_header_that_is_there_twice_is_one_list_or_refused(site: Site, patient: str):
    place = f"Observation/{site.observation(patient)['id']}"
    is_outcome(_with(site, "DELETE", place, [("If-None-Exist", "a=1"), ("If-None-Exist", "b=1")]), 400)
    twice = [("If-Match", 'W/"7"'), ("If-Match", 'W/"1"')]
    assert _with(site, "DELETE", place, twice).status_code == 204


@pytest.mark.parametrize("name", ["If-Match", "If-None-Exist", "If-Unmodified-Since"])
@pytest.mark.parametrize("place", ["Observation/{id}", "Observation?_id={id}"])
def test_a_read_refuses_what_it_would_have_to_obey(site: Site, patient: str, name: str, place: str):
    path = place.format(id=site.observation(patient)["id"])
    is_outcome(_with(site, "GET", path, [(name, "Sat, 29 Nov 2025 10:00:00 GMT")]), 400)


READS: tuple[tuple[dict[str, str], int], ...] = (
    ({"If_None_Match": 'W/"1"'}, 304),
    ({"If_None_Match": '"1"'}, 304),
    ({"If_None_Match": 'W/"7", W/"1"'}, 304),
    ({"If_None_Match": "*"}, 304),
    ({"If_None_Match": 'W/"2"'}, 200),
    ({"If_None_Match": ""}, 400),
    ({"If_Modified_Since": "Fri, 28 Nov 2200 10:00:00 GMT"}, 304),
    ({"If_Modified_Since": "Fri, 28 Nov 2008 10:00:00 GMT"}, 200),
    ({"If_Modified_Since": "yesterday"}, 200),
    ({"If_Modified_Since": "Fri, 28 Nov 2200 10:00:00 GMT", "If_None_Match": 'W/"2"'}, 200),
)


@pytest.mark.parametrize(("conditions", "status"), READS)
def test_a_read_sends_nothing_to_who_has_it(
    site: Site, patient: str, conditions: dict[str, str], status: int
):
    made = site.observation(patient)
    for path in (f"Observation/{made['id']}", f"Observation/{made['id']}/_history/1"):
        answer = site.city.get(path, **conditions)
        assert answer.status_code == status
        assert bool(answer.content) == (status != 304)


def test_a_read_of_the_moment_of_its_own_last_modified_is_known(site: Site, patient: str):
    place = f"Observation/{site.observation(patient)['id']}"
    moment = site.city.get(place).headers["last-modified"]
    assert site.city.get(place, If_Modified_Since=moment).status_code == 304


@pytest.mark.parametrize("since", [("2200-01-01T00:00:00Z", "304"), ("2001-01-01T00:00:00Z", "200")])
def test_an_entry_that_reads_has_the_same_conditions(site: Site, patient: str, since: tuple[str, str]):
    url = f"Observation/{site.observation(patient)['id']}"
    requests = [
        ({"ifModifiedSince": since[0]}, since[1]),
        ({"ifNoneMatch": "*"}, "304"),
        ({"ifMatch": "*"}, "400"),
    ]
    entries = [{"request": {"method": "GET", "url": url, **fields}} for fields, _ in requests]
    answer = site.city.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries}).json()
    got = [entry["response"]["status"][:3] for entry in answer["entry"]]
    assert got == [status for _, status in requests]
