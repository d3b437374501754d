"""The keyed hash agrees with the standard library's HMAC, whichever process asks."""

from __future__ import annotations

import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.crypto.index_tokens import KeyedHash


@given(key=st.binary(max_size=64), messages=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_it_is_hmac_sha_256_of_each_message(key: bytes, messages: list[bytes]):
    keyed = pickle.loads(pickle.dumps(KeyedHash(key)))
    assert [keyed.digest(one) for one in messages] == [hmac.digest(key, one, "sha256") for one in messages]


def test_a_key_of_more_than_a_block_is_refused():
    with pytest.raises(ValueError, match="64 bytes"):
        KeyedHash(bytes(65))
