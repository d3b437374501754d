"""The facts of a record: its codes, labels, time, links and authors."""

import datetime

import pytest

from chaincode.consent.model import Period
from exchange.consent.compile import reference_digest
from exchange.consent.element_paths import AUTHORS, CODES, TIMES
from exchange.consent.record_facts import facts_of
from exchange.fhir.r4.definitions import TYPES

SALT = b"q" * 32
BASE = "https://city.example/fhir"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


V3_TREAT = "http://terminology.hl7.org/CodeSystem/v3-ActReason|TREAT"


def facts(kind="Observation", **elements):
    return facts_of({"resourceType": kind, **elements}, salt=SALT, reference=f"{kind}/1", base=BASE)


def digest(reference):
    return reference_digest(SALT, reference)


def concept(*codings, **more):
    return {
        "coding": [dict(zip(("system", "code"), coding.split("|"), strict=True)) for coding in codings],
        **more,
    }


def mentions(*codings):
    """Return the mentions of codings of unknown systems: themselves, and their codes of any system."""
    systems = [coding.split("|") for coding in codings]
    cases = [(system, one) for system, code in systems for one in (code, code.upper(), code.lower())]
    return {f"{system}|{code}" for system, code in cases} | {f"|{code}" for _, code in cases}


def day(text, *, after=0):
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int((moment + datetime.timedelta(days=after)).timestamp() * 1000)


# --- The tables ----------------------------------------------------------------------------------------


def element_types(kind, path):
    """Return the types of the element at `path`, by the official definitions."""
    steps = path.split(".")
    for n, step in enumerate(steps):
        rows = dict(row.split(" ", 1) for row in TYPES[kind])
        types = {one.partition("(")[0] for one in rows[step].split(" ")[1].split("|")}  # without targets
        if n == len(steps) - 1:
            return types
        (kind,) = types
    return set()


@pytest.mark.parametrize(
    ("table", "allowed"),
    [
        (CODES, {"CodeableConcept", "Reference"}),
        (AUTHORS, {"Reference"}),
        (
            TIMES,
            {"dateTime", "date", "instant", "Period", "Timing", "Age", "Range", "string", "CodeableConcept"},
        ),
    ],
    ids=["codes", "authors", "times"],
)
def test_every_path_is_an_element_of_r4_with_a_type_that_is_understood(table, allowed):
    for kind, paths in table.items():
        for path in paths:
            for end in path if isinstance(path, tuple) else (path,):
                assert element_types(kind, end) <= allowed, (kind, end)


# --- Codes ---------------------------------------------------------------------------------------------


def test_class_and_own_reference():
    found = facts("Condition")
    assert found.classes == {"Condition"}
    assert found.own == digest("Condition/1")


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("Observation", {"code": concept("s|1", "t|2")}),
        ("Immunization", {"vaccineCode": concept("s|1", "t|2")}),
        ("MedicationRequest", {"medicationCodeableConcept": concept("s|1", "t|2")}),
        ("DocumentReference", {"type": concept("s|1", "t|2")}),
        ("FamilyMemberHistory", {"condition": [{"code": concept("s|1", "t|2")}]}),
        (
            "MedicationRequest",
            {
                "contained": [{"resourceType": "Medication", "id": "m", "code": concept("s|1", "t|2")}],
                "medicationReference": {"reference": "#m"},
            },
        ),
    ],
)
def test_the_codes_are_of_what_the_record_is_about(kind, elements):
    found = facts(kind, **elements)
    assert found.codes == (frozenset({"s|1", "t|2"}),)
    assert found.mentions == mentions("s|1", "t|2")


def test_each_of_several_primary_concepts_counts():
    found = facts("AllergyIntolerance", code=concept("s|1"), reaction=[{"substance": concept("s|2")}])
    assert found.codes == (frozenset({"s|1"}), frozenset({"s|2"}))


def test_codes_elsewhere_are_mentions():
    found = facts(
        code=concept("s|1"),
        component=[{"code": concept("s|2"), "valueCodeableConcept": concept("s|3")}],
        valueQuantity={"value": 1, "system": "u", "code": "mg"},
        contained=[{"resourceType": "Condition", "code": concept("s|4")}],
        extension=[{"url": "x", "valueCoding": {"system": "s", "code": "5"}}],
    )
    assert found.codes == (frozenset({"s|1"}),)
    assert found.mentions == mentions("s|1", "s|2", "s|3", "s|4", "s|5", "u|mg")


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("Condition", {"code": {"text": "HIV"}}),
        ("Condition", {"code": {"coding": [{"display": "HIV"}]}}),
        ("MedicationRequest", {"medicationReference": {"reference": "Medication/1"}}),
        ("MedicationRequest", {"medicationReference": {"reference": "#gone"}}),
        ("Condition", {"code": concept("urn:oid:1.2.3|1")}),
    ],
)
def test_a_record_about_what_no_code_tells_might_be_about_anything(kind, elements):
    found = facts(kind, **elements)
    assert found.codes in {(frozenset(),), (frozenset({"urn:oid:1.2.3|1"}),)}
    assert "|" in found.mentions


@pytest.mark.parametrize("kind", ["Condition", "Encounter", "Group", "Medication"])
def test_a_record_that_does_not_say_what_it_is_about_might_be_about_anything(kind):
    assert "|" in facts(kind).mentions
    assert "|" not in facts("Patient").mentions  # no element of it would say


@pytest.mark.parametrize("words", [{"text": "HIV"}, {"coding": [{"display": "HIV"}], "text": "HIV"}])
def test_what_should_have_a_code_and_is_given_in_words_might_be_anything(words):
    about = {"code": concept("http://loinc.org|1-8")}
    assert "|" in facts(**about, valueCodeableConcept=words).mentions
    assert "|" in facts(**about, component=[{"code": words}]).mentions
    assert "|" in facts("Encounter", type=[about["code"]], reasonCode=[words]).mentions
    assert "|" not in facts(**about, valueCodeableConcept={**about["code"], "text": "HIV"}).mentions


def test_free_text_is_no_concept():
    about = {"code": concept("http://loinc.org|1-8")}
    assert "|" not in facts(**about, note=[{"text": "HIV"}], valueString="HIV").mentions
    assert "|" not in facts(**about, identifier=[{"type": {"text": "MRN"}, "value": "1"}]).mentions
    person = {"name": [{"text": "Peter"}], "address": [{"text": "Here"}]}
    inside = [{"resourceType": "Practitioner", "id": "p", **person}]
    assert "|" not in facts(**about, contained=inside).mentions
    dose = {"dosageInstruction": [{"text": "twice a day"}]}
    assert "|" not in facts("MedicationRequest", medicationCodeableConcept=about["code"], **dose).mentions


def test_a_translation_that_is_known_tells_what_the_record_is_about():
    found = facts("Condition", code=concept("urn:oid:1.2.3|1", "http://snomed.info/sct|2"))
    assert found.mentions == {"urn:oid:1.2.3|1", "|1", "http://snomed.info/sct|2"}


@pytest.mark.parametrize(
    "system",
    [
        "http://loinc.org",
        "https://www.loinc.org/",
        "urn:oid:2.16.840.1.113883.6.1",
        "2.16.840.1.113883.6.1",
        "http://loinc.org|2.77",
    ],
)
def test_a_code_is_known_however_its_system_is_written(system):
    found = facts(code={"coding": [{"system": system, "code": " la6751-7 "}]})
    assert found.codes == (frozenset({"http://loinc.org|LA6751-7"}),)


@pytest.mark.parametrize(
    "system", ["SNOMED-CT", "http://snomed.org/sct", "urn:oid:1.2.3", "http://lab.example"]
)
def test_a_code_of_a_system_that_is_not_recognised_might_be_that_code_of_any(system):
    assert "|44054006" in facts(code={"coding": [{"system": system, "code": "44054006"}]}).mentions


def test_the_case_of_a_code_might_be_wrong():
    found = facts(code=concept("http://terminology.hl7.org/CodeSystem/v3-ActCode|aMb"))
    assert found.codes == (frozenset({f"{ACT_CODE}|aMb"}),)
    assert found.mentions == {f"{ACT_CODE}|aMb", f"{ACT_CODE}|AMB", f"{ACT_CODE}|amb"}


def test_a_code_without_a_system_is_kept_as_such():
    found = facts(code={"coding": [{"code": "1"}]})
    assert found.codes == (frozenset({"|1"}),)
    assert found.mentions == {"|1"}


# --- Labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "label"),
    [
        ({"system": CONFIDENTIALITY, "code": "R"}, f"{CONFIDENTIALITY}|R"),
        ({"system": "urn:oid:2.16.840.1.113883.5.25", "code": "R"}, f"{CONFIDENTIALITY}|R"),
        ({"system": "http://hl7.org/fhir/v3/ActCode", "code": "PSY"}, f"{ACT_CODE}|PSY"),
        ({"code": "R"}, "|"),
        ({"display": "restricted"}, "|"),
        ({"system": ACT_CODE}, f"{ACT_CODE}|"),
        ({"system": ACT_CODE, "code": "psy"}, f"{ACT_CODE}|PSY"),
        ({"system": CONFIDENTIALITY + "/", "code": "r"}, f"{CONFIDENTIALITY}|R"),
        ({"system": "urn:oid:1.2.3", "code": "HIV"}, "|"),
        ({"system": "http://terminology.hl7.org/CodeSystem/v2-0177", "code": "HIV"}, "|"),
        ({"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}, V3_TREAT),
    ],
)
def test_labels_of_the_record(coding, label):
    assert facts(meta={"security": [coding]}).labels == {label}


def test_labels_within_the_record_are_the_records():
    psychiatric = {"system": ACT_CODE, "code": "PSY"}
    inline = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label"
    expected = {f"{ACT_CODE}|PSY"}
    assert facts("DocumentReference", securityLabel=[{"coding": [psychiatric]}]).labels == expected
    assert facts("DocumentReference", securityLabel=[{"text": "secret"}]).labels == {"|"}
    assert facts("Composition", confidentiality="V").labels == {f"{CONFIDENTIALITY}|V"}
    assert facts("Bundle", entry=[{"resource": {"meta": {"security": [psychiatric]}}}]).labels == expected
    note = {"text": "x", "extension": [{"url": inline, "valueCoding": psychiatric}]}
    assert facts(note=[note]).labels == expected
    assert facts(meta={"tag": [psychiatric]}).labels == set()


def test_a_broad_label_might_mean_each_of_those_below_it():
    found = facts(meta={"security": [{"system": ACT_CODE, "code": "SUD"}]})
    assert found.labels == {f"{ACT_CODE}|{code}" for code in ("SUD", "ETHUD", "OPIOIDUD")}


def test_labels_of_documents_within_the_record_are_the_records():
    inside = {"resourceType": "DocumentReference", "securityLabel": [concept(f"{ACT_CODE}|HIV")]}
    assert facts("Bundle", entry=[{"resource": inside}]).labels == {f"{ACT_CODE}|HIV"}
    letter = {"resourceType": "Composition", "confidentiality": "V"}
    assert facts("Bundle", entry=[{"resource": letter}]).labels == {f"{CONFIDENTIALITY}|V"}


# --- Classes -------------------------------------------------------------------------------------------


def test_records_within_the_record_are_of_its_classes_but_for_the_directory():
    inside = [{"resourceType": "Condition"}, {"resourceType": "Practitioner"}]
    assert facts(contained=inside).classes == {"Observation", "Condition"}
    assert facts("Bundle", entry=[{"resource": {"resourceType": "Patient"}}]).classes == {"Bundle", "Patient"}
    assert facts("Practitioner").classes == {"Practitioner"}


# --- Time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "elements", "expected"),
    [
        ("Observation", {"effectiveDateTime": "2020-05-01"}, ("2020-05-01", "2020-05-02")),
        ("Observation", {"effectiveDateTime": "2020"}, ("2020-01-01", "2021-01-01")),
        (
            "Observation",
            {"effectivePeriod": {"start": "2020-05", "end": "2020-06"}},
            ("2020-05-01", "2020-07-01"),
        ),
        ("Observation", {"effectivePeriod": {"start": "2020-05"}}, ("2020-05-01", None)),
        (
            "Observation",
            {"effectiveTiming": {"event": ["2020-05-01", "2020-05-03"]}},
            ("2020-05-01", "2020-05-04"),
        ),
        ("Observation", {"effectiveTiming": {"repeat": {"frequency": 2}}}, None),
        (
            "Observation",
            {"issued": "2020-05-01T00:00:00.000Z", "effectiveDateTime": "2019"},
            ("2019-01-01", "2020-01-01"),
        ),
        ("Observation", {}, None),
        (
            "Composition",
            {"event": [{"period": {"start": "2020", "end": "2020"}}, {"period": {"end": "2021"}}]},
            (None, "2022-01-01"),
        ),
        ("Composition", {"event": [{"period": {"start": "2020"}}, {"period": {"id": "x"}}]}, None),
        ("Patient", {"birthDate": "1970-01-01"}, None),
        ("Condition", {"onsetDateTime": "2020", "abatementDateTime": "2021"}, ("2020-01-01", "2022-01-01")),
        ("Condition", {"onsetDateTime": "2020"}, ("2020-01-01", None)),
        ("Condition", {"onsetDateTime": "2020", "recordedDate": "2021"}, ("2020-01-01", None)),
        ("Condition", {"recordedDate": "2021"}, ("2021-01-01", "2022-01-01")),
        ("Condition", {"onsetAge": {"value": 40}, "recordedDate": "2021"}, None),
        ("Condition", {"onsetString": "long ago"}, None),
        ("Condition", {"onsetDateTime": "2021", "abatementDateTime": "2020"}, None),
        ("Condition", {"onsetDateTime": "2021", "abatementString": "soon"}, None),
        ("Encounter", {"period": {"start": "2020-05-01", "end": "2020-05-02"}}, ("2020-05-01", "2020-05-03")),
        ("Immunization", {"occurrenceString": "as a child", "recorded": "2020"}, None),
        ("Goal", {"startCodeableConcept": {"text": "admission"}, "statusDate": "2020"}, None),
        ("Appointment", {"start": "2020-05-01T00:00:00.000Z"}, ("2020-05-01", None)),
        ("Procedure", {"performedPeriod": {"start": "2020-06", "end": "2020-05"}}, None),
    ],
)
def test_clinical_time(kind, elements, expected):
    period = facts(kind, **elements).period
    if expected is None:
        assert period is None
    else:
        assert period == Period(*(None if text is None else day(text) for text in expected))


def test_an_instant_lasts_a_millisecond():
    found = facts("AuditEvent", recorded="2020-05-01T00:00:00.250Z")
    assert found.period == Period(day("2020-05-01") + 250, day("2020-05-01") + 251)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"effectiveDateTime": "2020-01-31T23:00:00-05:00"}, ("2020-01-31T23:00:00", "2020-02-01T04:00:01")),
        ({"effectiveDateTime": "2020-02-01T01:00:00+02:00"}, ("2020-01-31T23:00:00", "2020-02-01T01:00:01")),
        ({"effectiveDateTime": "2020-01-31T23:00:00Z"}, ("2020-01-31T23:00:00", "2020-01-31T23:00:01")),
        (
            {"effectivePeriod": {"start": "2020-01-31T23:00:00-05:00", "end": "2020-02"}},
            ("2020-01-31T23:00:00", "2020-03-01"),
        ),
        (
            {"effectiveTiming": {"event": ["2020-01-31T23:00:00-05:00"]}},
            ("2020-01-31T23:00:00", "2020-02-01T04:00:01"),
        ),
    ],
)
def test_a_time_with_an_offset_counts_by_the_instant_and_by_the_clock(elements, expected):
    assert facts(**elements).period == Period(*(day(text) for text in expected))


# --- Links and authors ---------------------------------------------------------------------------------


def test_links_are_all_references_in_the_record():
    found = facts(
        subject={"reference": "Patient/1"},
        encounter={"reference": "Encounter/2/_history/3"},
        partOf=[{"reference": f"{BASE}/Procedure/5"}],
        media=[{"content": {"url": "Binary/4"}}, {"content": {"url": f"{BASE}/Binary/6"}}],
        extension=[{"url": "http://hl7.org/fhir/StructureDefinition/x", "valueString": "y"}],
    )
    assert found.links == {
        digest(one) for one in ("Patient/1", "Encounter/2", "Binary/4", "Procedure/5", "Binary/6")
    }


def test_what_is_contained_might_be_any_record():
    inside = {"resourceType": "Encounter", "id": "e", "identifier": [{"value": "1"}]}
    assert facts(encounter={"reference": "#e"}, contained=[inside]).links == {""}


@pytest.mark.parametrize(
    "target",
    [
        {"reference": "https://elsewhere.example/fhir/Encounter/1"},
        {"reference": "urn:uuid:0d5c8f9e-6c1e-4b54-a7b5-1d6f7c3a9e11"},
        {"reference": "Encounter?identifier=x"},
        {"identifier": {"system": "s", "value": "1"}, "display": "the visit"},
        {"type": "Encounter", "identifier": {"value": "1"}},
        {"display": "the visit"},
        {"url": "https://elsewhere.example/fhir/Binary/1"},
        {"reference": "/Encounter/1"},
        {"reference": "Encounter/1/"},
    ],
)
def test_a_link_that_does_not_tell_where_it_leads_is_unknown(target):
    assert facts(encounter=target).links == {""}


@pytest.mark.parametrize(
    ("kind", "elements", "authors"),
    [
        ("Observation", {"performer": [{"reference": "Practitioner/1"}]}, ["Practitioner/1"]),
        ("Procedure", {"performer": [{"actor": {"reference": "Practitioner/1"}}]}, ["Practitioner/1"]),
        (
            "Condition",
            {"recorder": {"reference": "Practitioner/1"}, "asserter": {"reference": "Patient/2"}},
            ["Practitioner/1", "Patient/2"],
        ),
        ("Observation", {"performer": [{"reference": "PractitionerRole/1"}]}, ["PractitionerRole/1", None]),
        ("Observation", {"performer": [{"reference": "CareTeam/1"}]}, ["CareTeam/1", None]),
        (
            "Observation",
            {"performer": [{"reference": f"{BASE}/Practitioner/1/_history/2"}]},
            ["Practitioner/1"],
        ),
        ("Observation", {"performer": [{"reference": "https://x.example/Practitioner/1"}]}, [None]),
        ("Observation", {"performer": [{"reference": "#p"}]}, [None]),
        ("Observation", {"performer": [{"identifier": {"value": "1"}}]}, [None]),
        ("Observation", {"performer": [{"display": "Dr. Jones"}]}, [None]),
        ("Observation", {}, [None]),
        ("Patient", {}, []),
    ],
)
def test_authors(kind, elements, authors):
    assert facts(kind, **elements).authors == {"" if one is None else digest(one) for one in authors}


def test_the_same_record_looks_different_to_another_pair():
    ours = facts(subject={"reference": "Patient/1"}, performer=[{"reference": "Practitioner/1"}])
    theirs = facts_of(
        {
            "resourceType": "Observation",
            "subject": {"reference": "Patient/1"},
            "performer": [{"reference": "Practitioner/1"}],
        },
        salt=b"r" * 32,
        reference="Observation/1",
    )
    assert ours.own != theirs.own
    assert not ours.links & theirs.links
    assert not ours.authors & theirs.authors
