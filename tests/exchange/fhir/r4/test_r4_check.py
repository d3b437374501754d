"""`check` accepts R4, refuses everything else, and says where the fault is."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import BadRequestError, InvalidResourceError, Problem
from exchange.fhir.r4 import RESOURCE_TYPES, check, diagnosis, structs, wellformed

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "meta": {"profile": ["http://example.org/p"], "versionId": "1"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": 'A \\" : {} \u2028'}],
    "extension": [{"url": "http://example.org/e", "valueDecimal": 1.5}],
    "active": True,
    "name": [{"family": "Quux", "given": ["Zebedee", "Z"], "period": {"start": "2020-01-01"}}],
    "_birthDate": {"extension": [{"url": "http://example.org/a", "valueCode": "unknown"}]},
    "gender": "other",
    "multipleBirthInteger": 2,
    "contact": [{"name": {"text": "N"}, "gender": "female"}],
    "managingOrganization": {"reference": "#o"},
}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "c"}}


def problems(body: bytes | dict[str, Any]) -> list[Problem]:
    with pytest.raises(InvalidResourceError) as caught:
        check(body if isinstance(body, bytes) else json.dumps(body).encode())
    return list(caught.value.problems)


def paths(body: bytes | dict[str, Any]) -> list[str]:
    return [problem.path for problem in problems(body)]


def test_a_valid_resource_comes_back_parsed_with_its_type() -> None:
    checked = check(json.dumps(PATIENT, indent=2).encode(), expected="Patient")
    assert (checked.resource_type, checked.resource) == ("Patient", PATIENT)


def test_r4_has_146_resource_types() -> None:
    assert len(RESOURCE_TYPES) == 146
    assert {"Patient", "Bundle", "Parameters", "Binary", "MedicinalProduct"} <= RESOURCE_TYPES
    assert not {"SubscriptionStatus", "Resource", "DomainResource"} & RESOURCE_TYPES


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"Patient"',
        b'{"resourceType":"Patient"}{}',
        b'{"resourceType":"Patient",}',
        b"{'resourceType':'Patient'}",
        b'{"resourceType":"Patient"} // comment',
        b'{"resourceType":"Patient","active":True}',
        b"<Patient/>",
        b'\xef\xbb\xbf{"resourceType":"Patient"}',
        '{"resourceType":"Patient"}'.encode("utf-16"),
        '{"resourceType":"Patient","language":"é"}'.encode("latin-1"),
        b'{"resourceType":"Patient","language":"\xed\xa0\x80"}',
        b'{"resourceType":"Patient","language":"a\x00b"}',
        b'{"resourceType":"Patient","language":"\\ud800"}',
        b'{"resourceType":"Patient","language":"\\udc00\\ud800"}',
        b'{"resourceType":"Patient","multipleBirthInteger":NaN}',
        b'{"resourceType":"Patient","multipleBirthInteger":-Infinity}',
        b'{"resourceType":"Patient","multipleBirthInteger":1e999,"active":NaN}',
        b'{"resourceType":"Patient","multipleBirthInteger":01}',
    ],
)
def test_what_is_not_one_json_object_in_utf8_can_not_be_understood(body: bytes) -> None:
    with pytest.raises(BadRequestError):
        check(body)


@pytest.mark.parametrize("levels", [101, 990, 5_000, 1_000_000])
@pytest.mark.parametrize("opening", ["[", '{"extension":[', '{"a":'])
def test_deep_nesting_is_refused_and_never_overflows(levels: int, opening: str) -> None:
    closing = {"[": "]", "{": "}"}
    tail = "".join(closing[character] for character in reversed(opening) if character in closing)
    for end in (tail * levels, ""):
        with pytest.raises(BadRequestError):
            check(
                b'{"resourceType":"Patient","extension":'
                + opening.encode() * levels
                + b"1"
                + end.encode()
                + b"}"
            )


def test_nesting_of_a_hundred_levels_is_judged() -> None:
    def nested(levels: int) -> dict[str, Any]:
        item: dict[str, Any] = {"linkId": "0", "type": "string"}
        for depth in range(levels):
            item = {"linkId": f"{depth + 1}", "type": "group", "item": [item]}
        return {"resourceType": "Questionnaire", "status": "draft", "item": [item]}

    check(json.dumps(nested(48)).encode())
    assert diagnosis.diagnose(nested(48)) == []
    with pytest.raises(BadRequestError, match="100 levels"):
        check(json.dumps(nested(49)).encode())


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"resourceType":"Patient","active":true,"active":false}', "Patient"),
        (b'{"resourceType":"Patient","active":true,"active":true}', "Patient"),
        (b'{"resourceType" : "Patient" ,"active"\n:true,"active"\t: true}', "Patient"),
        (b'{"resourceType":"Patient","active":true,"\\u0061ctive":true}', "Patient"),
        (b'{"resourceType":"Group","resourceType":"Patient"}', "Patient"),
        (b'{"resourceType":"Patient","name":[{"text":"a"},{"text":"b","text":"c"}]}', "Patient.name[1]"),
        (b'{"resourceType":"Patient","name":[{"text":"\\u0022:","text":"\\\\"}]}', "Patient.name[0]"),
        (b'{"resourceType":"Patient","name":[{"text":"\\":","text":"\\u0022\\u003a"}]}', "Patient.name[0]"),
        (
            b'{"resourceType":"Patient","contact":[{"name":{"family":"a","use":"old","family":"b"}}]}',
            "Patient.contact[0].name",
        ),
    ],
)
def test_a_name_twice_in_an_object_is_refused_where_it_is(body: bytes, path: str) -> None:
    found = problems(body)
    assert (path, "duplicate") in [(problem.path, problem.code) for problem in found]


@pytest.mark.parametrize(
    "text", ['a":b', '\\":', '"', '":"', "\\", "{}", '""', '{"id":"a"}', "null", "\b".join("ab")[0:1]]
)
def test_text_that_looks_like_a_repeated_name_or_something_empty_is_accepted(text: str) -> None:
    for ascii_only in (True, False):
        body = json.dumps(
            OBSERVATION | {"valueString": text, "code": {"text": text}}, ensure_ascii=ascii_only
        )
        assert check(body.encode()).resource["valueString"] == text
    escaped = "".join(f"\\u{ord(character):04x}" for character in text)
    check(f'{{"resourceType":"Patient","name":[{{"text":"{escaped}"}}]}}'.encode())


@pytest.mark.parametrize("escape", ["\\u0000", "\\u0007", "\\b", "\\f", "\\u001F"])
def test_control_characters_are_refused_where_they_are(escape: str) -> None:
    body = f'{{"resourceType":"Patient","name":[{{"given":["a","b{escape}"]}}]}}'.encode()
    assert paths(body) == ["Patient.name[0].given[1]"]


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\r", "\\/", "\\\\b", "\\u00e9", "\\ud83d\\ude00"])
def test_escapes_that_fhir_allows_are_accepted(escape: str) -> None:
    check(f'{{"resourceType":"Patient","name":[{{"text":"a{escape}"}}]}}'.encode())


@pytest.mark.parametrize(
    ("number", "accepted"),
    [
        ("0", True),
        ("-0.0", True),
        ("1.0e245", True),
        ("-1.000000000000000000E-245", True),
        ("123456789012345678.5", True),
        ("12345678901234567890", True),
        ("0.0000000000000000000001", True),
        ("1e309", False),
        ("-1e999999999", False),
        ("1e-999999999", False),
        ("1" * 65, False),
        ("1" * 5000, False),
        ("0." + "1" * 64, False),
        ("true", False),
        ('"1"', False),
    ],
)
def test_decimals_are_accepted_within_bounds(number: str, accepted: bool) -> None:
    body = json.dumps(OBSERVATION | {"valueQuantity": {"value": 0}}).replace("0", number).encode()
    if accepted:
        check(body)
    else:
        assert paths(body) == ["Observation.value.ofType(Quantity).value"]


def test_every_problem_is_listed_with_its_path() -> None:
    body = {
        "resourceType": "Patient",
        "gender": "Zebedee",
        "birthDate": "1990-02-30",
        "zebedee": 1,
        "deceasedBoolean": True,
        "deceasedDateTime": "2020",
        "contact": [{"gender": "male", "name": {}}, {"gender": 5, "name": {"text": "x"}}],
        "communication": [{"preferred": True}],
        "link": {"other": {"reference": "Patient/1"}, "type": "refer"},
        "name": [{"given": ["a", None], "_family": "b"}],
    }
    assert sorted(paths(body)) == [
        "Patient",
        "Patient.birthDate",
        "Patient.communication[0].language",
        "Patient.contact[0].name",
        "Patient.contact[1].gender",
        "Patient.deceased",
        "Patient.gender",
        "Patient.link",
        "Patient.name[0].family",
        "Patient.name[0].given[1]",
    ]


def test_problems_of_a_bundle_say_which_entry() -> None:
    def entry(resource: dict[str, Any]) -> dict[str, Any]:
        return {"resource": resource, "request": {"method": "POST", "url": resource.get("resourceType", "x")}}

    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry(PATIENT),
            entry(OBSERVATION | {"status": "vague"}),
            entry({"resourceType": "Patient", "name": [{"use": "nick"}]}),
            entry({"resourceType": "Zebedee"}),
            entry({}),
            entry({"resourceType": "Patient", "managingOrganization": {"reference": "#o"}}),
        ],
    }
    assert paths(body) == [
        "Bundle.entry[1].resource.status",
        "Bundle.entry[2].resource.name[0].use",
        "Bundle.entry[3].resource.resourceType",
        "Bundle.entry[4].resource.resourceType",
        "Bundle.entry[5].resource.managingOrganization.reference",
    ]
    body["entry"] = [entry(PATIENT), entry(OBSERVATION)]
    assert check(json.dumps(body).encode(), expected="Bundle").resource == body


@pytest.mark.parametrize(
    ("contained", "reference", "rule", "path"),
    [
        (
            [{"id": "o", "contained": [{"resourceType": "Patient", "id": "x"}]}],
            "#o",
            "dom-2",
            ".contained[0].contained",
        ),
        ([{"id": "o", "name": "n"}], "Organization/o", "dom-3", ".contained[0]"),
        ([{"name": "n"}], "Organization/o", "dom-3", ".contained[0]"),
        ([{"id": "o", "meta": {"versionId": "1"}}], "#o", "dom-4", ".contained[0].meta"),
        ([{"id": "o", "meta": {"lastUpdated": "2020-01-01T00:00:00Z"}}], "#o", "dom-4", ".contained[0].meta"),
        ([{"id": "o", "meta": {"security": [{"code": "R"}]}}], "#o", "dom-5", ".contained[0].meta"),
        ([{"id": "o"}], "#other", "ref-1", ".managingOrganization.reference"),
        ([], "#o", "ref-1", ".managingOrganization.reference"),
    ],
)
def test_contained_resources_keep_the_rules_of_containment(
    contained: list[dict[str, Any]], reference: str, rule: str, path: str
) -> None:
    body: dict[str, Any] = {"resourceType": "Patient", "managingOrganization": {"reference": reference}}
    if contained:
        body["contained"] = [{"resourceType": "Organization", "name": "n"} | inner for inner in contained]
    found = problems(body)
    assert (f"Patient{path}", rule) in [
        (problem.path, problem.message.partition(":")[0]) for problem in found
    ]


def test_a_contained_resource_may_be_named_by_a_canonical_or_name_its_container() -> None:
    by_canonical = {
        "resourceType": "PlanDefinition",
        "status": "draft",
        "contained": [{"resourceType": "ActivityDefinition", "id": "a", "status": "draft"}],
        "action": [{"definitionCanonical": "#a"}],
    }
    to_container = {
        "resourceType": "Patient",
        "contained": [
            {
                "resourceType": "Provenance",
                "id": "v",
                "target": [{"reference": "#"}],
                "recorded": "2020-01-01T00:00:00Z",
                "agent": [{"who": {"reference": "#"}}],
            }
        ],
    }
    for body in (by_canonical, to_container):
        check(json.dumps(body).encode())


def test_local_references_of_one_entry_do_not_reach_into_another() -> None:
    holder = {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Organization", "id": "o", "name": "n"}],
    }
    body = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": holder | {"managingOrganization": {"reference": "#o"}}},
            {"resource": {"resourceType": "Patient", "managingOrganization": {"reference": "#o"}}},
        ],
    }
    assert paths(body) == ["Bundle.entry[1].resource.managingOrganization.reference"]


def test_extensions_of_primitives_stand_beside_and_in_place_of_values() -> None:
    extension = {"extension": [{"url": "http://example.org/e", "valueString": "x"}]}
    body = {
        "resourceType": "Observation",
        "_status": extension,
        "code": {"text": "c"},
        "_valueString": extension,
        "component": [{"code": {"text": "c", "_text": {"id": "t"}}}],
        "identifier": [{"value": "v", "_value": extension}],
    }
    check(json.dumps(body).encode())
    names = {"resourceType": "Patient", "name": [{"given": ["a", None], "_given": [None, extension]}]}
    check(json.dumps(names).encode())
    names["name"][0]["_given"] = [None]  # type: ignore[index]  # the test's own literal
    assert paths(names) == ["Patient.name[0].given"]


def test_the_expected_type_is_asked_for() -> None:
    with pytest.raises(InvalidResourceError, match="of the type Group"):
        check(b'{"resourceType":"Patient"}', expected="Group")


@pytest.mark.parametrize(
    "body", [{}, {"resourceType": "Zebedee"}, {"resourceType": 5}, {"resourceType": None}]
)
def test_a_body_without_a_type_of_r4_is_refused(body: dict[str, Any]) -> None:
    assert paths(body) == ["resourceType"]


def test_messages_name_what_fhir_names_and_nothing_else() -> None:
    body = {
        "resourceType": "Patient",
        "birthdate": "1",
        "Zebedee Quux": 1,
        "name": [{"faMily": "Quux"}],
        "status": "a",
    }
    told = [f"{problem.path}: {problem.message}" for problem in problems(body)]
    assert not any("Quux" in line or "Zebedee" in line or "faMily" in line for line in told)
    assert "Patient: property 2 is not an element of Patient; birthDate is the nearest" in told
    assert "Patient: status is not an element of Patient" in " ".join(told)


def test_a_body_of_nothing_but_problems_is_refused_at_a_bound() -> None:
    many = problems({"resourceType": "Patient"} | {f"a{number}": 1 for number in range(50_000)})
    assert len(many) == diagnosis.MOST_PROBLEMS + 1
    assert many[-1].code == "too-long"


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Patient","name":' + b"[" * 900 + b"1," * 500_000 + b"1" + b"]" * 900 + b"}",
        json.dumps(PATIENT | {"text": {"status": "empty", "div": "<" * 500_000}}).encode(),
        json.dumps(
            PATIENT | {"text": {"status": "empty", "div": DIV.format("<![CDATA[" + "<" * 500_000)}}
        ).encode(),
        json.dumps(
            OBSERVATION
            | {
                "valueString": "a",
                "code": {"coding": [{"code": f"a{number}"} for number in range(10_000)]},
                "component": [{"code": {"coding": [{"code": f"b{number}"} for number in range(10_000)]}}],
            }
        ).encode(),
    ],
)
def test_hostile_bodies_are_judged_in_time_that_grows_with_their_size(body: bytes) -> None:
    started = time.perf_counter()
    with contextlib.suppress(BadRequestError, InvalidResourceError):
        check(body)
    assert time.perf_counter() - started < 5


def trees() -> st.SearchStrategy[Any]:
    """Draw a valid Patient with a few parts put wrong, moved or left out."""
    values = st.sampled_from(
        [
            None,
            True,
            0,
            1.5,
            "",
            "a",
            "#o",
            "2020-02-30",
            [],
            {},
            [None],
            {"id": "a"},
            [{}],
            {"url": "u"},
            "#",
            "Patient/1",
        ]
    )
    keys = st.sampled_from(
        [
            "id",
            "url",
            "value",
            "valueString",
            "_birthDate",
            "gender",
            "reference",
            "period",
            "contained",
            "given",
            "resourceType",
        ]
    )
    return st.lists(st.tuples(st.integers(0, 60), keys, values, st.booleans()), min_size=1, max_size=3)


def edited(edits: list[tuple[int, str, Any, bool]]) -> dict[str, Any]:
    resource: dict[str, Any] = json.loads(json.dumps(PATIENT))
    for index, key, value, remove in edits:
        objects: list[dict[str, Any]] = []
        pending: list[Any] = [resource]
        while pending:
            part = pending.pop()
            if isinstance(part, dict):
                objects.append(part)
                pending += part.values()
            elif isinstance(part, list):
                pending += part
        target = objects[index % len(objects)]
        if remove and target:
            del target[sorted(target)[index % len(target)]]
        else:
            target[key] = copy.deepcopy(value)  # later edits change it
    return resource


@settings(max_examples=round(600 * SCALE), deadline=None)
@given(trees())
def test_the_fast_pass_accepts_nothing_that_the_exact_one_refuses(
    edits: list[tuple[int, str, Any, bool]],
) -> None:
    body = json.dumps(edited(edits)).encode()
    text = wellformed.read(body)
    assert text is not None
    exact = diagnosis.diagnose(wellformed.read_exactly(body))
    try:
        structs.conforms(text.resource, text.encoded)
    except ValueError:
        return
    assert exact == [] or not text.plain


@settings(max_examples=round(300 * SCALE), deadline=None)
@given(st.binary(max_size=40), st.integers(0, 400))
def test_bytes_cut_or_written_over_are_refused_or_accepted_and_nothing_else(noise: bytes, at: int) -> None:
    body = bytearray(json.dumps(PATIENT).encode())
    body[at : at + len(noise)] = noise
    for sent in (bytes(body), bytes(body[:at]), noise):
        try:
            check(sent)
        except (BadRequestError, InvalidResourceError):
            continue


def test_types_are_met_first_in_many_threads_at_once() -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
from exchange.fhir.r4 import RESOURCE_TYPES, check
from exchange.errors import InvalidResourceError
def one(name):
    try:
        check(b'{"resourceType":"%s","id":"a"}' % name.encode())
    except InvalidResourceError:
        pass
with ThreadPoolExecutor(16) as pool:
    list(pool.map(one, sorted(RESOURCE_TYPES) * 4))
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=120)


def test_checks_in_threads_do_not_mix() -> None:
    good = json.dumps(PATIENT).encode()
    bad = json.dumps(PATIENT | {"managingOrganization": {"reference": "#x"}}).encode()

    def accepted(body: bytes) -> bool:
        try:
            check(body)
        except InvalidResourceError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(accepted, [good, bad] * 50)) == [True, False] * 50


def test_the_result_can_not_be_changed_in_place() -> None:
    checked = check(b'{"resourceType":"Patient","active":true}')
    with pytest.raises(AttributeError):
        checked.resource_type = "Group"  # type: ignore[misc]  # that it is refused is the point
    assert msgspec.structs.asdict(checked)["resource"]["active"] is True
