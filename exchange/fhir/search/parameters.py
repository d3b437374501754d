"""The search parameters of each resource type and their indexes, read from generated tables.

An *index* names JSON paths and the datatypes they end in; its values become terms. A *parameter* is FHIR's
search parameter, and names the indexes that answer it. `tools.fhir_definitions.search_parameters` makes
both from the official SearchParameters.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from exchange.errors import BadRequestError


class Leaf(msgspec.Struct, frozen=True, array_like=True):
    """A path to values of one datatype; `systems` are the code systems that a bare `code` stands for."""

    path: str
    datatype: str
    systems: tuple[str, ...] = ()


class Component(msgspec.Struct, frozen=True):
    """One side of a joined index: a parameter type and leaves relative to the focus."""

    kind: str
    leaves: tuple[Leaf, ...]


class Index(msgspec.Struct, frozen=True):
    """The source of one index's terms. `many`: a resource can have several values here."""

    kind: str
    leaves: tuple[Leaf, ...] = ()
    many: bool = False
    focus: str = ""
    components: tuple[Component, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """The indexes that answer one focus of a composite parameter.

    Either `joined` names an index of joined values, or `indexes` has for each component the indexes that
    answer it, all of which must be met.
    """

    indexes: tuple[tuple[str, ...], ...] = ()
    joined: str = ""


class Parameter(msgspec.Struct, frozen=True):
    """One search parameter: its type, its indexes, and for references the types they may point to.

    No `targets` on a reference parameter means that it may point to any type.
    """

    type: str
    indexes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


class Table(msgspec.Struct, frozen=True):
    """The indexes and parameters of one resource type, and unsupported parameters with the reason."""

    indexes: dict[str, Index]
    parameters: dict[str, Parameter]
    unsupported: dict[str, str] = {}


_COMMON = "Resource"


@cache
def _raw() -> dict[str, msgspec.Raw]:
    text = Path(__file__).with_name("parameters.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, msgspec.Raw])


@cache
def resource_types() -> tuple[str, ...]:
    """Return every resource type of R4, sorted."""
    return tuple(name for name in _raw() if name != _COMMON)


@cache
def table(resource_type: str) -> Table:
    """Return the table of `resource_type`, with the parameters that all types share.

    Raises:
        BadRequestError: R4 has no such type.
    """
    raw = _raw().get(resource_type)
    if raw is None or resource_type == _COMMON:
        raise BadRequestError("unknown resource type")
    own = msgspec.json.decode(raw, type=Table)
    common = msgspec.json.decode(_raw()[_COMMON], type=Table)
    return Table(
        common.indexes | own.indexes,
        common.parameters | own.parameters,
        common.unsupported | own.unsupported,
    )
