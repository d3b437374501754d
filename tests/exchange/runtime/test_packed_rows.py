"""Rows are packed and come back as they were; a changed one is noticed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.runtime.packed_rows import PackingError, pack, unpack

JSON = st.sampled_from(
    [
        b'{"action":"read","classes":["Observation"],"digest":"' + b"0a1b" * 16 + b'","outcome":"permit"}',
        b'{"requests":[' + b'{"action":"search","pair":"7f"},' * 40 + b"{}]}",
        b"1",
    ]
)


@given(JSON | st.binary().filter(lambda data: not data.startswith(b"\0")))
def test_a_row_comes_back_as_it_was_and_is_never_longer(data: bytes) -> None:
    packed = pack(data)
    assert unpack(packed) == data
    assert len(packed) <= len(data)
    assert unpack(data) == data  # of a release before


@given(JSON, st.data())
def test_each_change_of_a_packed_row_is_noticed(data: bytes, draw: st.DataObject) -> None:
    packed = bytearray(pack(data))
    at = draw.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= draw.draw(st.integers(1, 255))
    with suppress(PackingError):
        assert unpack(bytes(packed)) != data


@pytest.mark.parametrize("cut", [1, 4, 5, 20])
def test_a_row_that_was_cut_or_grew_is_noticed(cut: int) -> None:
    packed = pack(b'{"requests":[' + b'{"action":"search","pair":"7f"},' * 40)
    for changed in (packed[:-cut], packed + b"x" * cut):
        with pytest.raises(PackingError):
            unpack(changed)
