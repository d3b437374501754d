"""The positions that loads have reached in their files: a second run goes on where the first stopped.

A position is written in the transaction that writes the records before it, so that neither is there without
the other. Where the store refuses a part of a batch, the rest is written record by record and the position
behind them; a load that stops in between repeats the batch, which is idempotent.

Files are named by a digest of path, size and time of change, because exports carry patients' names in
file names; and a file that has changed since is a new file, read from its start.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from exchange.store.records import load_positions as store


class FilePosition(msgspec.Struct, frozen=True):
    """A place in a file: so many lines and (decompressed) bytes of it are done, or all if `finished`."""

    lines: int = 0
    offset: int = 0
    finished: bool = False


def fingerprint(path: Path) -> str:
    """Return a digest of the name and the state of the file at `path`.

    Raises:
        OSError: the file is not there, or may not be looked at.
    """
    stat = path.stat()
    told = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return hashlib.blake2b(os.fsencode(told), digest_size=16).hexdigest()


def read_positions(connection: Connection) -> dict[str, FilePosition]:
    """Read the position of each file, by its fingerprint."""
    return {
        name: FilePosition(lines, offset, finished)
        for name, lines, offset, finished in store.every_position(connection)
    }


def write_positions(connection: Connection, ends: Iterable[tuple[str, FilePosition]]) -> None:
    """Write the positions of files, by their fingerprints; a later one replaces an earlier one."""
    store.put_positions(connection, [(name, *msgspec.structs.astuple(end)) for name, end in ends])
