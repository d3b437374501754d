"""The packing of what the embedded ledger and the log store: deflate (RFC 1951) with a dictionary.

Hashes, signatures and comparisons are of what is unpacked. A packed row begins with a byte that no other row
begins with, so rows from before packing are read as they are. A checksum covers the packed bytes: of
deflate alone, some bits could be changed without a trace.
"""

from __future__ import annotations

import zlib
from typing import Final

_MARK: Final = b"\0"  # a body is a MessagePack array, a value JSON
_SUM_BYTES: Final = 4
_LEVEL: Final = 1  # hexadecimal digits, the most of it, get hardly shorter by more work
_WINDOW: Final = -15
_LARGEST: Final = 1 << 28
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
"""Frozen: every packed row needs it."""


class PackingError(ValueError):
    """These bytes begin as a packed row does, and are none."""


def pack(data: bytes) -> bytes:
    """Return `data` packed; as it is where that is no longer."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, zdict=_DICTIONARY)
    packed = packer.compress(data) + packer.flush()
    if len(packed) + len(_MARK) + _SUM_BYTES >= len(data):
        return data
    return b"".join((_MARK, packed, zlib.crc32(packed).to_bytes(_SUM_BYTES, "big")))


def unpack(stored: bytes) -> bytes:
    """Return the bytes that `pack` got.

    Raises:
        PackingError: they were changed.
    """
    if type(stored) is not bytes or not stored.startswith(_MARK):
        return stored
    packed, checksum = stored[len(_MARK) : -_SUM_BYTES], stored[-_SUM_BYTES:]
    if zlib.crc32(packed).to_bytes(_SUM_BYTES, "big") != checksum:
        raise PackingError("a packed row does not match its checksum")
    unpacker = zlib.decompressobj(_WINDOW, zdict=_DICTIONARY)
    try:
        data = unpacker.decompress(packed, _LARGEST)
    except zlib.error:
        raise PackingError("a packed row can't be unpacked") from None
    if not unpacker.eof or unpacker.unused_data:
        raise PackingError("a packed row ends in another place")
    return data
