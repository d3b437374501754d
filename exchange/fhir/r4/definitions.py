"""The structures, required codes and primitive types of FHIR R4 4.0.1, read from `definitions.json`.

`python -m tools.fhir_definitions` makes that file from the official StructureDefinitions and value sets.
"""

from __future__ import annotations

from pathlib import Path

import msgspec


class _Definitions(msgspec.Struct, frozen=True):
    resources: tuple[str, ...]
    types: dict[str, tuple[str, ...]]
    codes: dict[str, dict[str, tuple[str, ...]]]
    primitives: dict[str, str]


_DEFINITIONS = msgspec.json.decode(
    Path(__file__).with_name("definitions.json").read_bytes(), type=_Definitions
)

RESOURCES = _DEFINITIONS.resources
"""The names of all resource types, in order."""

TYPES = _DEFINITIONS.types
"""The rows `name min..max type|Reference(target,target) [required value set]` of types and their parts."""

CODES = _DEFINITIONS.codes
"""The codes of each required value set, by code system."""

PRIMITIVES = _DEFINITIONS.primitives
"""The regular expression that the specification gives for each primitive type; empty for xhtml."""
