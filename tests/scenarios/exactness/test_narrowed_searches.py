"""Searches and conditions whose values are longer than the terms of the index: the opened record decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.scenarios.scenario_site import EVERY_STORE, LAKE, Site, consent, fresh_id, observation

LEDGERS = EVERY_STORE


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    patient = site.new_patient(name=[{"family": "Papadimitrakopoulos"}])
    assert site.city.post("Consent", consent(patient, LAKE)).status_code == 201
    return patient


def quantity(site: Site, patient: str, number: str) -> str:
    """Store an observation with a number as it is written, and return its id."""
    body = observation(patient, identifier=[{"value": (mark := fresh_id())}])
    body["valueQuantity"] = {"value": 4711, "unit": "x", "system": "urn:x", "code": "x"}
    sent = site.city.post("Observation", json.dumps(body).replace("4711", number))
    assert sent.status_code == 201, sent.text
    return mark


NUMBERS = (
    ("1.8e-11", "5.2e-12", 0),
    ("1.8e-11", "1.8e-11", 1),
    ("1.8e-11", "gt1e-12", 1),
    ("1.8e-11", "lt1e-12||x", 0),
    ("98.600000000000001", "98.600000000000001", 1),
    ("98.600000000000001", "gt98.6|urn:x|x", 1),
    ("98.600000000000001", "le98.6", 0),
    ("12345678901.5", "12345678901.5||x", 1),
    ("12345678901.5", "12345678902.5||x", 0),
    ("1e40", "gt1e41", 0),
    ("1e40", "gt1e39", 1),
)


@pytest.mark.parametrize(("number", "search", "count"), NUMBERS)
def test_numbers_are_compared_in_all_their_digits(
    site: Site, patient: str, number: str, search: str, count: int
):
    mark = quantity(site, patient, number)
    for caller in (site.city, site.lake):
        asked = {"identifier": mark, "patient": patient, "value-quantity": search, "_total": "accurate"}
        answer = caller.get("Observation", asked).json()
        assert answer["total"] == len(answer.get("entry", ())) == count
        asked["_summary"] = "count"
        assert caller.get("Observation", asked).json()["total"] == count


def test_names_are_compared_to_their_end(site: Site, patient: str):
    for caller in (site.city, site.lake):
        for name, count in (("Papadimitrakopouq", 0), ("Papadimitrakopoul", 1)):
            found = caller.get("Patient", {"_id": patient, "family": name}).json()
            assert found["total"] == count


def _organization(name: str) -> dict[str, Any]:
    return {"resourceType": "Organization", "name": name}


@pytest.mark.parametrize("kind", ["alone", "transaction"])
def test_a_condition_is_met_by_the_record_it_names_and_no_other(site: Site, kind: str):
    start = f"University Hospital {fresh_id()}"
    wings = (f"{start} North Wing", f"{start} Northeast", f"{start} North Wing")
    made = []
    for name in wings:
        if kind == "alone":
            sent = site.city.post("Organization", _organization(name), If_None_Exist=f"name={name}")
            made.append(sent.status_code)
            continue
        request = {"method": "POST", "url": "Organization", "ifNoneExist": f"name={name}"}
        entry = {"resource": _organization(name), "request": request}
        sent = site.city.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        made.append(int(sent.json()["entry"][0]["response"]["status"][:3]))
    assert made == [201, 201, 200]


def test_a_conditional_reference_leads_to_the_record_it_names(site: Site, patient: str):
    start = f"University Hospital {fresh_id()}"
    ids = {}
    for wing in ("North Wing", "Northeast"):
        ids[wing] = site.city.post("Organization", _organization(f"{start} {wing}")).json()["id"]
    body = observation(patient, performer=[{"reference": f"Organization?name={start} Northeast"}])
    entry = {"resource": body, "request": {"method": "POST", "url": "Observation"}}
    answer = site.city.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).json()
    stored = site.city.get(answer["entry"][0]["response"]["location"]).json()
    assert stored["performer"][0]["reference"] == f"Organization/{ids['Northeast']}"


def test_a_condition_takes_no_record_whose_identifier_differs_in_case(site: Site):
    mark = f"Ward-{fresh_id()}"
    stored = site.new_patient(identifier=[{"system": "urn:mrn", "value": mark}])
    for spelling in (mark, mark.upper(), mark.lower()):
        found = site.city.found(f"Patient?identifier=urn:mrn|{spelling}")
        assert [one["id"] for one in found] == [stored]
    body = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": mark.upper()}]}
    for status in (201, 200):  # not the record above, and then the one that was stored
        answer = site.city.post("Patient", body, If_None_Exist=f"identifier=urn:mrn|{mark.upper()}")
        assert answer.status_code == status, answer.text
    assert len(site.city.found(f"Patient?identifier=urn:mrn|{mark}")) == 2
