"""Tokens, references, URIs and strings: which stored value which search finds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import BadRequestError
from exchange.fhir.search import Term, comparison_of, parse, terms
from exchange.fhir.search.escaping import split, unescape
from exchange.fhir.search.types import strings

BASE = "https://a.example/fhir"


def finds(resource: dict[str, Any], name: str, value: str) -> bool:
    kind = resource["resourceType"]
    query = parse(kind, [(name, value)], lenient=False, base=BASE)
    looked_up = query.matches(terms(kind, resource, base=BASE))
    comparison = comparison_of(query, base=BASE)
    return looked_up and (comparison is None or comparison.admits(json.dumps(resource).encode()))


OBSERVATION = {
    "resourceType": "Observation",
    "id": "Blood-1",
    "status": "final",
    "meta": {
        "profile": ["http://hl7.org/fhir/StructureDefinition/bp|4.0.1"],
        "tag": [{"system": "urn:tags", "code": "Demo"}],
        "source": "urn:feed:7#A",
    },
    "identifier": [{"system": "urn:lab", "value": "AbC-1"}, {"value": "bare"}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}, {"code": "LOCAL"}]},
    "subject": {"reference": "Patient/23/_history/4", "identifier": {"system": "urn:mrn", "value": "m1"}},
    "performer": [
        {"reference": f"{BASE}/Practitioner/p"},
        {"reference": "https://b.example/fhir/Practitioner/q"},
    ],
    "focus": [{"reference": "#contained"}, {"reference": "urn:uuid:4d6f"}],
    "valueCodeableConcept": {
        "coding": [{"system": "http://snomed.info/sct", "code": "260385009"}],
        "text": "Nég",
    },
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "valueQuantity": {
                "value": 107,
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        },
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
            "valueQuantity": {
                "value": 60,
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        },
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("code", "85354-9", True),
        ("code", "http://loinc.org|85354-9", True),
        ("code", "http://snomed.info/sct|85354-9", False),
        ("code", "|85354-9", False),
        ("code", "http://loinc.org|", True),
        ("code", "http://snomed.info/sct|", False),
        ("code", "local", True),
        ("code", "|LOCAL", True),
        ("code", "http://loinc.org|LOCAL", False),
        ("code", "nothing,LOCAL", True),
        ("combo-code", "8480-6", True),
        ("combo-code", "85354-9", True),
        ("component-code", "85354-9", False),
        ("status", "final", True),
        ("status", "Final", False),
        ("status", "http://hl7.org/fhir/observation-status|final", True),
        ("status", "http://hl7.org/fhir/other|final", False),
        ("identifier", "urn:lab|AbC-1", True),
        ("identifier", "urn:lab|abc-1", True),
        ("identifier", "ABC-1", True),
        ("identifier", "URN:LAB|AbC-1", False),
        ("identifier", "|abc-1", False),
        ("identifier", "|BARE", True),
        ("identifier", "AbC-1", True),
        ("identifier", "|AbC-1", False),
        ("identifier", "|bare", True),
        ("_id", "Blood-1", True),
        ("_id", "blood-1", False),
        ("_tag", "urn:tags|demo", True),
        ("_profile", "http://hl7.org/fhir/StructureDefinition/bp", True),
        ("_profile", "http://hl7.org/fhir/StructureDefinition/bp|4.0.1", True),
        ("_profile", "http://hl7.org/fhir/StructureDefinition/bp|5", False),
        ("_source", "urn:feed:7#A", True),
        ("_source", "urn:feed:7#a", False),
        ("subject", "Patient/23", True),
        ("subject", "23", True),
        ("subject", "Group/23", False),
        ("subject:Patient", "23", True),
        ("subject:Group", "23", False),
        ("subject", f"{BASE}/Patient/23", True),
        ("subject", "https://b.example/fhir/Patient/23", False),
        ("subject", "Patient/23/_history/9", True),
        ("patient", "23", True),
        ("patient", "Patient/23", True),
        ("patient", "Group/23", False),
        ("subject:identifier", "urn:mrn|m1", True),
        ("subject:identifier", "m1", True),
        ("subject:identifier", "urn:mrn|M1", True),
        ("performer", "Practitioner/p", True),
        ("performer", "p", True),
        ("performer", "q", False),
        ("performer", "https://b.example/fhir/Practitioner/q", True),
        ("focus", "urn:uuid:4d6f", True),
        ("focus", "contained", False),
        ("value-string", "neg", True),
        ("component-code-value-quantity", "8480-6$107", True),
        (
            "component-code-value-quantity",
            "http://loinc.org|8480-6$gt100|http://unitsofmeasure.org|mm[Hg]",
            True,
        ),
        ("component-code-value-quantity", "8462-4$107", False),
        ("combo-code-value-quantity", "8462-4$lt70||mmHg", True),
        ("combo-code-value-quantity", "8462-4$gt70", False),
        ("code-value-concept", "85354-9$260385009", True),
        ("code-value-concept", "85354-9$1", False),
        ("combo-code-value-concept", "local$http://snomed.info/sct|260385009", True),
    ],
)
def test_an_observation_is_found_by(name: str, value: str, *, found: bool) -> None:
    assert finds(OBSERVATION, name, value) is found


PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "deceasedDateTime": "2020-02-02",
    "name": [
        {"family": "Carreño Quiñones", "given": ["Ana-Lucía"], "prefix": ["Dr."], "text": "Ana L. Carreño"}
    ],
    "address": [{"line": ["12 Rue de l'Église"], "city": "Besançon", "postalCode": "25000"}],
    "telecom": [
        {"system": "phone", "value": "+33 (0)3 81.12-34"},
        {"system": "email", "value": "Ana@Example.org"},
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("family", "carreno", True),
        ("family", "CARREÑO Q", True),
        ("family", "quinones", True),
        ("family", "arreno", False),
        ("given", "ana", True),
        ("given", "analucia", True),
        ("given", "ana-lucía", True),
        ("name", "quin", True),
        ("name", "dr", True),
        ("name", "ana l carr", True),
        ("address", "12 rue de leglise", True),
        ("address", "besanc", True),
        ("address", "25000", True),
        ("address-city", "Besançon", True),
        ("address-city", "12", False),
        ("phone", "+330381 1234", True),
        ("telecom", "+33 0 3811234", True),
        ("email", "ana@example.ORG", True),
        ("phone", "ana@example.org", False),
        ("active", "true", True),
        ("active", "false", False),
        ("deceased", "true", True),
        ("deceased", "false", False),
        ("name", "carreno\\, ana", False),
        ("name", "x,quin", True),
    ],
)
def test_a_patient_is_found_by(name: str, value: str, *, found: bool) -> None:
    assert finds(PATIENT, name, value) is found


@pytest.mark.parametrize(
    ("deceased", "value"),
    [
        *(({}, "false"), ({"deceasedBoolean": False}, "false"), ({"deceasedBoolean": True}, "true")),
        ({"_deceasedDateTime": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}}, "true"),
        ({"deceasedBoolean": False, "_deceasedBoolean": {"id": "x"}}, "false"),
    ],
)
def test_who_is_not_said_to_be_dead_is_alive(deceased: dict[str, Any], value: str) -> None:
    assert finds({"resourceType": "Patient", **deceased}, "deceased", value)


def test_a_canonical_resource_is_found_by_url_and_version() -> None:
    value_set = {"resourceType": "ValueSet", "url": "http://x.example/vs", "version": "2.0"}
    assert finds(value_set, "url", "http://x.example/vs")
    assert finds(value_set, "url", "http://x.example/vs|2.0")
    assert not finds(value_set, "url", "http://x.example/vs|1.0")


def test_a_composite_with_one_focus_needs_all_its_components() -> None:
    sequence = {
        "resourceType": "MolecularSequence",
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}, "windowStart": 100, "windowEnd": 200},
    }
    assert finds(sequence, "chromosome-window-coordinate", "1$ge100$le200")
    assert not finds(sequence, "chromosome-window-coordinate", "1$ge100$lt200")
    with pytest.raises(BadRequestError, match="one for each component"):
        finds(sequence, "chromosome-window-coordinate", "1$ge100")


@given(st.text(), st.text())
def test_a_string_is_found_by_what_its_normal_form_starts_with(field: str, search: str) -> None:
    stored, asked = strings.normalise(field), strings.normalise(search)
    if asked:
        reached = asked[: max(length for length in strings.LENGTHS if length <= len(asked))]
        assert (strings.lookup(search) in set(strings.texts("name", field))) == stored.startswith(reached)


@given(st.text(min_size=1, max_size=40))
def test_a_string_is_found_by_itself_and_its_variants(field: str) -> None:
    normal = strings.normalise(field)
    assert strings.normalise(normal) == normal
    if normal:
        for variant in (field, normal, f" {field}\t", field.replace(" ", "  ")):
            assert strings.lookup(variant) in set(strings.texts("name", field))


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_and_accented_text_are_normalised_alike(text: str) -> None:
    assert strings.normalise(text + "é") == strings.normalise(text + "e")


@given(st.lists(st.text(alphabet="ab,|$\\ "), min_size=1, max_size=4), st.sampled_from(",|$"))
def test_escaped_separators_belong_to_the_value(values: list[str], separator: str) -> None:
    escaped = [
        value.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")
        for value in values
    ]
    assert [unescape(part) for part in split(separator.join(escaped), separator)] == values


def test_an_escaped_separator_reaches_the_stored_value() -> None:
    resource = {"resourceType": "Observation", "identifier": [{"system": "urn:a", "value": "x,y|z$\\"}]}
    assert finds(resource, "identifier", "urn:a|x\\,y\\|z\\$\\\\")
    assert not finds(resource, "identifier", "urn:a|x")


LONG_NAME = "Papadimitrakopoulos-Konstantinopoulos"


@pytest.mark.parametrize("length", range(1, len(LONG_NAME) + 1))
def test_a_string_of_any_length_is_compared_to_its_end(length: int) -> None:
    patient = {"resourceType": "Patient", "id": "1", "name": [{"family": LONG_NAME, "given": ["Ada"]}]}
    start = LONG_NAME[:length]
    assert finds(patient, "family", start)
    assert not finds(patient, "family", f"{start}qq")
    assert finds(patient, "name", f"{start}qq,{start}")
    assert finds(patient, "family", LONG_NAME[20:][:length])
    assert not finds(patient, "given", f"{start}")


def test_a_name_of_more_characters_than_are_indexed_is_compared_to_its_end() -> None:
    name = "Northern and Southern District General Hospital for Women and Children "
    wing = {"resourceType": "Organization", "id": "1", "name": f"{name}North Wing"}
    assert finds(wing, "name", f"{name}North")
    assert not finds(wing, "name", f"{name}Northeast")
    assert not finds(wing, "name", f"{name}South")


def test_a_composite_compares_the_numbers_of_one_component() -> None:
    def component(code: str, value: float) -> dict[str, Any]:
        return {"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value, "code": "mol/L"}}

    record = {
        "resourceType": "Observation",
        "id": "1",
        "component": [component("a", 1.8e-11), component("b", 5.2e-12)],
    }
    for code, value, matches in (("a", "1.8e-11", True), ("a", "5.2e-12", False), ("b", "lt6e-12", True)):
        assert finds(record, "component-code-value-quantity", f"{code}${value}") is matches
        assert finds(record, "combo-code-value-quantity", f"{code}${value}||mol/L") is matches
    assert not finds(record, "combo-code-value-quantity", "a$1.8e-11||mg")


NUMBERS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
SPELLINGS = (str.lower, str.upper, str.swapcase, str.title, str.casefold)


def escaped(text: str) -> str:
    return re.sub(r"([\\,|$])", r"\\\1", text)


@given(NUMBERS, st.sampled_from(SPELLINGS), st.sampled_from(["", "urn:a|", "|"]))
def test_identifiers_are_found_in_any_case_and_conditions_take_one_case(
    number: str, spelling: Callable[[str], str], scope: str
):
    respelt = spelling(number)
    if not (number.strip() and respelt.strip()) or respelt.casefold() != number.casefold():
        return
    system = {"system": "urn:a"} if scope == "urn:a|" else {}
    for stored, asked in ((number, respelt), (respelt, number), (number, number)):
        resource = {"resourceType": "Patient", "identifier": [{**system, "value": stored}]}
        value = scope + escaped(asked)
        found = terms("Patient", resource)
        assert parse("Patient", [("identifier", value)], lenient=False).matches(found)
        exact = parse("Patient", [("identifier", value)], lenient=False, exact=True)
        assert exact.matches(found) == (stored == asked)
        other = {"resourceType": "Patient", "identifier": [{"system": "urn:b", "value": stored}]}
        if scope:
            assert not parse("Patient", [("identifier", value)], lenient=False).matches(
                terms("Patient", other)
            )


@pytest.mark.parametrize("stored", ["MRN-7B", "mrn-7b"])
@pytest.mark.parametrize("asked", ["MRN-7B", "mrn-7b", "Mrn-7b"])
def test_rows_without_folded_terms_are_found_in_lower_and_upper_case(stored: str, asked: str):
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:a", "value": stored}]}
    earlier = [term for term in terms("Patient", resource) if not term.text.startswith("I")]
    assert parse("Patient", [("identifier", f"urn:a|{asked}")], lenient=False).matches(earlier)


@pytest.mark.parametrize("number", ["123456", "12-34/5", "一二三"])
def test_identifiers_without_case_cost_one_look_up_and_no_more_terms(number: str):
    query = parse("Patient", [("identifier", number)], lenient=False)
    assert query.clauses[0].alternatives == (((Term("identifier", f"E={number}"),),),)
    found = terms("Patient", {"resourceType": "Patient", "identifier": [{"value": number}]})
    assert [term.text for term in found if term.parameter == "identifier"] == [f"E={number}", f"E-{number}"]
