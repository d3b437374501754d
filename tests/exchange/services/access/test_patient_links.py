"""The person of a subject is what the links of all current Patients join, whatever their order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import TooCostlyError
from exchange.services.access.patient_links import MOST_NUMBERS, PatientLinks

TOKENS = [bytes([n]) * 16 for n in range(6)]


def links() -> PatientLinks:
    nowhere: Any = None
    return PatientLinks(nowhere, nowhere)


def joined(token: bytes, stored: dict[bytes, tuple[bytes, ...]]) -> set[bytes]:
    found = {token}
    for _ in TOKENS:
        for subjects in stored.values():
            if found & set(subjects):
                found |= set(subjects)
    return found


@given(
    st.lists(
        st.tuples(st.sampled_from(TOKENS), st.lists(st.sampled_from(TOKENS), max_size=3, unique=True)),
        max_size=12,
    )
)
def test_after_any_changes_a_person_is_what_the_stored_links_join(
    changes: list[tuple[bytes, list[bytes]]],
) -> None:
    known = links()
    stored: dict[bytes, tuple[bytes, ...]] = {}
    for own, others in changes:
        before = {token: joined(token, stored) for token in TOKENS}
        stored[own] = tuple(dict.fromkeys((own, *others)))
        changed = known.learn([(own, stored[own])])
        after = {token: joined(token, stored) for token in TOKENS}
        assert {token for token in TOKENS if before[token] != after[token]} <= changed
        for token in TOKENS:
            assert {token, *known.others(token)} == after[token]


def test_a_person_of_too_many_numbers_is_not_judged() -> None:
    known = links()
    tokens = [bytes([n]) * 16 for n in range(MOST_NUMBERS + 1)]
    for one, other in pairwise(tokens[:-1]):
        assert not known.joins_too_many([one, other])
        known.learn([(one, (one, other))])
    assert len(known.others(tokens[0])) == MOST_NUMBERS - 1
    assert known.joins_too_many(tokens[-2:])
    known.learn([(tokens[-1], tokens[-2:])])
    with pytest.raises(TooCostlyError):
        known.others(tokens[3])
    known.learn([(tokens[3], (tokens[3],))])
    assert known.others(tokens[0]) == tuple(tokens[1:4])
