r"""Search values split at `,` `|` and `$`; a `\` makes the next of these a part of the value."""

from __future__ import annotations

import re

from exchange.fhir.search.algebra import ValueFormError

_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_COMPARED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[0-9+\-.])")


def split(value: str, separator: str) -> list[str]:
    """Split `value` at each `separator` that is not escaped; the parts keep their escapes."""
    parts, start, at = [], 0, 0
    while at < len(value):
        if value[at] == "\\":
            at += 1
        elif value[at] == separator:
            parts.append(value[start:at])
            start = at + 1
        at += 1
    return [*parts, value[start:]]


def unescape(value: str) -> str:
    r"""Return `value` without its escapes.

    Raises:
        ValueFormError: a `\` escapes nothing that needs it.
    """
    if "\\" not in value:
        return value
    if any(match[1] not in {",", "|", "$", "\\"} for match in _ESCAPED.finditer(value)):
        raise ValueFormError(r"a backslash escapes , | $ or itself")
    return _ESCAPED.sub(r"\1", value)


def comparison(value: str) -> tuple[str, str]:
    """Return the prefix of a number, date or quantity (`eq` if there is none), and the rest."""
    match = _COMPARED.match(value)
    return (match[1], value[2:]) if match is not None else ("eq", value)
