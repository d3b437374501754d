"""Patients' consents have bounds, and a change that waits is in force for the next read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from chaincode.consent.limits import ALL_CONSENTS, TERMS
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import LAKE, RIDGE, Site, consent, is_outcome


def too_costly(answer: Any, bound: int) -> None:
    (issue,) = is_outcome(answer, 422)["issue"]
    assert (issue["code"], issue["expression"]) == ("too-costly", ["Consent"])
    assert str(bound) in issue["diagnostics"]


def with_roles(patient: str, count: int) -> dict[str, Any]:
    """Return a consent for Lake Clinic that names so many roles."""
    body = consent(patient, LAKE)
    (clinic,) = body["provision"]["actor"]
    body["provision"]["actor"] += [
        {
            "role": clinic["role"],
            "reference": {
                "type": "PractitionerRole",
                "identifier": {"system": "http://snomed.info/sct", "value": f"{n:08d}"},
            },
        }
        for n in range(count)
    ]
    return body


def test_a_consent_that_no_pair_could_hold_is_refused_and_not_stored(site: Site) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    too_costly(site.patient(patient).post("Consent", with_roles(patient, 1_000)), TERMS)
    assert site.patient(patient).found("Consent") == []
    assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    assert site.lake.get(record).status_code == 200


def test_consents_that_fill_a_pair_together_leave_it_readable_and_revocable(site: Site) -> None:
    patient = site.new_patient()
    caller = site.patient(patient)
    record = f"Observation/{site.observation(patient)['id']}"
    stored = [caller.post("Consent", consent(patient, LAKE)).json()]
    while (answer := caller.post("Consent", with_roles(patient, 120))).status_code == 201:
        stored.append(answer.json())
    too_costly(answer, TERMS)
    assert len(stored) > 2
    assert site.lake.get(record).status_code == 200
    for one in stored:
        ended = consent(patient, LAKE, status="inactive", logical_id=one["id"])
        assert caller.put(f"Consent/{one['id']}", ended).status_code == 200
    assert site.lake.get(record).status_code == 404


def test_a_patient_has_so_many_consents_and_each_can_still_be_changed(site: Site) -> None:
    patient = site.new_patient()
    entries = [
        {
            "resource": consent(patient, LAKE, status="inactive"),
            "request": {"method": "POST", "url": "Consent"},
        }
        for _ in range(ALL_CONSENTS - 1)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert site.city("POST", site.base, bundle).status_code == 200
    caller = site.patient(patient)
    last = caller.post("Consent", consent(patient, LAKE)).json()
    too_costly(caller.post("Consent", consent(patient, RIDGE)), ALL_CONSENTS)
    too_costly(site.city("POST", site.base, bundle | {"entry": entries[:1]}), ALL_CONSENTS)
    record = f"Observation/{site.observation(patient)['id']}"
    assert site.lake.get(record).status_code == 200
    ended = consent(patient, LAKE, status="inactive", logical_id=last["id"])
    assert caller.put(f"Consent/{last['id']}", ended).status_code == 200
    assert site.lake.get(record).status_code == 404


@contextmanager
def ledger_that_takes_no_terms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise UnavailableError("the ledger did not answer in time")

    with monkeypatch.context() as stalled:
        stalled.setattr(LedgerClient, "publish_terms", fail)
        yield


def test_a_revocation_that_was_answered_503_is_in_force_for_every_later_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    granted = site.patient(patient).post("Consent", consent(patient, LAKE)).json()
    assert site.lake.get(record).status_code == 200
    ended = consent(patient, LAKE, status="inactive", logical_id=granted["id"])
    with ledger_that_takes_no_terms(monkeypatch):
        is_outcome(site.patient(patient).put(f"Consent/{granted['id']}", ended), 503)
        for _ in range(3):
            is_outcome(site.lake.get(record), 503)
        site.observation(patient)  # a write waits for nothing
    assert site.lake.get(record).status_code == 404

    assert findings(site.demo.folder) == []


@pytest.mark.parametrize("by", ["PUT", "transaction", "DELETE"])
@pytest.mark.parametrize(
    ("given", "sent"), [("active", "inactive"), ("inactive", "active"), ("active", "active")]
)
def test_only_the_patient_changes_what_the_patient_gave(site: Site, by: str, given: str, sent: str) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    caller = site.patient(patient)
    name = caller.post("Consent", consent(patient, LAKE)).json()["id"]
    if given == "inactive":
        ended = consent(patient, LAKE, status="inactive", logical_id=name)
        assert caller.put(f"Consent/{name}", ended).status_code == 200
    seen = site.lake.get(record).status_code
    body = consent(patient, LAKE, status=sent, logical_id=name, purpose=[])
    del body["provision"]["purpose"]
    entry = {"resource": body, "request": {"method": "PUT", "url": f"Consent/{name}"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = {
        "PUT": lambda: site.city.put(f"Consent/{name}", body),
        "DELETE": lambda: site.city("DELETE", f"{site.base}/Consent/{name}"),
        "transaction": lambda: site.city("POST", site.base, bundle),
    }[by]()
    is_outcome(answer, 403, 409)
    assert caller.get(f"Consent/{name}").json()["status"] == given
    assert site.lake.get(record).status_code == seen == (200 if given == "active" else 404)
    assert site.city.post("Consent", consent(patient, RIDGE)).status_code == 201  # one of the hospital's own
    assert caller.put(f"Consent/{name}", body).status_code == 200
