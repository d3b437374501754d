"""Rows are packed and come back as they were; a changed one is noticed."""

from __future__ import annotations

import zlib
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.runtime import packed_rows
from exchange.runtime.packed_rows import PackingError, pack, runs_of, unpack

RUNS = st.sampled_from([bytes([digit]) * length for digit in b"0af" for length in (32, 64)])
MARKS = st.binary(min_size=1, max_size=3) | st.sampled_from([bytes([n]) for n in range(0x0E, 0x16)])
ROWS = st.lists(RUNS | MARKS | st.sampled_from([b'"pair":"', b'","digest":"', b"0" * 31]), max_size=12).map(
    b"".join
)
JSON = st.sampled_from(
    [
        b'{"action":"read","classes":["Observation"],"digest":"' + b"0a1b" * 16 + b'","outcome":"permit"}',
        b'{"requests":[' + b'{"action":"search","pair":"7f"},' * 40 + b"{}]}",
        b'["' + b'","'.join(b"%064x" % n for n in range(300)) + b'"]',
        b"1",
    ]
)
UNMARKED = (JSON | st.binary() | ROWS).filter(lambda data: not data.startswith((b"\0", b"\1", b"\2")))


@settings(deadline=None)
@given(UNMARKED, UNMARKED)
@example(b'{"a":"' + b"1" * 64 + b'"}', b'{"b":"' + b"1" * 64 + b'"}')
def test_a_row_comes_back_as_it_was_and_is_never_longer(data: bytes, beside: bytes) -> None:
    assert unpack(data) == data  # of a release before
    for known in ([], runs_of(beside), runs_of(data)):
        packed = pack(data, known)
        assert unpack(packed, lambda known=known: known) == data  # type: ignore[misc]
        assert len(packed) <= len(data)


@settings(deadline=None)
@given(JSON, st.booleans(), st.data())
def test_each_change_of_a_packed_row_is_noticed(data: bytes, is_known: bool, draw: st.DataObject) -> None:
    known = runs_of(data) if is_known else []
    packed = bytearray(pack(data, known))
    at = draw.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= draw.draw(st.integers(1, 255))
    with suppress(PackingError):
        assert unpack(bytes(packed), lambda: known) != data


@pytest.mark.parametrize("cut", [1, 4, 5, 20])
@pytest.mark.parametrize(
    "data", [b'{"requests":[' + b'{"action":"search","pair":"7f"},' * 40, b'["' + b"%064x" % 7 + b'"]']
)
def test_a_row_that_was_cut_or_grew_is_noticed(data: bytes, cut: int) -> None:
    packed = pack(data)
    assert packed != data
    for changed in (packed[:-cut], packed + b"x" * cut):
        with pytest.raises(PackingError):
            unpack(changed)


@settings(deadline=None)
@given(st.sampled_from([b"\0", b"\1", b"\2"]), st.binary() | ROWS, st.binary(max_size=40), st.lists(RUNS))
def test_bytes_with_a_right_checksum_are_a_row_or_refused(
    kind: bytes, text: bytes, digits: bytes, known: list[bytes]
) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    content = packer.compress(text) + packer.flush() + digits
    with suppress(PackingError):
        unpack(kind + content + zlib.crc32(content).to_bytes(4, "big"), lambda: known)


def test_a_row_of_the_release_before_is_read() -> None:
    data = b'{"requests":[' + b'{"action":"search","pair":"7f"},' * 40 + b"]}"
    packer = zlib.compressobj(1, zlib.DEFLATED, -15, zdict=packed_rows._DICTIONARY)
    content = packer.compress(data) + packer.flush()
    assert unpack(b"\0" + content + zlib.crc32(content).to_bytes(4, "big")) == data


def test_digits_take_half_their_length_and_known_ones_hardly_any() -> None:
    runs = [b"%064x" % (n * 7919) for n in range(1, 51)]
    data = b'{"roots":["' + b'","'.join(runs) + b'"]}'
    assert len(pack(data)) < 50 * 32 + 120
    assert len(pack(data[9:-1], runs_of(data))) < 120
