"""Searches in the order of a value: what may be seen is sorted, what may not leaves no gap and no trace."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.scenarios.scenario_site import LAKE, Site, consent, is_outcome, observation

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RESTRICTED = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
DAYS = ("2021-03-01", "2019", "2020-12-24T10:00:00Z", "2020-12-24T09:00:00+02:00", "2022-01")
IN_ORDER = [DAYS[1], DAYS[3], DAYS[2], DAYS[0], DAYS[4]]


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    patient = site.new_patient()
    for day in random.sample(DAYS, len(DAYS)):
        site.observation(patient, effectiveDateTime=day)
    label = {"securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}
    answer = site.city.post("Consent", consent(patient, LAKE, provision=[{"type": "deny", **label}]))
    assert answer.status_code == 201, answer.text
    return patient


def days(found: list[dict[str, Any]]) -> list[str | None]:
    return [one.get("effectiveDateTime") for one in found]


@pytest.mark.parametrize("count", [1, 2, 5, 50])
@pytest.mark.parametrize("caller", ["city", "lake"])
def test_pages_are_in_the_order_of_a_date(site: Site, patient: str, caller: str, count: int) -> None:
    asking = getattr(site, caller)
    search = f"Observation?patient={patient}&_count={count}&_sort="
    assert days(asking.found(f"{search}date")) == IN_ORDER
    assert days(asking.found(f"{search}-date")) == IN_ORDER[::-1]


def test_what_has_no_value_comes_last_and_several_keys_count_in_turn(site: Site) -> None:
    patient = site.new_patient()
    for code, day in (("8867-4", "2020"), ("2339-0", "2021"), ("8867-4", None), ("2339-0", "2019")):
        if day:
            site.observation(patient, code=code, effectiveDateTime=day)
        else:
            undated(site, patient, code)
    search = f"Observation?patient={patient}&_sort="
    assert days(site.city.found(f"{search}date")) == ["2019", "2020", "2021", None]
    assert days(site.city.found(f"{search}-date")) == ["2021", "2020", "2019", None]
    assert days(site.city.found(f"{search}code,-date")) == ["2021", "2019", "2020", None]


def undated(site: Site, patient: str, code: str) -> None:
    body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
    answer = site.city.post("Observation", body)
    assert answer.status_code == 201, answer.text


def test_hidden_records_move_nothing_and_count_for_nothing(site: Site, patient: str) -> None:
    search = f"Observation?patient={patient}&_sort=date&_count=2"
    before = site.lake.get(search).json()
    for day in ("2019-06", "2021", "2030"):
        site.observation(patient, effectiveDateTime=day, meta=RESTRICTED)
    after = site.lake.get(search).json()
    assert days(site.lake.found(search)) == IN_ORDER
    assert after["total"] == before["total"] == len(DAYS)
    links = [[len(link["url"]) for link in page["link"]] for page in (before, after)]
    assert links[0] == links[1]


def test_schedules_have_slots_in_order(site: Site) -> None:
    schedule = {"resourceType": "Schedule", "actor": [{"reference": "Location/hall"}]}
    made = site.city.post("Schedule", schedule).json()["id"]
    for hour in random.sample(range(8, 18), 10):
        slot = {
            "resourceType": "Slot",
            "schedule": {"reference": f"Schedule/{made}"},
            "status": "free",
            "start": f"2027-01-04T{hour:02d}:00:00Z",
            "end": f"2027-01-04T{hour:02d}:30:00Z",
        }
        assert site.city.post("Slot", slot).status_code == 201
    found = site.city.found(f"Slot?schedule=Schedule/{made}&status=free&_sort=start&_count=3")
    assert [slot["start"][11:13] for slot in found] == [f"{hour:02d}" for hour in range(8, 18)]


def test_a_number_of_matches_alone_is_not_sorted(site: Site, patient: str) -> None:
    answer = site.city.get(f"Observation?patient={patient}&_sort=date&_summary=count").json()
    assert answer["total"] >= len(DAYS)
    assert "entry" not in answer


def series(site: Site, days: list[str], **elements: Any) -> str:
    """Store a patient with one heart rate for each of `days`, and return the patient's id."""
    patient = site.new_patient()
    for start in range(0, len(days), 400):
        entries = [
            {
                "request": {"method": "POST", "url": "Observation"},
                "resource": observation(patient, effectiveDateTime=day, **elements),
            }
            for day in days[start : start + 400]
        ]
        answer = site.city.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
        assert all(entry["response"]["status"].startswith("201") for entry in answer.json()["entry"])
    granted = site.city.post("Consent", consent(patient, LAKE))
    assert granted.status_code == 201, granted.text
    return patient


@pytest.mark.parametrize("caller", ["city", "lake"])
def test_the_latest_of_twelve_hundred_is_found_and_all_are_counted(
    site: Site, twelve_hundred: str, caller: str
) -> None:
    asking = getattr(site, caller)
    search = f"Observation?patient={twelve_hundred}&code=8867-4"
    for order, first, last in (("-date", 1199, 1198), ("date", 0, 1)):
        page = asking.get(f"{search}&_sort={order}&_count=2").json()
        assert days([entry["resource"] for entry in page["entry"]]) == [day_of(first), day_of(last)]
        assert page["total"] == 1200
    for shape in ("_summary=count", "_count=0", "_total=accurate&_count=1"):
        assert asking.get(f"{search}&{shape}").json()["total"] == 1200
    assert days(asking.found(f"{search}&_sort=-date&_count=500")) == [day_of(n) for n in range(1199, -1, -1)]


def day_of(number: int) -> str:
    return (date(2020, 1, 1) + timedelta(days=number)).isoformat()


@pytest.fixture(scope="module")
def twelve_hundred(site: Site) -> str:
    numbers = list(range(1200))
    random.shuffle(numbers)
    return series(site, [day_of(number) for number in numbers])


def test_sorting_and_counting_end_at_a_bound_that_is_stated(site: Site) -> None:
    numbers = random.sample(range(40), 40)
    search = f"Observation?patient={series(site, [day_of(number) for number in numbers])}"
    stated = site.city.get("metadata").json()["rest"][0]["documentation"]
    assert "_sort, _total=accurate or _summary=count examines up to 50000 records" in stated
    with site.limited(whole=40, scanned=5, chunk=7):
        assert days(site.lake.found(f"{search}&_sort=date&_count=9")) == [day_of(n) for n in range(40)]
        assert site.lake.get(f"{search}&_summary=count").json()["total"] == 40
    with site.limited(whole=39, scanned=5, chunk=1):
        for shape in ("_sort=-date&_count=1", "_summary=count"):
            said = is_outcome(site.lake.get(f"{search}&{shape}"), 422)["issue"][0]
            assert said["code"] == "too-costly"
            assert "examine" in said["diagnostics"]
            assert "39" in said["diagnostics"]


@pytest.mark.parametrize("chunk", [1, 3, 200])
@pytest.mark.parametrize("count", [1, 4, 1000])
def test_pages_in_order_end_where_their_records_are_large(site: Site, count: int, chunk: int) -> None:
    numbers = random.sample(range(30), 30)
    note = [{"text": "x" * 1000}]
    search = f"Observation?patient={series(site, [day_of(number) for number in numbers], note=note)}"
    with site.limited(page_bytes=100_000, chunk=chunk):
        assert days(site.lake.found(f"{search}&_sort=date&_count={count}")) == [day_of(n) for n in range(30)]
    with site.limited(page_bytes=20_000, chunk=chunk):
        page = site.lake.get(f"{search}&_sort=-date&_count={count}").json()
        assert page["total"] == 30
        found = days([entry["resource"] for entry in page["entry"]])
        assert found == [day_of(29 - n) for n in range(len(found))]
        assert len(found) == min(count, 6)
        answers = [page]
        for _ in range(30):
            following = [link["url"] for link in answers[-1]["link"] if link["relation"] == "next"]
            answer = site.lake.get(following[0])
            if answer.status_code != 200:
                break
            answers.append(answer.json())
        assert "before this page" in is_outcome(answer, 422)["issue"][0]["diagnostics"]
        seen = [day for one in answers for day in days([entry["resource"] for entry in one["entry"]])]
        assert seen == [day_of(29 - n) for n in range(len(seen))]
