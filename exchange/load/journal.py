"""How far a load has come, kept so that a second run goes on where the first stopped, whatever stopped it.

One line of JSON a unit, appended and synced to the disk before the load goes on. A line that a crash
tore off is dropped when the journal is opened again. So a unit that was stored but not yet written down
is read once more: what a load does with a unit must be safe to do twice.

Files are named by a digest of path, size and time of change, because exports carry patients' names in
file names; and a file that has changed since is a new file, read from its start.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import zlib
from collections.abc import Sized
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

_HEADER = b'{"journal":"consentry-load","version":1}\n'


class JournalError(Exception):
    """The file can't serve as a journal: another load holds it, or it is something else."""


class Position(msgspec.Struct, frozen=True):
    """How much of a file is done: `lines` and (decompressed) bytes from the start, or the `whole` of it."""

    lines: int = 0
    offset: int = 0
    whole: bool = False


class Step(Protocol):
    """What the journal writes down of a unit; `exchange.load.Unit` is one."""

    @property
    def fingerprint(self) -> str:
        """Which file, as `fingerprint` names it."""

    @property
    def end(self) -> Position:
        """Where the next unit of that file starts."""

    @property
    def items(self) -> Sized:
        """What was read; only how many is written down."""

    @property
    def faults(self) -> Sized:
        """What could not be read; only how many is written down."""


class _Done(msgspec.Struct, frozen=True):
    file: str
    end: Position
    items: int
    faults: int


class _Line(msgspec.Struct, frozen=True):
    # The checksum is there because a wrong offset, taken as true, would skip records in silence.
    check: int
    done: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_line = msgspec.json.Decoder(_Line)
_done = msgspec.json.Decoder(_Done)


def fingerprint(path: Path) -> str:
    """Which file this is, and which state of it, without saying its name.

    Raises:
        OSError: the file is not there, or may not be looked at.
    """
    stat = path.stat()
    told = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return hashlib.blake2b(os.fsencode(told), digest_size=16).hexdigest()


class Journal:
    """The record of one load, in one file that one process at a time may hold.

    `items` and `faults` count what all runs together have read so far.

    Raises:
        JournalError: another process holds the file, or the file is no journal (it is left as it is).
        OSError: the file can't be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.items = 0
        self.faults = 0
        self._positions: dict[str, Position] = {}
        fresh = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(path)
            self._size = self._read(path)
            os.ftruncate(self._file, self._size)
            if not self._size:
                self._append(_HEADER)
            if fresh:
                _sync_directory(path.parent)
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"another load is using {path}") from None

    def _read(self, path: Path) -> int:
        """Take in the whole lines; return the size up to the last of them."""
        with os.fdopen(os.dup(self._file), "rb") as stream:
            header = stream.readline(len(_HEADER))
            if not _HEADER.startswith(header):
                raise JournalError(f"{path} is not the journal of a load")
            if header != _HEADER:
                return 0
            size = len(header)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                size += len(line)
                self._take(line)
        return size

    def _take(self, line: bytes) -> None:
        try:
            framed = _line.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # a line the disk damaged: its unit is read again
        if zlib.crc32(framed.done) != framed.check:
            return
        done = _done.decode(framed.done)
        self._positions[done.file] = done.end
        self.items += done.items
        self.faults += done.faults

    def position(self, file: str) -> Position:
        """Where to go on in the file of this fingerprint; its start if nothing of it is done."""
        return self._positions.get(file, Position())

    def done(self, *units: Step) -> None:
        """Write down that `units` are done, in this order; on return that is on the disk.

        A unit that moves nothing on (a file that could not be read at all) is not written down, so that
        the next run tries it again.

        Raises:
            OSError: the disk refuses; the journal stays as it was.
        """
        lines: list[bytes] = []
        at: dict[str, Position] = {}
        for unit in units:
            if unit.end != at.get(unit.fingerprint, self.position(unit.fingerprint)):
                at[unit.fingerprint] = unit.end
                done = _encode(_Done(unit.fingerprint, unit.end, len(unit.items), len(unit.faults)))
                lines.append(_encode(_Line(zlib.crc32(done), msgspec.Raw(done))) + b"\n")
        if lines:
            self._append(b"".join(lines))
        for line in lines:
            self._take(line)

    def _append(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._size + written)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def close(self) -> None:
        """Let the file go; another load may use it."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _sync_directory(path: Path) -> None:
    # A new file's name is on the disk only once its directory is.
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
