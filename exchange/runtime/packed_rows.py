"""The packing of what the embedded ledger stores: digits as bytes, the rest by deflate (RFC 1951).

Hashes, signatures and comparisons are of what is unpacked. A packed row begins with a byte that no other row
begins with, so rows from before packing are read as they are. A checksum covers the packed bytes: of
deflate alone, some bits could be changed without a trace.

A *run* is 32 or 64 hexadecimal digits: a pseudonym or a digest. Its first occurrence leaves a mark in the
text, and its bytes stand behind it; each later one leaves its number. A value that a transaction wrote has
mostly the runs of the transaction's body, so these are known ones when it is packed and unpacked.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Final

_DEFLATED: Final = b"\0"  # a body is a MessagePack array, a value JSON
_OWN_RUNS: Final = b"\1"
_KNOWN_RUNS: Final = b"\2"
_SUM_BYTES: Final = 4
_LEVEL: Final = 1
_WINDOW: Final = -15
_LARGEST: Final = 1 << 28

_ESCAPE, _LONG, _SHORT, _NEXT, _NUMBERED = b"\x10", b"\x11", b"\x12", b"\x13", b"\x14"
_RUN_BYTES: Final = {_LONG: 32, _SHORT: 16}
_MOST_RUNS: Final = 1 << 16
_SHORTEST: Final = 1 + _SUM_BYTES
_RUNS: Final = re.compile(rb"[0-9a-f]{64}|[0-9a-f]{32}")
_MARKED: Final = re.compile(rb"[0-9a-f]{64}|[0-9a-f]{32}|[\x10-\x14]")
_MARKS: Final = re.compile(rb"[\x11-\x13]|\x10.|\x14..", re.DOTALL)

_DICTIONARY: Final = (
    b'"count":0,"model":"","result":null,"root":"","refused":false,"reason":"refused-by-patient"'
    b'"reason":"no-consent"},"reason":"pair-not-open"},"outcome":"deny"'
    b'"classes":["AuditEvent"],"classes":["Patient"],"classes":["Condition"],"action":"history"'
    b'"action":"log","action":"search","right":"officer","right":"patient","person_open":true,'
    b'"purpose":"HOPERAT","purpose":"PATRQT","purpose":"BTG","reason":"policy","reason":"recorded",'
    b'"0123456789abcdef{"roots":["released\0trail\0access\0pair\0access:release\0access:record{"events":[{'
    b'access:authorize{"requests":[{"action":"read","classes":["Observation"],"digest":"","evidence":"",'
    b'"pair":"","person":"","purpose":"TREAT","recipient":"MSP","user":""},{'
    b'"action":"read","basis":"","basis_version":1,"classes":["Observation"],"custodian":"MSP","digest":"",'
    b'"epoch":1,"evidence":"","outcome":"permit","pair":"","purpose":"TREAT","reason":"consent",'
    b'"recipient":"MSP","user":""},{'
)
"""Frozen: every row that was packed before runs needs it."""
_MARKED_DICTIONARY: Final = (
    b'{"roots":["\x13","\x13","\x13"]}{"events":[{"action":"update","classes":["Patient"],"digest":"\x11",'
    b'"evidence":"\x11","pair":"\x12","purpose":"HOPERAT","root":"\x11","user":"\x12"}]}'
    b'"outcome":"deny","reason":"no-consent"},"reason":"pair-not-open"},"reason":"policy","action":"search"'
    b'[{"action":"read","basis":"\x12","basis_version":1,"classes":["Observation"],"custodian":"'
    b'","digest":"\x13","epoch":1,"evidence":"\x13","outcome":"permit","pair":"\x13","purpose":"TREAT",'
    b'"reason":"consent","recipient":"MSP","user":"\x13"},{{"roots":["\x11","\x11","\x11"]}\xcf\x00\x00\x01'
    b"\xc2\x94\xc4 \x91\x92\xc4\x13\x00policy\x00consortium\x00\x00\x91\x92\xc4\x00released\x00"
    b"\xadaccess:record\xaeaccess:release\xc5\x94\xc4 \x96\xc4\x18MSP\xb0access:authorize\xc5"
    b'{"requests":[{"action":"read","classes":["Observation"],"digest":"\x11","evidence":"\x11","pair":"\x12",'
    b'"purpose":"TREAT","recipient":"MSP","user":"\x12"},{"action":"read"}]}\xcf\x00\x00\x01\xc2\x94\xc4 '
    b"\x93\x92\xc4\x13\x00policy\x00consortium\x00\x00\x92\xc4\x13\x00policy\x00admissions\x00\xff"
    b"\x92\xc47\x00pair\x00\x14\x00\x02\x00\xce\x92\x92\xc4\x00trail\x00\x14\x00\x02\x00MSP\x0017\x00\x11\x000000\x00"
    b"\xc4 k\x86\xb2s\xff4\xfc\xe1\x9dk\x80N\xffZ?WG\xad\xa4\xea\xa2/\x1dI\xc0\x1eR\xdd\xb7\x87[K"
    b"\x92\xc4Z\x00access\x0017\x00\x14\x00\x04\x0000\x00\xc4 \x92\xa6access\xc0\x00"
)
"""Frozen: every row that is packed with runs needs it."""


class PackingError(ValueError):
    """These bytes begin as a packed row does, and are none."""


def runs_of(data: bytes) -> list[bytes]:
    """Return the different runs of `data`, in the order of their first occurrences."""
    return list(dict.fromkeys(_RUNS.findall(data)))


def pack(data: bytes, known: Sequence[bytes] = ()) -> bytes:
    """Return `data` packed, with different runs as `known` ones; as it is where that is no longer."""
    if len(data) <= _SHORTEST:
        return data
    numbers = {run: number for number, run in enumerate(known[:_MOST_RUNS])}
    first = len(numbers)
    digits: list[bytes] = []
    expected, uses_known = 0, False

    def mark(found: re.Match[bytes]) -> bytes:
        nonlocal expected, uses_known
        run = found.group()
        if len(run) == 1:
            return _ESCAPE + run
        number = numbers.get(run)
        if number is None:
            if len(numbers) < _MOST_RUNS:
                numbers[run] = len(numbers)
            digits.append(run)
            return _LONG if len(run) == 2 * _RUN_BYTES[_LONG] else _SHORT
        uses_known = uses_known or number < first
        is_next, expected = number == expected, number + 1
        return _NEXT if is_next else _NUMBERED + number.to_bytes(2, "big")

    text = _MARKED.sub(mark, data)
    if not uses_known and first:
        return pack(data)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, zdict=_MARKED_DICTIONARY)
    content = b"".join((packer.compress(text), packer.flush(), bytes.fromhex(b"".join(digits).decode())))
    if len(content) + 1 + _SUM_BYTES >= len(data):
        return data
    checksum = zlib.crc32(content).to_bytes(_SUM_BYTES, "big")
    return b"".join((_KNOWN_RUNS if uses_known else _OWN_RUNS, content, checksum))


def unpack(stored: bytes, known: Callable[[], Sequence[bytes]] = tuple) -> bytes:
    """Return the bytes that `pack` got; `known` gives the runs that it got.

    Raises:
        PackingError: they were changed.
    """
    kind = stored[:1] if type(stored) is bytes else b""
    if kind not in {_DEFLATED, _OWN_RUNS, _KNOWN_RUNS}:
        return stored
    content, checksum = stored[1:-_SUM_BYTES], stored[-_SUM_BYTES:]
    if zlib.crc32(content).to_bytes(_SUM_BYTES, "big") != checksum:
        raise PackingError("a packed row does not match its checksum")
    dictionary = _DICTIONARY if kind == _DEFLATED else _MARKED_DICTIONARY
    unpacker = zlib.decompressobj(_WINDOW, zdict=dictionary)
    try:
        text = unpacker.decompress(content, _LARGEST)
    except zlib.error:
        raise PackingError("a packed row can't be unpacked") from None
    if not unpacker.eof:
        raise PackingError("a packed row ends in another place")
    if kind == _DEFLATED:
        if unpacker.unused_data:
            raise PackingError("a packed row ends in another place")
        return text
    return _unmarked(text, unpacker.unused_data, list(known()) if kind == _KNOWN_RUNS else [])


def _unmarked(text: bytes, digits: bytes, runs: list[bytes]) -> bytes:
    del runs[_MOST_RUNS:]
    at = expected = 0

    def run(found: re.Match[bytes]) -> bytes:
        nonlocal at, expected
        mark = found.group()
        kind = mark[:1]
        if kind == _ESCAPE:
            return mark[1:]
        if kind in _RUN_BYTES:
            start, at = at, at + _RUN_BYTES[kind]
            if at > len(digits):
                raise PackingError("a packed row lacks a run")
            digest = digits[start:at].hex().encode()
            if len(runs) < _MOST_RUNS:
                runs.append(digest)
            return digest
        number = expected if kind == _NEXT else int.from_bytes(mark[1:], "big")
        expected = number + 1
        if number >= len(runs):
            raise PackingError("a packed row names a run that is not there")
        return runs[number]

    data = _MARKS.sub(run, text)
    if at != len(digits):
        raise PackingError("a packed row ends in another place")
    return data
