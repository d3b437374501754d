"""Files cut into chunks: one process reads them, several processes parse them.

A chunk is one document, to be opened by the process that parses it, or some lines with their bytes.
Cutting searches for ends of lines alone, and holds no more than one chunk in memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exchange.load.documents import LoadFault
from exchange.load.files import READ_ERRORS, LoadPlan, SourceFile, open_stream, reason
from exchange.load.positions import FilePosition

_SPACE = b" \t\r\n"
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Bounds on memory: bytes of a document and of a line, decompressed, and how long a run of lines gets."""

    document: int = 256 << 20
    line: int = 64 << 20
    run_lines: int = 500
    run_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a file: the lines in `text`, or the one document that the file is (then `text` is none).

    `start` and `end` are where it lies in the file, `size` the bytes on disk that are read for it, and
    `faults` what could not be read behind `text`.
    """

    source: Path
    fingerprint: str
    start: FilePosition
    end: FilePosition
    size: int
    text: bytes | None
    faults: tuple[LoadFault, ...] = ()


def cut(plan: LoadPlan, limits: ChunkLimits | None = None) -> Iterator[Chunk]:
    """Yield the plan's files in order, each from where it was left.

    A file that breaks off is never `finished`, so the next run tries the rest again.
    """
    limits = limits or ChunkLimits()
    for file in plan.files:
        if not file.lines:
            finished = FilePosition(finished=True)
            yield Chunk(file.path, file.fingerprint, file.start, finished, file.size, None)
            continue
        try:
            raw = file.path.open("rb")
        except OSError as why:
            fault = LoadFault(file.path, None, reason(why))
            yield Chunk(file.path, file.fingerprint, file.start, file.start, file.size, b"", (fault,))
            continue
        with raw, open_stream(file.path, raw) as stream:
            yield from _Lines(file, raw, stream, limits).cut()


class _Lines:
    """One open file of lines, and the position up to which it is cut."""

    def __init__(
        self, file: SourceFile, raw: io.BufferedReader, stream: io.BufferedIOBase, limits: ChunkLimits
    ) -> None:
        self._file = file
        self._raw = raw
        self._stream = stream
        self._limits = limits
        self._start = self._at = file.start
        self._lines: list[bytes] = []
        self._told = 0

    def cut(self) -> Iterator[Chunk]:
        limits = self._limits
        filled = size = 0
        try:
            if self._at.offset:
                self._stream.seek(self._at.offset)
            while line := self._stream.readline(limits.line + 1):
                if len(line) > limits.line and not line.endswith(b"\n"):
                    if self._lines:
                        yield self._chunk()
                    yield self._too_long(line)
                    filled = size = 0
                    continue
                self._lines.append(line)
                self._at = FilePosition(self._at.lines + 1, self._at.offset + len(line))
                filled += bool(line.strip(_SPACE))
                size += len(line)
                if filled >= limits.run_lines or size >= limits.run_bytes:
                    yield self._chunk()
                    filled = size = 0
        except READ_ERRORS as why:
            yield self._chunk(LoadFault(self._file.path, self._at.lines + 1, reason(why)))
            return
        self._at = FilePosition(self._at.lines, self._at.offset, finished=True)
        yield self._chunk()

    def _too_long(self, line: bytes) -> Chunk:
        size = len(line)
        while rest := self._stream.readline(_READ_BYTES):
            size += len(rest)
            if rest.endswith(b"\n"):
                break
        fault = LoadFault(
            self._file.path, self._at.lines + 1, f"more than {self._limits.line} bytes in one line"
        )
        self._at = FilePosition(self._at.lines + 1, self._at.offset + size)
        return self._chunk(fault)

    def _chunk(self, *faults: LoadFault) -> Chunk:
        text, self._lines = b"".join(self._lines), []
        start, self._start = self._start, self._at
        told, self._told = self._told, self._raw.tell()
        size = self._told - told
        return Chunk(self._file.path, self._file.fingerprint, start, self._at, size, text, faults)
