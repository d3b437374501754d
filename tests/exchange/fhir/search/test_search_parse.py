"""Search parameters are parsed within bounds, and no refusal repeats a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import BadRequestError, TooCostlyError
from exchange.fhir.search import Query, Sort, Term, capability, parse
from exchange.fhir.search.parameters import resource_types, table
from exchange.fhir.search.parse import MOST_LOOKUPS, MOST_PARAMETERS, MOST_VALUES


def ask(kind: str, *parameters: tuple[str, str], lenient: bool = False) -> Query:
    return parse(kind, parameters, lenient=lenient)


def test_repeated_parameters_are_clauses_and_commas_are_alternatives() -> None:
    query = ask("Observation", ("code", "a,b"), ("code", "c"))
    assert [clause.parameter for clause in query.clauses] == ["code", "code"]
    assert query.clauses[0].alternatives == (((Term("code", "F=a"), Term("code", "F=b")),),)
    assert query.clauses[1].alternatives == (((Term("code", "F=c"),),),)


def test_what_one_element_answers_needs_no_terms_of_its_own() -> None:
    by_patient = ask("Observation", ("patient", "23")).clauses[0].alternatives
    assert by_patient == ask("Observation", ("subject", "Patient/23")).clauses[0].alternatives
    names = {
        term.parameter for union in ask("Patient", ("name", "x")).clauses[0].alternatives[0] for term in union
    }
    assert names == {"name", "family", "given"}


def test_a_value_that_can_not_occur_is_met_by_nothing() -> None:
    query = ask("Observation", ("patient", "Group/1"))
    assert query.clauses[0].alternatives == (((),),)
    assert not query.matches([Term("subject", "rGroup/1")])


@pytest.mark.parametrize(
    ("parameters", "patients"),
    [
        ([("patient", "23")], ("23",)),
        ([("subject", "Patient/23,Patient/24"), ("patient", "23")], ("23", "24")),
        ([("subject:Patient", "23")], ("23",)),
        ([("subject", "23")], ("23",)),
        ([("subject", "Group/1")], ()),
        ([("performer", "Patient/9")], ("9",)),
        ([("focus", "Patient/9")], ()),
        ([("subject:identifier", "a|b")], ()),
        ([("subject", "https://b.example/Patient/23")], ()),
        ([("code", "x")], ()),
    ],
)
def test_the_patients_that_a_search_names(
    parameters: list[tuple[str, str]], patients: tuple[str, ...]
) -> None:
    assert ask("Observation", *parameters).patients == patients


def test_a_search_for_a_patient_by_id_names_that_patient() -> None:
    assert ask("Patient", ("_id", "b,a")).patients == ("a", "b")
    assert ask("Patient", ("link", "Patient/c")).patients == ("c",)
    assert ask("Device", ("patient", "a")).patients == ("a",)
    assert ask("Organization", ("_id", "a")).patients == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ge2020", (1577836800000, None)),
        ("gt2020", (1609459200000, None)),
        ("sa2020-01-01", (1577923200000, None)),
        ("lt2020-01-01T00:00:00+01:00", (None, 1577833200000)),
        ("le2020-01-01T00:00:00.250Z", (None, 1577836800251)),
        ("2020-01-01T00:00:00Z", (1577836800000, 1577836801000)),
        ("ap1970-01-02", (0, 3 * 86_400_000)),
        ("lt1970", (None, 0)),
    ],
)
def test_write_times_are_half_open_ranges_and_no_terms(
    value: str, expected: tuple[int | None, int | None]
) -> None:
    query = ask("Patient", ("_lastUpdated", value))
    assert query.last_updated == (expected,)
    assert query.clauses == ()


def test_what_shapes_the_answer() -> None:
    query = ask(
        "Observation",
        ("_count", "5000"),
        ("_sort", "-_lastUpdated,date"),
        ("_summary", "count"),
        ("_elements", "code,subject"),
        ("_total", "accurate"),
        ("_format", "json"),
        ("_pretty", "true"),
        ("_totalMethod", "x"),
        ("_contained", "false"),
    )
    assert (query.count, query.summary, query.total) == (1000, "count", "accurate")
    assert query.sort == (Sort("_lastUpdated", descending=True), Sort("date", descending=False))
    assert query.newest_first
    assert query.elements == ("code", "subject")
    assert query.clauses == ()
    assert ask("Observation").count == 50
    assert not ask("Observation", ("_sort", "_lastUpdated")).newest_first
    assert ask("Observation", ("_count", "0")).count == 0


UNSUPPORTED = [
    ("Patient", "nonsense", "x"),
    ("Patient", "name:exact", "x"),
    ("Patient", "gender:not", "male"),
    ("Patient", "gender:missing", "true"),
    ("Patient", "birthdate:missing", "true"),
    ("Observation", "code:text", "x"),
    ("Observation", "subject:Practitioner", "x"),
    ("Observation", "subject.name", "x"),
    ("Observation", "subject:Patient.name", "x"),
    ("Patient", "_has:Observation:patient:code", "x"),
    ("Patient", "_include", "Patient:organization"),
    ("Patient", "_revinclude:iterate", "Observation:subject"),
    ("Patient", "_text", "x"),
    ("Patient", "_filter", "x"),
    ("Patient", "phonetic", "x"),
    ("Location", "near", "1|2|3"),
    ("MolecularSequence", "chromosome-variant-coordinate", "1$2$3"),
    ("Patient", "_sort", "organization"),
    ("Patient", "_contained", "true"),
]


@pytest.mark.parametrize(("kind", "name", "value"), UNSUPPORTED)
def test_what_is_not_supported_is_refused_by_name_or_ignored_when_lenient(
    kind: str, name: str, value: str
) -> None:
    with pytest.raises(BadRequestError, match=f"^{name}: "):
        ask(kind, (name, value))
    query = ask(kind, (name, value), ("_id", "a"), lenient=True)
    assert query.ignored == (name,)
    assert len(query.clauses) == 1


MALFORMED = [
    ("Patient", "birthdate", "SECRET"),
    ("Patient", "birthdate", "neSECRET"),
    ("Patient", "birthdate", "ne2020"),
    ("Patient", "name", "..."),
    ("Patient", "name", "SECRET,"),
    ("Patient", "name", "SECRET\\x"),
    ("Patient", "active", "SECRET|true"),
    ("Patient", "gender", "a|b|SECRET"),
    ("Patient", "organization", "SECRET/a/b c"),
    ("Observation", "value-quantity", "SECRET"),
    ("Observation", "value-quantity", "5|SECRET"),
    ("Observation", "code-value-quantity", "SECRET"),
    ("RiskAssessment", "probability", "0.5|SECRET|a"),
    ("Patient", "_lastUpdated", "SECRET"),
    ("Patient", "_lastUpdated", "2020,2021"),
    ("Patient", "_count", "SECRET"),
    ("Patient", "_count", "-1"),
    ("Patient", "_total", "SECRET"),
    ("Patient", "_elements", "SECRET SECRET"),
]


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(("kind", "name", "value"), MALFORMED)
def test_a_malformed_value_is_refused_without_repeating_it(
    kind: str, name: str, value: str, *, lenient: bool
) -> None:
    with pytest.raises(BadRequestError) as refusal:
        ask(kind, (name, value), lenient=lenient)
    assert str(refusal.value).startswith(f"{name}: ")
    assert "SECRET" not in str(refusal.value)


def test_a_name_that_may_be_a_value_is_not_repeated() -> None:
    with pytest.raises(BadRequestError, match=r"^a parameter: unknown"):
        ask("Patient", ("Jane Doe 1970", "x"))


def test_an_unknown_type_is_refused() -> None:
    for kind in ("Nonsense", "Resource", ""):
        with pytest.raises(BadRequestError, match="unknown resource type"):
            ask(kind)


def test_everything_is_bounded() -> None:
    too_many: list[list[tuple[str, str]]] = [
        [("code", "a")] * (MOST_PARAMETERS + 1),
        [("code", ",".join("a" * (MOST_VALUES + 1)))],
        [("code", "a" * 20_000)],
        [("date", "gt2024-05-17T10:31:07.250Z")] * (MOST_LOOKUPS // 2_000),
    ]
    for parameters in too_many:
        with pytest.raises(TooCostlyError):
            ask("Observation", *parameters)


@given(
    st.sampled_from(["Patient", "Observation", "RiskAssessment", "DocumentReference", "ValueSet"]).flatmap(
        lambda kind: st.tuples(st.just(kind), st.sampled_from([name for name, _ in capability(kind)]))
    ),
    st.text(alphabet="ab0127:.-|,$\\TZ/+egltn ", max_size=24),
)
def test_any_value_is_understood_or_refused(where: tuple[str, str], value: str) -> None:
    kind, name = where
    try:
        query = ask(kind, (name, value))
    except (BadRequestError, TooCostlyError):
        return
    assert query.clauses or query.last_updated or not value.strip()


def test_each_capability_is_supported_and_nothing_else() -> None:
    example = {
        "token": "a",
        "reference": "Patient/1",
        "uri": "urn:a",
        "string": "a",
        "date": "2020",
        "number": "1",
        "quantity": "1",
    }
    for kind in resource_types():
        names = [name for name, _ in capability(kind)]
        assert names == sorted(set(names))
        assert not set(names) & set(table(kind).unsupported)
        for name, parameter_type in capability(kind):
            value = example.get(parameter_type)
            if value is not None:
                ask(kind, (name, value))
