"""The journal that loads of format 4 left is taken into the database, as far as it can be read."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.store.engine.database import Database
from exchange.store.migrations.revision import NodeDatabase
from exchange.store.migrations.revisions import format_4, format_5
from exchange.store.records.tables import metadata

HEADER = b'{"journal":"consentry-load","version":1}\n'
Kept = dict[str, tuple[int, int, bool]]


def line(file: str, lines: int, offset: int, *, finished: bool = False) -> bytes:
    """One line of a journal, as releases of format 4 wrote it."""
    end: dict[str, int | bool] = {"lines": lines, "offset": offset, "whole": finished}
    done = msgspec.json.encode({"file": file, "end": end, "items": lines, "faults": 0})
    return msgspec.json.encode({"check": zlib.crc32(done), "done": msgspec.Raw(done)}) + b"\n"


LINES = [line(f"f{n % 3}", n, n * 100, finished=n > 6) for n in range(1, 9)]


def held(count: int) -> Kept:
    """What the first so many lines say."""
    return {f"f{n % 3}": (n, n * 100, n > 6) for n in range(1, count + 1)}


def taken_in(folder: Path, journal: bytes | None) -> Kept:
    """What stands in the database of a node of which the journal was this."""
    (folder / "records.db").unlink(missing_ok=True)
    (folder / "load.journal").unlink(missing_ok=True)
    if journal is not None:
        (folder / "load.journal").write_bytes(journal)
    database = Database(
        folder / "records.db",
        metadata,
        durable=False,
        begin=lambda connection: format_4.REVISION.apply(connection, NodeDatabase.RECORDS),
    )
    with database.engine.begin() as connection:
        format_5.REVISION.apply(connection, NodeDatabase.RECORDS, folder)
    database.close()
    with closing(sqlite3.connect(folder / "records.db")) as records:
        rows = records.execute("SELECT fingerprint, lines, offset, finished FROM load_positions").fetchall()
    assert journal is None or (folder / "load.journal").read_bytes() == journal
    return {name: (lines, offset, bool(finished)) for name, lines, offset, finished in rows}


def test_the_last_line_of_each_file_counts(tmp_path: Path) -> None:
    expected = {"f0": (6, 600, False), "f1": (7, 700, True), "f2": (8, 800, True)}
    assert taken_in(tmp_path, HEADER + b"".join(LINES)) == expected


def test_a_journal_that_was_cut_counts_up_to_its_last_whole_line(tmp_path: Path) -> None:
    for count in range(len(LINES) + 1):
        whole = HEADER + b"".join(LINES[:count])
        for rest in (b"", LINES[count % len(LINES)][:-1], b"{"):
            assert taken_in(tmp_path, whole + rest) == held(count)


@given(noise=st.binary(max_size=60), at=st.integers(0, 2000))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_line_loses_that_line_alone(tmp_path: Path, noise: bytes, at: int) -> None:
    data = bytearray(b"".join(line(f"f{n}", n + 1, n) for n in range(10)))
    start = at % len(data)
    data[start : start + len(noise)] = noise[: len(data) - start]
    found = taken_in(tmp_path, HEADER + bytes(data))
    assert all(end == (int(name[1:]) + 1, int(name[1:]), False) for name, end in found.items())


@pytest.mark.parametrize("journal", [None, b"", HEADER[:10], b'{"resourceType":"Patient"}\n' + LINES[0]])
def test_what_is_no_journal_says_nothing(tmp_path: Path, journal: bytes | None) -> None:
    assert taken_in(tmp_path, journal) == {}
