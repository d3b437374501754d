"""The codes of the definitions' value sets, where the definitions list all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCES = ("valuesets.json", "v3-codesystems.json")


class Terminology:
    """The code systems and value sets of a definitions folder."""

    def __init__(self, definitions: Path) -> None:
        self._systems: dict[str, dict[str, Any]] = {}
        self._sets: dict[str, dict[str, Any]] = {}
        for name in SOURCES:
            for entry in json.loads((definitions / name).read_bytes())["entry"]:
                resource = entry["resource"]
                kind = self._systems if resource["resourceType"] == "CodeSystem" else self._sets
                kind[resource["url"]] = resource

    def expand(self, canonical: str) -> dict[str, list[str]] | None:
        """Return the codes by system of a value set, or None when the definitions do not list them all.

        None covers what is defined elsewhere (media types, currencies, UCUM, LOINC answer lists) and sets
        made by filters, of which no required binding of R4 has any.
        """
        value_set = self._sets.get(canonical.partition("|")[0])
        if value_set is None or "exclude" in value_set["compose"]:
            return None
        codes: dict[str, list[str]] = {}
        for include in value_set["compose"]["include"]:
            if "filter" in include:
                return None
            for nested in include.get("valueSet", ()):
                inner = self.expand(nested)
                if inner is None:
                    return None
                for system, more in inner.items():
                    codes.setdefault(system, []).extend(more)
            if "system" not in include:
                continue
            listed = self._listed(include)
            if not listed:
                return None
            codes.setdefault(include["system"], []).extend(listed)
        return {system: list(dict.fromkeys(listed)) for system, listed in codes.items()}

    def _listed(self, include: dict[str, Any]) -> list[str]:
        if "concept" in include:
            return [concept["code"] for concept in include["concept"]]
        system = self._systems.get(include["system"], {})
        if system.get("content") != "complete":
            return []
        return list(_codes(system.get("concept", ())))


def _codes(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _codes(concept.get("concept", ()))
