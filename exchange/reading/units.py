"""Files read in units that are loaded, or not, as a whole; memory is bounded whatever a file holds.

A unit is one `.json` file (a resource, or a Bundle with all its entries), one Bundle that stands on a
line, or a run of lines. A file is never held whole unless it is one document, and then only up to a
limit; of lines, one run at a time.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exchange.reading.files import READ_ERRORS, Plan, SourceFile, opened, reason
from exchange.reading.items import Fault, Item, Parsed, parse
from exchange.reading.journal import Position

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on memory: bytes of a document and of a line, decompressed, and how long a run of lines gets."""

    document: int = 256 << 20
    line: int = 64 << 20
    run_lines: int = 500
    run_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Unit:
    """What is loaded as a whole: items that belong together, and what could not be read among them.

    `bundle` is the type of the Bundle that the items are entries of; a `transaction` must succeed or fail
    as one. `end` is where the next unit of the file starts, `size` the bytes on disk that were read for
    this unit.
    """

    source: Path
    fingerprint: str
    bundle: str | None
    items: tuple[Item, ...]
    faults: tuple[Fault, ...]
    end: Position
    size: int


def read(plan: Plan, limits: Limits | None = None) -> Iterator[Unit]:
    """Read the plan's files in order, from where each was left.

    What can't be read becomes a `Fault` in a unit: a bad line alone, or the rest of a file that breaks off.
    A file that breaks off is never `whole`, so the next run tries it again.
    """
    limits = limits or Limits()
    for file in plan.files:
        try:
            raw = file.path.open("rb")
        except OSError as why:
            fault = Fault(file.path, None, reason(why))
            yield Unit(file.path, file.fingerprint, None, (), (fault,), file.start, file.size)
            continue
        with raw, opened(file.path, raw) as stream:
            reader = _Reader(file, raw, stream, limits)
            yield from reader.lines() if file.lines else reader.document()


class _Reader:
    """One open file, and how far it has been read."""

    def __init__(
        self, file: SourceFile, raw: io.BufferedReader, stream: io.BufferedIOBase, limits: Limits
    ) -> None:
        self._file = file
        self._raw = raw
        self._stream = stream
        self._limits = limits
        self._at = file.start
        self._told = 0

    def document(self) -> Iterator[Unit]:
        try:
            body = self._whole()
        except READ_ERRORS as why:
            yield self._unit((), (Fault(self._file.path, None, reason(why)),))
            return
        if body is None:
            why_not = f"more than {self._limits.document} bytes in one document"
        elif not body.strip(_SPACE):
            why_not = "the file is empty"
        else:
            parsed = parse(body, self._file.path)
            # A document of which nothing can be loaded is not done: the next run names it again.
            if parsed.items or not parsed.faults:
                self._at = Position(whole=True)
            yield self._unit(parsed.items, parsed.faults, parsed.bundle)
            return
        yield self._unit((), (Fault(self._file.path, None, why_not),))

    def _whole(self) -> bytes | None:
        pieces: list[bytes] = []
        size = 0
        # In pieces, so that a small file does not reserve the limit's memory.
        while piece := self._stream.read(_PIECE):
            size += len(piece)
            if size > self._limits.document:
                return None
            pieces.append(piece)
        return b"".join(pieces).removeprefix(_BOM)

    def lines(self) -> Iterator[Unit]:
        run = _Run()
        documents = self._documents()
        while True:
            before = self._at
            try:
                parsed, size = next(documents)
            except StopIteration:
                self._at = Position(self._at.lines, self._at.offset, whole=True)
                yield self._unit(run.items, run.faults)
                return
            except READ_ERRORS as why:
                yield self._unit(run.items, (*run.faults, self._fault(reason(why))))
                return
            if run.lines and (parsed.bundle or run.full(self._limits)):
                yield self._unit(run.items, run.faults, end=before)
                run = _Run()
            if parsed.bundle:
                yield self._unit(parsed.items, parsed.faults, parsed.bundle)
            else:
                run.add(parsed, size)

    def _documents(self) -> Iterator[tuple[Parsed, int]]:
        """Each line that is not blank, taken apart, with its size; `_at` moves past it."""
        if self._at.offset:
            self._stream.seek(self._at.offset)
        most = self._limits.line
        while line := self._stream.readline(most + 1):
            size = len(line)
            too_long = size > most and not line.endswith(b"\n")
            while too_long and (rest := self._stream.readline(_PIECE)):
                size += len(rest)
                if rest.endswith(b"\n"):
                    break
            if self._at.offset == 0:
                line = line.removeprefix(_BOM)
            if too_long:
                parsed = Parsed(None, (), (self._fault(f"more than {most} bytes in one line"),))
            elif stripped := line.strip(_SPACE):
                parsed = parse(stripped, self._file.path, self._at.lines + 1)
            else:
                parsed = None
            self._at = Position(self._at.lines + 1, self._at.offset + size)
            if parsed is not None:
                yield parsed, min(size, most)

    def _fault(self, why: str) -> Fault:
        """A fault in the line that follows what has been read."""
        return Fault(self._file.path, self._at.lines + 1, why)

    def _unit(
        self,
        items: Iterable[Item],
        faults: Iterable[Fault],
        bundle: str | None = None,
        end: Position | None = None,
    ) -> Unit:
        told, self._told = self._told, self._raw.tell()
        return Unit(
            self._file.path,
            self._file.fingerprint,
            bundle,
            tuple(items),
            tuple(faults),
            end or self._at,
            self._told - told,
        )


@dataclass(slots=True)
class _Run:
    """Lines that will make one unit."""

    items: list[Item] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lines: int = 0
    size: int = 0

    def add(self, parsed: Parsed, size: int) -> None:
        self.items.extend(parsed.items)
        self.faults.extend(parsed.faults)
        self.lines += 1
        self.size += size

    def full(self, limits: Limits) -> bool:
        return self.lines >= limits.run_lines or self.size >= limits.run_bytes
