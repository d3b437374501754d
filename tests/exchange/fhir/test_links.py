"""Links are what the type of an element says, and replacing them changes nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchange.errors import InvalidResourceError
from exchange.fhir.links.entries import Entries, key_of
from exchange.fhir.links.relink import conditional_references, relinked

URN = "urn:uuid:7d0c4f4e-1111-4222-8333-444455556688"
ELSEWHERE = "http://elsewhere.example/fhir"
BASE = "https://city.example/fhir"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


def moved(resource: dict[str, Any], text: str = URN, to: str = "Patient/new") -> dict[str, Any]:
    body = json.dumps(resource).encode()
    changed: dict[str, Any] = json.loads(relinked(body, lambda _, found: to if found == text else None))
    return changed


def at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[int(step) if step.isdecimal() else step]
    return value


def with_value(resource_type: str, path: str, text: str) -> dict[str, Any]:
    """Return a resource with `text` at `path`, whose numbers are items of arrays."""
    steps = path.split(".")
    value: Any = text
    for step in reversed(steps):
        value = [value] if step.isdecimal() else {step: value}
    made: dict[str, Any] = {"resourceType": resource_type} | value
    return made


LINKS = [
    ("Observation", "subject.reference"),
    ("Observation", "performer.0.reference"),
    ("Observation", "contained.0.extension.0.valueReference.reference"),
    ("Observation", "extension.0.valueUri"),
    ("Observation", "extension.0.valueUrl"),
    ("Observation", "extension.0.valueOid"),
    ("Observation", "extension.0.valueUuid"),
    ("Observation", "_status.extension.0.valueReference.reference"),
    ("Observation", "subject.identifier.assigner.reference"),
    ("Observation", "meta.source"),
    ("DocumentReference", "content.0.attachment.url"),
    ("Consent", "policy.0.uri"),
    ("CarePlan", "instantiatesUri.0"),
    ("Parameters", "parameter.0.resource.subject.reference"),
]
NO_LINKS = [
    ("DocumentReference", "masterIdentifier.value"),
    ("DocumentReference", "masterIdentifier.system"),
    ("DocumentReference", "description"),
    ("DocumentReference", "content.0.attachment.title"),
    ("DocumentReference", "id"),
    ("Observation", "identifier.0.value"),
    ("Observation", "code.coding.0.code"),
    ("Observation", "code.coding.0.system"),
    ("Observation", "code.text"),
    ("Observation", "note.0.text"),
    ("Observation", "valueString"),
    ("Observation", "meta.profile.0"),
    ("Observation", "implicitRules"),
    ("Observation", "subject.display"),
    ("Observation", "subject.type"),
    ("Observation", "subject.identifier.value"),
    ("Observation", "extension.0.url"),
    ("Observation", "extension.0.valueString"),
    ("Observation", "extension.0.valueCanonical"),
    ("CarePlan", "instantiatesCanonical.0"),
    ("ValueSet", "url"),
    ("ConceptMap", "sourceUri"),
    ("Bundle", "entry.0.fullUrl"),
    ("Bundle", "entry.0.resource.subject.reference"),
]


def _complete(resource: dict[str, Any]) -> dict[str, Any]:
    for holder in (resource.get("contained"), resource.get("parameter")):
        for item in holder or ():
            (item.get("resource") or item)["resourceType"] = "Observation"
    return resource


@pytest.mark.parametrize(("kind", "path"), LINKS)
@pytest.mark.parametrize("text", [URN, f"{ELSEWHERE}/Patient/1"])
def test_a_link_is_replaced(kind: str, path: str, text: str):
    resource = _complete(with_value(kind, path, text))
    assert at(moved(resource, text), path) == "Patient/new"


@pytest.mark.parametrize(("kind", "path"), NO_LINKS)
@pytest.mark.parametrize("text", [URN, f"{ELSEWHERE}/Patient/1"])
def test_what_is_no_link_stays(kind: str, path: str, text: str):
    resource = with_value(kind, path, text)
    assert moved(resource, text) == resource


@pytest.mark.parametrize("written", ['href="{}"', "href='{}'", 'src="{}"', 'title="x" HREF = "{}"'])
def test_links_in_narrative_follow_and_its_text_does_not(written: str):
    div = f"{DIV}<a {written.format(URN)}>{URN}</a></div>"
    changed = moved({"resourceType": "Observation", "text": {"status": "generated", "div": div}})
    assert 'Patient/new"' in changed["text"]["div"]
    assert changed["text"]["div"].count(URN) == 1


def test_an_escaped_attribute_is_the_same_link():
    text = f"{ELSEWHERE}/Binary?a=1&b=2"
    div = f'{DIV}<img src="{text.replace("&", "&amp;")}"/></div>'
    changed = moved({"resourceType": "Observation", "text": {"div": div}}, text, "Binary/x?a=1&b=2")
    assert 'src="Binary/x?a=1&amp;b=2"' in changed["text"]["div"]


def test_all_other_bytes_stay_and_escapes_mean_the_same_string():
    body = (
        b'{"resourceType":"Observation","valueQuantity":{"value":1.50e1,"unit":"\\u00b5g"},'
        b'"subject":{"reference":"urn:uuid:7d0c4f4e\\u002d1111-4222-8333-444455556688","display":"a\\/b"},'
        b'"note":[ {"text" : "1.0"} ]}'
    )
    wanted = body.replace(b"urn:uuid:7d0c4f4e\\u002d1111-4222-8333-444455556688", b"Patient/new")
    assert relinked(body, lambda _, text: "Patient/new" if text == URN else None) == wanted


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"resourceType":"None"}',
        b'{"resourceType":["Observation"]}',
        b'{"resourceType":"Observation","subject":"x","performer":{"reference":[1]},"text":{"div":null}}',
        b'{"resourceType":"Observation","extension":' + b'[{"extension":' * 5000 + b"1" + b"}]" * 5000 + b"}",
        b'{"resourceType":"Observation","note":[{"text":"\xff"}]}',
    ],
)
def test_what_is_no_resource_is_left_for_the_validation(body: bytes):
    assert relinked(body, lambda _kind, _text: "Patient/new") == body


@pytest.mark.parametrize("slash", ["/", "\\/", "\\u002f"])
@pytest.mark.parametrize("mark", ["?", "\\u003f", "\\u003F"])
@pytest.mark.parametrize("last", ["r", "\\u0072"])
def test_a_conditional_reference_is_found_however_it_is_escaped(slash: str, mark: str, last: str):
    text = f"Practitione{last}{mark}identifier=http:{slash}{slash}sid.example|9"
    body = f'{{"resourceType":"Observation","performer":[{{"reference":"{text}","display":"{text}"}}]}}'
    assert conditional_references(body.encode()) == {"Practitioner?identifier=http://sid.example|9"}


def test_a_conditional_reference_in_another_element_is_none():
    body = {"resourceType": "Observation", "note": [{"text": "x", "reference": "Patient?identifier=1"}]}
    assert not conditional_references(json.dumps(body).encode())


def subject(entries: Entries, full_url: str, reference: str, *, keeps_ids: bool = False) -> str:
    body = json.dumps({"resourceType": "Condition", "subject": {"reference": reference}}).encode()
    found: str = json.loads(entries.relinked(body, full_url, keeps_ids=keeps_ids))["subject"]["reference"]
    return found


@pytest.mark.parametrize(
    ("own", "full_url", "reference"),
    [
        (f"{ELSEWHERE}/Condition/c", f"{ELSEWHERE}/Patient/1", "Patient/1"),
        (f"{ELSEWHERE}/Condition/c", f"{ELSEWHERE}/Patient/1", "Patient/1/_history/3"),
        (f"{ELSEWHERE}/Condition/c", f"{ELSEWHERE}/Patient/1", f"{ELSEWHERE}/Patient/1"),
        (f"{ELSEWHERE}/Condition/c", f"{ELSEWHERE}/Patient/1", f"{ELSEWHERE}/Patient/1/_history/3"),
        (f"{ELSEWHERE}/Condition/c", f"{ELSEWHERE}/Patient/1", "HTTP://Elsewhere.example:80/fhir/Patient/1"),
        (f"{ELSEWHERE}/Condition/c", "https://elsewhere.example/fhir/Patient/1", "Patient/1"),
        (f"{BASE}/Condition/c", f"{BASE}/Patient/1", "Patient/1"),
        ("urn:uuid:0", f"{ELSEWHERE}/Patient/1", f"{ELSEWHERE}/Patient/1"),
        ("urn:uuid:0", f"{ELSEWHERE}/Patient/1", "Patient/1"),
        ("", f"{ELSEWHERE}/Patient/1", "Patient/1"),
        ("", URN, URN),
        ("", URN, URN.replace("uuid", "UUID").replace("d0c", "D0C")),
        ("", "urn:oid:1.2.3", "urn:oid:1.2.3"),
        ("", "http://elsewhere.example/p?id=1", "http://elsewhere.example/p?id=1"),
    ],
)
def test_a_reference_leads_to_the_entry_with_its_full_url(own: str, full_url: str, reference: str):
    entries = Entries([own, full_url], base=BASE)
    entries.place(own, "Condition/here")
    entries.place(full_url, "Patient/here")
    assert subject(entries, own, reference) == "Patient/here"


def test_a_relative_reference_beside_a_foreign_full_url_is_never_a_local_record():
    entries = Entries([f"{ELSEWHERE}/Condition/c"], base=BASE)
    assert subject(entries, f"{ELSEWHERE}/Condition/c", "Patient/1") == f"{ELSEWHERE}/Patient/1"
    assert subject(entries, f"{ELSEWHERE}/Condition/c", "Patient/1", keeps_ids=True) == "Patient/1"
    for own in ("", URN, f"{BASE}/Condition/c"):
        assert subject(entries, own, "Patient/1") == "Patient/1"


@pytest.mark.parametrize(
    "reference", [f"{ELSEWHERE}/Patient/2", "#p", "urn:uuid:other", "Patient?identifier=1"]
)
def test_a_reference_to_something_else_stays(reference: str):
    entries = Entries([f"{ELSEWHERE}/Patient/1"], base=BASE)
    entries.place(f"{ELSEWHERE}/Patient/1", "Patient/here")
    assert subject(entries, "", reference) == reference


def test_a_relative_reference_that_two_servers_could_mean_leads_to_neither():
    urls = [f"{ELSEWHERE}/Patient/1", "http://third.example/Patient/1"]
    entries = Entries(urls, base=BASE)
    for number, url in enumerate(urls):
        entries.place(url, f"Patient/here-{number}")
    assert subject(entries, "", "Patient/1") == "Patient/1"
    assert subject(entries, "http://third.example/Condition/1", "Patient/1") == "Patient/here-1"


def test_a_reference_to_an_entry_that_is_not_stored_is_refused():
    entries = Entries([URN], base=BASE)
    entries.place(URN, "Patient/here")
    entries.leave(URN)
    with pytest.raises(InvalidResourceError):
        subject(entries, "", URN)


def test_keys_of_different_servers_differ():
    assert key_of("http://a.example/fhir/Patient/1") != key_of("http://b.example/fhir/Patient/1")
    assert key_of("http://a.example/fhir/Patient/1") != key_of("http://a.example/fhir/Patient/2")
