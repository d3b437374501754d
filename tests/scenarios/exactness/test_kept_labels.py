"""An update keeps what its sender may not have seen; what is deleted is gone for the other members."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.scenarios.scenario_site import (
    EVERY_STORE,
    LAKE,
    SCALE,
    TX,
    Site,
    consent,
    fresh_id,
    is_outcome,
    observation,
)

LEDGERS = EVERY_STORE

V3 = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RESTRICTED = {"system": V3, "code": "R"}


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    """A patient who lets Lake Clinic see all that is not restricted."""
    made = site.new_patient()
    inner = [{"type": "deny", "securityLabel": [RESTRICTED]}]
    assert site.city.post("Consent", consent(made, LAKE, provision=inner)).status_code == 201
    return made


def labelled(site: Site, patient: str) -> str:
    return str(site.observation(patient, meta={"security": [RESTRICTED]})["id"])


def labels(resource: dict[str, Any]) -> set[str]:
    return {label["code"] for label in resource["meta"].get("security", ())}


@pytest.mark.parametrize("way", ["update", "transaction", "batch"])
@pytest.mark.parametrize(
    "meta", [None, {"security": [{"system": V3, "code": "V"}]}, {"tag": [{"code": "x"}]}]
)
def test_a_label_that_the_sender_left_out_stays_and_goes_on_hiding(
    site: Site, patient: str, way: str, meta: dict[str, Any] | None
) -> None:
    made = labelled(site, patient)
    is_outcome(site.lake.get(f"Observation/{made}"), 404)
    body = observation(patient, id=made, status="amended") | ({} if meta is None else {"meta": meta})
    if way == "update":
        answer = site.city.put(f"Observation/{made}", body)
    else:
        request = {"method": "PUT", "url": f"Observation/{made}"}
        bundle = {"resourceType": "Bundle", "type": way, "entry": [{"resource": body, "request": request}]}
        answer = site.city.post("", bundle)
    assert answer.status_code == 200, answer.text
    stored = site.city.get(f"Observation/{made}").json()
    assert stored["status"] == "amended"
    assert "R" in labels(stored)
    if way == "update":
        assert answer.json() == stored
    is_outcome(site.lake.get(f"Observation/{made}"), 404)
    assert site.lake.found(f"Observation?_id={made}") == []
    kept = site.city.found("Observation", {"_id": made, "_security": f"{V3}|R"})
    assert [one["id"] for one in kept] == [made]


def test_a_record_that_moves_to_another_patient_takes_its_labels_along(site: Site, patient: str) -> None:
    made, other = labelled(site, patient), site.new_patient()
    assert site.city.put(f"Observation/{made}", observation(other, id=made)).status_code == 200
    assert labels(site.city.get(f"Observation/{made}").json()) == {"R"}


def meta_delete(site: Site, made: str, meta: dict[str, Any]) -> Any:
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    return site.city.post(f"Observation/{made}/$meta-delete", body)


def test_a_label_is_taken_off_by_the_operation_that_says_so(site: Site, patient: str) -> None:
    made = labelled(site, patient)
    answer = meta_delete(site, made, {"security": [RESTRICTED | {"display": "restricted"}]})
    assert answer.status_code == 200, answer.text
    assert answer.headers[TX]
    [part] = answer.json()["parameter"]
    stored = site.city.get(f"Observation/{made}").json()
    assert part == {"name": "return", "valueMeta": stored["meta"]}
    assert labels(stored) == set()
    assert stored["meta"]["versionId"] == "2"
    assert site.lake.get(f"Observation/{made}").json() == stored
    again = meta_delete(site, made, {"security": [RESTRICTED]})
    assert again.json()["parameter"][0]["valueMeta"]["versionId"] == "2"


@pytest.mark.parametrize(
    "parameter",
    [[], [{"name": "meta"}], [{"name": "other", "valueMeta": {"tag": [{"code": "x"}]}}]],
)
def test_an_operation_that_says_nothing_is_refused(
    site: Site, patient: str, parameter: list[dict[str, Any]]
) -> None:
    made = labelled(site, patient)
    body = {"resourceType": "Parameters"} | ({"parameter": parameter} if parameter else {})
    is_outcome(site.city.post(f"Observation/{made}/$meta-delete", body), 422)
    assert labels(site.city.get(f"Observation/{made}").json()) == {"R"}


def test_only_systems_of_the_hospital_take_labels_off(site: Site, patient: str) -> None:
    made = site.observation(patient, meta={"security": [{"system": V3, "code": "N"}]})["id"]
    meta = {"security": [{"system": V3, "code": "N"}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    is_outcome(site.lake.post(f"Observation/{made}/$meta-delete", body), 403)
    is_outcome(site.city.post(f"Observation/{fresh_id()}/$meta-delete", body), 404)


LABELS = st.sets(st.sampled_from(["N", "L", "R", "V"]), max_size=3)


@settings(
    max_examples=int(15 * SCALE), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=st.lists(LABELS, min_size=1, max_size=4), taken=LABELS)
def test_labels_only_grow_by_updates_and_only_go_by_the_operation(
    site: Site, patient: str, sent: list[set[str]], taken: set[str]
) -> None:
    made, expected = fresh_id(), set[str]()
    for number, codes in enumerate(sent):
        security = [{"system": V3, "code": code} for code in sorted(codes)]
        body = observation(patient, id=made, valueQuantity={"value": number})
        if security:
            body["meta"] = {"security": security}
        assert site.city.put(f"Observation/{made}", body).status_code in {200, 201}
        expected |= codes
        assert labels(site.city.get(f"Observation/{made}").json()) == expected
    security = [{"system": V3, "code": code} for code in sorted(taken)]
    if security:
        assert meta_delete(site, made, {"security": security}).status_code == 200
        assert labels(site.city.get(f"Observation/{made}").json()) == expected - taken


def test_an_update_with_what_is_stored_makes_no_version(site: Site, patient: str) -> None:
    made = fresh_id()
    body = observation(patient, id=made, meta={"security": [RESTRICTED]})
    first = site.city.put(f"Observation/{made}", body)
    again = site.city.put(f"Observation/{made}", body, If_Match='W/"1"')
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["etag"] == 'W/"1"'
    assert site.city.put(f"Observation/{made}", body, If_Match='W/"999", W/"1"').status_code == 200
    is_outcome(site.city.put(f"Observation/{made}", body, If_Match='W/"2"'), 412)
    without = observation(patient, id=made)
    for _ in range(2):
        answer = site.city.put(f"Observation/{made}", without)
        assert labels(answer.json()) == {"R"}
    assert int(answer.json()["meta"]["versionId"]) <= 2
    changed = site.city.put(f"Observation/{made}", without | {"status": "amended"})
    assert int(changed.json()["meta"]["versionId"]) == int(answer.json()["meta"]["versionId"]) + 1


def test_what_is_deleted_is_as_what_never_was_for_another_member(site: Site, patient: str) -> None:
    made = site.observation(patient)["id"]
    assert site.lake.get(f"Observation/{made}").status_code == 200
    site.city.put(f"Observation/{made}", observation(patient, id=made, status="amended"))
    assert site.city.delete(f"Observation/{made}").status_code == 204
    missing = fresh_id()
    for tail in ("", "/_history", "/_history/1", "/_history/2", "/_history/3", "/_history/4"):
        gone = site.lake.get(f"Observation/{made}{tail}")
        never = site.lake.get(f"Observation/{missing}{tail}")
        assert gone.status_code == never.status_code == 404
        assert gone.json() == never.json()
    is_outcome(site.city.get(f"Observation/{made}"), 410)
    is_outcome(site.patient(patient).get(f"Observation/{made}"), 410)
    assert len(site.city.get(f"Observation/{made}/_history").json()["entry"]) == 3
