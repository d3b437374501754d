"""Reference and uri parameters: the record, URL or canonical that an element points to.

References are stored as `Type/id` when they are relative or lie under this server's base, else as the
absolute URL or URN; a version is left out (search.html#references-and-versions). A logical reference is
stored under `i`, a canonical with and without its business version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from exchange.fhir.references import ID, TYPE, literal
from exchange.fhir.search.algebra import ValueFormError
from exchange.fhir.search.parameters import Leaf, resource_types
from exchange.fhir.search.types import codes

_ID = re.compile(ID)
_LITERAL = re.compile(rf"(?:.*/)?(?P<type>{TYPE})/(?P<id>{ID})")
_IDENTIFIER = Leaf("", "Identifier")


def texts(datatype: str, value: Any, base: str) -> Iterator[str]:
    """Yield the terms of one reference, canonical or contained record."""
    if datatype == "Reference":
        reference = value.get("reference")
        if reference and not reference.startswith("#"):
            yield "r" + literal(reference, base)
        if "identifier" in value:
            yield from ("i" + text for text in codes.texts("Identifier", value["identifier"]))
    elif datatype == "Resource":
        if "id" in value:
            yield f"r{value['resourceType']}/{value['id']}"
    elif not value.startswith("#"):
        yield from ("r" + text for text in canonical(value))


def canonical(value: str) -> Iterator[str]:
    """Yield a canonical with its version, if it has one, and without."""
    yield value
    url, bar, _ = value.partition("|")
    if bar:
        yield url


def lookups(value: str, targets: Iterable[str], base: str) -> Iterator[str]:
    """Yield the terms that find a reference to `value`, within `targets` (none given means any type).

    Raises:
        ValueFormError: the value is not an id, Type/id or a URL.
    """
    allowed = tuple(targets)
    reference = literal(value, base)
    if _ID.fullmatch(reference):
        yield from (f"r{target}/{reference}" for target in allowed or resource_types())
        return
    record = _LITERAL.fullmatch(reference)
    if record is None and ":" not in reference:
        raise ValueFormError("a reference is an id, Type/id or an absolute URL")
    elsewhere = record is not None and record["type"] in resource_types() and record["type"] not in allowed
    if not (allowed and elsewhere):
        yield "r" + reference


def identifier_lookups(parts: list[str], *, exact: bool) -> Iterator[str]:
    """Return the terms that find a logical reference by `system|value`, for the modifier `:identifier`."""
    return ("i" + text for text in codes.lookups(parts, [_IDENTIFIER], exact=exact))
