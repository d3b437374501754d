"""The grammar of FHIR's addresses: every address of the specification has its code, and no other has one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import BadRequestError, NotSupportedError
from exchange.fhir.bundle import EntryRequest
from exchange.fhir.interaction import MOST_PARAMETERS, Interaction, parse, parse_entry
from exchange.fhir.r4 import RESOURCE_TYPES

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "BREW")
GRAMMAR = {
    "": ("search-system", "transaction", "", "", ""),
    "metadata": ("capabilities", "", "", "", ""),
    "_history": ("history-system", "", "", "", ""),
    "_search": ("", "search-system", "", "", ""),
    "Patient": ("search-type", "create", "conditional-update", "conditional-patch", "conditional-delete"),
    "Patient/_search": ("", "search-type", "", "", ""),
    "Patient/_history": ("history-type", "", "", "", ""),
    "Patient/1": ("read", "", "update", "patch", "delete"),
    "Patient/1/_history": ("history-instance", "", "", "", ""),
    "Patient/1/_history/2": ("vread", "", "", "", ""),
    "Patient/1/Observation": ("search-compartment", "", "", "", ""),
    "Patient/1/*": ("search-compartment", "", "", "", ""),
    "Patient/1/Observation/_search": ("", "search-compartment", "", "", ""),
    "$export": ("$export", "$export", "", "", ""),
    "Observation/$lastn": ("$lastn", "$lastn", "", "", ""),
    "Patient/1/$everything": ("$everything", "$everything", "", "", ""),
}
NOWHERE = (
    *("patient/1", "Patients", "Resource/1", "DomainResource", "Nonsense", "nonsense/1/2", "METADATA"),
    *("/", "/Patient", "Patient/", "Patient//_history", "Patient/1/", "metadata/", "_history/", "//"),
    *("Patient/1/2", "Patient/1/2/3", "Patient/1/_history/", "Patient/1/_history/1/2", "Patient/1/_search"),
    *("Patient/_search/1", "Patient/_history/1", "Patient/$x/1", "Patient/1/$everything/x", "$export/1"),
    *("Patient%2F1", "Patient/1%2F_history", "Patient/%2E%2E%2F1", "%2F", "Patient/..%2f..", "Patient/%"),
    *("Patient/a b", "Patient/a_b", "Patient/" + "a" * 65, "Patient/\u00e9", "Patient/%00", "Patient/%ff"),
    *("Patient/1/_history/a_b", "Patient/1/patient", "Patient/$", "Patient/$EVERYTHING", "$", "_other"),
    *("Patient/_lastn", "Patient;x", "Patient#1", "metadata%2F", "Patient/1/*/_search", "*", "*/1"),
)


@pytest.mark.parametrize("path", list(GRAMMAR))
def test_each_address_has_a_code_for_each_method_that_fhir_gives_it(path: str) -> None:
    for method, code in zip(METHODS, (*GRAMMAR[path], ""), strict=True):
        assert parse(method, path).code == code
    assert parse("HEAD", path) == parse("GET", path)


@pytest.mark.parametrize("path", NOWHERE)
def test_any_other_address_is_refused_for_every_method(path: str) -> None:
    for method in ("HEAD", *METHODS):
        with pytest.raises(NotSupportedError, match="not supported"):
            parse(method, path)


def test_type_id_and_version_are_those_of_the_address() -> None:
    asked = parse("GET", "Observation/a-1.B/_history/7", "_summary=true&x=")
    assert (asked.type, asked.id, asked.version) == ("Observation", "a-1.B", "7")
    assert asked.parameters == (("_summary", "true"),)
    assert asked.target == "Observation/a-1.B"


def test_an_escaped_letter_is_the_letter() -> None:
    assert parse("GET", "Patient/%61%2Db").id == "a-b"
    assert parse("GET", "Observation/%24lastn").code == "$lastn"


def test_only_a_form_posted_to_the_search_is_one() -> None:
    assert parse("POST", "Patient/_search").is_search_by_form
    assert not parse("GET", "Patient").is_search_by_form
    assert not parse("POST", "Patient").is_search_by_form


def test_an_entry_asks_as_a_request_does() -> None:
    entry = EntryRequest("PUT", "Patient/1", if_match='W/"2"')
    assert parse_entry(entry) == parse("PUT", "Patient/1", if_match='W/"2"')
    entry = EntryRequest("POST", "/Patient", if_none_exist="identifier=1")
    assert parse_entry(entry) == parse("POST", "Patient", condition="identifier=1")
    assert parse_entry(EntryRequest("GET", "Patient?_id=1")).parameters == (("_id", "1"),)


@pytest.mark.parametrize("path", [path for path in NOWHERE if not path.startswith("/")])
def test_an_entry_has_no_other_addresses(path: str) -> None:
    for url in (path, f"/{path}", f"{path}?_id=1", f"http://x/{path}"):
        with pytest.raises(NotSupportedError):
            parse_entry(EntryRequest("GET", url))


def test_an_entry_can_not_ask_for_headers_alone() -> None:
    with pytest.raises(NotSupportedError, match="HEAD"):
        parse_entry(EntryRequest("HEAD", "Patient/1"))


def test_parameters_are_bounded() -> None:
    assert len(parse("GET", "Patient", "&".join(["a=1"] * MOST_PARAMETERS)).parameters) == MOST_PARAMETERS
    with pytest.raises(BadRequestError):
        parse("GET", "Patient", "&".join(["a=1"] * (MOST_PARAMETERS + 1)))


_segment = st.one_of(
    st.sampled_from(
        ["Patient", "Observation", "_history", "_search", "metadata", "$everything", "*", "", "1"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=8).filter(lambda text: "/" not in text),
)


@given(method=st.sampled_from(METHODS), segments=st.lists(_segment, max_size=6), query=st.text(max_size=20))
def test_whatever_is_sent_is_an_interaction_of_the_grammar_or_refused(
    method: str, segments: list[str], query: str
) -> None:
    try:
        asked = parse(method, "/".join(segments), query)
    except NotSupportedError:
        return
    assert isinstance(asked, Interaction)
    assert asked.type in RESOURCE_TYPES | {""}
    assert all("/" not in part for part in (asked.id, asked.version))
    assert asked.code == asked.methods.get(method, "")
