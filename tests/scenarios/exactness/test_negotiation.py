"""What a body is wrapped in and what a client can read: understood, or refused by its name."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from exchange.client.system import FHIR_JSON
from tests.support.scenarios.scenario_site import Site, fresh_id, is_outcome, observation

BODY_LIMIT = 32 * 1024 * 1024


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


@pytest.mark.parametrize("version", ["4.0", '"4.0"', "4.0.1"])
def test_a_body_and_an_answer_of_this_release_are_as_without_the_parameter(
    site: Site, patient: str, version: str
):
    kind = f"{FHIR_JSON}; charset=utf-8; fhirVersion={version}"
    made = site.city.post("Observation", json.dumps(observation(patient)), Content_Type=kind)
    assert made.status_code == 201
    answer = site.city.get(f"Observation/{made.json()['id']}", Accept=kind)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(FHIR_JSON)


@pytest.mark.parametrize("version", ["3.0", "4.3", "5.0", ""])
@pytest.mark.parametrize("kind", [FHIR_JSON, "application/json"])
def test_another_release_is_refused(site: Site, patient: str, version: str, kind: str):
    mark = fresh_id()
    body = json.dumps(observation(patient, identifier=[{"value": mark}]))
    is_outcome(site.city.post("Observation", body, Content_Type=f"{kind};FHIRVersion={version}"), 415)
    assert not site.city.found("Observation", {"identifier": mark})
    is_outcome(site.city.get(f"Patient/{patient}", Accept=f"{kind}; fhirVersion={version}"), 406)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("application/json", "application/json"),
        ("text/json", "text/json"),
        ("application/json, application/fhir+json;q=0.9", FHIR_JSON),
        ("application/fhir+json; fhirVersion=5.0, application/json", "application/json"),
        ("text/html, */*;q=0.1", FHIR_JSON),
        ("application/fhir+json;q=0", None),
        ("application/fhir+xml, text/html", None),
        ("application/geo+json", None),
    ],
)
def test_an_answer_is_what_its_client_reads(site: Site, patient: str, accept: str, answered: str | None):
    answer = site.city.get(f"Patient/{patient}", Accept=accept)
    if answered is None:
        is_outcome(answer, 406)
    else:
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == answered


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        *(
            ("json", 200),
            ("application/fhir%2Bjson", 200),
            ("application/fhir+json", 200),
            ("text/json", 200),
        ),
        *(("JSON", 200), ("application/fhir%2Bjson;fhirVersion=4.0", 200), ("", 200), ("%20", 200)),
        *(
            ("application/json;%20fhirVersion=%224.0.1%22", 200),
            ("json&_format=", 200),
            ("&_format=json", 200),
        ),
        *(("xml", 406), ("ttl", 406), ("text/html", 406), ("application/fhir%2Bjson;fhirVersion=3.0", 406)),
        *(("json&_format=xml", 406), ("xml&_format=json", 406), ("json;fhirVersion=5.0", 406), ("fhir", 406)),
    ],
)
def test_the_format_that_is_asked_for_by_a_parameter_is_obeyed_at_every_door(
    site: Site, patient: str, asked: str, status: int
):
    page = "text/html" if "json" in asked.lower() and status == 200 else FHIR_JSON
    form = {"Content_Type": "application/x-www-form-urlencoded", "Accept": FHIR_JSON}
    answers = [
        site.city.get(f"Patient/{patient}?_format={asked}", Accept=page),
        site.city.get(f"Patient?_id={patient}&_format={asked}", Accept=page),
        site.city.get(f"metadata?_format={asked}", Accept=page),
        site.city.post("Patient/_search", f"_id={patient}&_format={asked}", **form),
        site.city.post(f"Patient/_search?_format={asked}", f"_id={patient}", **form),
    ]
    assert [answer.status_code for answer in answers] == [status] * len(answers)


@pytest.mark.parametrize(
    ("charset", "status"),
    [
        *(("utf-8", 201), ('"UTF-8"', 201), ("utf8", 201), ("us-ascii", 201)),
        *(("iso-8859-1", 415), ("UTF-16", 415), ("windows-1252", 415), ("", 415)),
    ],
)
def test_a_body_in_another_charset_is_refused(site: Site, patient: str, charset: str, status: int):
    body = json.dumps(observation(patient))
    made = site.city.post("Observation", body, Content_Type=f"{FHIR_JSON}; charset={charset}")
    assert made.status_code == status
    kind = f"application/x-www-form-urlencoded;charset={charset}"
    found = site.city.post("Patient/_search", f"_id={patient}", Content_Type=kind)
    assert found.status_code == (200 if status == 201 else status)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "identity"])
def test_a_form_is_unwrapped_like_any_body(site: Site, patient: str, mark: bytes, coding: str):
    form = mark + f"_id={patient}".encode()
    sent = form if coding == "identity" else gzip.compress(form)
    kind = "application/x-www-form-urlencoded"
    found = site.city.post("Patient/_search", sent, Content_Type=kind, Content_Encoding=coding)
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [patient]
    is_outcome(site.city.post("Patient/_search", sent, Content_Type=kind, Content_Encoding="br"), 415)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "identity"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_packed_body_and_one_with_a_mark_are_what_they_hold(
    site: Site, patient: str, coding: str, mark: bytes
):
    body = mark + json.dumps(observation(patient)).encode()
    sent = body if coding == "identity" else gzip.compress(body)
    made = site.city.post("Observation", sent, Content_Encoding=coding)
    assert made.status_code == 201, made.text
    assert site.city.get(f"Observation/{made.json()['id']}").json() == made.json()


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_another_coding_is_refused_and_told_what_is_supported(site: Site, patient: str, coding: str):
    body = json.dumps(observation(patient))
    answer = site.city.post("Observation", body, Content_Encoding=coding)
    is_outcome(answer, 415)
    assert answer.headers["accept-encoding"] == "gzip"


def test_what_is_no_gzip_or_only_a_part_is_refused(site: Site, patient: str):
    packed = gzip.compress(json.dumps(observation(patient)).encode())
    for wrong in (b"{}", packed[:-9], packed[:5], packed + b"x", packed + packed, zlib.compress(b"{}")):
        is_outcome(site.city.post("Observation", wrong, Content_Encoding="gzip"), 400)


def test_a_body_that_unpacks_to_more_than_the_limit_is_refused(site: Site):
    bomb = gzip.compress(b" " * (BODY_LIMIT + 1))
    assert len(bomb) < 40_000
    is_outcome(site.city.post("Observation", bomb, Content_Encoding="gzip"), 413)
