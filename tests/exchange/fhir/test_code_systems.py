"""One spelling for each code system and reference, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.fhir.code_systems import canonical, coded, is_known
from exchange.fhir.references import literal

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
BASE = "https://fhir.city.example/fhir"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("urn:oid:2.16.840.1.113883.6.1", "http://loinc.org"),
        (" URN:OID:2.16.840.1.113883.6.1 ", "http://loinc.org"),
        ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
        ("https://loinc.org/", "http://loinc.org"),
        ("HTTP://LOINC.org", "http://loinc.org"),
        ("http://snomed.info/sct|http://snomed.info/sct/731000124108", "http://snomed.info/sct"),
        ("http://snomed.info/sct/731000124108/version/20240301", "http://snomed.info/sct"),
        ("http://hl7.org/fhir/v3/Confidentiality", CONFIDENTIALITY),
        ("http://hl7.org/fhir/v3/vs/Confidentiality", CONFIDENTIALITY),
        ("urn:oid:2.16.840.1.113883.5.25", CONFIDENTIALITY),
        ("http://hl7.org/fhir/v2/0203", "http://terminology.hl7.org/CodeSystem/v2-0203"),
        ("http://hl7.org/fhir/consentscope", "http://terminology.hl7.org/CodeSystem/consentscope"),
        ("http://lab.example/Codes", "http://lab.example/Codes"),
        ("HTTPS://Lab.example/Codes/", "https://lab.example/Codes"),
        ("ours", "ours"),
        ("urn:oid:1.2.3.4", "urn:oid:1.2.3.4"),
        ("http://[", "http://["),
    ],
)
def test_a_code_system_has_one_spelling(written: str, meant: str):
    assert canonical(written) == meant
    assert is_known(meant) is not meant.startswith("urn:oid:")


@given(st.text(max_size=40))
def test_the_one_spelling_stays_as_it_is(text: str):
    assert canonical(canonical(text)) == canonical(text)


def test_case_counts_where_the_system_has_case():
    assert coded("http://loinc.org", "la6751-7 ") == "http://loinc.org|LA6751-7"
    assert coded("http://unitsofmeasure.org", "mG") == "http://unitsofmeasure.org|mG"


@pytest.mark.parametrize(
    "written",
    [
        "Practitioner/1",
        "Practitioner/1/_history/3",
        f"{BASE}/Practitioner/1",
        f"{BASE}/Practitioner/1/",
        f"{BASE}/Practitioner/1/_history/2",
        "HTTPS://FHIR.City.example:443/fhir/Practitioner/1",
        "https://fhir.city.example./fhir/Practitioner/1",
        "https://fhir.city.example/fhir/Practitioner/%31",
        "https://fhir.city.example/fhir/./Practitioner/1",
        "https://fhir.city.example/fhir/x/../Practitioner/1",
        "https://fhir.city.example//fhir//Practitioner/1",
    ],
)
def test_a_reference_to_this_server_is_relative_however_it_is_written(written: str):
    assert literal(written, BASE) == "Practitioner/1"


@pytest.mark.parametrize(
    "written",
    [
        "https://fhir.lake.example/fhir/Practitioner/1",
        "http://fhir.city.example/fhir/Practitioner/1",
        "https://fhir.city.example:8443/fhir/Practitioner/1",
        "https://fhir.city.example/fhirx/Practitioner/1",
        "https://user@fhir.city.example/other/Practitioner/1",
        "https://fhir.city.example:port/fhir/Practitioner/1",
    ],
)
def test_a_reference_elsewhere_does_not_become_one_of_ours(written: str):
    assert "://" in literal(written, BASE)


def test_width_and_invisible_characters_are_no_part_of_a_name() -> None:
    for spelt in (
        "http://loinc.org\u200b",
        "http://lo\u00adinc.org",
        "\uff48ttp://loinc.org",
        "\ufeffhttp://loinc.org",
    ):
        assert canonical(spelt) == "http://loinc.org"
