"""Records of the log in few bytes: without what the columns beside them say, and with digests as bytes.

A record stands on the ledger as canonical JSON, and is given back byte for byte. One that would not come back
so, such as one of a later release, is stored as it is; so are those of releases before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from chaincode.access.model import LogEntryValue
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError
from exchange.runtime.packed_rows import PackingError, unpack

BESIDE: Final = ("pair", "custodian", "recipient", "user", "action", "purpose", "outcome")
"""The fields that have a column of their own."""

_MARK: Final = b"\3"  # a record is JSON, or begins with one of the marks of `packed_rows`
_REST: Final = tuple(name for name in LogEntryValue.__struct_fields__ if name not in BESIDE)
_DEFAULTS: Final = {
    field.name: field.default
    for field in msgspec.structs.fields(LogEntryValue)
    if field.default is not msgspec.NODEFAULT
}
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){8,}")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


def pack_record(record: bytes, beside: Sequence[str]) -> bytes:
    """Return `record` packed; `beside` are the values of its fields `BESIDE`."""
    try:
        entry = msgspec.json.decode(record, type=LogEntryValue)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return record
    values = [getattr(entry, name) for name in _REST]
    while values and values[-1] == _DEFAULTS.get(_REST[len(values) - 1], msgspec.NODEFAULT):
        values.pop()
    packed = _MARK + _encode([_shorter(value) for value in values])
    return packed if unpack_record(packed, beside) == record else record


def unpack_record(stored: bytes, beside: Sequence[str]) -> bytes:
    """Return the record that is stored so beside these values.

    One that was changed may come back as another, or as it is stored: a comparison with the ledger tells.
    """
    stored = bytes(stored)  # a driver may give a view
    try:
        return _restored(stored, beside) if stored.startswith(_MARK) else unpack(stored)
    except (PackingError, BadArgumentError, msgspec.MsgspecError, TypeError, ValueError):
        return stored


def _restored(packed: bytes, beside: Sequence[str]) -> bytes:
    values = [value.hex() if type(value) is bytes else value for value in _decode(packed[len(_MARK) :])]
    fields = dict(zip(_REST, values, strict=False)) | dict(zip(BESIDE, beside, strict=True))
    return encode(msgspec.convert(fields, LogEntryValue))


def _shorter(value: Any) -> Any:
    return bytes.fromhex(value) if isinstance(value, str) and _HEX.fullmatch(value) else value
