"""One JSON document, parsed into a resource or the entries of a Bundle, each as its original bytes.

Only the frame is parsed: JSON in UTF-8, the stated type, and the entries of a Bundle. `exchange.fhir.r4`
checks that a resource is valid R4, on the same bytes.

| Bundle.type | becomes |
| --- | --- |
| transaction | one document an entry; all or nothing, so one bad entry leaves no document |
| batch, collection, searchset | one document an entry; a bad entry is a fault and the others stay |
| document, message | one document, the Bundle itself: it is signed, so it stays one resource |
| any other | a fault: it holds outcomes or versions, not records to load |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from exchange.fhir.bundle import EntryRequest

T = TypeVar("T")

_UNPACKED = frozenset({"transaction", "batch", "collection", "searchset"})
_STORED_AS_BUNDLE = frozenset({"document", "message"})
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One resource to load, or one deletion that a Bundle asks for (then `body` is empty).

    `line` is the line of an NDJSON file, from 1; `entry` the index in `Bundle.entry`, from 0; each is
    none where it does not apply. `body` is the resource as it stood in the file. `type` and `id` are what
    the body says, for a deletion the type that its URL names. `request` is none outside transactions and
    batches.
    """

    source: Path
    line: int | None
    entry: int | None
    body: bytes
    type: str
    id: str | None = None
    full_url: str | None = None
    request: EntryRequest | None = None


@dataclass(frozen=True, slots=True)
class LoadFault:
    """A part that could not be read; `reason` names elements and byte offsets, never values."""

    source: Path
    line: int | None
    reason: str
    entry: int | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        entry = "" if self.entry is None else f" entry {self.entry}"
        return f"{self.source}{line}{entry}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """The content of one document; `bundle` is its type if it was a Bundle."""

    bundle: str | None
    documents: tuple[SourceDocument, ...]
    faults: tuple[LoadFault, ...]


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str | None = None


class _Bundle(msgspec.Struct):
    type: str
    entry: list[msgspec.Raw] = []


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct, rename="camel"):
    full_url: str | None = None
    resource: msgspec.Raw = msgspec.Raw()
    request: EntryRequest | None = None
    search: _Search | None = None


_head = msgspec.json.Decoder(_Head)
_bundle = msgspec.json.Decoder(_Bundle)
_entry = msgspec.json.Decoder(_Entry)


class _BadError(Exception):
    """Ends the parsing of one document or entry; the message is the fault's reason."""


def parse(body: bytes, source: Path, line: int | None = None) -> Parsed:
    """Parse one document; `source` and `line` are its place, which documents and faults carry."""
    try:
        return _parsed(body, source, line)
    except UnicodeDecodeError as why:
        reason = f"not UTF-8 (byte {why.start})"
    except _BadError as why:
        reason = str(why)
    return Parsed(None, (), (LoadFault(source, line, reason),))


def _parsed(body: bytes, source: Path, line: int | None) -> Parsed:
    if not body.isascii():
        body.decode("utf-8")
    head = _decode(_head, body)
    if head.resource_type == "Bundle":
        bundle = _decode(_bundle, body)
        if bundle.type in _UNPACKED:
            return _entries(bundle, source, line)
        if bundle.type not in _STORED_AS_BUNDLE:
            raise _BadError("a Bundle of this type holds no records to load")
    document = SourceDocument(source, line, None, body, head.resource_type, head.id)
    return Parsed(None, (document,), ())


def _decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as why:
        reason = str(why)
    except RecursionError:
        reason = "nested too deeply"
    # msgspec's messages name paths, types and byte offsets; none of the decoders above has an enum or a
    # constraint, whose messages would quote the value.
    raise _BadError(reason[0].lower() + reason[1:] if not reason.startswith("JSON") else reason)


def _entries(bundle: _Bundle, source: Path, line: int | None) -> Parsed:
    documents: list[SourceDocument] = []
    faults: list[LoadFault] = []
    for index, raw in enumerate(bundle.entry):
        try:
            entry = _decode(_entry, raw)
            # A server's remarks on a search are not records of the patient.
            if entry.search is None or entry.search.mode != "outcome":
                documents.append(_from_entry(entry, source, line, index))
        except _BadError as why:
            faults.append(LoadFault(source, line, str(why), index))
    if faults and bundle.type == "transaction":
        documents.clear()
    return Parsed(bundle.type, tuple(documents), tuple(faults))


def _from_entry(entry: _Entry, source: Path, line: int | None, index: int) -> SourceDocument:
    request = entry.request
    if request is not None and request.method not in _WRITES:
        raise _BadError("the request's method is none of POST, PUT, PATCH and DELETE")
    body = bytes(entry.resource)
    if request is not None and request.method == "DELETE":
        kind = request.url.partition("?")[0].partition("/")[0]
        return SourceDocument(source, line, index, b"", kind, None, entry.full_url, request)
    if not body:
        raise _BadError("the entry has no resource")
    head = _decode(_head, body)
    return SourceDocument(source, line, index, body, head.resource_type, head.id, entry.full_url, request)
