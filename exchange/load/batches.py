"""Chunks of files split into batches; a batch is loaded completely or not at all.

A batch is one `.json` file (a resource, or a Bundle with all its entries), one Bundle that stands on a
line, or a run of lines. A part that can't be read becomes a `LoadFault` in a batch: a bad line
alone, or the rest of a file that breaks off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exchange.load.chunks import Chunk, ChunkLimits
from exchange.load.documents import LoadFault, Parsed, SourceDocument, parse
from exchange.load.files import READ_ERRORS, open_stream, reason
from exchange.load.positions import FilePosition

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """The unit of loading: documents that belong together, and the faults among them.

    `bundle` is the type of the Bundle that the documents are entries of; a `transaction` must succeed or fail
    as one. `end` is where the next batch of the file starts, `size` the bytes on disk that were read for
    this batch.
    """

    source: Path
    fingerprint: str
    bundle: str | None
    documents: tuple[SourceDocument, ...]
    faults: tuple[LoadFault, ...]
    end: FilePosition
    size: int


def split_chunk(chunk: Chunk, limits: ChunkLimits | None = None) -> Iterator[Batch]:
    """Split `chunk`; the `end` of the last batch is the chunk's, unless a document is no use at all."""
    if chunk.text is None:
        yield _document(chunk, limits or ChunkLimits())
    else:
        yield from _Lines(chunk, chunk.text).batches()


def _document(chunk: Chunk, limits: ChunkLimits) -> Batch:
    try:
        body = _whole(chunk.source, limits.document)
    except READ_ERRORS as why:
        return _unread(chunk, reason(why))
    if body is None:
        return _unread(chunk, f"more than {limits.document} bytes in one document")
    if not body.strip(_SPACE):
        return _unread(chunk, "the file is empty")
    parsed = parse(body, chunk.source)
    # A document of which nothing can be loaded is not done: the next run names it again.
    end = chunk.end if parsed.documents or not parsed.faults else chunk.start
    return Batch(
        chunk.source, chunk.fingerprint, parsed.bundle, parsed.documents, parsed.faults, end, chunk.size
    )


def _unread(chunk: Chunk, why: str) -> Batch:
    fault = LoadFault(chunk.source, None, why)
    return Batch(chunk.source, chunk.fingerprint, None, (), (fault,), chunk.start, chunk.size)


def _whole(path: Path, most: int) -> bytes | None:
    found: list[bytes] = []
    size = 0
    with path.open("rb") as raw, open_stream(path, raw) as stream:
        # In parts, so that a small file does not reserve the limit's memory.
        while part := stream.read(_AT_ONCE):
            size += len(part)
            if size > most:
                return None
            found.append(part)
    return b"".join(found).removeprefix(_BOM)


class _Lines:
    """The lines of one chunk, and the position up to which they are parsed."""

    def __init__(self, chunk: Chunk, text: bytes) -> None:
        self._chunk = chunk
        self._text = text
        self._at = chunk.start
        self._run = _Run()
        self._size = chunk.size

    def batches(self) -> Iterator[Batch]:
        told = False
        for parsed, before in self._documents():
            if not parsed.bundle:
                self._run.add(parsed)
                continue
            if self._run.lines:
                yield self._taken(before)
            yield self._batch(parsed.bundle, parsed.documents, parsed.faults, self._at)
            told = True
        self._run.faults += self._chunk.faults
        if self._run.lines or self._run.faults or self._chunk.end.finished or not told:
            yield self._taken(self._chunk.end)

    def _documents(self) -> Iterator[tuple[Parsed, FilePosition]]:
        """Yield each line that is not blank, parsed, and its start; `_at` moves past it."""
        text, at = self._text, 0
        while at < len(text):
            end = text.find(b"\n", at) + 1 or len(text)
            line = text[at:end]
            if self._at.offset == 0:
                line = line.removeprefix(_BOM)
            before = self._at
            self._at = FilePosition(before.lines + 1, before.offset + end - at)
            at = end
            if stripped := line.strip(_SPACE):
                yield parse(stripped, self._chunk.source, self._at.lines), before

    def _taken(self, end: FilePosition) -> Batch:
        run, self._run = self._run, _Run()
        return self._batch(None, tuple(run.documents), tuple(run.faults), end)

    def _batch(
        self,
        bundle: str | None,
        documents: tuple[SourceDocument, ...],
        faults: tuple[LoadFault, ...],
        end: FilePosition,
    ) -> Batch:
        size, self._size = self._size, 0  # the first batch counts for all of the chunk
        return Batch(self._chunk.source, self._chunk.fingerprint, bundle, documents, faults, end, size)


@dataclass(slots=True)
class _Run:
    """Lines that will make one batch."""

    documents: list[SourceDocument] = field(default_factory=list)
    faults: list[LoadFault] = field(default_factory=list)
    lines: int = 0

    def add(self, parsed: Parsed) -> None:
        self.documents.extend(parsed.documents)
        self.faults.extend(parsed.faults)
        self.lines += 1
