"""Every change of the file is found: each byte of each column, whole rows, and the file's own bytes.

By default every few bytes are tried, from a start that differs each time; CONSENTRY_TEST_SCALE=10 tries
every byte of every column, and ten times as many of the file.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.ledger.embedded import block as blocks
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.storage import Storage
from exchange.ledger.embedded.verify import PinnedBlock, verify
from exchange.runtime.packed_rows import runs_of, unpack

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
STRIDE = max(1, round(10 / SCALE))
FILE_FLIPS = int(500 * SCALE)
COLUMNS = {
    "blocks": ("number", ("number",), ("header", "signature")),
    "transactions": ("place", ("place",), ("body",)),
    "versions": ("seq", ("seq", "place"), ("key", "value")),
}


@pytest.fixture
async def small(node: Any) -> Any:
    """A ledger of a few thousand bytes with every kind of row, more than one of each."""
    await node.fill(pairs=2, accesses=1)
    db = sqlite3.connect(node.path)
    assert db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)  # one file, no log beside it
    db.close()
    return node


def changes(path: Path) -> Iterator[tuple[str, str, int, str, Any]]:
    """Yield (table, identity column, identity, column, new value) for each byte that is to be tried."""
    db = sqlite3.connect(path)
    start = random.randrange(STRIDE)
    for table, (identity, numbers, blobs) in COLUMNS.items():
        for row in db.execute(f"SELECT {identity}, {', '.join(numbers + blobs)} FROM {table}"):
            values = dict(zip((*numbers, *blobs), row[1:], strict=True))
            for column in numbers:
                for bit in (0, 1, 7, 16, 40):
                    yield table, identity, row[0], column, values[column] ^ (1 << bit)
            for column in blobs:
                for n in range(start, len(values[column]), STRIDE):
                    damaged = bytearray(values[column])
                    damaged[n] ^= random.randrange(1, 256)
                    yield table, identity, row[0], column, bytes(damaged)
                start = random.randrange(STRIDE)
    db.close()


async def test_each_byte_of_each_column_of_each_row_is_found(small: Any) -> None:
    """And, but for the signatures of older blocks, without looking at those."""
    assert small.verify().sound
    db = sqlite3.connect(small.path)
    tried = 0
    (newest,) = db.execute("SELECT max(number) FROM blocks").fetchone()
    for table, identity, row, column, value in list(changes(small.path)):
        (before,) = db.execute(f"SELECT {column} FROM {table} WHERE {identity} = ?", (row,)).fetchone()
        try:
            with db:
                db.execute(f"UPDATE {table} SET {column} = ? WHERE {identity} = ?", (value, row))
        except sqlite3.IntegrityError:
            continue  # the number is another row's; swapped rows have their own test
        finding = small.verify().finding
        assert finding is not None, (table, row, column)
        assert finding.table == table, (finding, row, column)
        if column not in {"seq", "place", "number"}:
            assert _names(finding.row, table, row), (finding, row)
        if column == "signature" or tried % 4 == 0:
            quick = small.verify(every_signature=False)
            assert quick.sound == (column == "signature" and row != newest), (table, row, column)
        now = value if column == identity else row
        with db:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {identity} = ?", (before, now))
        tried += 1
    db.close()
    assert small.verify().sound
    assert tried > 300


@pytest.mark.parametrize("count", [0, -1, 2, blocks.BLOCK_LIMIT, blocks.BLOCK_LIMIT + 1, 2**63])
@pytest.mark.parametrize("every_signature", [True, False])
async def test_a_header_with_another_count_is_found_even_with_a_signature(
    small: Any, count: int, every_signature: bool
) -> None:
    db = sqlite3.connect(small.path)
    (header,) = db.execute("SELECT header FROM blocks WHERE number = 2").fetchone()
    lie = blocks.encode(msgspec.structs.replace(blocks.decode_header(header), count=count))
    with db:
        signature = blocks.sign(load_node_key(small.key), lie)
        db.execute("UPDATE blocks SET header = ?, signature = ? WHERE number = 2", (lie, signature))
    db.close()
    finding = small.verify(every_signature=every_signature).finding
    assert finding is not None
    assert "block 2" in finding.row


async def test_each_byte_of_a_header_is_found_without_its_signature(small: Any) -> None:
    db = sqlite3.connect(small.path)
    (header,) = db.execute("SELECT header FROM blocks WHERE number = 2").fetchone()
    for n in range(len(header)):
        for flip in random.sample(range(1, 256), 3):
            damaged = bytearray(header)
            damaged[n] ^= flip
            with db:
                db.execute("UPDATE blocks SET header = ? WHERE number = 2", (bytes(damaged),))
            assert not small.verify(every_signature=False).sound, (n, flip)
    db.close()


def _names(where: str, table: str, row: int) -> bool:
    if table == "blocks":
        return where == f"block {row}"
    if table == "transactions":
        return where == f"block {row >> 16}, transaction {row & 65535}"
    return where.startswith(f"{row} (key ")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM blocks WHERE number = 2",
        "DELETE FROM blocks WHERE number = 0",
        "DELETE FROM transactions WHERE place >> 16 = 2",
        "DELETE FROM versions WHERE seq = 3",
        "DELETE FROM versions WHERE seq = (SELECT max(seq) FROM versions)",
        "INSERT INTO versions SELECT 1000, place + 1, key, value FROM versions WHERE seq = 2",
        "INSERT INTO versions SELECT 0, place + 1, key, value FROM versions WHERE seq = 2",
        "INSERT INTO versions SELECT -5, place + 1, key, value FROM versions WHERE seq = 2",
        "INSERT INTO transactions SELECT place + 1, body FROM transactions",
        "INSERT INTO transactions SELECT place + 655360, body FROM transactions",
        "INSERT INTO transactions SELECT -1 - place, body FROM transactions",
        "INSERT INTO blocks SELECT number + 100, header, signature FROM blocks WHERE number = 0",
        "INSERT INTO blocks SELECT -1, header, signature FROM blocks WHERE number = 0",
        "UPDATE versions SET value = (SELECT value FROM versions WHERE seq = 1) WHERE seq = 3",
        (
            "UPDATE versions SET seq = -seq; UPDATE versions SET seq = 5 + seq WHERE seq IN (-2, -3);"
            "UPDATE versions SET seq = -seq WHERE seq < 0"
        ),
        (
            "UPDATE blocks SET header = (SELECT header FROM blocks WHERE number = 1),"
            " signature = (SELECT signature FROM blocks WHERE number = 1) WHERE number = 2"
        ),
        "DROP INDEX versions_by_key",
        "DROP INDEX stems_by_text",
        "DELETE FROM stems WHERE id = 1",
        "INSERT INTO stems (stem) VALUES (x'0061')",
        "INSERT INTO stems SELECT -1, CAST(stem || x'00' AS BLOB) FROM stems WHERE id = 1",
        "UPDATE stems SET id = id + 100 WHERE id = 1",
        "UPDATE stems SET id = 1003 - id WHERE id < 3; UPDATE stems SET id = id - 1000 WHERE id > 1000",
        "UPDATE stems SET stem = CAST(stem || x'00' AS BLOB)",
        "CREATE TABLE more (x)",
        "PRAGMA user_version = 4",
        "PRAGMA application_id = 7",
    ],
)
async def test_rows_that_are_missing_added_or_moved_are_found(small: Any, statement: str) -> None:
    db = sqlite3.connect(small.path)
    db.executescript(statement)
    db.close()
    assert not small.verify().sound


async def test_an_index_that_hides_a_row_is_found(small: Any) -> None:
    """Trails are read through the index: an entry that is missing there would hide an access."""
    db = sqlite3.connect(small.path)
    db.executescript(
        "CREATE TABLE copy (seq INTEGER PRIMARY KEY, place INTEGER NOT NULL, key BLOB NOT NULL,"
        " value BLOB NOT NULL) STRICT; CREATE UNIQUE INDEX copy_by_key ON copy (key, place);"
        "INSERT INTO copy SELECT * FROM versions WHERE seq <> 4;"
    )
    (wrong,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'copy_by_key'").fetchone()
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_schema SET rootpage = ? WHERE name = 'versions_by_key'", (wrong,))
    db.execute("DELETE FROM sqlite_schema WHERE name LIKE 'copy%'")
    db.commit()
    db.close()
    report = small.verify()
    assert report.finding is not None
    assert report.finding.table == "file"
    assert report.blocks == report.tip.block + 1 == 5


async def test_another_signers_ledger_is_found(small: Any) -> None:
    other = Ed25519PrivateKey.generate()
    report = verify(small.path, other.public_key())
    assert report.finding is not None
    assert report.finding.what == "names another signer"


async def test_a_history_that_was_signed_anew_is_found_by_whoever_noted_a_block(small: Any) -> None:
    """The node itself can rewrite its file; a hash that somebody kept tells."""
    before = small.verify().tip
    assert small.verify(pinned=(before,)).sound
    shutil.move(small.path, small.folder / "old.db")
    await small.fill(pairs=2, accesses=3)
    assert small.verify().sound
    finding = small.verify(pinned=(before,)).finding
    assert finding is not None
    assert "pinned" in finding.what


async def test_blocks_cut_from_the_end_are_found_by_whoever_noted_one(small: Any) -> None:
    tip = small.verify().tip
    last = tip.block
    db = sqlite3.connect(small.path)
    db.executescript(
        f"DELETE FROM blocks WHERE number = {last}; DELETE FROM transactions WHERE place >> 16 = {last};"
        f"DELETE FROM versions WHERE place >> 16 = {last}"
    )
    db.close()
    assert small.verify().sound, "no file knows what came after its end"
    finding = small.verify(pinned=(tip,)).finding
    assert finding is not None
    assert (finding.row, finding.what) == (f"block {last}", "was pinned and is missing")
    assert not small.verify(pinned=(PinnedBlock(last - 1, "0" * 64),)).sound


def forge(node: Any, number: int, before: bytes, after: bytes) -> None:
    """Change what the one transaction of a block wrote, with hashes and a signature that fit."""
    db = sqlite3.connect(node.path)
    (header,) = db.execute("SELECT header FROM blocks WHERE number = ?", (number,)).fetchone()
    (body,) = db.execute("SELECT body FROM transactions WHERE place >> 16 = ?", (number,)).fetchone()
    written = db.execute("SELECT seq, value FROM versions WHERE place >> 16 = ?", (number,)).fetchall()
    body = unpack(body)
    values = {seq: unpack(value, lambda: runs_of(body)) for seq, value in written}
    ((seq, value),) = [(seq, value) for seq, value in values.items() if before in value]
    lie = value.replace(before, after)
    body = body.replace(sha256(value).digest(), sha256(lie).digest())
    told = msgspec.structs.replace(blocks.decode_header(header), data=blocks.data_hash([body]))
    header = blocks.encode(told)
    with db:
        signature = blocks.sign(load_node_key(node.key), header)
        db.execute(
            "UPDATE blocks SET header = ?, signature = ? WHERE number = ?", (header, signature, number)
        )
        db.execute("UPDATE transactions SET body = ? WHERE place >> 16 = ?", (body, number))
        db.execute("UPDATE versions SET value = ? WHERE seq = ?", (lie, seq))
    db.close()


async def test_a_permit_that_the_rules_do_not_give_is_found_by_replay(small: Any) -> None:
    """A node that forges its newest block, signature included, still can't make the rules agree."""
    forge(small, 4, b'"outcome":"deny"', b'"outcome":"permit"')
    assert small.verify().sound
    finding = small.verify(replay=True).finding
    assert finding is not None
    assert "writes another value to access~" in finding.what


async def test_a_forged_block_does_not_fit_the_next(small: Any) -> None:
    forge(small, 2, b'"outcome":"permit"', b'"outcome":"deny"')
    finding = small.verify().finding
    assert finding is not None
    assert (finding.row, finding.what) == ("block 3", "does not follow the block before it")


def content(path: Path) -> Any:
    """Return everything that the node would ever read from the file, by table and by index."""
    storage = Storage.open(path, writable=False)
    try:
        tables = [
            storage.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
            for name in ("blocks", "transactions", "versions", "stems")
        ]
        index = storage.execute("SELECT key, place, seq FROM versions ORDER BY key, place").fetchall()
        return tables, index, storage.range(b"\0", b"\xff", 10_000)
    finally:
        storage.close()


async def test_each_byte_of_the_file_is_found_or_means_nothing(small: Any) -> None:
    """A flipped byte is found, or it is one that nothing reads: free space, SQLite's own counters."""
    whole, before = small.path.read_bytes(), content(small.path)
    found = 0
    places = random.sample(range(len(whole)), min(FILE_FLIPS, len(whole)))
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= random.randrange(1, 256)
        small.path.write_bytes(bytes(damaged))
        if small.verify().sound:
            assert content(small.path) == before, place
        else:
            found += 1
        for rest in ("-wal", "-shm", "-journal"):
            small.path.with_name(small.path.name + rest).unlink(missing_ok=True)
    assert found
    small.path.write_bytes(whole)
    assert small.verify().sound
