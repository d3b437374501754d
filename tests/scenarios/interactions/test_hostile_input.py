"""Input that no honest client sends is refused with the right status, in FHIR's words, not the sender's."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.auth.principal import Kind, Principal
from exchange.client.system import FHIR_JSON
from tests.support.scenarios.scenario_site import CITY, MISSING, SCALE, Caller, Site, is_outcome, observation

CANARY = "Zzyzx-Wilhelmina"
"""Stands wherever a name, a number or a note of a patient might: no refusal may repeat it."""


def refused(answer: httpx.Response, *statuses: int) -> None:
    """Check that `answer` is a refusal in FHIR's words that repeats nothing of the request and no insides."""
    is_outcome(answer, *(statuses or range(400, 500)))
    clean(answer)


def clean(answer: httpx.Response) -> None:
    text = answer.text + str(answer.headers)
    assert CANARY not in text
    assert "Traceback" not in text
    assert 'File "' not in text


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


SCRIPT = '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></div>'
BODIES: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "nothing": (b"", (400,)),
    "white space": (b" \n\t ", (400,)),
    "half an object": (b'{"resourceType":"Patient","name":[{"family":"' + CANARY.encode(), (400,)),
    "a string": (b'"%s"' % CANARY.encode(), (400,)),
    "a number": (b"17", (400,)),
    "null": (b"null", (400,)),
    "a list": (b'[{"resourceType":"Patient"}]', (400,)),
    "two texts": (b'{"resourceType":"Patient"}{"resourceType":"Patient"}', (400,)),
    "two byte order marks": (b'\xef\xbb\xbf\xef\xbb\xbf{"resourceType":"Patient"}', (400,)),
    "UTF-16": ('{"resourceType":"Patient"}'.encode("utf-16"), (400,)),
    "bytes that are no UTF-8": (b'{"resourceType":"Patient","id":"\xff\xfe"}', (400,)),
    "an overlong encoding": (b'{"resourceType":"Patient","language":"\xc0\xaf"}', (400,)),
    "half a surrogate pair": (b'{"resourceType":"Patient","language":"\\ud800"}', (400, 422)),
    "a NUL": (b'{"resourceType":"Patient","name":[{"family":"a\x00b"}]}', (400, 422)),
    "an escaped NUL": (b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}', (400, 422)),
    "NaN": (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', (400, 422)),
    "infinity": (b'{"resourceType":"Patient","multipleBirthInteger":Infinity}', (400, 422)),
    "a comment": (b'{"resourceType":"Patient"/* x */}', (400,)),
    "a trailing comma": (b'{"resourceType":"Patient",}', (400,)),
    "a name twice": (b'{"resourceType":"Patient","gender":"male","gender":"female"}', (400, 422)),
    "a type twice": (b'{"resourceType":"Patient","resourceType":"Group"}', (400, 422)),
    "no type": (b'{"name":[{"family":"%s"}]}' % CANARY.encode(), (422,)),
    "a type that is none": (b'{"resourceType":"%s"}' % CANARY.encode(), (422,)),
    "a type that is an object": (b'{"resourceType":{"a":1}}', (422,)),
    "an unknown element": (b'{"resourceType":"Patient","%s":1}' % CANARY.encode(), (422,)),
    "words for a code": (b'{"resourceType":"Patient","gender":"%s"}' % CANARY.encode(), (422,)),
    "words for a date": (b'{"resourceType":"Patient","birthDate":"%s"}' % CANARY.encode(), (422,)),
    "a text for a list": (b'{"resourceType":"Patient","name":"%s"}' % CANARY.encode(), (422,)),
    "an id of words": (b'{"resourceType":"Patient","id":"%s %s"}' % (CANARY.encode(), b"x"), (422,)),
    "a script in a narrative": (
        json.dumps({"resourceType": "Patient", "text": {"status": "generated", "div": SCRIPT}}).encode(),
        (422,),
    ),
    "an empty object": (b'{"resourceType":"Patient","name":[{}]}', (422,)),
    "a null in a list": (b'{"resourceType":"Patient","name":[null]}', (422,)),
    "objects 100,000 deep": (
        b'{"resourceType":"Patient","x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        (400,),
    ),
    "lists 100,000 deep": (b'{"resourceType":"Patient","x":' + b"[" * 100_000, (400,)),
    "extensions 500 deep": (
        b'{"resourceType":"Patient","extension":['
        + b'{"url":"u","extension":[' * 500
        + b'{"url":"u","valueCode":"x"}'
        + b"]}" * 500
        + b"]}",
        (400, 422),
    ),
    "100,000 unknown elements": (
        json.dumps({"resourceType": "Patient"} | {f"x{n}": n for n in range(100_000)}).encode(),
        (422,),
    ),
}


@pytest.mark.parametrize("name", list(BODIES))
@pytest.mark.parametrize("way", ["create", "update", "validate", "transaction", "batch", "base"])
def test_a_body_that_is_no_patient_is_refused(site: Site, name: str, way: str):
    body, statuses = BODIES[name]
    if way == "create":
        refused(site.city.post("Patient", body), *statuses)
    elif way == "update":
        refused(site.city.put(f"Patient/{MISSING}", body), *statuses)
    elif way == "base":
        refused(site.city.post("", body), 400, 422)
    elif way == "validate":
        answer = site.city.post("Patient/$validate", body)
        clean(answer)
        said = is_outcome(answer, 200, 400)
        assert said["issue"][0]["severity"] == "error"
    else:
        frame = b'{"resourceType":"Bundle","type":"%s","entry":[{"request":' % way.encode()
        answer = site.city.post("", frame + b'{"method":"POST","url":"Patient"},"resource":' + body + b"}]}")
        clean(answer)
        assert answer.status_code < 500
        if answer.status_code == 200:
            assert answer.json()["entry"][0]["response"]["status"][:3] in {"400", "422"}


NUMBERS = ["1e999999999", "-1e400", "1e-400", "9" * 5000, "0." + "1" * 5000, "00", "1.", ".5", "+1", "0x10"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_without_bounds_are_refused_at_once(site: Site, patient: str, number: str):
    body = json.dumps(observation(patient)).replace('"value": 71', f'"value": {number}')
    started = time.monotonic()
    refused(site.city.post("Observation", body), 400, 422)
    for query in (f"value-quantity={quote(number)}", f"value-quantity=ap{quote(number)}|http://u|x"):
        answer = site.city.get(f"Observation?patient={patient}&{query}")
        assert answer.status_code in {200, 400, 422}
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "word", ["1e999999999", "1e-999999999", "-1e400", "x", "\u0663", "9" * 5000, "NaN", "sNaN", "Infinity"]
)
def test_samples_without_bounds_do_no_harm(site: Site, patient: str, word: str):
    sampled = {"origin": {"value": 1e300}, "period": 1, "dimensions": 1, "data": f"1 {word} E"}
    body = observation(patient, valueSampledData=sampled)
    del body["valueQuantity"]
    answer = site.city.post("Observation", body)
    assert answer.status_code in {201, 400, 422}, answer.text
    if answer.status_code == 201:
        assert site.city.get(f"Observation/{answer.json()['id']}").status_code == 200


def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_announced(served: Site):
    token = served.city.token()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": FHIR_JSON}
    size = 50_000_000
    announced = served.http.post(f"{served.base}/Patient", headers=headers, content=b" " * size)
    refused(announced, 413)

    def chunks() -> Iterator[bytes]:
        for _ in range(50):
            yield b" " * 1_000_000

    try:
        chunked = served.http.post(f"{served.base}/Patient", headers=headers, content=chunks())
    except httpx.WriteError:  # refused before all was sent, and the connection with it
        pass
    else:
        refused(chunked, 413)
    assert served.city.get("metadata").status_code == 200


def test_a_body_that_never_ends_its_chunks_does_not_stop_the_others(served: Site):
    parts = urlsplit(served.base)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(
            b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/fhir+json\r\nAuthorization: Bearer x\r\n\r\n5\r\n{"
        )
        assert served.city.get("metadata").status_code == 200


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /fhir/metadata HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /fhir/metadata HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /fhir/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
        b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /fhir/x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"BREW /fhir/Patient HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\r\n" * 5000,
        b"GET /fhir/Patient/%00%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /fhir/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_a_request_that_is_hardly_http_is_refused_and_the_server_lives(served: Site, request_text: bytes):
    parts = urlsplit(served.base)
    got = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.settimeout(1)
        try:
            line.sendall(request_text)
            while chunk := line.recv(65536):
                got += chunk
        except OSError:
            pass
    if got:
        assert got.split(b" ", 2)[1][:1] == b"4", got[:200]
    assert b"Traceback" not in got
    assert served.city.get("metadata").status_code == 200


def test_more_headers_than_anyone_needs_are_refused(site: Site):
    many = {f"X-H{n}": "y" for n in range(150)}
    refused(site.http.get(f"{site.base}/metadata", headers=many), 431)
    refused(site.http.get(f"{site.base}/metadata", headers={"X": "y" * 40_000}), 431)


def _principal(**changes: Any) -> Principal:
    told: dict[str, Any] = {
        "kind": Kind.SYSTEM,
        "client_id": "city-hospital-ehr",
        "organization": CITY.msp_id,
        "purpose": "TREAT",
        "scopes": ("system/*.cruds",),
        "evidence": "0" * 64,
        "user": "x",
    }
    return Principal(**(told | changes))


def test_without_a_token_that_holds_nothing_is_answered(site: Site, patient: str):
    real = site.city.token()
    flipped = ("A" if real[0] != "A" else "B") + real[1:]
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode() + "." + "e30."
    for header in (
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {real}"},
        {"Authorization": real},
        {"Authorization": f"Bearer {flipped}"},
        {"Authorization": f"Bearer {real}x"},
        {"Authorization": f"Bearer {none}"},
        {"Authorization": f"Bearer {CANARY}"},
        {"Authorization": "Bearer " + "a" * 20_000},
        {"Authorization": "Bearer \x00"},
    ):
        for method, path in (
            ("GET", f"Patient/{patient}"),
            ("GET", "Nonsense"),
            ("POST", ""),
            ("DELETE", "Patient/x"),
        ):
            answer = site.http.request(method, f"{site.base}/{path}", headers=header)
            refused(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert "x-consentry-tx" not in answer.headers


def test_two_authorization_headers_are_not_chosen_from(site: Site, patient: str):
    token = site.city.token()
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer other")]
    refused(site.http.get(f"{site.base}/Patient/{patient}", headers=headers), 401)


def test_a_token_that_has_expired_is_refused(site: Site, patient: str):
    token = site.issue(_principal(), seconds=1)
    caller = site.bearer(token)
    assert caller.get(f"Patient/{patient}").status_code == 200
    time.sleep(1.2)
    refused(caller.get(f"Patient/{patient}"), 401)


def test_a_token_of_another_node_is_refused(site: Site, served: Site, patient: str):
    refused(site.bearer(served.city.token()).get(f"Patient/{patient}"), 401)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ((), set()),
        (("system/Observation.r",), {"read"}),
        (("system/Observation.s",), {"search"}),
        (("system/Observation.c",), {"create"}),
        (("system/Observation.rs", "system/Patient.cruds"), {"read", "search"}),
        (("patient/*.cruds", "user/*.cruds"), set()),
        (("system/*.d",), {"delete"}),
        (("system/*.write",), {"create", "update", "delete"}),
        (("system/*.read",), {"read", "search", "everything"}),
        (("launch", "system/*.xyz", "*", "system/*.cruds?code=x"), set()),
    ],
)
def test_scopes_reach_what_they_say_and_no_further(
    site: Site, patient: str, scopes: tuple[str, ...], allowed: set[str]
):
    made = site.observation(patient)
    caller = site.bearer(site.issue(_principal(scopes=scopes)))
    place = f"Observation/{made['id']}"
    asked = {
        "read": lambda: caller.get(place),
        "search": lambda: caller.get(f"Observation?_id={made['id']}"),
        "everything": lambda: caller.get(f"Patient/{patient}/$everything"),
        "create": lambda: caller.post("Observation", observation(patient)),
        "update": lambda: caller.put(place, observation(patient, id=made["id"])),
        "delete": lambda: caller.delete(place),
    }
    for name, ask in asked.items():
        answer = ask()
        if name in allowed:
            assert answer.status_code < 300, name
        else:
            refused(answer, 403)


def test_a_search_by_post_needs_its_scope_before_its_form_is_read(site: Site):
    caller = site.bearer(site.issue(_principal(scopes=("system/Observation.r",))))
    refused(caller.post("Observation/_search", {"no": "form"}), 403)


def test_a_bundle_reaches_no_further_than_its_tokens_scopes(site: Site, patient: str):
    made = site.observation(patient)
    caller = site.bearer(site.issue(_principal(scopes=("system/Observation.s",))))
    entries = [
        {"request": {"method": "GET", "url": f"Observation/{made['id']}"}},
        {"request": {"method": "GET", "url": f"Observation/{made['id']}/_history/1"}},
        {"request": {"method": "GET", "url": f"Patient?_id={patient}"}},
        {"request": {"method": "DELETE", "url": f"Observation/{made['id']}"}},
        {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}},
        {"request": {"method": "GET", "url": f"Observation?_id={made['id']}"}},
    ]
    answer = caller.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    found = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert found == ["403", "403", "403", "403", "403", "200"]
    for entry in entries[:5]:
        refused(caller.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}), 403)


PATHS = [
    "Nonsense",
    "Nonsense/1",
    "patient/1",
    "Patients",
    "Resource/1",
    "DomainResource",
    f"{CANARY}/1",
    f"Patient/{CANARY}%20x",
    "Patient/..%2f..%2f..%2fetc%2fpasswd",
    "Patient/%2e%2e/%2e%2e/keys/root.key",
    "Patient/..",
    "Patient/%00",
    "Patient/%ff%fe",
    "Patient/%f0%9f%92%80",
    "Patient/\u202e",
    "Patient/a%0d%0aX-Injected:%20yes",
    "Patient/" + "a" * 65,
    "Patient/" + "a" * 10_000,
    "Patient/1/2/3",
    "Patient/1/$everything/x",
    "Patient/1/$nonsense",
    "$export",
    "_history",
    "Patient/_history",
    "Patient/1/_history/1/2",
    "Patient//_history",
    "Patient/",
    "/Patient",
    "?",
    "%",
    "%zz",
    ";",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_address_of_nothing_is_answered_in_fhirs_words(site: Site, path: str):
    for method in ("GET", "PUT", "DELETE", "POST", "PATCH"):
        answer = site.city(method, path, {"resourceType": "Patient"} if method in {"PUT", "POST"} else None)
        refused(answer, 400, 403, 404, 405, 422)
        assert "x-injected" not in answer.headers


def test_an_address_of_a_megabyte_is_too_long(site: Site):
    refused(site.city.get("Patient/" + "a" * 50_000), 414)
    refused(site.city.get("Patient?_id=" + "a" * 60_000), 414)
    refused(site.city("POST", "Patient/_search", data={"_id": "a" * 1_000_000}), 400, 422)


@pytest.mark.parametrize("logical_id", ["a b", "a/b", "\u00e9", "a" * 65, "..%2f", "a\x00", CANARY + "!"])
def test_an_id_that_fhir_does_not_know_is_not_stored(site: Site, logical_id: str):
    body = {"resourceType": "Patient", "id": logical_id}
    refused(site.city.put(f"Patient/{quote(logical_id, safe='')}", body), 400, 404, 405, 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, "Patient/1") for method in ("POST", "PATCH", "TRACE", "BREW", "OPTIONS")),
        *((method, "Patient") for method in ("PUT", "PATCH", "DELETE", "BREW")),
        *((method, "metadata") for method in ("PUT", "PATCH", "BREW")),
        *((method, "Patient/1/_history") for method in ("POST", "PUT", "DELETE")),
        *((method, "Patient/1/$everything") for method in ("POST", "PUT", "DELETE")),
        *((method, "") for method in ("GET", "PUT", "DELETE")),
    ],
)
def test_methods_that_an_address_does_not_know_are_not_allowed(site: Site, method: str, path: str):
    answer = site.city(method, path)
    refused(answer, 400, 403, 404, 405)


def test_a_page_link_that_was_tampered_with_does_not_hold(site: Site):
    page = site.city.get("Observation?_count=1").json()
    url = next(link["url"] for link in page["link"] if link["relation"] == "next")
    head, _, cursor = url.partition("_page=")
    place = len(cursor) // 2
    changed = "A" if cursor[place] != "A" else "B"
    for text in (
        cursor[:place] + changed + cursor[place + 1 :],
        cursor[:-8],
        cursor + "AAAA",
        cursor[8:],
        "",
        "A",
        "%00",
        "%ff",
        "\u00e9",
        CANARY,
        "A" * 12_000,
    ):
        refused(site.city.get(f"{head}_page={text}"), 400)
        refused(site.city.get(f"Patient/1/$everything?_page={text}"), 400)
        refused(site.city.get(f"Patient/1/_history?_page={text}"), 400)
    assert site.city.get(url).status_code == 200
    history = site.city.get(f"Patient/1/_history?_page={cursor}")
    refused(history, 400)


@pytest.mark.parametrize(
    "header", ["If-Match", "If-None-Match", "If-None-Exist", "Prefer", "Accept", "Content-Type"]
)
@pytest.mark.parametrize(
    "value", ["\x00", "\xff\xfe", "W/" * 5000, '"' * 9, "%00=%ff", "a=b&a=b&=", ";;;", CANARY]
)
def test_garbage_in_a_header_is_refused_or_ignored(site: Site, patient: str, header: str, value: str):
    body = json.dumps(observation(patient, id=MISSING)).encode()
    token = site.city.token()
    for method, path in (
        ("GET", f"Patient/{patient}"),
        ("POST", "Observation"),
        ("PUT", f"Observation/{MISSING}"),
    ):
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": FHIR_JSON,
            header: value.encode("latin-1"),
        }
        answer = site.http.request(method, f"{site.base}/{path}", headers=headers, content=body)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            is_outcome(answer, *range(400, 500))
            assert CANARY not in answer.text or header == "If-None-Exist"  # there it is a parameter's name


@pytest.mark.parametrize(
    "query",
    [
        f"name={CANARY}&nonsense={CANARY}",
        f"{CANARY}=1",
        f"birthdate={CANARY}",
        f"_lastUpdated={CANARY}",
        f"_count={CANARY}",
        f"_summary={CANARY}",
        f"identifier={CANARY}|{CANARY}|{CANARY}",
        f"organization={CANARY}:{CANARY}",
        f"_sort={CANARY}",
        f"_elements={CANARY}%20x",
        f"gender:{CANARY}=x",
        f"general-practitioner.{CANARY}=x",
        f"_page={CANARY}",
        f"_id={CANARY}%20&birthdate=x",
        f"_format={CANARY}",
        "&".join(f"name=a{n}" for n in range(250)),
        "_id=" + ",".join(str(n) for n in range(2000)),
        "birthdate=ge0000-00-00",
        "birthdate=9999-12-31T23:59:60Z",
        "birthdate=ne2020",
        "_lastUpdated=9999-12-31T23:59:59-14:00",
        "_lastUpdated=0001-01-01T00:00:00%2B14:00",
        "_count=99999999999999999999",
        "_count=%D9%A3",
        "%00=%00",
        "=",
        "&&&&",
        "_id=%ff",
        "_id",
        "identifier=%5c",
        "identifier=|",
        "identifier=,,,",
    ],
)
def test_a_search_that_says_nonsense_is_refused_without_repeating_it(site: Site, query: str):
    for caller, kind in ((site.city, "Patient"), (site.lake, "Patient"), (site.officer(), "AuditEvent")):
        answer = caller.get(f"{kind}?{query}")
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            is_outcome(answer, 400, 406, 422)
            for name, _, _ in (part.partition("=") for part in query.split("&")):
                assert CANARY not in answer.text or CANARY in name  # a parameter's name may be told


FORMS: list[tuple[str, bytes]] = [
    ("application/x-www-form-urlencoded", b"\xff\xfe=\x00&a"),
    ("application/x-www-form-urlencoded", b"&" * 10_000),
    ("application/x-www-form-urlencoded", b"a=1&" * 5_000),
    ("application/x-www-form-urlencoded", b"name=%zz%"),
    ("multipart/form-data; boundary=x", b"--x\r\n"),
    ("multipart/form-data", b""),
    ("application/json", b"{}"),
    ("", b"name=x"),
]


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_a_form_that_is_none_is_refused(site: Site, number: int):
    kind, body = FORMS[number]
    for path in (f"{site.base}/Patient/_search", f"{site.demo.settings.base_url}/auth/token"):
        headers = {"Content-Type": kind}
        if path.startswith(site.base):
            headers["Authorization"] = f"Bearer {site.city.token()}"
        answer = site.http.post(path, content=body, headers=headers)
        assert 200 <= answer.status_code < 500, answer.text
        clean(answer)
        if path.endswith("token"):
            assert answer.status_code in {400, 401, 413}
            assert set(answer.json()) == {"error", "error_description"}


# --- Fuzz ----------------------------------------------------------------------------------------------

_fuzz = settings(
    max_examples=int(60 * SCALE),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_text = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["Patient", "Observation", "_history", "_search", "$everything", "metadata", "..", "", "1"]
    ),
)
_KNOWN = (
    "_id identifier code date patient subject _lastUpdated _count _sort _page _elements _summary _total "
    "_format value-quantity code-value-quantity combo-code"
)
_names = st.one_of(st.sampled_from(_KNOWN.split()), st.text(max_size=20))
_values = st.one_of(
    st.text(max_size=40),
    st.from_regex(
        r"(eq|ne|gt|ge|lt|le|sa|eb|ap)?[0-9]{4}(-[0-9]{2}){0,2}(T[0-9:.Z+-]{0,14})?", fullmatch=True
    ),
    st.from_regex(
        r"(gt|le|ap)?-?[0-9]{1,30}(\.[0-9]{1,30})?(e-?[0-9]{1,9})?(\|[a-z]{0,5}){0,2}", fullmatch=True
    ),
    st.from_regex(r"[a-zA-Z:/|,\\$]{0,30}", fullmatch=True),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "id", "meta", "entry", "request", "resource", "type", "code", "subject"]
            )
            | st.text(max_size=10),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


def _sane(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    if answer.status_code >= 400:
        is_outcome(answer, answer.status_code)


@_fuzz
@given(method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]), parts=st.lists(_text, max_size=5))
def test_no_address_makes_the_gateway_fail(site: Site, method: str, parts: list[str]):
    path = "/".join(quote(part, safe="") for part in parts)
    body = {"resourceType": "Patient"} if method in {"POST", "PUT", "PATCH"} else None
    _sane(site.city(method, path, body))


@_fuzz
@given(
    kind=st.sampled_from(["Patient", "Observation", "Condition", "AuditEvent"]),
    query=st.lists(st.tuples(_names, _values), max_size=5),
    lenient=st.booleans(),
)
def test_no_search_makes_the_gateway_fail(site: Site, kind: str, query: list[tuple[str, str]], lenient: bool):
    caller: Caller = site.officer_token if kind == "AuditEvent" else site.city  # type: ignore[attr-defined] - set below
    query = [(name, value) for name, value in query if name.isprintable() or name == ""]
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    headers = {"Prefer": "handling=lenient"} if lenient else {}
    _sane(caller.get(f"{kind}?{encoded}", **headers))


@pytest.fixture(autouse=True, scope="module")
def _officer(site: Site) -> None:
    site.officer_token = site.officer()  # type: ignore[attr-defined] - one token for all examples


@_fuzz
@given(
    body=_json,
    path=st.sampled_from(["", "Patient", "Observation", "Consent", "Bundle", "Observation/$validate"]),
)
def test_no_json_makes_the_gateway_fail(site: Site, body: Any, path: str):
    if isinstance(body, dict) and path and "resourceType" in body:
        body["resourceType"] = path.partition("/")[0]
    _sane(site.city.post(path, json.dumps(body)))


@_fuzz
@given(data=st.data(), kind=st.sampled_from(["batch", "transaction"]))
def test_no_bundle_makes_the_gateway_fail(site: Site, data: st.DataObject, kind: str):
    requests = st.fixed_dictionaries(
        {
            "method": st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", ""]),
            "url": st.one_of(
                st.text(max_size=30),
                st.builds("/".join, st.lists(_text, min_size=1, max_size=4)),
                st.builds("Observation?{}={}".format, _names, _values),
            ),
        },
        optional={"ifMatch": _values, "ifNoneExist": st.builds("{}={}".format, _names, _values)},
    )
    entries = st.lists(
        st.fixed_dictionaries(
            {"request": requests}, optional={"resource": _json, "fullUrl": st.text(max_size=10)}
        ),
        max_size=4,
    )
    body = {"resourceType": "Bundle", "type": kind, "entry": data.draw(entries)}
    _sane(site.city.post("", json.dumps(body)))


@_fuzz
@given(body=st.binary(max_size=300))
def test_no_bytes_make_the_gateway_fail(site: Site, body: bytes):
    for path in ("", "Patient"):
        _sane(site.city.post(path, body))


@_fuzz
@given(line=st.binary(max_size=200))
def test_no_bytes_on_the_wire_make_the_gateway_fail(served: Site, line: bytes):
    parts = urlsplit(served.base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    connection.connect()
    connection.sock.sendall(
        b"GET /fhir/Patient/" + line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    got = b""
    try:
        connection.sock.settimeout(0.5)
        while chunk := connection.sock.recv(65536):
            got += chunk
    except OSError:
        pass
    finally:
        connection.close()
    assert b" 500 " not in got[:20]
    assert b"Traceback" not in got


def test_a_condition_needs_the_scope_to_search(site: Site):
    caller = site.bearer(site.issue(_principal(scopes=("system/Patient.c", "system/Observation.c"))))
    is_outcome(caller.post("Patient", {"resourceType": "Patient"}, If_None_Exist="_id=x"), 403)
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient?_id=x"},
    }
    entry = {"request": {"method": "POST", "url": "Observation"}, "resource": observation}
    is_outcome(caller.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}), 403)
