"""One reading of the bytes: JSON that every parser sees alike.

The bytes are stored as received, and other systems will parse them again. So what JSON leaves to the
parser is refused: an object with the same name twice, half of a surrogate pair, control characters, numbers
that overflow, vanish or run on, and nesting without end.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from exchange.errors import BadRequestError

DEEPEST = 100
"""Levels of objects and arrays in a body."""

LONGEST_NUMBER = 64
"""Characters in a number; R4 asks for 18 digits of precision (XML Schema part 2, decimal)."""

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""Code points that no FHIR string may have (https://hl7.org/fhir/R4/datatypes.html#string)."""

_CONTROL_ESCAPE = re.compile(rb"\\(?:u00|[bf])")
_EMPTY = re.compile(rb'\{(?:\}|"id":"(?:[^"\\]|\\.)*"\})')
_TOO_DEEP = f"the body is nested more than {DEEPEST} levels deep"
_NOT_JSON = "the body is not JSON in UTF-8, or not one JSON text"


class Text(NamedTuple):
    """A body read by the fast parser: the object, its compact encoding, and whether it is above suspicion.

    `plain` is False when the body needs the exact reading: a repeated name, a control character, an object
    with nothing but an id, or something that resembles one of these.
    """

    resource: dict[str, Any]
    encoded: bytes
    plain: bool


class Unreadable:
    """Stands in the exact reading for a number out of bounds."""


class Repeating(dict[str, Any]):
    """Stands in the exact reading for an object that has a name more than once: `names` are those."""

    names: tuple[str, ...] = ()


def _number(text: str) -> float:
    value = float(text)
    if len(text) > LONGEST_NUMBER or value in {float("inf"), float("-inf")}:
        raise ValueError
    if value == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0]):
        raise ValueError
    return value


_decode = msgspec.json.Decoder().decode
_decode_bounded = msgspec.json.Decoder(float_hook=_number).decode


def read(body: bytes) -> Text | None:
    """Parse fast; None if a number is out of bounds. Raises BadRequestError if the body is no JSON."""
    try:
        compact = msgspec.json.format(body, indent=-1)
        resource = _decode(body)
        encoded = msgspec.json.encode(resource)
        if encoded != compact:
            # Numbers that are not written as they are read may be out of bounds.
            resource = _decode_bounded(body)
            encoded = msgspec.json.encode(resource)
    except RecursionError:
        raise BadRequestError(_TOO_DEEP) from None
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequestError(_NOT_JSON) from None
    if type(resource) is not dict:
        raise BadRequestError("the body is not a JSON object")
    if compact.count(b"{") + compact.count(b"[") > DEEPEST:
        _bound_depth(resource)
    return Text(
        resource,
        encoded,
        (encoded == compact or _names(encoded) == _names(compact))
        and not _EMPTY.search(encoded)
        and not (b"\\" in encoded and _CONTROL_ESCAPE.search(encoded)),
    )


def _names(compact: bytes) -> int:
    """Return how many properties a text without white space has.

    A property's name ends in `":`, and so may a string's content, but there the quotation mark is escaped.
    Names that end in a backslash are counted wrongly; no element has such a name, so they are refused anyway.
    """
    return compact.count(b'":') - (compact.count(b'\\":') if b"\\" in compact else 0)


def read_exactly(body: bytes) -> dict[str, Any]:
    """Parse slowly a body that `read` has accepted, and preserve all that parsers lose."""
    try:
        resource = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_real,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        raise BadRequestError(_NOT_JSON) from None
    if not isinstance(resource, dict):
        raise BadRequestError("the body is not a JSON object")
    _bound_depth(resource)
    return resource


def _bound_depth(resource: dict[str, Any]) -> None:
    """Raise BadRequestError for a tree of more than DEEPEST levels, in time that grows with its size."""
    level: list[Any] = [resource]
    for _ in range(DEEPEST):
        level = [
            part
            for outer in level
            for part in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    raise BadRequestError(_TOO_DEEP)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) == len(pairs):
        return built
    repeating = Repeating(built)
    counts = Counter(name for name, _ in pairs)
    repeating.names = tuple(name for name, count in counts.items() if count > 1)
    return repeating


def _whole(text: str) -> int | Unreadable:
    return int(text) if len(text) <= LONGEST_NUMBER else Unreadable()


def _real(text: str) -> float | Unreadable:
    try:
        return _number(text)
    except ValueError:
        return Unreadable()


def _refuse(_: str) -> None:
    raise ValueError
