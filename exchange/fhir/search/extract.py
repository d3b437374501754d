"""The index terms of a record, which `exchange.crypto.index_tokens` turns into the tokens that find it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any, NamedTuple

from exchange.fhir.search.algebra import JOIN
from exchange.fhir.search.parameters import Index, Leaf, table
from exchange.fhir.search.types import codes, dates, quantities, references, strings


class Term(NamedTuple):
    """One term by which a record can be found: an index of its type, and the text stored there."""

    parameter: str
    text: str


class _Step(NamedTuple):
    """One member on a path: its name, the flag for its first item alone, and a condition on items."""

    name: str
    first: bool
    key: str
    wanted: str


_Source = tuple[Leaf, tuple[_Step, ...]]
_Found = list[tuple[Leaf, Any]]
"""The values of an index, each with the leaf it was found at."""
_STEP = re.compile(r"(\w+)(\[0\])?(?:\?(\w+)=([\w\-]+))?")


def terms(resource_type: str, resource: dict[str, Any], *, base: str = "") -> list[Term]:
    """Return every term of a valid `resource`, each once.

    References under `base`, the URL of this server, count as relative. Values that can't be compared (a
    day that no calendar has) give no terms.

    Raises:
        BadRequestError: R4 has no such type.
    """
    compiled = _compiled(resource_type)
    due = set(compiled.always)
    for member in resource:
        due.update(compiled.by_member.get(member, ()))
    found: list[Term] = []
    for at in sorted(due):
        name, extract = compiled.indexes[at]
        found += [Term(name, text) for text in dict.fromkeys(extract(resource, base))]
    return found


_Extractor = Callable[[dict[str, Any], str], Iterable[str]]


def values(resource: dict[str, Any], index: Index) -> list[tuple[Leaf, Any]]:
    """Return the values of `resource` at the paths of `index`, each with its leaf."""
    return values_at(resource, index.leaves)


def values_at(item: dict[str, Any], leaves: Iterable[Leaf]) -> list[tuple[Leaf, Any]]:
    """Return the values of a resource, or of an item of a focus, at `leaves`."""
    return _values(item, _sources(leaves))


def follow(resource: dict[str, Any], focus: str) -> list[Any]:
    """Return the items of `resource` at the path `focus`."""
    return _follow(resource, _path(focus))


class _Compiled(NamedTuple):
    """The indexes of a type: those for resources that have a member, and those for all resources."""

    indexes: list[tuple[str, _Extractor]]
    by_member: dict[str, list[int]]
    always: list[int]


@cache
def _compiled(resource_type: str) -> _Compiled:
    compiled = _Compiled([], {}, [])
    for at, (name, index) in enumerate(table(resource_type).indexes.items()):
        if any(leaf.datatype == "present" for leaf in index.leaves):
            extract = _presence_extractor(index.leaves[0].path)
            compiled.always.append(at)
        elif index.kind == "composite":
            extract = _joined_extractor(index)
            compiled.by_member.setdefault(_path(index.focus)[0].name, []).append(at)
        else:
            sources = _sources(index.leaves)
            extract = _extractor(index.kind, sources)
            for member in {steps[0].name for _, steps in sources}:
                compiled.by_member.setdefault(member, []).append(at)
        compiled.indexes.append((name, extract))
    return compiled


def _extractor(kind: str, sources: list[_Source]) -> _Extractor:
    return lambda resource, base: texts_of(kind, _values(resource, sources), base)


def _presence_extractor(element: str) -> _Extractor:
    return lambda resource, _: codes.texts("boolean", _present(resource, element))


def _joined_extractor(index: Index) -> _Extractor:
    focus = _path(index.focus)
    components = [(component.kind, _sources(component.leaves)) for component in index.components]

    def extract(resource: dict[str, Any], base: str) -> Iterable[str]:
        for item in _follow(resource, focus):
            (kind, sources), (other_kind, other_sources) = components
            heads = texts_of(kind, _values(item, sources), base)
            tails = texts_of(other_kind, _values(item, other_sources), base)
            yield from (head + JOIN + tail for head in heads for tail in tails)

    return extract


def _present(resource: dict[str, Any], element: str) -> bool:
    """Return whether a choice element has a value that is not `false`; of a time it may be unknown which."""
    return any(
        (value is not False and not name.startswith("_")) or name == f"_{element}DateTime"
        for name, value in resource.items()
        if name.removeprefix("_").startswith(element) and name.partition(element)[2][:1].isupper()
    )


def _sources(leaves: Iterable[Leaf]) -> list[_Source]:
    return [(leaf, _path(leaf.path)) for leaf in leaves]


@cache
def _path(path: str) -> tuple[_Step, ...]:
    steps = []
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise ValueError(f"not a path: {path}")
        steps.append(_Step(match[1], match[2] is not None, match[3] or "", match[4] or ""))
    return tuple(steps)


def _values(resource: dict[str, Any], sources: Iterable[_Source]) -> _Found:
    return [
        (leaf, value)
        for leaf, steps in sources
        if steps[0].name in resource
        for value in _follow(resource, steps)
    ]


def _follow(resource: dict[str, Any], steps: Iterable[_Step]) -> list[Any]:
    """Return the values at the end of `steps`; lists stand for each of their items."""
    level: list[Any] = [resource]
    for name, first, key, wanted in steps:
        below: list[Any] = []
        for item in level:
            value = item.get(name) if type(item) is dict else None
            if type(value) is list:
                if first:
                    value = value[:1]
                if key:
                    value = [one for one in value if one.get(key) == wanted]
                below += value
            elif value is not None:
                below.append(value)
        level = below
    return [value for value in level if value is not None]


def texts_of(kind: str, found: _Found, base: str) -> list[str]:
    """Return the terms of values of one kind."""
    if not found:
        return []
    if kind in {"number", "quantity"}:
        return _comparable(lambda: quantities.texts([(leaf.datatype, value) for leaf, value in found]))
    texts: list[str] = []
    for leaf, value in found:
        if kind == "token":
            texts += codes.texts(leaf.datatype, value)
        elif kind == "reference":
            texts += references.texts(leaf.datatype, value, base)
        elif kind == "string":
            texts += strings.texts(leaf.path, value)
        elif kind == "date":
            texts += _comparable(partial(dates.texts, leaf.datatype, value))
        else:
            texts += references.canonical(value) if leaf.datatype == "canonical" else (value,)
    return texts


def _comparable(texts: Callable[[], Iterable[str]]) -> list[str]:
    """Return the texts, or none for a value that is well-formed and still does not exist: 30 February."""
    try:
        return list(texts())
    except ValueError:
        return []
