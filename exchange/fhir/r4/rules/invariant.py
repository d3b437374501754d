"""The form of a rule of the specification, written once, for the fast pass and for the diagnosis alike.

A rule is a predicate over an element whose parts are attributes (`it.start`). An absent part is UNSET, which
is false, so `it.component or ()` walks a list that may be missing; a choice is there under its own name
(`it.value`) and under that of each type (`it.valueQuantity`). The predicate runs on elements whose structure
holds, so it may rely on types and cardinalities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from msgspec import UNSET


class Invariant(NamedTuple):
    """One invariant: its key in the specification, its predicate, what it asks, and the part it points at."""

    key: str
    holds: Callable[[Any], bool]
    asks: str
    at: str = ""


class NestedResource:
    """Stands for a resource inside another; `json` is the parsed object, checked as its resource type."""

    __slots__ = ("json",)

    def __init__(self, json: dict[str, Any]) -> None:
        self.json = json


class ContainedResource(NestedResource):
    """A nested resource that exists in its container alone (`contained`)."""

    __slots__ = ()


class Extended:
    """Stands for a primitive that has extensions and no value: it exists, and equals nothing."""


EXTENDED = Extended()


def has(part: object) -> bool:
    """Return whether a part exists."""
    return part is not UNSET


def count(*parts: object) -> int:
    """Return how many of the parts exist."""
    return len(parts) - sum(part is UNSET for part in parts)


def coded(concept: Any, system: str, *codes: str) -> bool:
    """Return whether a CodeableConcept has a coding of the system with one of the codes."""
    codings = concept.coding if concept else ()
    return any(coding.system == system and coding.code in codes for coding in codings or ())


def distinct(values: Iterable[object]) -> bool:
    """Return whether no value occurs twice."""
    listed = list(values)
    return len(set(listed)) == len(listed)


def is_number(part: object) -> bool:
    """Return whether a part exists and has a numeric value."""
    return isinstance(part, int | float) and not isinstance(part, bool)


def is_text(part: object) -> bool:
    """Return whether a part exists and has a string value."""
    return isinstance(part, str)
