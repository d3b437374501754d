"""The elements of each type of FHIR R4: the rows of the generated table, read when a type is first met."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from exchange.fhir.r4.definitions import CODES, PRIMITIVES, RESOURCES, TYPES

RESOURCE_TYPES: frozenset[str] = frozenset(RESOURCES)

_TARGETS = re.compile(r"\(([A-Za-z,]+)\)")

_PROFILED = {"SimpleQuantity": "Quantity"}
"""Profiles used as element types; a choice element's name ends in the type that is profiled."""


class Element(NamedTuple):
    """One element of a type, as the StructureDefinition has it.

    `name` is without `[x]`; `keys` gives the type under each JSON property that can carry the element, so
    that a choice has several. `value_set` is the required one, or empty. `targets` are the types to which a
    Reference may lead, none where it may lead to any.
    """

    name: str
    keys: Mapping[str, str]
    required: bool
    repeats: bool
    choice: bool
    value_set: str
    targets: frozenset[str] = frozenset()


@cache
def elements(type_name: str) -> tuple[Element, ...]:
    """Return the elements of a datatype, a resource or a backbone element (`Patient.contact`), in their
    order.
    """
    return tuple(_element(row) for row in TYPES[type_name])


def _element(row: str) -> Element:
    name, cardinality, types, value_set = (*row.split(), "")[:4]
    least, most = cardinality.split("..")
    choice = name.endswith("[x]")
    name = name.removesuffix("[x]")
    targets = frozenset(found[1].split(",")) if (found := _TARGETS.search(types)) is not None else frozenset()
    types = _TARGETS.sub("", types)
    keys = {name + _suffix(option) if choice else name: option for option in types.split("|")}
    return Element(name, keys, least != "0", most != "1", choice, value_set, targets)


def _suffix(type_name: str) -> str:
    name = _PROFILED.get(type_name, type_name)
    return name[0].upper() + name[1:]


def fhir_type(type_name: str) -> str:
    """Return the type that FHIRPath's `ofType()` knows."""
    return _PROFILED.get(type_name, type_name)


@cache
def extensible(type_name: str, key: str) -> bool:
    """Return whether the property `key` of a type is a primitive that `_key` can give an id and extensions.

    Ids, `Extension.url` and `Narrative.div` are attributes or markup in XML and have no such property.
    """
    if key == "id" or (type_name, key) == ("Extension", "url"):
        return False
    return any(
        key in element.keys and element.keys[key] in PRIMITIVES for element in elements(type_name)
    ) and (type_name != "Narrative" or key != "div")


@cache
def codes(value_set: str) -> frozenset[str]:
    """Return the codes of a required value set, whatever their systems."""
    return frozenset(code for listed in CODES[value_set].values() for code in listed)


@cache
def codings(value_set: str) -> frozenset[tuple[str, str]]:
    """Return the (system, code) pairs of a required value set."""
    return frozenset((system, code) for system, listed in CODES[value_set].items() for code in listed)
