"""The version of a consent in one pair grows, and only the salt tells which version it stands for."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from chaincode.consent.limits import VERSION
from exchange.crypto.pair_versions import COUNT_LIMIT, VERSIONS, consent_version, pair_version

COUNTS = st.integers(1, COUNT_LIMIT)
OWN = st.integers(1, VERSIONS - 1)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
SALTS = st.binary(min_size=32, max_size=32)


@given(OWN, IDS, COUNTS, SALTS)
def test_the_salt_tells_which_version_it_stands_for(own: int, name: str, count: int, salt: bytes) -> None:
    number = pair_version(own, terms_id=name, count=count, salt=salt)
    assert VERSIONS <= number <= VERSION
    assert consent_version(number, terms_id=name, salt=salt) == own


@given(st.tuples(OWN, OWN), IDS, st.lists(COUNTS, min_size=2, max_size=2, unique=True), SALTS)
def test_it_grows_with_each_count(own: tuple[int, int], name: str, counts: list[int], salt: bytes) -> None:
    first, second = (
        pair_version(one, terms_id=name, count=count, salt=salt)
        for one, count in zip(own, sorted(counts), strict=True)
    )
    assert first < second


@given(OWN, IDS, SALTS)
def test_a_version_of_before_is_the_consents_own(own: int, name: str, salt: bytes) -> None:
    assert consent_version(own, terms_id=name, salt=salt) == own


def test_two_pairs_and_two_states_share_no_lower_part() -> None:
    made = [
        pair_version(7, terms_id=f"{n:032x}", count=count, salt=bytes([n]) * 32) % VERSIONS
        for n in range(100)
        for count in range(1, 11)
    ]
    assert len(set(made)) > 990  # of 1,000, by the birthday bound


@pytest.mark.parametrize("count", [0, -1, COUNT_LIMIT + 1])
def test_a_count_out_of_bounds_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="count"):
        pair_version(1, terms_id="0" * 32, count=count, salt=b"s" * 32)
