"""The fast pass: msgspec structs made from the table, and the invariants run as they are built.

It is sound and not complete: a body that it accepts is valid, and `diagnosis` decides on the others. So
rare forms may be left to the diagnosis: primitives with extensions in arrays, in choices and in types that
have invariants, and required primitives that only have extensions. A struct class is made when its type is
first met; making those of an Observation costs about 10 ms, of all types about 150 ms.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator
from operator import attrgetter
from threading import RLock
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, convert, defstruct
from msgspec.structs import astuple

from exchange.fhir.r4.contained import broken, ids, local_references
from exchange.fhir.r4.definitions import PRIMITIVES
from exchange.fhir.r4.elements import RESOURCE_TYPES, Element, elements, extensible
from exchange.fhir.r4.primitives import annotation
from exchange.fhir.r4.rules import rules_of
from exchange.fhir.r4.rules.invariant import ContainedResource, NestedResource
from exchange.fhir.r4.targets import leads_astray, misdirected

_LOCAL = b'"reference":"#'
_lock = RLock()
_made: dict[str, type[Struct]] = {}
_ready: dict[str, type[Struct]] = {}


def conforms(resource: dict[str, Any], encoded: bytes) -> None:
    """Return when a parsed resource is valid; raise msgspec.ValidationError when that is not certain.

    `encoded` is the resource as compact JSON.
    """
    nested = _NestedCheck()
    nested.check(resource)
    # A quotation mark within a string is escaped, so this counts local references and nothing else. All of
    # them must be in resources that contain something; elsewhere they lead nowhere.
    if encoded.count(_LOCAL) != nested.resolved:
        raise ValueError("ref-1")


class _NestedCheck:
    """One pass over a resource and those in it; counts the local references that lead somewhere."""

    def __init__(self) -> None:
        self.resolved = 0

    def check(self, resource: dict[str, Any], *, contained: bool = False) -> None:
        name = resource.get("resourceType")
        if type(name) is not str or name not in RESOURCE_TYPES:
            raise ValueError("resourceType")
        convert(resource, struct_of(name), dec_hook=self._nested)
        if "contained" in resource and not contained:
            local = local_references(resource)
            self.resolved += len(local)
            named = frozenset(local)
            if not named <= ids(resource) or next(broken(resource, named), None):
                raise ValueError("contained")
            if next(misdirected(resource), None):
                raise ValueError("target")

    def _nested(self, kind: type[NestedResource], value: Any) -> NestedResource:
        if type(value) is not dict:
            raise ValueError("resource")
        self.check(value, contained=kind is ContainedResource)
        return kind(value)


def struct_of(name: str) -> type[Struct]:
    """Return the struct class of a resource type; thread-safe."""
    found = _ready.get(name)
    if found is None:
        with _lock:
            made = _make(name)
            found = _ready[name] = made
    return found


def _make(name: str) -> type[Struct]:
    """Make the class of a type and those of the types it uses.

    Types refer to each other in circles (a Reference has an Identifier, which has a Reference), so a class is
    made with its names first and the annotations are filled in before msgspec reads them, at first use.
    """
    if name in _made:
        return _made[name]
    fields = {field.attribute: field for field in _fields(name)}
    made = _made[name] = defstruct(
        name.replace(".", "_"),
        [(key, Any) if field.required else (key, Any, UNSET) for key, field in fields.items()],
        namespace=_namespace(name),
        rename={field.attribute: field.key for field in fields.values()},
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )
    annotations = made.__annotations__
    for key, field in fields.items():
        annotations[key] = field.annotation()
    return made


def _reference_to(targets: frozenset[str]) -> type[Struct]:
    """Make the class of references that lead to `targets` alone, as far as the reference itself tells."""
    name = f"Reference({','.join(sorted(targets))})"
    if name not in _made:
        _made[name] = defstruct("Reference_to", (), bases=(_make("Reference"),), namespace=_guard(targets))
    return _made[name]


def _guard(targets: frozenset[str]) -> dict[str, Any]:
    def verify(it: Any) -> None:
        if leads_astray(it.reference, it.type, targets):
            raise ValueError("target")

    return {"__post_init__": verify}


class _Field:
    """One property of a JSON object as a field of a struct."""

    def __init__(self, key: str, annotation: Callable[[], Any], *, required: bool) -> None:
        self.key, self.required = key, required
        self.attribute = key + "_" if keyword.iskeyword(key) else key
        self.annotation: Callable[[], Any] = annotation if required else lambda: annotation() | UnsetType


def _fields(name: str) -> Iterator[_Field]:
    if name in RESOURCE_TYPES:
        yield _Field("resourceType", lambda: Literal[name], required=True)
    has_rules = bool(rules_of(name))
    for element in elements(name):
        for key, type_name in element.keys.items():
            yield _Field(key, _typed(element, type_name), required=element.required and not element.choice)
            if not (element.choice or element.repeats or has_rules) and extensible(name, key):
                yield _Field("_" + key, lambda: _make("Element"), required=False)


def _typed(element: Element, type_name: str) -> Callable[[], Any]:
    def annotated() -> Any:
        one: Any
        if type_name == "Resource":
            one = ContainedResource if element.name == "contained" else NestedResource
        elif element.targets and type_name == "Reference":
            one = _reference_to(element.targets)
        elif type_name in PRIMITIVES:
            one = annotation(type_name, element.value_set if type_name == "code" else "")
        else:
            one = _make(type_name)
        return Annotated[list[one], Meta(min_length=1)] if element.repeats else one

    return annotated


def _namespace(name: str) -> dict[str, Any]:
    choices = [element for element in elements(name) if element.choice]
    checks = [rule.holds for rule in rules_of(name) if rule.key != "ext-1"]
    if name == "Extension":
        checks.append(_says_one_thing)
    else:
        checks += [_chosen(element) for element in choices]
    if not checks:
        return {}

    def verify(it: Struct) -> None:
        for holds in checks:
            if not holds(it):
                raise ValueError(name)

    return {"__post_init__": verify} | {element.name: property(_choice(element)) for element in choices}


def _choice(element: Element) -> Callable[[Any], Any]:
    options = attrgetter(*element.keys) if len(element.keys) > 1 else _single(*element.keys)

    def chosen(it: Any) -> Any:
        for option in options(it):
            if option is not UNSET:
                return option
        return UNSET

    return chosen


def _single(key: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda it: (getattr(it, key),)


def _chosen(element: Element) -> Callable[[Any], bool]:
    """Return whether a choice is made at most once, or exactly once if it must be."""
    options = attrgetter(*element.keys) if len(element.keys) > 1 else _single(*element.keys)
    empty = len(element.keys)
    if element.required:
        return lambda it: options(it).count(UNSET) == empty - 1
    return lambda it: options(it).count(UNSET) >= empty - 1


def _says_one_thing(extension: Any) -> bool:
    """Check ext-1, and the choice of `value[x]`, by counting: an extension has one part besides url and id.

    Extensions are frequent and have 50 kinds of value, too many to check one by one.
    """
    parts = astuple(extension)
    return parts.count(UNSET) == len(parts) - (2 if extension.id is UNSET else 3)
