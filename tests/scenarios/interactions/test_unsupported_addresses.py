"""Addresses and methods that are not supported: refused by name, before the ledger is asked.

An oracle of a few regular expressions says which requests are supported. Whatever else is sent, whole or in
an entry of a Bundle, is refused with 4xx, changes nothing, and leaves no entry in the access log.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from exchange.fhir.r4 import RESOURCE_TYPES
from tests.support.scenarios.ledger_reader import witnessed
from tests.support.scenarios.scenario_site import SCALE, TX, Site, is_outcome

TYPE = rf"(?:{'|'.join(sorted(RESOURCE_TYPES))})"
ID = r"[A-Za-z0-9\-.]{1,64}"
RECORD = rf"{TYPE}/{ID}"
READS = rf"metadata|{TYPE}|{RECORD}|{RECORD}/_history|{RECORD}/_history/{ID}|Patient/{ID}/\$everything"
SUPPORTED = {
    "GET": re.compile(READS),
    "HEAD": re.compile(READS),
    "POST": re.compile(rf"|{TYPE}|{TYPE}/_search|{TYPE}/\$validate|{RECORD}/\$meta-delete"),
    "PUT": re.compile(rf"{TYPE}/{ID}"),
    "DELETE": re.compile(rf"{TYPE}/{ID}"),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")


def is_supported(method: str, path: str) -> bool:
    pattern = SUPPORTED.get(method)
    return pattern is not None and pattern.fullmatch(path) is not None


def entries(site: Site) -> int:
    """All entries of the access log on the ledger."""
    return sum(len(of_one) for of_one in witnessed(site.demo.folder).entries.values())


@pytest.fixture(scope="module")
def record(site: Site) -> dict[str, Any]:
    return site.observation(site.new_patient())


def refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in (statuses or (400, 404, 405)), answer.text[:300]
    assert TX not in answer.headers
    if answer.request.method != "HEAD":
        is_outcome(answer, answer.status_code)
        if answer.status_code == 405:
            assert answer.json()["issue"][0]["code"] == "not-supported"
    if answer.status_code == 405:
        assert answer.headers["allow"]


NAMED = {
    ("GET", "Patient/_history"): (404, "history-type"),
    ("GET", "_history"): (404, "history-system"),
    ("GET", "$export"): (404, "$export"),
    ("GET", "Patient/$export"): (404, "$export"),
    ("GET", "Observation/$lastn"): (404, "$lastn"),
    ("GET", "Observation/$lastn?max=1"): (404, "$lastn"),
    ("GET", "Observation/$stats"): (404, "$stats"),
    ("POST", "Patient/$match"): (404, "$match"),
    ("GET", "Patient/$anything"): (404, "the operation"),
    ("GET", "Patient/$everything"): (404, "$everything"),
    ("GET", "Encounter/{id}/$everything"): (404, "$everything"),
    ("GET", "Patient/{id}/Observation"): (404, "search-compartment"),
    ("GET", "Patient/{id}/Observation?code=x"): (404, "search-compartment"),
    ("GET", "Patient/{id}/*"): (404, "search-compartment"),
    ("POST", "_search"): (404, "search-system"),
    ("GET", "AuditEvent/{id}/_history"): (404, "history-instance"),
    ("GET", "AuditEvent/{id}/_history/1"): (404, "vread"),
    ("GET", "Observations"): (404, "no such resource type"),
    ("GET", "observation/{id}"): (404, "no such resource type"),
    ("GET", "OBSERVATION"): (404, "no such resource type"),
    ("GET", "Observation/{id}/"): (404, "not supported"),
    ("GET", "Observation/"): (404, "not supported"),
    ("GET", "metadata/"): (404, "not supported"),
    ("GET", "Observation%2F{id}"): (404, "not supported"),
    ("GET", "Observation/{id}%2F_history"): (404, "not supported"),
    ("GET", "Observation/_lastn"): (404, "not supported"),
    ("GET", "Observation/{id}/_history/1/2"): (404, "not supported"),
    ("GET", ""): (405, "search-system"),
    ("GET", "?_type=Patient"): (405, "search-system"),
    ("GET", "Patient/_search"): (405, "method"),
    ("GET", "Patient/$validate"): (405, "$validate"),
    ("POST", "Patient/{id}/$everything"): (405, "$everything"),
    ("PATCH", "Observation/{id}"): (405, "patch"),
    ("PATCH", "Observation?_id={id}"): (405, "conditional-patch"),
    ("PUT", "Observation?_id={id}"): (405, "conditional-update"),
    ("DELETE", "Observation?_id={id}"): (405, "conditional-delete"),
    ("DELETE", "Observation"): (405, "conditional-delete"),
    ("POST", "Observation/{id}"): (405, "method"),
    ("POST", "Observation/{id}?_method=DELETE"): (405, "method"),
    ("OPTIONS", "Observation/{id}"): (405, "method"),
    ("DELETE", "Observation/{id}/_history"): (405, "method"),
    ("DELETE", "Observation/{id}/_history/1"): (405, "method"),
    ("GET", "Observation/{id}?_method=DELETE"): (400, "read supports only _elements, _summary"),
    ("GET", "Observation/{id}?_include=Observation:subject"): (400, "read supports only"),
    ("GET", "Observation/{id}/_history?_since=2020"): (400, "history supports only _count"),
    ("GET", "Patient/{id}/$everything?_type=Observation"): (400, "$everything supports only _count"),
    ("PUT", "Observation/{id}?_method=DELETE"): (400, "update supports no parameters"),
    ("DELETE", "Observation/{id}?_cascade=delete"): (400, "delete supports no parameters"),
    ("POST", "Observation?_method=PUT"): (400, "create supports no parameters"),
    ("GET", "metadata?mode=terminology"): (400, "mode"),
}


def test_what_is_not_supported_is_refused_by_its_name_before_the_ledger_is_asked(
    site: Site, record: dict[str, Any]
):
    before = entries(site)
    for (method, path), (status, name) in NAMED.items():
        sent = record if method in {"POST", "PUT"} else None
        answer = site.city(method, path.format(id=record["id"]), sent)
        refused(answer, status)
        assert name in answer.json()["issue"][0]["diagnostics"], (method, path, answer.text)
    assert entries(site) == before
    assert site.city.get(f"Observation/{record['id']}").headers["etag"] == 'W/"1"'


ALLOWED = {
    "": "POST",
    "metadata": "GET, HEAD",
    "Observation": "GET, HEAD, POST",
    "Observation/_search": "POST",
    "Observation/$validate": "POST",
    "Observation/1": "GET, HEAD, PUT, DELETE",
    "Observation/1/$meta-delete": "POST",
    "Observation/1/_history": "GET, HEAD",
    "Observation/1/_history/1": "GET, HEAD",
    "Patient/1/$everything": "GET, HEAD",
    "AuditEvent": "GET, HEAD",
    "AuditEvent/1": "GET, HEAD",
    ".well-known/smart-configuration": "GET, HEAD",
}


@pytest.mark.parametrize("path", list(ALLOWED))
def test_allow_names_the_methods_of_each_address_and_no_others(site: Site, path: str):
    for method in ("PATCH", "OPTIONS", "BREW"):
        answer = site.city(method, path)
        refused(answer, 405)
        assert answer.headers["allow"] == ALLOWED[path]
    for method in {"GET", "PUT", "DELETE", "POST"} - set(ALLOWED[path].split(", ")):
        answer = site.city(
            method, path, {"resourceType": "Observation"} if method in {"PUT", "POST"} else None
        )
        if path.startswith("AuditEvent") and answer.status_code == 403:
            continue  # one of FHIR's interactions that nobody may do
        refused(answer, 405)
        assert answer.headers["allow"] == ALLOWED[path]


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_stands_for_another_method(site: Site, record: dict[str, Any], header: str):
    before = entries(site)
    for path in ("Observation", f"Observation/{record['id']}"):
        for method in ("DELETE", "PUT", "GET"):
            refused(site.city("POST", path, record, **{header: method}))
    assert entries(site) == before
    assert site.city("GET", f"Observation/{record['id']}", **{header: "DELETE"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PUT", {"If_None_Exist": "_id=1"}),
        ("POST", {"If_Match": 'W/"1"'}),
        ("POST", {"If_None_Match": "*"}),
        ("DELETE", {"If_None_Match": "*"}),
    ],
)
def test_a_condition_that_a_write_does_not_support_is_refused_and_nothing_written(
    site: Site, record: dict[str, Any], method: str, headers: dict[str, str]
):
    path = "Observation" if method == "POST" else f"Observation/{record['id']}"
    answer = site.city(method, path, record if method != "DELETE" else None, **headers)
    refused(answer, 400)
    assert f"does not support {next(iter(headers)).replace('_', '-')}" in answer.text
    assert site.city.get(f"Observation/{record['id']}").headers["etag"] == 'W/"1"'


def test_without_a_token_no_address_is_answered_with_anything_but_401(site: Site):
    for method, path in product(METHODS, ("", "Nonsense", "$export", "Patient/_history", "Patient/1/2/3")):
        assert site.http.request(method, f"{site.base}/{path}").status_code == 401, (method, path)
    assert site.http.get(f"{site.base}/metadata").status_code == 200


def test_the_statement_tells_of_each_operation(site: Site):
    [rest] = site.http.get(f"{site.base}/metadata").json()["rest"]
    assert {one["code"] for one in rest["interaction"]} == {"transaction", "batch"}
    operations = {one["type"]: {o["name"] for o in one.get("operation", ())} for one in rest["resource"]}
    assert operations["Patient"] == {"everything", "meta-delete", "validate"}
    assert operations["Observation"] == {"meta-delete", "validate"}
    assert operations["AuditEvent"] == {"validate"}


# --- Whatever is sent -----------------------------------------------------------------------------------

_fuzz = settings(
    max_examples=int(150 * SCALE),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_segments = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *("Patient", "Observation", "AuditEvent", "OperationDefinition", "patient", "Nonsense", "1"),
                *("_history", "_search", "metadata", "$everything", "$lastn", "$validate", "$export", "$x"),
                *("Patient-assess-risk", "*", "", ".", "..", "a_b", "Patient%2F1", "%2F", "%00", "%61"),
            ]
        ),
        st.text(max_size=10).map(lambda text: quote(text, safe="")),
    ),
    max_size=5,
)
_queries = st.sampled_from(["", "?", "?_id=1", "?_method=GET", "?_format=json"])


def _decoded(path: str) -> str:
    return path.replace("%61", "a")


@_fuzz
@given(method=st.sampled_from(METHODS), segments=_segments, query=_queries)
def test_a_request_for_anything_unsupported_is_refused_and_leaves_no_entry(
    site: Site, method: str, segments: list[str], query: str
):
    path = "/".join(segments)
    sent = httpx.URL(f"{site.base}/{path}{query}")
    raw = sent.raw_path.partition(b"?")[0].decode().removeprefix("/fhir").removeprefix("/")
    assume(not raw.startswith(".well-known") and not is_supported(method, _decoded(raw)))
    before = entries(site)
    body = {"resourceType": "Patient"} if method in {"POST", "PUT", "PATCH"} else None
    answer = site.city(method, str(sent), body)
    refused(answer)
    assert entries(site) == before


@_fuzz
@given(
    method=st.sampled_from(METHODS[:-2]),
    segments=_segments,
    query=_queries,
    kind=st.sampled_from(["batch", "transaction"]),
)
def test_an_entry_for_anything_unsupported_is_refused_and_leaves_no_entry(
    site: Site, method: str, segments: list[str], query: str, kind: str
):
    path = _decoded("/".join(segments)).removeprefix("/")
    in_bundle = method not in {"POST", "HEAD"} or re.fullmatch(TYPE, path)
    assume(not (in_bundle and is_supported(method, path)))
    before = entries(site)
    entry: dict[str, Any] = {"request": {"method": method, "url": "/".join(segments) + query or "/"}}
    if method in {"POST", "PUT", "PATCH"}:
        entry["resource"] = {"resourceType": "Patient"}
    answer = site.city.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
    if kind == "batch":
        assert answer.status_code == 200, answer.text
        [one] = answer.json()["entry"]
        assert one["response"]["status"][:3] in {"400", "403"}, one
        assert "extension" not in one["response"]
        assert "resource" not in one
    else:
        is_outcome(answer, 400, 403, 422)
        assert TX not in answer.headers
    assert entries(site) == before


def test_reads_of_every_kind_can_stand_in_a_bundle(site: Site, record: dict[str, Any]):
    patient = record["subject"]["reference"].removeprefix("Patient/")
    urls = {
        f"Observation/{record['id']}": "Observation",
        f"/Observation/{record['id']}": "Observation",
        f"Observation/{record['id']}?_elements=status": "Observation",
        f"Observation/{record['id']}/_history": "Bundle",
        f"Observation/{record['id']}/_history/1": "Observation",
        f"Observation?patient={patient}": "Bundle",
        f"Patient/{patient}/$everything": "Bundle",
    }
    asked = [{"request": {"method": "GET", "url": url}} for url in urls]
    asked.append({"request": {"method": "GET", "url": next(iter(urls)), "ifNoneMatch": 'W/"1"'}})
    for kind in ("batch", "transaction"):
        answers = site.city.post("", {"resourceType": "Bundle", "type": kind, "entry": asked}).json()["entry"]
        assert [one["response"]["status"][:3] for one in answers] == ["200"] * len(urls) + ["304"]
        assert [one["resource"]["resourceType"] for one in answers[:-1]] == list(urls.values())
        alone = [site.city.get(url.removeprefix("/")).json() for url in urls]
        assert answers[2]["resource"] == alone[2]
        assert answers[3]["resource"]["entry"] == alone[3]["entry"]
