"""What one record is, for the rules of consent: its codes, labels, time, links and authors.

Where a record leaves something open, that is said too (see `chaincode.consent.obligations.Facts`), for a
rule that denies reaches what it might be about:

- what it is about might have any code where that is given in words alone, kept in another record, or of
  a code system whose OID nobody here knows;
- a label without a system, or of such a one, might be any label;
- a link that is no `Type/id` of this server might lead to any record;
- an author might be anybody where none is stated, or where it is a role that someone holds.

The record's labels are those of `meta.security`, wherever they stand in it, those of a document it
describes, a composition's confidentiality, and labels on single elements (DS4P): a record goes as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chaincode.consent.model import CONFIDENTIALITY_SYSTEM, Period
from chaincode.consent.obligations import UNKNOWN, Facts
from exchange.core.addresses import literal
from exchange.core.code_systems import coded, is_known
from exchange.core.fact_elements import AUTHORS, CODES, TIMES
from exchange.core.spans import span
from exchange.core.terms import reference_digest

_ANYTHING = "|"
_LOCAL = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})")
_LOGICAL = frozenset({"identifier", "type", "display", "id", "extension"})
_INLINE_LABEL = "/extension-inline-sec-label"
_TIMELESS = ("Age", "Range", "String", "CodeableConcept")
"""Types in which a choice of time may end and tell no time, as `onsetAge` does."""


def facts_of(resource: dict[str, Any], *, salt: bytes, reference: str, base: str = "") -> Facts:
    """The facts of a valid R4 `resource`, whose own reference (`Type/id`) is `reference`.

    `salt` is that of the pair for which it may be released (`exchange.core.terms.PairContext`). `base` is
    this server's FHIR base URL: references under it count as relative.
    """
    kind = str(resource["resourceType"])
    found = _Findings(salt, base)
    found.look_into(resource)
    concepts = [_codes(concept) for concept in _concepts(kind, resource)]
    mentions = found.mentions.union(*concepts)
    if not all(concepts) or any(not is_known(mention) for mention in mentions):
        mentions.add(_ANYTHING)
    if kind == "DocumentReference":
        for concept in resource.get("securityLabel", ()):
            found.labels.update(_label(coding) for coding in concept.get("coding", [{}]))
    if kind == "Composition" and "confidentiality" in resource:
        found.labels.add(f"{CONFIDENTIALITY_SYSTEM}|{resource['confidentiality']}")
    return Facts(
        classes=frozenset({kind}),
        codes=tuple(concepts),
        mentions=frozenset(mentions),
        labels=frozenset(found.labels),
        period=_time(kind, resource),
        own=reference_digest(salt, reference),
        links=frozenset(found.links),
        authors=frozenset(_authors(kind, resource, salt, base)),
    )


class _Findings:
    """Codes, labels and links found on a walk through the whole record, contained resources included."""

    def __init__(self, salt: bytes, base: str) -> None:
        self.mentions: set[str] = set()
        self.labels: set[str] = set()
        self.links: set[str] = set()
        self._salt, self._base = salt, base

    def look_into(self, value: Any, name: str = "") -> None:
        if isinstance(value, list):
            for item in value:
                self.look_into(item, name)
        elif isinstance(value, dict):
            self._note(value, name)
            for key, item in value.items():
                if isinstance(item, dict | list):
                    self.look_into(item, key)

    def _note(self, value: dict[str, Any], name: str) -> None:
        if name == "coding" or isinstance(value.get("code"), str):
            self.mentions.add(_coding(value))
        if name == "meta":
            self.labels.update(_label(coding) for coding in value.get("security", ()))
        if str(value.get("url", "")).endswith(_INLINE_LABEL):
            self.labels.add(_label(value.get("valueCoding", {})))
        reference = value.get("reference")
        if isinstance(reference, str):
            self._link(reference)
        elif isinstance(value.get("identifier"), dict) and _LOGICAL.issuperset(value):
            self.links.add(UNKNOWN)
        url = value.get("url")
        if isinstance(url, str) and _LOCAL.fullmatch(literal(url, self._base)):
            self._link(url)

    def _link(self, text: str) -> None:
        if not text.startswith("#"):  # what is contained is walked through as well
            match = _LOCAL.fullmatch(literal(text, self._base))
            self.links.add(reference_digest(self._salt, match[1]) if match else UNKNOWN)


def _coding(value: dict[str, Any]) -> str:
    system, code = value.get("system"), value.get("code")
    return coded(system if isinstance(system, str) else "", code if isinstance(code, str) else "")


def _label(value: dict[str, Any]) -> str:
    label = _coding(value)
    return label if is_known(label) and not label.startswith("|") else _ANYTHING


def _concepts(kind: str, resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in CODES.get(kind, ()):
        for name, value in _at(resource, path):
            if not name.endswith("Reference"):
                yield value
                continue
            target = str(value.get("reference", ""))
            contained = [one for one in resource.get("contained", ()) if f"#{one.get('id')}" == target]
            yield contained[0].get("code", {}) if contained else {}


def _codes(concept: dict[str, Any]) -> frozenset[str]:
    # A concept in words alone has no codes; nor does a coding in words alone help to tell what it is.
    return frozenset(_coding(coding) for coding in concept.get("coding", ())) - {_ANYTHING}


def _time(kind: str, resource: dict[str, Any]) -> Period | None:
    for path in TIMES.get(kind, ()):
        start, end = path if isinstance(path, tuple) else (path, "")
        starts, ends = list(_at(resource, start)), list(_at(resource, end))
        if not starts and not ends:
            continue
        try:
            return _from_to(starts, ends) if end else _all_of(starts)
        except ValueError:
            return None
    return None


def _all_of(values: list[tuple[str, Any]]) -> Period | None:
    spans = [_span(name, value) for name, value in values]
    known = [one for one in spans if one is not None]
    if len(known) < len(spans):
        return None
    starts, ends = [one.start for one in known], [one.end for one in known]
    return Period(
        None if None in starts else min(start for start in starts if start is not None),
        None if None in ends else max(end for end in ends if end is not None),
    )


def _from_to(starts: list[tuple[str, Any]], ends: list[tuple[str, Any]]) -> Period | None:
    # What began and is not said to have ended goes on.
    first, last = _all_of(starts) if starts else Period(), _all_of(ends) if ends else Period()
    if first is None or last is None:
        return None
    start, end = first.start, last.end
    return None if start is not None and end is not None and start >= end else Period(start, end)


def _span(name: str, value: Any) -> Period | None:
    if name.endswith(_TIMELESS):
        return None
    if isinstance(value, dict):
        return span("Timing" if name.endswith("Timing") else "Period", value)
    return span("dateTime", value)


def _authors(kind: str, resource: dict[str, Any], salt: bytes, base: str) -> Iterator[str]:
    paths = AUTHORS.get(kind, ())
    stated = [value for path in paths for _, value in _at(resource, path)]
    if paths and not stated:
        yield UNKNOWN
    for value in stated:
        match = _LOCAL.fullmatch(literal(str(value.get("reference", "")), base))
        if match is None:
            yield UNKNOWN
            continue
        yield reference_digest(salt, match[1])
        if match[1].startswith("PractitionerRole/"):
            yield UNKNOWN


def _at(element: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values at `path` with the names that they have in JSON, where a choice ends in its type."""
    step, _, rest = path.partition(".")
    if not step or not isinstance(element, dict):
        return
    base, choice, _ = step.partition("[")
    for name, value in element.items():
        if name == base or (choice and name.startswith(base) and name[len(base) :][:1].isupper()):
            for item in value if isinstance(value, list) else (value,):
                if rest:
                    yield from _at(item, rest)
                else:
                    yield name, item
