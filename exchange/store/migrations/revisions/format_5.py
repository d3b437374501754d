"""The positions of loads become a table; an index that stood there twice goes.

Releases of format 4 kept the positions in `load.journal`, beside the databases: one line of JSON for each
part of a file that was loaded, with a checksum. A line that a crash tore off or the disk damaged counts for
nothing: that part is loaded again, which changes nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from alembic.operations import Operations
from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, String, Table

from exchange.store.migrations.revision import Revision, unchanged

JOURNAL = "load.journal"
_HEADER = b'{"journal":"consentry-load","version":1}\n'
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_AT_ONCE = 1_000


class _JournalEnd(msgspec.Struct):
    lines: int = 0
    offset: int = 0
    whole: bool = False


class _JournalEntry(msgspec.Struct):
    file: str
    end: _JournalEnd


class _JournalLine(msgspec.Struct):
    check: int
    done: msgspec.Raw


_line = msgspec.json.Decoder(_JournalLine)
_entry = msgspec.json.Decoder(_JournalEntry)


def _records(operations: Operations, folder: Path | None) -> None:
    operations.drop_index("ix_pairs_recipient_opened_subject", "pairs")
    positions = operations.create_table(
        "load_positions",
        Column("fingerprint", String(32).with_variant(String(collation="C"), "postgresql"), nullable=False),
        Column("lines", _NUMBER, nullable=False),
        Column("offset", _NUMBER, nullable=False),
        Column("finished", Boolean, nullable=False),
        PrimaryKeyConstraint("fingerprint", name="pk_load_positions"),
        sqlite_with_rowid=False,
    )
    if folder is not None:
        _take_in(operations, positions, folder / JOURNAL)


def _take_in(operations: Operations, positions: Table, journal: Path) -> None:
    try:
        with journal.open("rb") as stream:
            last = {entry.file: entry.end for entry in _entries(stream)}
    except FileNotFoundError:
        return
    rows: list[dict[str, Any]] = [
        {"fingerprint": file, "lines": end.lines, "offset": end.offset, "finished": end.whole}
        for file, end in last.items()
    ]
    for start in range(0, len(rows), _AT_ONCE):
        operations.bulk_insert(positions, rows[start : start + _AT_ONCE])


def _entries(stream: Any) -> Iterator[_JournalEntry]:
    if stream.readline(len(_HEADER)) != _HEADER:
        return
    for line in stream:
        if not line.endswith(b"\n"):
            return
        try:
            framed = _line.decode(line)
            if zlib.crc32(framed.done) == framed.check:
                yield _entry.decode(framed.done)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue


REVISION = Revision(5, "how far loads are done becomes a table", _records, unchanged)
