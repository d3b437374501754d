"""Create, read, update, delete, history and the headers around them, as a hospital's system meets them."""

from __future__ import annotations

import json

import pytest

from tests.support.scenarios.scenario_site import (
    EVERY_STORE,
    LAKE,
    MISSING,
    TX,
    Site,
    consent,
    fresh_id,
    is_outcome,
    observation,
)

LEDGERS = EVERY_STORE


@pytest.fixture(scope="module")
def patient(site: Site) -> str:
    return site.new_patient()


def test_a_created_record_is_answered_with_its_address_version_and_content(site: Site, patient: str):
    made = site.city.post("Observation", observation(patient))
    assert made.status_code == 201
    stored = made.json()
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["location"] == f"{site.base}/Observation/{stored['id']}/_history/1"
    assert made.headers["last-modified"].endswith("GMT")
    assert stored["meta"]["versionId"] == "1"
    assert stored["valueQuantity"]["value"] == 71


def test_a_create_assigns_its_own_id(site: Site, patient: str):
    chosen = fresh_id()
    stored = site.city.post("Observation", observation(patient, id=chosen)).json()
    assert stored["id"] != chosen
    is_outcome(site.city.get(f"Observation/{chosen}"), 404)


def test_a_read_is_the_created_record_with_its_version_and_its_transaction(site: Site, patient: str):
    made = site.city.post("Observation", observation(patient))
    read = site.city.get(f"Observation/{made.json()['id']}")
    assert read.status_code == 200
    assert read.content == made.content
    assert read.headers["etag"] == 'W/"1"'
    assert read.headers["last-modified"] == made.headers["last-modified"]
    assert len(read.headers[TX]) == 64
    assert read.headers["cache-control"] == "no-store"


def test_a_head_request_is_a_logged_read_without_the_body(site: Site, patient: str):
    made = site.city.post("Observation", observation(patient)).json()
    head = site.city("HEAD", f"Observation/{made['id']}")
    read = site.city.get(f"Observation/{made['id']}")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["etag"] == read.headers["etag"]
    assert head.headers[TX] != read.headers[TX]


BYTES = b"""{ "resourceType" : "Observation",
  "status":"final", "id": "ignored",
  "extension" : [ {"url":"http://b.example/z","valueDecimal":1.10},
                  {"valueString":"caf\\u00e9 \xe2\x98\x83 \\/ tab\\there","url":"http://a.example/a"} ],
  "meta": {"tag" : [ {"code":"t" , "system":"http://t.example"} ], "lastUpdated":"2001-01-01T00:00:00Z"},
  "code" : {"coding":[{"system":"http://loinc.org",   "code":"8867-4"}]},
  "subject":{"reference":"Patient/PATIENT"},
  "effectiveDateTime" : "2026-11-20T08:30:00.000+00:00",
  "_status" : {"extension":[{"url":"http://c.example","valueCode":"x"}]},
  "component":[{"code":{"text":"a"},"valueQuantity":{"value":71.0,"unit":"\\u002fmin"}},
    {"code":{"text":"b"}, "valueQuantity":{"value":1.5e3}},
    {"code":{"text":"c"},"valueQuantity":{"value": 0.000000000000000001 ,"unit" : "x"}}],
  "valueQuantity" : {"value" : 71.0, "unit" : "beats / minute" }
}"""


def _members(text: bytes) -> dict[str, str]:
    """Return each top-level member's text as it stands in `text`."""
    decoder, source = json.JSONDecoder(), text.decode()
    place, members = source.index("{") + 1, {}
    while True:
        place += len(source[place:]) - len(source[place:].lstrip(" \n,"))
        if source[place] == "}":
            return members
        name, place = decoder.raw_decode(source, place)
        place = source.index(":", place) + 1
        place += len(source[place:]) - len(source[place:].lstrip())
        _, end = decoder.raw_decode(source, place)
        members[name] = source[place:end]
        place = end


def _round_trip(site: Site, patient: str, *, by: str) -> tuple[bytes, bytes]:
    body = BYTES.replace(b"PATIENT", patient.encode())
    if by == "create":
        made = site.city.post("Observation", body)
        assert made.status_code == 201, made.text
        place = f"Observation/{made.json()['id']}"
    elif by == "update":
        place = f"Observation/{fresh_id()}"
        made = site.city.put(place, body.replace(b'"ignored"', json.dumps(place.split("/")[1]).encode()))
        assert made.status_code == 201, made.text
    else:
        kind = {"resourceType": "Bundle", "type": by}
        entry = '{"request":{"method":"POST","url":"Observation"},"resource":RESOURCE}'
        bundle = json.dumps(kind)[:-1] + ',"entry":[' + entry + "]}"
        made = site.city.post("", bundle.encode().replace(b"RESOURCE", body))
        assert made.status_code == 200, made.text
        place = "/".join(made.json()["entry"][0]["response"]["location"].split("/")[-4:-2])
    return body, site.city.get(place).content


@pytest.mark.parametrize("by", ["create", "update", "transaction", "batch"])
def test_every_member_but_id_and_meta_comes_back_byte_for_byte(site: Site, patient: str, by: str):
    sent, got = (_members(text) for text in _round_trip(site, patient, by=by))
    assert list(got)[:3] == ["resourceType", "id", "meta"]
    for name in ("id", "meta"):
        sent.pop(name)
        got.pop(name)
    assert got == sent
    assert list(got) == list(sent)


def test_what_the_sender_said_in_meta_is_kept_beside_version_and_time(site: Site, patient: str):
    _, got = _round_trip(site, patient, by="create")
    meta = json.loads(got)["meta"]
    assert meta["tag"] == [{"code": "t", "system": "http://t.example"}]
    assert meta["versionId"] == "1"
    assert meta["lastUpdated"] > "2026"
    assert b'"tag":[ {"code":"t" , "system":"http://t.example"} ]' in got


def test_a_version_stays_readable_after_an_update(site: Site, patient: str):
    first = site.observation(patient)
    place = f"Observation/{first['id']}"
    second = site.city.put(place, observation(patient, id=first["id"], status="amended"))
    assert second.status_code == 200
    assert second.headers["etag"] == 'W/"2"'
    old = site.city.get(f"{place}/_history/1")
    assert old.json() == first
    assert old.headers["etag"] == 'W/"1"'
    assert site.city.get(f"{place}/_history/2").json()["status"] == "amended"
    assert site.city.get(place).json()["status"] == "amended"


@pytest.mark.parametrize("version", ["0", "2", "99999999999", "-1", "x", "1.0"])
def test_a_version_that_is_none_is_not_found(site: Site, patient: str, version: str):
    place = f"Observation/{site.observation(patient)['id']}"
    is_outcome(site.city.get(f"{place}/_history/{version}"), 404)


def test_an_update_with_the_current_version_in_if_match_is_made(site: Site, patient: str):
    made = site.observation(patient)
    body = observation(patient, id=made["id"], status="amended")
    answer = site.city.put(f"Observation/{made['id']}", body, If_Match='W/"1"')
    assert answer.status_code == 200


@pytest.mark.parametrize("tag", ['W/"2"', '"0"', "garbage", 'W/"1', "W/", '""', "9" * 40])
def test_an_update_with_another_if_match_fails_and_changes_nothing(site: Site, patient: str, tag: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    if tag == 'W/"1':
        tag = 'W/"3'
    body = observation(patient, id=made["id"], status="amended")
    is_outcome(site.city.put(place, body, If_Match=tag), 412)
    assert site.city.get(place).json() == made


def test_a_delete_with_another_if_match_fails(site: Site, patient: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    is_outcome(site.city.delete(place, If_Match='W/"7"'), 412)
    assert site.city.get(place).status_code == 200
    assert site.city.delete(place, If_Match='W/"1"').status_code == 204


def test_an_update_of_what_is_not_there_creates_it_under_the_senders_id(site: Site, patient: str):
    chosen = fresh_id()
    made = site.city.put(f"Observation/{chosen}", observation(patient, id=chosen))
    assert made.status_code == 201
    assert made.headers["location"].endswith(f"/Observation/{chosen}/_history/1")
    assert site.city.get(f"Observation/{chosen}").status_code == 200


def test_an_update_whose_body_names_another_id_is_refused(site: Site, patient: str):
    made = site.observation(patient)
    is_outcome(site.city.put(f"Observation/{made['id']}", observation(patient, id=MISSING)), 400)
    is_outcome(site.city.put(f"Observation/{made['id']}", observation(patient)), 400)


def test_a_create_with_search_parameters_in_its_address_is_refused(site: Site, patient: str):
    is_outcome(site.city.post("Observation?identifier=1", observation(patient)), 400)
    assert site.city.post("Observation?_format=json", observation(patient)).status_code == 201


def test_a_body_of_another_type_than_the_url_is_refused_with_its_path(site: Site):
    said = is_outcome(site.city.post("Observation", {"resourceType": "Patient"}), 422)
    assert said["issue"][0]["expression"] == ["Patient.resourceType"]


def test_a_body_that_is_not_r4_is_refused_with_every_path(site: Site, patient: str):
    body = observation(patient, status="fine", valueQuantity={"value": "71"}, nonsense=1)
    said = is_outcome(site.city.post("Observation", body), 422)
    paths = {path for issue in said["issue"] for path in issue["expression"]}
    assert paths == {"Observation", "Observation.status", "Observation.value.ofType(Quantity).value"}


def test_a_deleted_record_is_gone_and_its_history_ends_with_a_deletion(site: Site, patient: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    assert site.city.delete(place).status_code == 204
    is_outcome(site.city.get(place), 410)
    is_outcome(site.city.get(f"{place}/_history/2"), 410)
    assert site.city.get(f"{place}/_history/1").json() == made
    history = site.city.get(f"{place}/_history").json()
    newest, oldest = history["entry"]
    assert newest["request"] == {"method": "DELETE", "url": place}
    assert "resource" not in newest
    assert newest["response"]["status"].startswith("204")
    assert oldest["resource"] == made
    assert site.city.found(f"Observation?_id={made['id']}") == []


def test_a_second_delete_changes_nothing(site: Site, patient: str):
    place = f"Observation/{site.observation(patient)['id']}"
    first, second = site.city.delete(place), site.city.delete(place)
    assert (first.status_code, second.status_code) == (204, 204)
    assert len(site.city.get(f"{place}/_history").json()["entry"]) == 2


def test_what_was_deleted_can_be_brought_back_by_an_update(site: Site, patient: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    site.city.delete(place)
    again = site.city.put(place, observation(patient, id=made["id"]))
    assert again.status_code == 201
    assert again.headers["etag"] == 'W/"3"'
    assert site.city.get(place).status_code == 200


def test_a_deletion_is_no_news_for_whom_the_record_was_hidden_from(site: Site, patient: str):
    place = f"Observation/{site.observation(patient)['id']}"
    site.city.delete(place)
    hidden, missing = site.lake.get(place), site.lake.get(f"Observation/{MISSING}")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.content == missing.content


def test_a_deletion_is_told_to_the_hospital_and_the_patient_alone(site: Site):
    patient = site.new_patient()
    place = f"Observation/{site.observation(patient)['id']}"
    assert site.city.post("Consent", consent(patient, LAKE)).status_code == 201
    assert site.lake.get(place).status_code == 200
    site.city.delete(place)
    is_outcome(site.lake.get(place), 404)
    for caller in (site.city, site.patient(patient)):
        is_outcome(caller.get(place), 410)


def test_a_history_is_complete_and_newest_first_over_all_its_pages(site: Site, patient: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    entries = []
    for n in range(104):
        entries.append({"note": [{"text": f"change {n}"}]})
        answer = site.city.put(place, observation(patient, id=made["id"], **entries[-1]))
        assert answer.status_code == 200
    pages, url = [], f"{place}/_history"
    while url:
        answer = site.city.get(url)
        assert answer.status_code == 200
        pages.append(answer.json())
        url = next((link["url"] for link in pages[-1]["link"] if link["relation"] == "next"), "")
    assert len(pages) == 2
    versions = [entry["resource"]["meta"]["versionId"] for page in pages for entry in page["entry"]]
    assert versions == [str(n) for n in range(105, 0, -1)]


def test_a_history_page_can_be_made_small(site: Site, patient: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    for hour in range(3):
        site.city.put(place, observation(patient, id=made["id"], issued=f"2026-11-20T0{hour}:30:00Z"))
    page = site.city.get(f"{place}/_history?_count=2").json()
    assert len(page["entry"]) == 2
    assert len(site.city.found(f"{place}/_history?_count=2")) == 4


def test_the_history_of_nothing_is_not_found(site: Site):
    is_outcome(site.city.get(f"Observation/{MISSING}/_history"), 404)


def test_a_read_with_the_current_etag_transfers_nothing_but_is_still_logged(site: Site, patient: str):
    place = f"Observation/{site.observation(patient)['id']}"
    answer = site.city.get(place, If_None_Match='W/"1"')
    assert answer.status_code == 304
    assert answer.content == b""
    assert len(answer.headers[TX]) == 64
    assert site.city.get(place, If_None_Match='W/"2"').status_code == 200


@pytest.mark.parametrize(("prefer", "check"), [("minimal", b""), ("representation", b'"Observation"')])
def test_prefer_decides_what_a_write_answers(site: Site, patient: str, prefer: str, check: bytes):
    made = site.city.post("Observation", observation(patient), Prefer=f"return={prefer}")
    assert made.status_code == 201
    assert check in made.content
    assert bool(made.content) is bool(check)


def test_prefer_can_ask_for_an_outcome(site: Site, patient: str):
    made = site.city.post("Observation", observation(patient), Prefer="return=OperationOutcome")
    is_outcome(made, 201)
    assert made.json()["issue"][0]["severity"] == "information"


@pytest.mark.parametrize(
    "kind", ["application/fhir+json", "application/json", "application/json; charset=utf-8"]
)
def test_bodies_of_each_json_type_are_taken(site: Site, patient: str, kind: str):
    assert site.city.post("Observation", observation(patient), Content_Type=kind).status_code == 201


@pytest.mark.parametrize("kind", ["application/fhir+xml", "text/plain", "", "multipart/form-data"])
def test_bodies_of_other_types_are_refused(site: Site, patient: str, kind: str):
    is_outcome(site.city.post("Observation", observation(patient), Content_Type=kind), 415)


@pytest.mark.parametrize(
    "accept",
    [
        "application/json, */*",
        "*/*",
        "application/fhir+json;fhirVersion=4.0",
        "text/html, application/*;q=0.5",
        "",
    ],
)
def test_json_is_answered_to_whoever_takes_it(site: Site, patient: str, accept: str):
    place = f"Observation/{site.observation(patient)['id']}"
    answer = site.city.get(place, Accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/fhir+json")


@pytest.mark.parametrize("accept", ["application/fhir+xml", "text/html", "text/turtle"])
def test_other_formats_are_not_acceptable(site: Site, patient: str, accept: str):
    place = f"Observation/{site.observation(patient)['id']}"
    is_outcome(site.city.get(place, Accept=accept), 406)


def test_format_goes_before_accept(site: Site, patient: str):
    place = f"Observation/{site.observation(patient)['id']}"
    for wanted in ("json", "application/json", "application/fhir%2Bjson", "application/fhir+json"):
        assert site.city.get(f"{place}?_format={wanted}", Accept="text/html").status_code == 200
    is_outcome(site.city.get(f"{place}?_format=xml"), 406)


def test_elements_of_a_read_keep_what_is_mandatory_and_are_tagged(site: Site, patient: str):
    made = site.observation(patient, _effectiveDateTime={"id": "e"})
    shaped = site.city.get(f"Observation/{made['id']}?_elements=effectiveDateTime").json()
    assert set(shaped) == {
        *("resourceType", "id", "meta", "status", "code", "effectiveDateTime", "_effectiveDateTime")
    }
    assert shaped["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_elements_name_a_choice_by_its_stem(site: Site, patient: str):
    made = site.observation(patient)
    shaped = site.city.get(f"Observation/{made['id']}?_elements=value").json()
    assert set(shaped) == {"resourceType", "id", "meta", "status", "code", "valueQuantity"}


def test_a_summary_of_data_leaves_out_the_text(site: Site, patient: str):
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">words</div>'}
    made = site.observation(patient, text=text)
    place = f"Observation/{made['id']}"
    assert "text" not in site.city.get(f"{place}?_summary=data").json()
    only = site.city.get(f"{place}?_summary=text").json()
    assert set(only) == {"resourceType", "id", "meta", "text", "status", "code"}


@pytest.mark.parametrize("query", ["_summary=some", "_elements=a%20b", "_elements=%00"])
def test_a_shape_that_is_none_is_refused(site: Site, patient: str, query: str):
    is_outcome(site.city.get(f"Observation/{site.observation(patient)['id']}?{query}"), 400)


def test_validate_answers_for_valid_and_invalid_bodies_and_stores_nothing(site: Site, patient: str):
    body = observation(patient, id=fresh_id())
    good = is_outcome(site.city.post("Observation/$validate", body), 200)
    assert good["issue"][0]["severity"] == "information"
    bad = is_outcome(site.city.post("Observation/$validate", body | {"status": "fine"}), 200)
    assert bad["issue"][0]["severity"] == "error"
    assert bad["issue"][0]["expression"] == ["Observation.status"]
    is_outcome(site.city.get(f"Observation/{body['id']}"), 404)


def test_validate_takes_the_resource_of_a_parameters_body(site: Site, patient: str):
    def sent(*parts: dict[str, object]) -> dict[str, object]:
        return {"resourceType": "Parameters", "parameter": list(parts)}

    resource = {"name": "resource", "resource": observation(patient)}
    good = is_outcome(site.city.post("Observation/$validate", sent(resource)), 200)
    assert good["issue"][0]["severity"] == "information"
    wrong = {"name": "resource", "resource": observation(patient) | {"status": "fine"}}
    bad = is_outcome(site.city.post("Observation/$validate", sent(wrong)), 200)
    assert bad["issue"][0]["expression"] == ["Observation.status"]
    other = {"name": "resource", "resource": {"resourceType": "Patient"}}
    assert (
        is_outcome(site.city.post("Observation/$validate", sent(other)), 200)["issue"][0]["severity"]
        == "error"
    )
    for parts in (
        (),
        (resource, resource),
        ({"name": "resource", "valueString": "x"},),
        (resource, {"name": "profile", "valueUri": "http://example.org/p"}),
        (resource, {"name": "mode", "valueCode": "create"}),
    ):
        refused = is_outcome(site.city.post("Observation/$validate", sent(*parts)), 422)
        assert refused["issue"][0]["expression"][0].startswith("Parameters.parameter")


def test_validate_says_which_profiles_it_did_not_look_at(site: Site, patient: str):
    core = "http://hl7.org/fhir/StructureDefinition/Observation"
    meta = {"profile": [core, "http://example.org/fhir/StructureDefinition/vital"]}
    answer = site.city.post("Observation/$validate", observation(patient, meta=meta))
    [issue] = is_outcome(answer, 200)["issue"]
    assert (issue["severity"], issue["expression"]) == ("warning", ["Observation.meta.profile[1]"])
    [issue] = is_outcome(
        site.city.post("Observation/$validate", observation(patient, meta={"profile": [core]})), 200
    )["issue"]
    assert issue["severity"] == "information"


def test_validate_says_it_of_the_resources_within_a_resource(site: Site, patient: str):
    claims = {"meta": {"profile": ["http://example.org/p"]}}
    inner = {"resourceType": "Organization", "id": "o", "name": "x"} | claims
    holding = observation(patient, contained=[inner], performer=[{"reference": "#o"}])
    entry = {"fullUrl": f"urn:uuid:{fresh_id()}", "resource": observation(patient) | claims}
    held = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    sent = {
        "resourceType": "Parameters",
        "parameter": [{"name": "x", "part": [{"name": "y", "resource": held}]}],
    }
    of_parameters = "Parameters.parameter[0].part[0].resource.entry[0].resource.meta.profile[0]"
    for body, path in (
        (holding, "Observation.contained[0].meta.profile[0]"),
        (held, "Bundle.entry[0].resource.meta.profile[0]"),
        (sent, of_parameters),
    ):
        [issue] = is_outcome(site.city.post(f"{body['resourceType']}/$validate", body), 200)["issue"]
        assert (issue["severity"], issue["expression"]) == ("warning", [path])


def test_validate_of_what_is_no_json_can_not_be_run(site: Site):
    is_outcome(site.city.post("Observation/$validate", b"{"), 400)


def test_everybody_may_read_what_the_server_can_do(site: Site):
    for path in ("metadata", "metadata?_format=json"):
        answer = site.http.get(f"{site.base}/{path}", headers={"Accept": "application/json"})
        assert answer.status_code == 200
        statement = answer.json()
        assert statement["resourceType"] == "CapabilityStatement"
        assert statement["fhirVersion"] == "4.0.1"
    kinds = {resource["type"]: resource for resource in statement["rest"][0]["resource"]}
    codes = {interaction["code"] for interaction in kinds["AuditEvent"]["interaction"]}
    assert codes == {"read", "search-type"}


def test_nobody_writes_the_access_log(site: Site):
    event = {"resourceType": "AuditEvent"}
    for caller in (site.city, site.lake):
        is_outcome(caller.post("AuditEvent", event), 403)
        is_outcome(caller.put(f"AuditEvent/{MISSING}", event), 403)
        is_outcome(caller.delete(f"AuditEvent/{MISSING}"), 403)
    for method, url in (("POST", "AuditEvent"), ("PUT", "AuditEvent/1"), ("DELETE", "AuditEvent/1")):
        entry = {"request": {"method": method, "url": url}, "resource": event}
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
        answer = site.city.post("", bundle).json()
        assert answer["entry"][0]["response"]["status"].startswith("403")


def test_other_organisations_write_nothing(site: Site, patient: str):
    made = site.observation(patient)
    place = f"Observation/{made['id']}"
    for caller in (site.lake, site.ridge, site.patient(patient), site.officer()):
        is_outcome(caller.post("Observation", observation(patient)), 403)
        is_outcome(caller.put(place, observation(patient, id=made["id"])), 403)
        is_outcome(caller.delete(place), 403)
    assert site.city.get(place).json() == made
