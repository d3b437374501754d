"""No request keeps the event loop: ordered search parameters at their longest, routes at their largest."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exchange.fhir.search.parameters import table
from exchange.fhir.search.parse import LONGEST_VALUE, MOST_PARAMETERS, MOST_VALUES
from tests.support.scenarios.loop_steps import longest_step
from tests.support.scenarios.scenario_site import LAKE, Caller, Site, consent, observation

MOST_SECONDS = 0.2
"""Processor seconds that a step of a hostile request may take on the loop; reads take a hundredth."""
MIB = 1 << 20
COMPONENTS = 4_000

VALUES = {
    "number": "lt9.8765{:04d}",
    "quantity": "ap9.8765{:04d}|http://unitsofmeasure.org|mg",
    "date": "gt2024-05-17T10:31:07.{:03d}Z",
    "token": "http://loinc.org|{}",
    "reference": "Patient/{}",
    "string": "x" * 60 + "{}",
    "uri": "http://x.org/{}",
}
SEARCHES = [
    ("Observation", "value-quantity"),
    ("Observation", "date"),
    ("Observation", "combo-code-value-quantity"),
    ("Observation", "code-value-date"),
    ("Observation", "component-code-value-quantity"),
    ("RiskAssessment", "probability"),
    ("Observation", "_lastUpdated"),
    ("Patient", "birthdate"),
    ("Patient", "name"),
    ("Observation", "code"),
    ("Observation", "subject"),
    ("ValueSet", "url"),
    ("AuditEvent", "date"),
]


def longest(kind: str, code: str) -> list[tuple[str, str]]:
    """Return the most and longest values of a parameter that a search accepts."""
    defined = table(kind)
    parameter = defined.parameters.get(code)
    form = "date" if parameter is None else parameter.type
    text = VALUES.get(form, "")
    if parameter is not None and form == "composite":
        part = parameter.parts[0]
        kinds = (
            [component.kind for component in defined.indexes[part.joined].components]
            if part.joined
            else [defined.indexes[indexes[0]].kind for indexes in part.indexes]
        )
        text = "$".join([VALUES["token"], *(VALUES[one] for one in kinds[1:])])
    one = [text.replace("{}", str(n)).format(n, n) for n in range(MOST_VALUES)]
    return [(code, ",".join(one)[:LONGEST_VALUE].rpartition(",")[0])] * (MOST_PARAMETERS - 4)


def large_observation(patient: str, components: int = COMPONENTS) -> dict[str, Any]:
    component = {"code": {"coding": [{"system": "http://loinc.org", "code": "1-1"}]}, "valueString": "y" * 40}
    return observation(patient, component=[component] * components)


def large_document(size: int) -> dict[str, Any]:
    data = base64.b64encode(os.urandom(size * 3 // 4)).decode()
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "application/octet-stream", "data": data}}],
    }


def bundle(kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def kept(ask: Callable[[], httpx.Response], *statuses: int) -> None:
    with longest_step() as step:
        answer = ask()
    assert answer.status_code in statuses, answer.text[:300]
    assert step.seconds < MOST_SECONDS, step.at


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    patient = site.new_patient()
    granted = consent(
        patient,
        LAKE,
        provision=[{"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": "1-8"}]}]}],
    )
    assert site.city.post("Consent", granted).status_code == 201
    for _ in range(8):
        assert site.city.post("Observation", large_observation(patient, 1_500)).status_code == 201
    return patient


@pytest.fixture(scope="module")
def record(site: Site, patient: str) -> str:
    answer = site.city.post("Observation", large_observation(patient))
    assert answer.status_code == 201
    return f"Observation/{answer.json()['id']}"


@pytest.mark.parametrize(("kind", "code"), SEARCHES)
def test_the_longest_search_by_a_parameter_keeps_nobody_waiting(
    site: Site, patient: str, kind: str, code: str
):
    caller = site.patient(patient)
    form = longest(kind, code)
    content = httpx.Request("POST", "http://x", data=dict([form[0]])).content
    content = b"&".join([content] * len(form))
    kept(
        lambda: caller("POST", f"{kind}/_search", content, Content_Type="application/x-www-form-urlencoded"),
        *(200, 400, 422),
    )
    [name, value] = form[0]
    entries = [{"request": {"method": "GET", "url": f"{kind}?{name}={value}"}}] * 40
    kept(lambda: caller.post("", bundle("batch", entries)), 200)


READS = [
    "{record}",
    "{record}?_elements=status",
    "{record}/_history",
    "{record}/_history/1",
    "Observation?patient={patient}&_count=100",
    "Observation?patient={patient}&_summary=count",
    "Observation?patient={patient}&_sort=date",
    "Observation?patient={patient}&value-quantity=gt1,lt5,ap71",
    "Observation?patient={patient}&_elements=status",
    "Patient/{patient}/$everything",
]


@pytest.mark.parametrize("path", READS)
def test_reading_large_records_keeps_nobody_waiting(site: Site, patient: str, record: str, path: str):
    asked = path.format(patient=patient, record=record)
    for caller in (site.lake, site.city, site.patient(patient)):
        kept(lambda caller=caller: caller.get(asked), 200)


def test_large_bodies_keep_nobody_waiting(site: Site, patient: str, record: str):
    city: Caller = site.city
    document, many = large_document(4 * MIB), large_observation(patient)
    kept(lambda: city.post("DocumentReference", document), 201)
    kept(lambda: city.put(record, many | {"id": record.partition("/")[2], "status": "amended"}), 200)
    kept(lambda: city.post("Observation/$validate", many), 200)
    packed = gzip.compress(json.dumps(many).encode())
    kept(lambda: city.post("Observation", packed, Content_Encoding="gzip"), 201)
    kept(lambda: city.post("Observation", b"[" * 4 * MIB), 400, 422)
    kept(lambda: city.post("Observation", b'{"resourceType":"Observation","x":' + b"1," * MIB), 400, 422)
    posted = {"method": "POST", "url": "Observation"}
    for kind in ("transaction", "batch"):
        entries = [{"resource": many, "request": posted}, {"resource": many, "request": posted}]
        kept(lambda kind=kind, entries=entries: city.post("", bundle(kind, entries)), 200)
        small = [{"resource": observation(patient), "request": posted}] * 200
        kept(lambda kind=kind, small=small: city.post("", bundle(kind, small)), 200)
    long = {"request": {"method": "GET", "url": "Observation?code=" + "a" * 4 * MIB}}
    kept(lambda: city.post("", bundle("batch", [long])), 200)
    form = b"code=" + b"%41" * MIB
    kept(
        lambda: city("POST", "Observation/_search", form, Content_Type="application/x-www-form-urlencoded"),
        *(400, 413, 422),
    )
