"""Parsed JSON as the rules see it: an object's parts as attributes, by the type the object has."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from exchange.fhir.r4.definitions import PRIMITIVES
from exchange.fhir.r4.elements import elements
from exchange.fhir.r4.rules.invariant import EXTENDED, ContainedResource, NestedResource


class ElementView:
    """One JSON object with a valid structure; `exchange.fhir.r4.rules.invariant` explains UNSET."""

    __slots__ = ("_json", "_type")

    def __init__(self, type_name: str, json: dict[str, Any]) -> None:
        self._type, self._json = type_name, json

    def __getattr__(self, name: str) -> Any:
        for element in elements(self._type):
            if name == element.name:
                return next(
                    (
                        part
                        for key in element.keys
                        if (part := self._part(key, element.keys[key])) is not UNSET
                    ),
                    UNSET,
                )
            if name in element.keys:
                return self._part(name, element.keys[name])
        raise AttributeError(name)

    def _part(self, key: str, type_name: str) -> Any:
        value = self._json.get(key)
        if value is None:
            return EXTENDED if "_" + key in self._json else UNSET
        if isinstance(value, list):
            return [_seen(key, type_name, item) for item in value]
        return _seen(key, type_name, value)


def _seen(key: str, type_name: str, value: Any) -> Any:
    if value is None:
        return EXTENDED
    if type_name == "Resource":
        return ContainedResource(value) if key == "contained" else NestedResource(value)
    return value if type_name in PRIMITIVES else ElementView(type_name, value)
