"""A worker process of a load, which parses chunks of files, and checks and indexes their documents.

It holds the index keys and no others: the process that it works for seals and writes its results, and
resolves the conditional references in them, which needs the store.
"""

from __future__ import annotations

import pickle
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

import msgspec

from exchange.errors import ExchangeError
from exchange.fhir.links.entries import Entries
from exchange.fhir.links.relink import conditional_references, with_conditionals
from exchange.fhir.references import ID
from exchange.load import Batch, Chunk, FilePosition, SourceDocument, split_chunk
from exchange.services.records.prepare import IndexedRecord, Indexer

_NAMESPACE = uuid.UUID("b5a7c5e2-6a34-5f0d-9a55-6c2a5b1f6b1e")
_RECORD = re.compile(rf"([A-Za-z]{{1,64}})/({ID})")
_SHOWN = 3
_LOST = "refers to an entry of this Bundle that was refused"
_NOT_OURS = "another server's record is deleted; load it with --same-ids if the record here is the same"


class SourcePlace(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A place in a file: the line from 1, the index of the entry from 0, none where there is none."""

    line: int | None
    entry: int | None


class RefusedDocument(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A document that can't be loaded; the reason names elements, never values."""

    place: SourcePlace
    reason: str


class Removal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record to delete."""

    resource_type: str
    logical_id: str


class WorkerSeconds(msgspec.Struct, array_like=True, gc=False):
    """Processor seconds spent on reading, checking and indexing."""

    read: float = 0.0
    check: float = 0.0
    index: float = 0.0

    def __iadd__(self, other: WorkerSeconds) -> WorkerSeconds:
        self.read += other.read
        self.check += other.check
        self.index += other.index
        return self


class PreparedBatch(msgspec.Struct, frozen=True, tag="ready"):
    """One batch as it can be written: `prepared` and `removals`, each with its place in the same order.

    `only_new` says of each of `prepared` whether its id is another server's: it replaces no record here.

    Of a transaction with anything `refused`, nothing is left to write.
    """

    bundle: str | None
    end: FilePosition
    size: int
    documents: tuple[SourcePlace, ...]
    refused: list[RefusedDocument]
    prepared: list[IndexedRecord] = []
    prepared_at: list[SourcePlace] = []
    only_new: list[bool] = []
    removals: list[Removal] = []
    removals_at: list[SourcePlace] = []
    seconds: WorkerSeconds = msgspec.field(default_factory=WorkerSeconds)


class WantedReferences(msgspec.Struct, frozen=True, tag="wanted"):
    """Conditional references that must be known before the batch can go on."""

    references: list[str]


class ChunkDone(msgspec.Struct, frozen=True, tag="done"):
    """The chunk has no more batches."""


class FoundReferences(msgspec.Struct, frozen=True):
    """For each reference that was wanted, the `Type/id` that it stands for, or why there is none."""

    found: dict[str, str]
    refused: dict[str, str]


Message = PreparedBatch | WantedReferences | ChunkDone
Ask = Callable[[set[str]], FoundReferences]


_encode = msgspec.msgpack.Encoder().encode
message_of: Callable[[bytes], Message] = msgspec.msgpack.Decoder(Message).decode
"""Decodes a worker's message."""
answered: Callable[[FoundReferences], bytes] = _encode
"""Encodes the answer to a worker's question."""
_answers_of = msgspec.msgpack.Decoder(FoundReferences).decode


def serve(connection: Connection, indexer: Indexer, *, same_ids: bool = False) -> None:
    """Answer each `Chunk` with its batches as `PreparedBatch`, in order, and then `ChunkDone`.

    `WantedReferences` is a question in between.
    """
    checker = LoadWorker(indexer, same_ids=same_ids)

    def ask(wanted: set[str]) -> FoundReferences:
        connection.send_bytes(_encode(WantedReferences(sorted(wanted))))
        return _answers_of(connection.recv_bytes())

    while True:
        for ready in checker.batches(pickle.loads(connection.recv_bytes()), ask):  # noqa: S301 - our own process
            connection.send_bytes(_encode(ready))
        connection.send_bytes(_encode(ChunkDone()))


class _Body(NamedTuple):
    """A document to prepare, its links to entries replaced."""

    document: SourceDocument
    logical_id: str
    place: SourcePlace
    body: bytes
    only_new: bool


class LoadWorker:
    """Prepares the documents of chunks, and caches resolved conditional references between chunks.

    `same_ids` says that the ids of other servers name the records of this one.
    """

    def __init__(self, indexer: Indexer, *, same_ids: bool = False) -> None:
        self._indexer = indexer
        self._same_ids = same_ids
        self._resolved: dict[str, str] = {}

    def batches(self, chunk: Chunk, ask: Ask) -> Iterator[PreparedBatch]:
        """Yield each batch of `chunk`, with its valid documents prepared."""
        indexer = self._indexer
        batches = split_chunk(chunk)
        while True:
            started = time.thread_time()
            checking, indexing = indexer.seconds_checking, indexer.seconds_indexing
            batch = next(batches, None)
            if batch is None:
                return
            ready = self._ready(batch, ask)
            seconds = ready.seconds
            seconds.check = indexer.seconds_checking - checking
            seconds.index = indexer.seconds_indexing - indexing
            seconds.read = time.thread_time() - started - seconds.check - seconds.index
            yield ready

    def _ready(self, batch: Batch, ask: Ask) -> PreparedBatch:
        at = tuple(SourcePlace(document.line, document.entry) for document in batch.documents)
        refused = [
            RefusedDocument(SourcePlace(fault.line, fault.entry), fault.reason) for fault in batch.faults
        ]
        ready = PreparedBatch(batch.bundle, batch.end, batch.size, at, refused)
        bodies: list[_Body] = []
        ids = [_id_of(batch, document, index) for index, document in enumerate(batch.documents)]
        entries = Entries([document.full_url or "" for document in batch.documents], base=self._indexer.base)
        for document, logical_id in zip(batch.documents, ids, strict=True):
            entries.place(document.full_url or "", f"{document.type}/{logical_id}")
        for document, logical_id, place in zip(batch.documents, ids, at, strict=True):
            method = document.request.method if document.request is not None else ""
            full_url = document.full_url or ""
            foreign = entries.elsewhere(full_url)
            if method in {"POST", "PUT", ""}:
                body = entries.relinked(document.body, full_url, keeps_ids=self._same_ids)
                only_new = method == "POST" or foreign
                bodies.append(_Body(document, logical_id, place, body, only_new))
            elif foreign and not self._same_ids:
                ready.refused.append(RefusedDocument(place, _NOT_OURS))
            else:
                _remove(ready, document, place)
        self._prepare(ready, bodies, ask)
        if ready.refused and any(one.only_new for one in bodies):
            self._leave(ready, bodies, entries)
        if batch.bundle == "transaction" and refused:
            for left in (
                ready.prepared,
                ready.prepared_at,
                ready.only_new,
                ready.removals,
                ready.removals_at,
            ):
                left.clear()
        return ready

    def _leave(self, ready: PreparedBatch, bodies: Sequence[_Body], entries: Entries) -> None:
        """Refuse what refers to an entry of another server that was refused.

        Its id may be that of a record of this server, which the reference would name.
        """
        refused = {one.place for one in ready.refused}
        while True:
            for one in bodies:
                if one.only_new and one.place in refused:
                    entries.leave(one.document.full_url or "")
            lost = [one for one in bodies if one.place not in refused and self._is_lost(one, entries)]
            if not lost:
                break
            refused |= {one.place for one in lost}
            ready.refused.extend(RefusedDocument(one.place, _LOST) for one in lost)
        kept = [at for at, place in enumerate(ready.prepared_at) if place not in refused]
        ready.prepared[:] = [ready.prepared[at] for at in kept]
        ready.only_new[:] = [ready.only_new[at] for at in kept]
        ready.prepared_at[:] = [ready.prepared_at[at] for at in kept]

    def _is_lost(self, one: _Body, entries: Entries) -> bool:
        document = one.document
        try:
            entries.relinked(document.body, document.full_url or "", keeps_ids=self._same_ids)
        except ExchangeError:
            return True
        return False

    def _prepare(self, ready: PreparedBatch, bodies: Sequence[_Body], ask: Ask) -> None:
        wanted = [conditional_references(one.body) for one in bodies]
        unknown = set().union(*wanted) - self._resolved.keys()
        unresolved: dict[str, str] = {}
        if unknown:
            answers = ask(unknown)
            self._resolved |= answers.found
            unresolved = answers.refused
        for (document, logical_id, place, body, only_new), references in zip(bodies, wanted, strict=True):
            if why := next((unresolved[name] for name in sorted(references) if name in unresolved), None):
                ready.refused.append(RefusedDocument(place, why))
                continue
            resolved = with_conditionals(body, self._resolved) if references else body
            try:
                prepared = self._indexer.index(
                    resolved if document.id is not None else _named(resolved, logical_id),
                    resource_type=document.type,
                    logical_id=logical_id,
                )
            except ExchangeError as why_not:
                ready.refused.append(RefusedDocument(place, _reason(why_not)))
            else:
                ready.prepared.append(prepared)
                ready.prepared_at.append(place)
                ready.only_new.append(only_new)


def _remove(ready: PreparedBatch, document: SourceDocument, place: SourcePlace) -> None:
    url = document.request.url if document.request is not None else ""
    record = _RECORD.fullmatch(url)
    if document.request is None or document.request.method != "DELETE" or record is None:
        ready.refused.append(RefusedDocument(place, "only POST, PUT and DELETE of Type/id can be loaded"))
    elif record[1] == "Consent":
        ready.refused.append(
            RefusedDocument(place, "a consent is never deleted; load it with the status inactive")
        )
    else:
        ready.removals.append(Removal(record[1], record[2]))
        ready.removals_at.append(place)


def _id_of(batch: Batch, document: SourceDocument, index: int) -> str:
    if document.id is not None:
        return document.id
    return str(uuid.uuid5(_NAMESPACE, f"{batch.fingerprint}/{document.line}/{document.entry}/{index}"))


def _named(body: bytes, logical_id: str) -> bytes:
    """Return `body`, which has no id, with one as its first member; all else byte for byte."""
    inside = body[1:].lstrip()
    return b'{"id":"' + logical_id.encode() + (b'"' if inside.startswith(b"}") else b'",') + inside


def _reason(refused: ExchangeError) -> str:
    shown = "; ".join(f"{problem.path}: {problem.message}" for problem in refused.problems[:_SHOWN])
    more = len(refused.problems) - _SHOWN
    if more > 0:
        shown += f"; and {more} more"
    return f"{refused}" + (f" ({shown})" if shown else "")
