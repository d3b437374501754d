"""String parameters: a field matches when it equals or starts with the value (search.html#string).

Both are compared without case, accents and punctuation, and with runs of white space as one blank. A
field is stored as its prefixes of each length up to 16, then of 20, 24, 32, 48 and 64 characters, so that
a search of up to 16 characters is exact; a longer one is looked up by the longest of these lengths that it
reaches, and compared with the opened record (`starts`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from exchange.fhir.search.algebra import ValueFormError

LENGTHS = (*range(1, 17), 20, 24, 32, 48, 64)
_PARTS = re.compile(r"[\s\-]+")


def normalise(text: str) -> str:
    """Return `text` in the form in which strings are compared."""
    if text.isascii():
        plain = "".join(c for c in text if c.isalnum() or c.isspace() or c in "$+<=>^`|~")
        return " ".join(plain.lower().split())
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(c for c in folded if unicodedata.category(c)[0] not in "MPC" or c.isspace())
    return " ".join(plain.split())


def texts(path: str, value: str) -> Iterator[str]:
    """Yield the prefixes of one field; of a family name also those of its further parts."""
    yield from _prefixes(normalise(value))
    if path.endswith("family"):
        for part in _PARTS.split(value)[1:]:
            yield from _prefixes(normalise(part))


def _prefixes(text: str) -> Iterator[str]:
    for length in LENGTHS:
        if length > len(text):
            return
        yield text[:length]


def is_cut(value: str) -> bool:
    """Check whether the prefix to look up for a search value is shorter than the value."""
    return len(normalise(value)) not in LENGTHS


def starts(path: str, field: str, value: str) -> bool:
    """Check whether a field of an opened record, or a further part of a family name, starts with `value`."""
    wanted = normalise(value)
    parts = _PARTS.split(field)[1:] if path.endswith("family") else []
    return any(normalise(one).startswith(wanted) for one in (field, *parts))


def lookup(value: str) -> str:
    """Return the prefix to look up for a search value.

    Raises:
        ValueFormError: the value has no letter or digit to compare.
    """
    text = normalise(value)
    if not text:
        raise ValueFormError("a string search needs a letter or digit")
    return text[: max(length for length in LENGTHS if length <= len(text))]
