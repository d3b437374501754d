"""The facts of one record for the rules of consent: its codes, labels, time, links and authors.

A rule that denies applies to every record that it might be about. So facts that a record leaves open are
given as open (see `chaincode.consent.obligations.RecordFacts`):

- the subject matter might have any code where the code is missing, part of another record, or of a code
  system with an unknown OID; the same holds for any other concept that is given in words alone;
- a code of a system that is not recognised might be that code of any system, and the case of a code might
  be wrong;
- a label without a system, or of a system that holds no security labels, might be any label; a broad label
  (`BH`) might mean each of those below it (`PSY`);
- a link that is no `Type/id` of this server might lead to any record, and a contained resource might be one;
- an author might be any person where none is stated, or where the author is a role or a team;
- a time with an offset might be meant by local time: it counts by that and by the instant.

The record's labels are those of `meta.security` at any depth, those of documents that it describes, a
composition's confidentiality, and labels on single elements (DS4P), because a record is disclosed as one.
So its classes are its own type and those of the records within it, but for types of the directory. Labels
of the work on a record (test data, an integrity, a change of its content) say nothing about its disclosure.

A record speaks of consents if it, or a resource in it, is a Consent; if any text in it refers to one (a
reference, its type, an address, a link in a narrative); or if it has the code of a consent document: it says
what a patient withholds, and from whom.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import msgspec

from chaincode.consent.model import CONFIDENTIALITY_SYSTEM, Period
from chaincode.consent.obligations import UNKNOWN, RecordFacts
from exchange.consent.compile import CATEGORY, reference_digest
from exchange.consent.element_paths import AUTHORS, CODES, TIMES
from exchange.consent.hierarchies import SENSITIVITY, with_all_below
from exchange.consent.provisions import ACT_CODE, NOT_ONE_PERSON, V3
from exchange.consent.spans import span
from exchange.fhir.code_systems import coded, is_known, is_recognised
from exchange.fhir.compartment import DIRECTORY_TYPES
from exchange.fhir.references import ID, TYPE, literal

_ANYTHING = "|"
_LOCAL = re.compile(rf"({TYPE}/{ID})")
_RECORD = re.compile(rf"https?://\S+/{TYPE}/{ID}")
_LOGICAL = frozenset({"identifier", "type", "display", "id", "extension"})
_TELLING = frozenset({"identifier", "display"})
_EXTENSIONS = frozenset({"extension", "modifierExtension"})
_CONCEPT = frozenset({"id", "extension", "coding", "text", "_text"})
_FREE_TEXT = (
    "note",
    "progress",
    "ddress",
    "ame",
    "osage",
    "osageInstruction",
    "Annotation",
    "identifier.type",
)
"""Suffixes of element names that resemble a concept in words and are none."""
_INLINE_LABEL = "/extension-inline-sec-label"
_LABEL_SYSTEMS = frozenset(
    {CONFIDENTIALITY_SYSTEM, ACT_CODE, f"{V3}ActReason", f"{V3}ObservationValue", f"{V3}ActUSPrivacyLaw"}
)
"""Code systems of security labels: those of FHIR's value set `security-labels`, and privacy law."""
_SENSITIVITIES = frozenset(f"{ACT_CODE}|{code}" for code in SENSITIVITY)
_OF_WORK = frozenset({f"{V3}ActReason|HTEST", f"{ACT_CODE}|PROCESSINLINELABEL"})
_OF_CONTENT = f"{V3}ObservationValue"
"""With this system or as one of these, a label is about the work on a record."""
_TIMELESS = ("Age", "Range", "String", "CodeableConcept")
"""Types of a choice of time that have no time, as in `onsetAge`."""
_OFFSET = re.compile(r"(T.*)[+-]\d\d:\d\d")
_DOCUMENTS = frozenset({CATEGORY.rpartition("|")[2], "64292-6"})
_REFERS = re.compile(r"(?:^|/)Consent$|(?:^|[^A-Za-z0-9])Consent[/?][A-Za-z0-9%_]")
_MAY = re.compile(rb"Consent|\\u|%[0-9A-Fa-f]{2}|" + b"|".join(code.encode() for code in sorted(_DOCUMENTS)))
"""A record without any of it needs no second look."""


def speaks_of_consents(body: bytes) -> bool:
    """Return whether the record `body` (JSON) is a consent or speaks of one."""
    return _MAY.search(body) is not None and _speaks(msgspec.json.decode(body))


def _speaks(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_speaks, value.values()))
    if isinstance(value, list):
        return any(map(_speaks, value))
    return isinstance(value, str) and (
        value.strip() in _DOCUMENTS or _REFERS.search(unquote(value).strip()) is not None
    )


def facts_of(resource: dict[str, Any], *, salt: bytes, reference: str, base: str = "") -> RecordFacts:
    """Return the facts of a valid R4 `resource` with the reference (`Type/id`) `reference`.

    `salt` is that of the pair for which it may be released (`exchange.consent.compile.PairContext`).
    `base` is this server's FHIR base URL: references under it count as relative.
    """
    kind = str(resource["resourceType"])
    found = _Findings(salt, base)
    found.visit(resource)
    concepts = [_codes(concept) for concept in _concepts(kind, resource)]
    mentions = found.mentions
    for concept in concepts:
        mentions.update(concept)
    told = concepts and all(any(map(is_known, concept)) for concept in concepts)
    if kind in CODES and (found.words or not told):
        mentions.add(_ANYTHING)
    return RecordFacts(
        classes=frozenset({kind, *(found.classes - DIRECTORY_TYPES)}),
        codes=tuple(concepts),
        mentions=frozenset(mentions),
        labels=frozenset(found.labels),
        sensitivities=_SENSITIVITIES & found.labels,
        period=_time(kind, resource),
        own=reference_digest(salt, reference),
        links=frozenset(found.links),
        authors=frozenset(_authors(kind, resource, salt, base)),
    )


class _Findings:
    """The findings of a walk through a record, contained resources and entries included."""

    def __init__(self, salt: bytes, base: str) -> None:
        self.classes: set[str] = set()
        self.mentions: set[str] = set()
        self.labels: set[str] = set()
        self.links: set[str] = set()
        self.words = False
        """True if a concept that should have a code is given in words alone."""
        self._salt, self._base = salt, base

    def visit(self, value: Any, name: str = "") -> None:
        if isinstance(value, list):
            for item in value:
                self.visit(item, name)
        elif isinstance(value, dict):
            self._note(value, name)
            for key, item in value.items():
                if isinstance(item, dict | list):
                    self.visit(item, f"{name}.{key}" if name == "identifier" else key)

    def _note(self, value: dict[str, Any], name: str) -> None:
        if "resourceType" in value:
            self._note_record(value, name)
        if name == "coding" or isinstance(value.get("code"), str):
            self.mentions.update(_mentions(value))
        if (
            isinstance(value.get("text"), str)
            and _CONCEPT.issuperset(value)
            and not name.endswith(_FREE_TEXT)
        ):
            self.words = self.words or not any(coding.get("code") for coding in value.get("coding", ()))
        if name == "meta":
            self._label(value.get("security", ()))
        if str(value.get("url", "")).endswith(_INLINE_LABEL):
            self._label([value.get("valueCoding", {})])
        reference, url = value.get("reference"), value.get("url")
        if isinstance(reference, str):
            self._link(reference)
        elif name != "coding" and _LOGICAL.issuperset(value) and not value.keys().isdisjoint(_TELLING):
            self.links.add(UNKNOWN)
        if isinstance(url, str) and name not in _EXTENSIONS and "resourceType" not in value:
            address = literal(url, self._base)
            if _LOCAL.fullmatch(address) or _RECORD.fullmatch(address):
                self._link(address)

    def _note_record(self, value: dict[str, Any], name: str) -> None:
        kind = str(value["resourceType"])
        self.classes.add(kind)
        if name == "contained":
            self.links.add(UNKNOWN)
        if kind == "DocumentReference":
            for concept in value.get("securityLabel", ()):
                self._label(concept.get("coding", [{}]))
        if kind == "Composition" and "confidentiality" in value:
            self._label([{"system": CONFIDENTIALITY_SYSTEM, "code": value["confidentiality"]}])

    def _label(self, codings: Iterable[dict[str, Any]]) -> None:
        for coding in codings:
            self.labels.update(_labels(coding))

    def _link(self, text: str) -> None:
        if not text.startswith("#"):  # a contained resource counts by itself
            match = _LOCAL.fullmatch(literal(text, self._base))
            self.links.add(reference_digest(self._salt, match[1]) if match else UNKNOWN)


def _stated(value: dict[str, Any]) -> tuple[str, str]:
    system, code = value.get("system"), value.get("code")
    text = coded(system if isinstance(system, str) else "", code if isinstance(code, str) else "")
    system, _, code = text.rpartition("|")
    return system, code


def _mentions(value: dict[str, Any]) -> Iterator[str]:
    """Yield every code that a Coding might be, for rules that deny."""
    system, code = _stated(value)
    for case in {code, code.upper(), code.lower()}:
        yield f"{system}|{case}"
        if not is_recognised(system):
            yield f"|{case}"


def _labels(value: dict[str, Any]) -> list[str]:
    system, code = _stated(value)
    if system not in _LABEL_SYSTEMS:
        return [_ANYTHING]
    code = code.upper()  # all of them are
    if system == _OF_CONTENT or f"{system}|{code}" in _OF_WORK:
        return []
    codes = with_all_below(code, SENSITIVITY) if system == ACT_CODE else [code]
    return [f"{system}|{one}" for one in codes]


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
    # A concept in words alone has no codes, and a coding in words alone adds none.
    return frozenset("|".join(_stated(coding)) for coding in concept.get("coding", ())) - {_ANYTHING}


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
    # A period that began without a stated end goes on.
    first, last = _all_of(starts) if starts else Period(), _all_of(ends) if ends else Period()
    if first is None or last is None:
        return None
    start, end = first.start, last.end
    return None if start is not None and end is not None and start >= end else Period(start, end)


def _span(name: str, value: Any) -> Period | None:
    if name.endswith(_TIMELESS):
        return None
    datatype = "dateTime"
    if isinstance(value, dict):
        datatype = "Timing" if name.endswith("Timing") else "Period"
    instant, wall = span(datatype, value), span(datatype, _local_time(value))
    if instant is None or wall is None or instant == wall:
        return instant
    return Period(
        None if instant.start is None or wall.start is None else min(instant.start, wall.start),
        None if instant.end is None or wall.end is None else max(instant.end, wall.end),
    )


def _local_time(value: Any) -> Any:
    """Return `value` with all its times as local times, without their offset."""
    if isinstance(value, str):
        return _OFFSET.sub(r"\1Z", value)
    if isinstance(value, dict):
        return {name: _local_time(item) for name, item in value.items()}
    return [_local_time(item) for item in value] if isinstance(value, list) else value


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
        if match[1].startswith(NOT_ONE_PERSON):
            yield UNKNOWN


def _at(element: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the values at `path` with their names in JSON, where a choice ends in its type."""
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
