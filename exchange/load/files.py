"""The FHIR files of a load, in reading order: records that others refer to come first.

The name of a file gives its kind: `.json` is one document, `.ndjson` or `.jsonl` one a line, either of them
plain or compressed (`.gz`, `.bz2`, `.xz`). In folders, other names, hidden files and linked folders are
passed over; a file that was named outright and is of another kind is a fault.

Order comes from the types in a file's first 64 KiB: hospitals and practitioners before patients,
patients before encounters, those before the rest. A transaction that refers to
`Practitioner?identifier=...` so comes after the batch that brings the practitioners. A file stands with
the latest of its types. These types decide the order and nothing else.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exchange.load.documents import LoadFault
from exchange.load.positions import FilePosition, fingerprint

_DOCUMENT = frozenset({".json"})
_LINES = frozenset({".ndjson", ".jsonl"})
_COMPRESSED: dict[str, Callable[[io.BufferedReader], io.BufferedIOBase]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}

READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""The errors of reading a file, compressed or not."""

_PROBE_BYTES = 64 * 1024
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]{1,64})"')
_ORDER = (
    {"Organization"},
    {"Endpoint", "Location", "Practitioner"},
    {"HealthcareService", "InsurancePlan", "OrganizationAffiliation", "PractitionerRole"},
    {"Medication", "Substance", "ValueSet", "CodeSystem", "Questionnaire", "Library", "Measure"},
    {"Patient"},
    {"Device", "Group", "Person", "RelatedPerson"},
    {"Coverage", "Encounter", "EpisodeOfCare"},
)
_REST = len(_ORDER)
_RANKS = {kind: rank for rank, kinds in enumerate(_ORDER) for kind in kinds} | {
    "Bundle": 0,  # a Bundle's entries may be of any type
    "AuditEvent": _REST + 1,  # these two refer to anything
    "Provenance": _REST + 1,
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read: whether it holds one document a line, its size in bytes, and where to start."""

    path: Path
    lines: bool
    size: int
    fingerprint: str
    start: FilePosition


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The files that a load will read, in order; `faults` are those it can't, `done` counts finished ones."""

    files: tuple[SourceFile, ...]
    faults: tuple[LoadFault, ...]
    done: int

    @property
    def size(self) -> int:
        """Bytes on disk of all files to read, compressed as they are."""
        return sum(file.size for file in self.files)


def find(paths: Iterable[Path], positions: Mapping[str, FilePosition] | None = None) -> LoadPlan:
    """Find the FHIR files at `paths` (files or folders) that `positions` do not have as done, in order."""
    faults: list[LoadFault] = []
    ranked: list[tuple[int, Path, SourceFile]] = []
    done = 0
    seen: set[Path] = set()
    for path in paths:
        for file in _walk(path, faults):
            if (real := file.resolve()) in seen:
                continue
            seen.add(real)
            try:
                source = _source(file, positions or {})
            except OSError as why:
                faults.append(LoadFault(file, None, reason(why)))
                continue
            if source.start.finished:
                done += 1
            else:
                ranked.append((_rank(source), file, source))
    ranked.sort(key=lambda entry: entry[:2])
    return LoadPlan(tuple(source for *_, source in ranked), tuple(faults), done)


def _walk(path: Path, faults: list[LoadFault]) -> Iterator[Path]:
    if not path.is_dir():
        if not path.exists():
            faults.append(LoadFault(path, None, "no such file or folder"))
        elif _form(path) is None:
            faults.append(LoadFault(path, None, "neither .json nor .ndjson, plain or as .gz, .bz2 or .xz"))
        else:
            yield path
        return

    def refused(why: OSError) -> None:
        faults.append(LoadFault(Path(why.filename), None, reason(why)))

    for folder, folders, names in os.walk(path, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if not name.startswith(".") and _form(file) is not None and file.is_file():
                yield file


def _form(path: Path) -> tuple[bool, str] | None:
    """Return whether it has one document a line, and the suffix of its compression; none for another kind."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in _COMPRESSED else ""
    last = suffixes[-1] if suffixes else ""
    if last in _LINES | _DOCUMENT:
        return last in _LINES, compression
    return None


def _source(path: Path, positions: Mapping[str, FilePosition]) -> SourceFile:
    form = _form(path)
    mark = fingerprint(path)
    start = positions.get(mark, FilePosition())
    return SourceFile(path, form is not None and form[0], path.stat().st_size, mark, start)


def opened(path: Path, raw: io.BufferedReader) -> io.BufferedIOBase:
    """Return the stream of `raw`'s content, decompressed as the name of `path` says."""
    form = _form(path)
    compression = form[1] if form else ""
    return _COMPRESSED[compression](raw) if compression else raw


def _rank(source: SourceFile) -> int:
    try:
        with source.path.open("rb") as raw, opened(source.path, raw) as stream:
            head = stream.read(_PROBE_BYTES)
    except READ_ERRORS:
        return _REST  # reading it in its turn names the fault
    return max((_RANKS.get(kind.decode(), _REST) for kind in _TYPE.findall(head)), default=_REST)


def reason(why: BaseException) -> str:
    """Say why reading failed, without the path (the fault has it) and without content."""
    if isinstance(why, EOFError):
        return "the compressed data ends early"
    if isinstance(why, OSError) and why.errno is not None:
        return (why.strerror or "can't be read").lower()
    return "the compressed data is damaged"
