"""The encoding of values and keys on the ledger: canonical JSON, and Fabric's composite keys.

Canonical means one value has one encoding: keys sorted, no spaces, UTF-8, integers only. Endorsers
compare results byte for byte and digests cover these bytes, so this module is frozen by
vectors in `tests/contracts/vectors`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from chaincode.errors import BadArgumentError

T = TypeVar("T")

_LAST_RUNE = "\U0010ffff"
_encoder = msgspec.json.Encoder(order="sorted")


def encode(value: Any) -> bytes:
    """Return the canonical JSON of a struct, or of plain dicts, lists, strings, integers and booleans.

    Raises:
        BadArgumentError: the value holds a float, or a value that JSON can't express.
    """
    _refuse_floats(value)
    try:
        return _encoder.encode(value)
    except (TypeError, UnicodeEncodeError, OverflowError) as why:
        raise BadArgumentError(f"not encodable: {why}") from None


def _refuse_floats(value: Any) -> None:
    # Structs carry typed fields, none of them a float; only untyped values need the walk.
    if isinstance(value, float):
        raise BadArgumentError("numbers on the ledger are integers")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)


def decode(data: bytes, kind: type[T]) -> T:
    """Decode `data` as `kind`.

    Raises:
        BadArgumentError: the bytes are not JSON, or do not have that shape (the message names the path).
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise BadArgumentError(f"not a {getattr(kind, '__name__', kind)}: {why}") from None
    except RecursionError:
        raise BadArgumentError("nested too deeply") from None


def composite_key(kind: str, *parts: str) -> str:
    """Return Fabric's composite key of `kind` and `parts`: a namespace that prefix ranges can walk.

    Raises:
        BadArgumentError: a part holds U+0000 or U+10FFFF, which delimit keys.
    """
    key = "\0".join(("", kind, *parts, ""))
    if key.count("\0") != len(parts) + 2 or _LAST_RUNE in key:
        raise BadArgumentError("a key part may not hold U+0000 or U+10FFFF")
    return key


def split_composite_key(key: str) -> tuple[str, tuple[str, ...]]:
    """Return the kind and the parts that `composite_key` joined."""
    kind, *parts = key[1:-1].split("\0")
    return kind, tuple(parts)


def prefix_range(kind: str, parts: Iterable[str] = ()) -> tuple[str, str]:
    """Return start (inclusive) and end (exclusive) of the composite keys that begin with `kind`, `parts`."""
    start = composite_key(kind, *parts)
    return start, start + _LAST_RUNE
