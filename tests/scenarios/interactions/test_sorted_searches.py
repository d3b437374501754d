"""Searches in the order of a value: what may be seen is sorted, what may not leaves no gap and no trace."""

from __future__ import annotations

import random
from typing import Any

import pytest

from exchange.services.records import sort
from tests.support.scenarios.scenario_site import LAKE, Site, consent, is_outcome

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


def test_hidden_records_move_nothing_and_count_for_nothing(
    site: Site, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = f"Observation?patient={patient}&_sort=date&_count=2"
    before = site.lake.get(search).json()
    for day in ("2019-06", "2021", "2030"):
        site.observation(patient, effectiveDateTime=day, meta=RESTRICTED)
    after = site.lake.get(search).json()
    assert days(site.lake.found(search)) == IN_ORDER
    assert after["total"] == before["total"] == len(DAYS)
    links = [[len(link["url"]) for link in page["link"]] for page in (before, after)]
    assert links[0] == links[1]
    monkeypatch.setattr(sort, "MOST_SORTED", len(DAYS))
    assert days(site.lake.found(search)) == IN_ORDER
    said = is_outcome(site.city.get(search), 422)  # sees all eight
    assert "can't be sorted" in said["issue"][0]["diagnostics"]


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
