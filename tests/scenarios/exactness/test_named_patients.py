"""A patient who is not stored here is refused wherever a record names one, by one rule."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from exchange.fhir.compartment import DIRECTORY_TYPES, patient_paths
from exchange.fhir.r4 import RESOURCE_TYPES
from exchange.fhir.r4.elements import elements
from tests.support.scenarios.scenario_site import (
    EVERY_STORE,
    LAKE,
    Site,
    consent,
    fresh_id,
    is_outcome,
    observation,
)

LEDGERS = EVERY_STORE


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method: str, url: str, resource: Any = None) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url}}
    return made if resource is None else made | {"resource": resource}


def person(name: str) -> dict[str, Any]:
    return entry("PUT", f"Patient/{name}", {"resourceType": "Patient", "id": name})


@pytest.fixture(scope="module")
def deleted(site: Site) -> str:
    """A patient whose Patient was deleted, with a record that stays."""
    patient = site.new_patient()
    site.observation(patient)
    assert site.city.delete(f"Patient/{patient}").status_code == 204
    return patient


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("who", ["unknown", "deleted"])
def test_a_patient_who_is_not_here_is_refused_by_every_way_to_write(
    site: Site, deleted: str, who: str, absolute: bool
) -> None:
    patient = deleted if who == "deleted" else fresh_id()
    named = {"reference": f"{site.base}/Patient/{patient}" if absolute else f"Patient/{patient}"}
    chosen = fresh_id()
    record = observation(patient, subject=named)
    for answer in (
        site.city.post("Observation", record),
        site.city.put(f"Observation/{chosen}", record | {"id": chosen}),
    ):
        assert is_outcome(answer, 422)["issue"][0]["expression"] == ["Observation.subject"]
    said = is_outcome(site.city.post("Consent", consent(patient, LAKE) | {"patient": named}), 422)
    assert said["issue"][0]["expression"] == ["Consent.patient"]
    whole = site.city.post("", bundle("transaction", entry("POST", "Observation", record)))
    assert is_outcome(whole, 422)["issue"][0]["expression"] == [
        "Bundle.entry[0].resource.Observation.subject"
    ]
    apart = site.city.post("", bundle("batch", entry("POST", "Observation", record))).json()["entry"][0]
    assert apart["response"]["status"].startswith("422")
    assert is_outcome(site.city.get(f"Observation/{chosen}"), 404)


def test_a_refused_record_leaves_no_subject_behind(site: Site) -> None:
    rows = Path(site.demo.folder.path, "keys.db")
    if not rows.is_file():
        pytest.skip("the records are on PostgreSQL")

    def subjects() -> int:
        with sqlite3.connect(rows) as records:
            return int(records.execute("SELECT count(*) FROM subject_keys").fetchone()[0])

    before = subjects()
    is_outcome(site.city.post("Observation", observation(fresh_id())), 422)
    assert subjects() == before


def test_the_patient_may_come_with_the_record_before_or_after_it(site: Site) -> None:
    for at in (0, 1):
        patient = fresh_id()
        entries = [entry("POST", "Observation", observation(patient))]
        entries.insert(at, person(patient))
        assert site.city.post("", bundle("transaction", *entries)).status_code == 200


def test_a_patient_whom_the_transaction_deletes_is_not_here(site: Site) -> None:
    patient = site.new_patient()
    entries = [entry("DELETE", f"Patient/{patient}"), entry("POST", "Observation", observation(patient))]
    is_outcome(site.city.post("", bundle("transaction", *entries)), 422)
    assert site.city.get(f"Patient/{patient}").status_code == 200


def test_a_record_may_not_move_to_a_patient_who_is_not_here(site: Site) -> None:
    made = site.observation(site.new_patient())
    moved = made | {"subject": {"reference": f"Patient/{fresh_id()}"}}
    is_outcome(site.city.put(f"Observation/{made['id']}", moved), 422)
    assert site.city.get(f"Observation/{made['id']}").json() == made


def test_what_is_there_already_may_change_after_its_patient_was_deleted(site: Site) -> None:
    patient = site.new_patient()
    given = site.city.post("Consent", consent(patient, LAKE)).json()
    made = site.observation(patient)
    site.city.delete(f"Patient/{patient}")
    assert site.city.put(f"Consent/{given['id']}", given | {"status": "inactive"}).status_code == 200
    assert site.city.put(f"Observation/{made['id']}", made | {"status": "amended"}).status_code == 200


def test_a_conditional_reference_to_a_deleted_patient_leads_nowhere(site: Site) -> None:
    value = fresh_id()
    patient = site.new_patient(identifier=[{"system": "urn:mark", "value": value}])
    site.city.delete(f"Patient/{patient}")
    record = observation("x", subject={"reference": f"Patient?identifier=urn:mark|{value}"})
    is_outcome(site.city.post("", bundle("transaction", entry("POST", "Observation", record))), 412)


CODES = {"status": "active", "code": {"text": "x"}}
"""What many types require."""


def placed() -> list[tuple[str, str]]:
    """Return each type with an element of its own that places it with a patient, where one suffices."""
    return [
        (kind, path)
        for kind in sorted(RESOURCE_TYPES - DIRECTORY_TYPES - {"AuditEvent", "Patient"})
        for path in patient_paths(kind)
        for element in elements(kind)
        if element.name == path and "Reference" in element.keys.values()
    ]


def test_every_element_that_places_a_record_is_checked(site: Site) -> None:
    """Bodies of the one element are tried; those that are valid are refused for their patient alone."""
    refused = []
    for kind, path in placed():
        element = next(one for one in elements(kind) if one.name == path)
        key = next(key for key, of in element.keys.items() if of == "Reference")
        reference = {"reference": f"Patient/{fresh_id()}"}
        codes = {one.name: CODES[one.name] for one in elements(kind) if one.required and one.name in CODES}
        body = {"resourceType": kind, key: [reference] if element.repeats else reference} | codes
        said = is_outcome(site.city.post(kind, json.dumps(body)), 422)
        if "is not stored here" in said["issue"][0]["diagnostics"] or "not stored" in str(said):
            assert [issue["expression"] for issue in said["issue"]] == [[f"{kind}.{path}"]]
            refused.append(kind)
    assert len(refused) > 15, refused
