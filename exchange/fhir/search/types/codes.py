"""Token parameters: a code or identifier, alone or within its system (search.html#token).

The first letter of a term is for the treatment of case, and the sign after it the content of the term: `=` a
code, `|` a system with a code, `-` a code that has no system, `*` a system alone.

- `F`, folded: Coding, ContactPoint and string. R4 leaves the case of codes in doubt and then asks for the
  wider match. Phone numbers lose their separators.
- `E`, exact: Identifier values, `code`, `boolean`, `id` and `uri`.
- `I`, folded, beside the exact term of an Identifier's value that folding changes. A system may tell values
  apart by case or not, and nothing says so: a search matches either way, and what must hit one certain
  record (a condition, the access log) compares exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from exchange.fhir.search.algebra import JOIN, ValueFormError
from exchange.fhir.search.parameters import Leaf

_SEPARATORS = re.compile(r"[\s().\-/]+")
_PHONE = re.compile(r"\+?[0-9]+")
_WITH_SYSTEM = {"Coding": "F", "Identifier": "E"}
_FOLDED = {"ContactPoint", "string"}


def _contact(value: str) -> str:
    compact = _SEPARATORS.sub("", value)
    return compact if _PHONE.fullmatch(compact) else value.strip().casefold()


def texts(datatype: str, value: Any) -> Iterator[str]:
    """Yield the terms of one value."""
    if datatype == "Coding":
        yield from _scoped("F", value.get("system"), value.get("code"))
    elif datatype == "Identifier":
        system, number = value.get("system"), value.get("value")
        yield from _scoped("E", system, number)
        if number and number.casefold() != number:
            yield from (_scoped_lookup("I", scope, number.casefold()) for scope in (None, system or ""))
    elif datatype == "ContactPoint":
        number = value.get("value")
        if number:
            yield "F=" + _contact(number)
    elif datatype == "boolean":
        yield "E=true" if value else "E=false"
    elif datatype == "string":
        yield "F=" + value.casefold()
    else:
        yield "E=" + value


def _scoped(mark: str, system: str | None, code: str | None) -> Iterator[str]:
    if code:
        if mark == "F":
            code = code.casefold()
        yield f"{mark}={code}"
        yield f"{mark}|{system}{JOIN}{code}" if system else f"{mark}-{code}"
    if system:
        yield f"{mark}*{system}"


def lookups(parts: Sequence[str], leaves: Iterable[Leaf], *, exact: bool = False) -> Iterator[str]:
    """Yield the terms that find a search value in `leaves`; `parts` are its one or two sides of the `|`.

    With `exact`, the values of identifiers are told apart by their case.

    Raises:
        ValueFormError: the form has no meaning for these elements.
    """
    if len(parts) > 2 or not any(parts):
        raise ValueFormError("a token is code, system|code, |code or system|")
    system, code = (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    refused = True
    for leaf in leaves:
        mark = _WITH_SYSTEM.get(leaf.datatype)
        if mark is not None:
            refused = False
            yield _scoped_lookup(mark, system, code)
            if leaf.datatype == "Identifier" and not exact:
                yield from _in_any_case(system, code)
        elif leaf.datatype == "code" and code:
            refused = False
            if system is None or system in leaf.systems:
                yield "E=" + code
        elif system is None:
            refused = False
            yield _plain(leaf.datatype, code)
    if refused:
        raise ValueFormError("these elements have no system; search by the code alone")


def _scoped_lookup(mark: str, system: str | None, code: str) -> str:
    if mark == "F":
        code = code.casefold()
    if not code:
        return f"{mark}*{system}"
    if system is None:
        return f"{mark}={code}"
    return f"{mark}|{system}{JOIN}{code}" if system else f"{mark}-{code}"


def _in_any_case(system: str | None, code: str) -> Iterator[str]:
    """Yield the terms of identifiers with the same value in another case; none where it has no case."""
    folded = code.casefold()
    others = {code.lower(), code.upper(), folded} - {code}
    if others:
        yield _scoped_lookup("I", system, folded)
        # A row without folded terms is found in lower and in upper case, by far the commonest.
        yield from (_scoped_lookup("E", system, other) for other in sorted(others))


def _plain(datatype: str, code: str) -> str:
    if datatype == "ContactPoint":
        return "F=" + _contact(code)
    return "F=" + code.casefold() if datatype in _FOLDED else "E=" + code
