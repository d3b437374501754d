"""The index terms of a record: what `exchange.crypto.tokens` turns into the tokens that find it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from exchange.core.search import codes, dates, quantities, references, strings
from exchange.core.search.algebra import JOIN
from exchange.core.search.definitions import Index, Leaf, table


class Term(NamedTuple):
    """One thing that a record can be found by: an index of its type, and the text stored there."""

    parameter: str
    text: str


class _Step(NamedTuple):
    """One member on a path: its name, whether only the first item counts, and a condition on items."""

    name: str
    first: bool
    key: str
    wanted: str


_Source = tuple[Leaf, tuple[_Step, ...]]
_Found = list[tuple[Leaf, Any]]
"""The values of an index, each with the leaf it was found at."""
_STEP = re.compile(r"(\w+)(\[0\])?(?:\?(\w+)=([\w\-]+))?")


def terms(resource_type: str, resource: dict[str, Any], *, base: str = "") -> list[Term]:
    """Every term of a valid `resource`, each once.

    References under `base`, the URL of this server, count as relative. Values that can't be compared (a
    day that no calendar has) give no terms.

    Raises:
        BadRequestError: R4 has no such type.
    """
    return [
        Term(name, text)
        for name, index in _compiled(resource_type)
        for text in dict.fromkeys(index(resource, base))
    ]


_Extractor = Callable[[dict[str, Any], str], Iterable[str]]


@cache
def _compiled(resource_type: str) -> list[tuple[str, _Extractor]]:
    return [(name, _extractor(index)) for name, index in table(resource_type).indexes.items()]


def _extractor(index: Index) -> _Extractor:
    if index.kind == "composite":
        return _joined_extractor(index)
    sources = _sources(index.leaves)
    if any(leaf.datatype == "present" for leaf in index.leaves):
        return lambda resource, _: codes.texts("boolean", _present(resource, index.leaves[0].path))
    roots = {steps[0].name for _, steps in sources}

    def extract(resource: dict[str, Any], base: str) -> Iterable[str]:
        if roots.isdisjoint(resource):
            return ()
        return _texts(index.kind, _values(resource, sources), base)

    return extract


def _joined_extractor(index: Index) -> _Extractor:
    focus = _path(index.focus)
    components = [(component.kind, _sources(component.leaves)) for component in index.components]

    def extract(resource: dict[str, Any], base: str) -> Iterable[str]:
        foci: list[Any] = []
        _follow(resource, focus, 0, foci)
        for item in foci:
            (kind, sources), (other_kind, other_sources) = components
            heads = _texts(kind, _values(item, sources), base)
            tails = _texts(other_kind, _values(item, other_sources), base)
            yield from (head + JOIN + tail for head in heads for tail in tails)

    return extract


def _present(resource: dict[str, Any], element: str) -> bool:
    """Whether a choice element has a value that is not `false`."""
    choices = (name for name in resource if name.startswith(element) and name[len(element) :][:1].isupper())
    return any(resource[name] is not False for name in choices)


def _sources(leaves: Iterable[Leaf]) -> list[_Source]:
    return [(leaf, _path(leaf.path)) for leaf in leaves]


def _path(path: str) -> tuple[_Step, ...]:
    steps = []
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise ValueError(f"not a path: {path}")
        steps.append(_Step(match[1], match[2] is not None, match[3] or "", match[4] or ""))
    return tuple(steps)


def _values(resource: dict[str, Any], sources: Iterable[_Source]) -> _Found:
    found: _Found = []
    for leaf, steps in sources:
        if steps[0].name in resource:
            values: list[Any] = []
            _follow(resource, steps, 0, values)
            found += [(leaf, value) for value in values]
    return found


def _follow(value: Any, steps: Sequence[_Step], at: int, found: list[Any]) -> None:
    """Add what lies at the end of `steps[at:]` below `value`; lists stand for each of their items."""
    if isinstance(value, list):
        for item in value:
            _follow(item, steps, at, found)
    elif at == len(steps):
        if value is not None:
            found.append(value)
    elif isinstance(value, dict):
        name, first, key, wanted = steps[at]
        below = value.get(name)
        if below is None:
            return
        if first:
            below = below[:1]
        if key:
            below = [item for item in below if item.get(key) == wanted]
        _follow(below, steps, at + 1, found)


def _texts(kind: str, found: _Found, base: str) -> list[str]:
    if kind in {"number", "quantity"}:
        return _comparable(quantities.texts([(leaf.datatype, value) for leaf, value in found]))
    texts: list[str] = []
    for leaf, value in found:
        if kind == "token":
            texts += codes.texts(leaf.datatype, value)
        elif kind == "reference":
            texts += references.texts(leaf.datatype, value, base)
        elif kind == "string":
            texts += strings.texts(leaf.path, value)
        elif kind == "date":
            texts += _comparable(dates.texts(leaf.datatype, value))
        else:
            texts += references.canonical(value) if leaf.datatype == "canonical" else (value,)
    return texts


def _comparable(texts: Iterator[str]) -> list[str]:
    """`texts`, or none for a value that is well-formed and still does not exist, such as 30 February."""
    try:
        return list(texts)
    except ValueError:
        return []
