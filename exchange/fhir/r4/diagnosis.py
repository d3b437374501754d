"""The exact pass: every problem of a parsed body with its path, in the words of the specification.

It runs when the fast pass is not certain, and has the last word. Paths are FHIRPath as far as an element
exists there (`Observation.value.ofType(Quantity).code`). Nothing from the body gets into a problem but the
names of elements that FHIR knows: a property's name may be anything, a patient's name included.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

from exchange.errors import Problem
from exchange.fhir.r4.contained import broken, ids
from exchange.fhir.r4.definitions import PRIMITIVES, TYPES
from exchange.fhir.r4.elements import RESOURCE_TYPES, Element, codes, elements, extensible, fhir_type
from exchange.fhir.r4.primitives import PRIMITIVE_TYPES
from exchange.fhir.r4.rules import rules_of
from exchange.fhir.r4.targets import leads_astray, misdirected, wrong_target
from exchange.fhir.r4.view import ElementView
from exchange.fhir.r4.wellformed import CONTROL, Repeating, Unreadable

MOST_PROBLEMS = 1000
"""Problems listed of one body; the walk stops there, so that a body of nothing else costs little."""

_MOST_HINTS = 20
_LINKS = frozenset({"uri", "url", "canonical"})


class _EnoughError(Exception):
    """As many problems are found as are listed."""


def diagnose(resource: dict[str, Any]) -> list[Problem]:
    """Return every problem of a resource, up to MOST_PROBLEMS; none means that it is valid."""
    name = resource.get("resourceType")
    walk = _Walk()
    try:
        walk.resource(
            resource, name if isinstance(name, str) and name in RESOURCE_TYPES else "", contained=False
        )
    except _EnoughError:
        walk.problems[-1] = Problem(
            walk.problems[-1].path, "the problems from here on are not listed", "too-long"
        )
    return walk.problems


class _Scope:
    """The scope of local references: a resource and its contained resources."""

    def __init__(self, container: dict[str, Any]) -> None:
        contained = container.get("contained")
        self.ids = (
            ids(
                {
                    "contained": [
                        inner for inner in contained if isinstance(inner, dict) and _is_text(inner.get("id"))
                    ]
                }
            )
            if isinstance(contained, list)
            else frozenset({""})
        )
        self.named: set[str] = set()


class _Walk:
    """A walk over one body, collecting problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._scope = _Scope({})
        self._hints = _MOST_HINTS

    def resource(self, value: Any, path: str, *, contained: bool) -> None:
        """Check a resource: the body itself, one that it contains, or one in a Bundle or Parameters."""
        before = len(self.problems)
        if not isinstance(value, dict):
            self._add(path, "expected a resource, a JSON object")
            return
        name = value.get("resourceType")
        at = f"{path}.resourceType" if path else "resourceType"
        if name is None:
            self._add(at, "resourceType is missing", "required")
            return
        if not isinstance(name, str) or name not in RESOURCE_TYPES:
            self._add(at, "not a resource type of R4", "value")
            return
        outer = self._scope
        if not contained:
            self._scope = _Scope(value)
        self._object(value, name, path)
        if not contained:
            if len(self.problems) == before:
                for fault in broken(value, frozenset(self._scope.named)):
                    self._add(path + fault.at, f"{fault.key}: needs {fault.asks}", "invariant")
                for problem in misdirected(value, path) if "contained" in value else ():
                    self._add(problem.path, problem.message, problem.code)
            self._scope = outer

    def _add(self, path: str, message: str, code: str = "structure") -> None:
        self.problems.append(Problem(path, message, code))
        if len(self.problems) > MOST_PROBLEMS:
            raise _EnoughError

    def _object(self, value: Any, type_name: str, path: str, *, beside: bool = False) -> None:
        """Check an object of a type; `beside` when it adds to the value of a primitive."""
        if not isinstance(value, dict):
            self._add(path, f"expected an object, a {_named(type_name)}")
            return
        before = len(self.problems)
        if isinstance(value, Repeating):
            self._repeated(value, type_name, path)
        parts = value.keys() - {"id"}
        if not parts and not (beside and value):
            self._add(path, "ele-1: needs a value or elements; what is absent is left out", "invariant")
        known = {"resourceType"} if type_name in RESOURCE_TYPES else set()
        for element in elements(type_name):
            known |= self._element(value, element, type_name, path)
        self._unknown(value, known, type_name, path)
        if len(self.problems) > before:
            return
        if type_name == "Reference":
            self._reference(value, path)
        view = ElementView(type_name, value)
        for rule in rules_of(type_name):
            if not rule.holds(view):
                self._add(
                    f"{path}.{rule.at}" if rule.at else path, f"{rule.key}: needs {rule.asks}", "invariant"
                )

    def _element(self, value: dict[str, Any], element: Element, owner: str, path: str) -> set[str]:
        """Check what carries one element; return the properties that may carry it."""
        present = []
        known = set(element.keys)
        for key, type_name in element.keys.items():
            sibling = "_" + key if extensible(owner, key) else ""
            known |= {sibling} - {""}
            if key not in value and (not sibling or sibling not in value):
                continue
            present.append(key)
            at = f"{path}.{element.name}" + (f".ofType({fhir_type(type_name)})" if element.choice else "")
            if type_name in PRIMITIVES:
                self._primitive(value, key, sibling, element, at)
            else:
                self._complex(value[key], type_name, element, at)
        label = f"{element.name}[x]" if element.choice else element.name
        if len(present) > 1:
            self._add(f"{path}.{element.name}", f"more than one {label}")
        if element.required and not present:
            self._add(f"{path}.{element.name}", f"{label} is required", "required")
        return known

    def _complex(self, value: Any, type_name: str, element: Element, path: str) -> None:
        for item, at in self._items(value, element, path):
            if type_name == "Resource":
                self.resource(item, at, contained=element.name == "contained")
            else:
                before = len(self.problems)
                self._object(item, type_name, at)
                if element.targets and type_name == "Reference" and len(self.problems) == before:
                    self._target(item, element.targets, at)

    def _target(self, reference: dict[str, Any], targets: frozenset[str], path: str) -> None:
        if leads_astray(reference.get("reference"), reference.get("type"), targets):
            self._add(path, wrong_target(targets), "value")

    def _items(self, value: Any, element: Element, path: str) -> Iterator[tuple[Any, str]]:
        """Yield the values of an element with their paths, if it is an array exactly when it may repeat."""
        if not element.repeats:
            if isinstance(value, list):
                self._add(path, "expected one value, not an array")
            else:
                yield value, path
        elif not isinstance(value, list):
            self._add(path, "expected an array")
        elif not value:
            self._add(path, "an array is not empty; what is absent is left out")
        else:
            yield from ((item, f"{path}[{index}]") for index, item in enumerate(value))

    def _primitive(self, owner: dict[str, Any], key: str, sibling: str, element: Element, path: str) -> None:
        type_name = element.keys[key]
        before = len(self.problems)
        values = [*self._items(owner[key], element, path)] if key in owner else []
        beside = [*self._items(owner[sibling], element, path)] if sibling in owner else []
        if len(self.problems) > before:
            return
        if not element.repeats:
            for item, at in values:
                self._value(item, type_name, element, at)
            for item, at in beside:
                self._object(item, "Element", at, beside=bool(values))
            return
        if values and beside and len(values) != len(beside):
            self._add(path, "the array of values and the one of their extensions differ in length")
            return
        for index, (_, at) in enumerate(values or beside):
            item = values[index][0] if values else None
            extra = beside[index][0] if beside else None
            if item is None and extra is None:
                self._add(at, "null, without an extension in its place")
            if item is not None:
                self._value(item, type_name, element, at)
            if extra is not None:
                self._object(extra, "Element", at, beside=item is not None)

    def _value(self, value: Any, type_name: str, element: Element, path: str) -> None:
        primitive = PRIMITIVE_TYPES[type_name]
        if isinstance(value, Unreadable):
            self._add(path, "the number is out of bounds", "value")
        elif not primitive.accepts(value):
            self._add(path, f"expected {primitive.expected}", "value")
        elif isinstance(value, str):
            if CONTROL.search(value):
                self._add(path, "the string has a control character or half of a surrogate pair", "value")
            elif element.value_set and value not in codes(element.value_set):
                self._add(path, f"not a code of the required value set {element.value_set}", "code-invalid")
            elif type_name in _LINKS and value.startswith("#"):
                self._scope.named.add(value[1:])

    def _reference(self, value: dict[str, Any], path: str) -> None:
        reference = value.get("reference", "")
        if reference.startswith("#"):
            self._scope.named.add(reference[1:])
            if reference[1:] not in self._scope.ids:
                self._add(f"{path}.reference", "ref-1: no contained resource has this id", "invariant")

    def _repeated(self, value: Repeating, type_name: str, path: str) -> None:
        for name in value.names:
            shown = name if name.removeprefix("_") in _vocabulary() else "a name"
            self._add(path, f"{shown} is there more than once in this {_named(type_name)}", "duplicate")

    def _unknown(self, value: dict[str, Any], known: set[str], type_name: str, path: str) -> None:
        for position, name in enumerate(value, start=1):
            if name in known:
                continue
            shown = f"{name} is" if name.removeprefix("_") in _vocabulary() else f"property {position} is"
            self._hints -= 1
            near = get_close_matches(name[:64], sorted(known), n=1) if self._hints >= 0 else None
            hint = f"; {near[0]} is the nearest" if near else ""
            self._add(path, f"{shown} not an element of {_named(type_name)}{hint}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _named(type_name: str) -> str:
    return fhir_type(type_name)


@cache
def _vocabulary() -> frozenset[str]:
    """Return the JSON properties that FHIR R4 has anywhere."""
    return frozenset(key for name in TYPES for element in elements(name) for key in element.keys) | {
        "resourceType"
    }
