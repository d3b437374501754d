"""Tokens: frozen vectors, and apart for every key, type, index and kind."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.crypto.index_tokens import KEY_BYTES, TOKEN_BYTES, TokenKeys
from exchange.fhir.search import Term, parse, terms

KEY = bytes(range(32))
VECTORS = [
    ("Patient", "family", "muller", "7f8781def319c8fbf18b78e752a0376e"),
    ("Observation", "code", "F|http://loinc.org\x1f8480-6", "1517aa8b4a178ed6b8021f98658ab44a"),
    ("Observation", "subject", "rPatient/23", "35ee599286a235923b17a228132a7c57"),
    ("Observation", "date", "=2024-05-17T10:31:07", "0d9eae49a1bfb84eb74f138bafff2a98"),
    ("Observation", "value-quantity", "=+1:7250", "6e888edc510c93d95f63977e4b50bbe7"),
]


@pytest.mark.parametrize(("resource_type", "parameter", "term", "token"), VECTORS)
def test_tokens_are_frozen(resource_type: str, parameter: str, term: str, token: str) -> None:
    assert TokenKeys(KEY).token(resource_type, parameter, term).hex() == token


@given(st.binary(min_size=32, max_size=32), st.text(max_size=20), st.text(max_size=20), st.text(max_size=40))
def test_a_token_is_hmac_under_a_key_expanded_for_type_and_index(
    key: bytes, resource_type: str, parameter: str, term: str
) -> None:
    # RFC 5869, one block of HKDF-Expand, written out.
    info = b"consentry/search/1\0" + resource_type.encode() + b"\0" + parameter.encode() + b"\x01"
    derived = hmac.new(key, info, hashlib.sha256).digest()
    expected = hmac.new(derived, term.encode(), hashlib.sha256).digest()[:16]
    assert TokenKeys(key).token(resource_type, parameter, term) == expected


def test_tokens_are_apart_by_key_type_index_and_text() -> None:
    keys, others = TokenKeys(KEY), TokenKeys(bytes(KEY_BYTES))
    tokens = {
        each.token(resource_type, parameter, term)
        for each in (keys, others)
        for resource_type in ("Patient", "Person")
        for parameter in ("name", "family")
        for term in ("a", "b", "=a", "~a")
    }
    assert len(tokens) == 32
    assert {len(token) for token in tokens} == {TOKEN_BYTES}


def test_a_batch_gives_the_token_of_each_term_in_order() -> None:
    keys = TokenKeys(KEY)
    batch = [Term("family", "a"), Term("given", "a"), Term("family", "a")]
    assert keys.tokens("Patient", batch) == [keys.token("Patient", *term) for term in batch]


def test_a_record_and_the_search_that_finds_it_share_a_token() -> None:
    keys = TokenKeys(KEY)
    patient = {"resourceType": "Patient", "id": "a", "birthDate": "1970-05-17"}
    stored = set(keys.tokens("Patient", terms("Patient", patient)))
    for value, found in (("1970-05", True), ("lt1971", True), ("gt1971", False)):
        (clause,) = parse("Patient", [("birthdate", value)], lenient=False).clauses
        ((union,),) = clause.alternatives
        assert stored.isdisjoint(keys.tokens("Patient", union)) is not found


@pytest.mark.parametrize("key", [b"", bytes(16), bytes(33)])
def test_an_index_key_has_32_bytes(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        TokenKeys(key)
