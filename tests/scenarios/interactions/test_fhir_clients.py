"""Two clients that hospitals really use, `fhirpy` and `fhirclient`, against a gateway that serves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import requests

from tests.support.scenarios.scenario_site import LAKE, Site, consent, fresh_id

fhirpy = pytest.importorskip("fhirpy", reason="fhirpy is not installed (extra `test`)")
pytest.importorskip("fhirclient", reason="fhirclient is not installed (extra `test`)")


@pytest.fixture(scope="module")
def patient(served: Site) -> str:
    return served.new_patient()


@pytest.fixture(scope="module")
def records(served: Site, patient: str) -> list[str]:
    return [str(served.observation(patient)["id"]) for _ in range(7)]


def _fhirpy(served: Site, caller: Any) -> Any:
    return fhirpy.SyncFHIRClient(served.base, authorization=f"Bearer {caller.token()}")


def test_fhirpy_creates_reads_updates_and_deletes(served: Site, patient: str):
    client = _fhirpy(served, served.city)
    resource = client.resource(
        "Observation",
        status="final",
        code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        subject={"reference": f"Patient/{patient}"},
    )
    resource.save()
    assert resource.id
    read = client.reference("Observation", resource.id).to_resource()
    assert read.serialize() == resource.serialize()
    read["status"] = "amended"
    read.save()
    assert client.resources("Observation").search(_id=resource.id).first()["status"] == "amended"
    read.delete()
    with pytest.raises(fhirpy.base.exceptions.ResourceNotFound):
        client.reference("Observation", resource.id).to_resource()


def test_fhirpy_searches_counts_and_pages(served: Site, patient: str, records: list[str]):
    search = (
        _fhirpy(served, served.city).resources("Observation").search(patient=patient, _id=",".join(records))
    )
    assert search.count() == len(records)
    assert len(search.limit(3).fetch()) == 3
    assert [one.id for one in search.limit(3).fetch_all()] == records
    assert [one.id for one in search.sort("-_lastUpdated").limit(2).fetch_all()] == records[::-1]
    assert search.elements("status").first().serialize().keys() >= {"status", "code", "meta"}


def test_fhirpys_conditions_in_the_address_of_a_create_are_refused_and_not_ignored(served: Site):
    # They are another server's way; ignored, each call would store another copy.
    client = _fhirpy(served, served.city)
    search = client.resources("Patient").search(identifier=f"urn:mrn|{fresh_id()}")
    with pytest.raises(fhirpy.base.exceptions.OperationOutcome):
        search.get_or_create(client.resource("Patient"))
    assert search.count() == 0


def test_fhirpy_runs_a_transaction(served: Site, patient: str):
    client = _fhirpy(served, served.city)
    entry = {
        "request": {"method": "POST", "url": "/Observation"},
        "resource": {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": f"Patient/{patient}"},
        },
    }
    bundle = client.resource("Bundle", type="transaction", entry=[entry])
    bundle.save()
    assert bundle["type"] == "transaction-response"


def test_fhirpy_reads_asynchronously_what_a_consent_permits(served: Site):
    patient = served.new_patient()
    wanted = {str(served.observation(patient)["id"]) for _ in range(3)}

    async def found() -> set[str]:
        client = fhirpy.AsyncFHIRClient(served.base, authorization=f"Bearer {served.lake.token()}")
        search = client.resources("Observation").search(patient=patient).limit(2)
        return {one.id async for one in search}

    assert asyncio.run(found()) == set()
    assert served.city.post("Consent", consent(patient, LAKE)).status_code == 201
    assert asyncio.run(found()) == wanted


def _fhirclient(served: Site, caller: Any) -> Any:
    from fhirclient import client, server  # noqa: PLC0415 - after importorskip

    made = server.FHIRServer(
        client.FHIRClient(settings={"app_id": "t", "api_base": served.base}), served.base
    )
    made.session.headers["Authorization"] = f"Bearer {caller.token()}"
    return made


def test_fhirclient_reads_the_capability_statement(served: Site):
    found = _fhirclient(served, served.city)
    found.get_capability()
    assert found.capabilityStatement.fhirVersion == "4.0.1"


def test_fhirclient_creates_reads_updates_and_deletes(served: Site, patient: str):
    from fhirclient.models.observation import Observation  # noqa: PLC0415 - after importorskip

    server = _fhirclient(served, served.city)
    body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    made = Observation(body).create(server)
    read = Observation.read(made["id"], server)
    assert read.status == "final"
    read.status = "amended"
    read.update(server)
    assert Observation.read(made["id"], server).status == "amended"
    read.delete(server)
    with pytest.raises(requests.HTTPError) as told:
        Observation.read(made["id"], server)
    assert told.value.response.status_code == 410


def test_fhirclient_searches_and_pages_to_the_end(served: Site, patient: str, records: list[str]):
    from fhirclient.models.observation import Observation  # noqa: PLC0415 - after importorskip

    server = _fhirclient(served, served.city)
    search = Observation.where(struct={"_id": ",".join(records), "_count": "3"})
    found = [one.id for one in search.perform_resources_iter(server)]
    assert found == records
    search = Observation.where(struct={"patient": patient, "code": {"$or": ["8867-4", "x"]}})
    assert {one.id for one in search.perform_resources_iter(server)} == set(records)
