"""The shape of every look-up: alternatives, each a conjunction of unions of terms.

A comparison such as `ge2024-05` becomes equality tests on stored terms. One union is the usual case; a
conjunction appears where two things must hold at once (a period's start and its end, a number and its
unit).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Union = tuple[str, ...]
"""Terms of which at least one must be there."""
Alternative = tuple[Union, ...]
"""Unions that must all be met."""
Alternatives = list[Alternative]
"""At least one must be met; without any, no record meets them."""

T = TypeVar("T")

JOIN = "\x1f"
"""Between two values in one term. FHIR strings have no control characters but tab, CR and LF."""


class ValueFormError(ValueError):
    """A search value is not of its parameter's type; the message names the form, never the value."""


def any_of(texts: Iterable[str]) -> Alternatives:
    """Return one union; no alternative at all when there is nothing to look up."""
    union = tuple(dict.fromkeys(texts))
    return [(union,)] if union else []


def both(left: list[tuple[T, ...]], right: list[tuple[T, ...]]) -> list[tuple[T, ...]]:
    """Combine alternatives so that `left` and `right` must both be met."""
    return [first + second for first in left for second in right]


def joined(texts: Iterable[str], alternatives: Alternatives) -> Alternatives:
    """Return `alternatives` for values that are stored joined behind one of `texts`."""
    heads = tuple(texts)
    return [
        tuple(tuple(head + JOIN + text for head in heads for text in union) for union in alternative)
        for alternative in alternatives
    ]
