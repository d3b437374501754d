"""While a large transaction is stored, others are answered. CONSENTRY_TEST_SCALE makes it larger."""

from __future__ import annotations

import json
import threading
import time

import httpx

from tests.support.scenarios.scenario_site import SCALE, Site, fresh_id, observation

ENTRIES = min(19_000, round(1_500 * SCALE))


def test_others_are_answered_while_a_large_transaction_is_stored(served: Site) -> None:
    patient = served.new_patient()
    record = served.observation(patient)["id"]
    body = observation(patient, note=[{"text": "x" * 1_000}])
    entries = [
        {
            "fullUrl": f"urn:uuid:{fresh_id()}",
            "resource": body,
            "request": {"method": "POST", "url": "Observation"},
        }
        for _ in range(ENTRIES)
    ]
    bundle = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
    headers = {"Authorization": f"Bearer {served.city.token()}", "Content-Type": "application/fhir+json"}
    taken: list[float] = []
    stored = threading.Event()

    def read() -> None:
        with httpx.Client(timeout=60) as http:
            while not stored.is_set():
                started = time.perf_counter()
                answer = http.get(f"{served.base}/Observation/{record}", headers=headers)
                taken.append(time.perf_counter() - started)
                assert answer.status_code == 200

    reader = threading.Thread(target=read)
    reader.start()
    started = time.perf_counter()
    answer = served.http.post(served.base, content=bundle, headers=headers)
    elapsed = time.perf_counter() - started
    stored.set()
    reader.join()
    assert answer.status_code == 200
    assert len(answer.json()["entry"]) == ENTRIES
    assert len(taken) > 5
    assert max(taken) < elapsed / 2, f"{max(taken):.2f} s of {elapsed:.2f} s"
