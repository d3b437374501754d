"""The records that are consents or speak of one: they say what a patient withholds, and from whom.

A record is one of them if it, or a resource in it, is a Consent; if any text in it refers to one (a
reference, its type, an address, a link in a narrative); or if it has the code of a consent document.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import msgspec

from exchange.consent.compile import CATEGORY

_DOCUMENTS = frozenset({CATEGORY.rpartition("|")[2], "64292-6"})
_REFERS = re.compile(r"(?:^|/)Consent$|(?:^|[^A-Za-z0-9])Consent[/?][A-Za-z0-9%_]")
_MAY = re.compile(rb"Consent|\\u|%[0-9A-Fa-f]{2}|" + b"|".join(code.encode() for code in sorted(_DOCUMENTS)))
"""A record without any of it needs no second look."""


def speaks_of_consents(body: bytes) -> bool:
    """Return whether the record `body` (JSON) is a consent or speaks of one."""
    return _MAY.search(body) is not None and _speaks(msgspec.json.decode(body))


def _speaks(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_speaks, value.values()))
    if isinstance(value, list):
        return any(map(_speaks, value))
    return isinstance(value, str) and (
        value.strip() in _DOCUMENTS or _REFERS.search(unquote(value).strip()) is not None
    )
