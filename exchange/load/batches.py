"""Pieces of files taken apart into units that are loaded, or not, as a whole.

A unit is one `.json` file (a resource, or a Bundle with all its entries), one Bundle that stands on a
line, or a run of lines. What can't be read becomes a `Fault` in a unit: a bad line alone, or the rest of
a file that breaks off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exchange.load.chunks import Limits, Piece, cut
from exchange.load.documents import Fault, Item, Parsed, parse
from exchange.load.files import READ_ERRORS, Plan, opened, reason
from exchange.load.journal import Position

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_AT_ONCE = 1 << 20


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
    """Read the plan's files in order, from where each was left, in this process."""
    for piece in cut(plan, limits):
        yield from take_apart(piece, limits)


def take_apart(piece: Piece, limits: Limits | None = None) -> Iterator[Unit]:
    """Take `piece` apart; the `end` of the last unit is the piece's, unless a document is no use at all."""
    if piece.text is None:
        yield _document(piece, limits or Limits())
    else:
        yield from _Lines(piece, piece.text).units()


def _document(piece: Piece, limits: Limits) -> Unit:
    try:
        body = _whole(piece.source, limits.document)
    except READ_ERRORS as why:
        return _unread(piece, reason(why))
    if body is None:
        return _unread(piece, f"more than {limits.document} bytes in one document")
    if not body.strip(_SPACE):
        return _unread(piece, "the file is empty")
    parsed = parse(body, piece.source)
    # A document of which nothing can be loaded is not done: the next run names it again.
    end = piece.end if parsed.items or not parsed.faults else piece.start
    return Unit(piece.source, piece.fingerprint, parsed.bundle, parsed.items, parsed.faults, end, piece.size)


def _unread(piece: Piece, why: str) -> Unit:
    fault = Fault(piece.source, None, why)
    return Unit(piece.source, piece.fingerprint, None, (), (fault,), piece.start, piece.size)


def _whole(path: Path, most: int) -> bytes | None:
    found: list[bytes] = []
    size = 0
    with path.open("rb") as raw, opened(path, raw) as stream:
        # In parts, so that a small file does not reserve the limit's memory.
        while part := stream.read(_AT_ONCE):
            size += len(part)
            if size > most:
                return None
            found.append(part)
    return b"".join(found).removeprefix(_BOM)


class _Lines:
    """The lines of one piece, and how far they have been taken apart."""

    def __init__(self, piece: Piece, text: bytes) -> None:
        self._piece = piece
        self._text = text
        self._at = piece.start
        self._run = _Run()
        self._size = piece.size

    def units(self) -> Iterator[Unit]:
        told = False
        for parsed, before in self._documents():
            if not parsed.bundle:
                self._run.add(parsed)
                continue
            if self._run.lines:
                yield self._taken(before)
            yield self._unit(parsed.bundle, parsed.items, parsed.faults, self._at)
            told = True
        self._run.faults += self._piece.faults
        if self._run.lines or self._run.faults or self._piece.end.whole or not told:
            yield self._taken(self._piece.end)

    def _documents(self) -> Iterator[tuple[Parsed, Position]]:
        """Each line that is not blank, taken apart, and where it starts; `_at` moves past it."""
        text, at = self._text, 0
        while at < len(text):
            end = text.find(b"\n", at) + 1 or len(text)
            line = text[at:end]
            if self._at.offset == 0:
                line = line.removeprefix(_BOM)
            before = self._at
            self._at = Position(before.lines + 1, before.offset + end - at)
            at = end
            if stripped := line.strip(_SPACE):
                yield parse(stripped, self._piece.source, self._at.lines), before

    def _taken(self, end: Position) -> Unit:
        run, self._run = self._run, _Run()
        return self._unit(None, tuple(run.items), tuple(run.faults), end)

    def _unit(
        self, bundle: str | None, items: tuple[Item, ...], faults: tuple[Fault, ...], end: Position
    ) -> Unit:
        size, self._size = self._size, 0  # the first unit counts for the whole piece
        return Unit(self._piece.source, self._piece.fingerprint, bundle, items, faults, end, size)


@dataclass(slots=True)
class _Run:
    """Lines that will make one unit."""

    items: list[Item] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lines: int = 0

    def add(self, parsed: Parsed) -> None:
        self.items.extend(parsed.items)
        self.faults.extend(parsed.faults)
        self.lines += 1
