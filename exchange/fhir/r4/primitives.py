"""The JSON values that the primitive types of R4 accept, said once for the fast pass and for the diagnosis.

Source: https://hl7.org/fhir/R4/datatypes.html#primitive. The regular expressions there are used as they are,
except where the text asks for more than its expression or the expression is unfit to run on input:

- date, dateTime, instant: "Dates SHALL be valid dates", so 30 February is refused;
- string, markdown: at most 1 MiB characters (Unicode control characters are refused anywhere in a body);
- uri, url, canonical: the expression allows the empty string, which no element's value may be;
- base64Binary: the expression backtracks exponentially on runs of white space;
- integer, positiveInt, unsignedInt: 32 bits signed, which the text says and the expression does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from exchange.fhir.r4.definitions import PRIMITIVES
from exchange.fhir.r4.elements import codes

LONGEST = 1024 * 1024
"""Characters in a string."""

_INT32 = 2**31 - 1
_INT64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Longer integers are for the exact pass, which counts their digits."""

_YEAR = "(?!0000)[0-9]{4}"
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)"
)
_ZONE = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_CLOCK = rf"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?{_ZONE}"

_PATTERNS = {
    "date": f"{_DAY}|{_YEAR}(?:-{_MONTH})?",
    "dateTime": f"{_DAY}(?:{_CLOCK})?|{_YEAR}(?:-{_MONTH})?",
    "instant": _DAY + _CLOCK,
    "uri": r"\S+",
    "url": r"\S+",
    "canonical": r"\S+",
} | {name: PRIMITIVES[name] for name in ("code", "id", "oid", "time", "uuid")}


class Primitive(NamedTuple):
    """`annotation` for msgspec, which may refuse rare valid forms; `accepts`, which is exact; what to say."""

    annotation: Any
    accepts: Callable[[object], bool]
    expected: str


def _matching(name: str, expected: str) -> Primitive:
    pattern = rf"(?a)\A(?:{_PATTERNS[name]})\Z"
    matches = re.compile(pattern).search
    return Primitive(
        Annotated[str, Meta(pattern=pattern)],
        lambda value: type(value) is str and matches(value) is not None,
        expected,
    )


def _integer(least: int, expected: str) -> Primitive:
    return Primitive(
        Annotated[int, Meta(ge=least, le=_INT32)],
        lambda value: type(value) is int and least <= value <= _INT32,
        expected,
    )


def _text(expected: str) -> Primitive:
    return Primitive(
        Annotated[str, Meta(min_length=1, max_length=LONGEST)],
        lambda value: type(value) is str and 0 < len(value) <= LONGEST,
        expected,
    )


_WHITE = re.compile(r"[ \t\r\n]+")
_BASE64 = re.compile(r"\A[A-Za-z0-9+/]+={0,2}\Z")


def _is_base64(value: object) -> bool:
    if type(value) is not str:
        return False
    solid = _WHITE.sub("", value)
    return len(solid) % 4 == 0 and _BASE64.search(solid) is not None


PRIMITIVE_TYPES: dict[str, Primitive] = {
    "base64Binary": Primitive(Annotated[bytes, Meta(min_length=1)], _is_base64, "base64"),
    "boolean": Primitive(bool, lambda value: type(value) is bool, "true or false"),
    "canonical": _matching("canonical", "a canonical URL, without white space"),
    "code": _matching("code", "a code, without leading, trailing or double white space"),
    "date": _matching("date", "a date: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _matching("dateTime", "a date, or a date and time with seconds and time zone"),
    "decimal": Primitive(_INT64 | float, lambda value: type(value) in {int, float}, "a number"),
    "id": _matching("id", "an id: 1 to 64 letters, digits, hyphens and full stops"),
    "instant": _matching("instant", "a date and time with seconds and time zone"),
    "integer": _integer(-_INT32 - 1, "a whole number of 32 bits"),
    "markdown": _text("a non-empty string of at most 1 MiB"),
    "oid": _matching("oid", "an OID as urn:oid:..."),
    "positiveInt": _integer(1, "a whole number of at least 1"),
    "string": _text("a non-empty string of at most 1 MiB"),
    "time": _matching("time", "a time: hh:mm:ss"),
    "unsignedInt": _integer(0, "a whole number of at least 0"),
    "uri": _matching("uri", "a URI, without white space"),
    "url": _matching("url", "a URL, without white space"),
    "uuid": _matching("uuid", "a UUID as urn:uuid:... in lower case"),
    "xhtml": Primitive(str, lambda value: type(value) is str, "a string with an XHTML div"),
}


def annotation(type_name: str, value_set: str) -> Any:
    """Return the msgspec type that checks a primitive type, with the codes of a required value set."""
    if value_set:
        return Literal[tuple(sorted(codes(value_set)))]
    return PRIMITIVE_TYPES[type_name].annotation
