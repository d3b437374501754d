"""Keys that name their transaction stand in a short form, and are found and read as they were written."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.ledger.embedded import block, timed_keys
from exchange.ledger.embedded.storage import LATEST, SCHEMA, Storage
from exchange.ledger.embedded.timed_keys import MARK

TIMES = ("0000000000007", "1795946034975", "1795946034976", "9999999999999")
IDS = [sha256(bytes([n])).hexdigest() for n in range(4)]
PARTS = st.sampled_from(["", "a", "trail", "7" * 13, "x" * 13, *TIMES, *IDS, "\U0010fffe", "0001"])
KEYS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=6).map(lambda parts: "\0".join(["", *parts, ""])),
    st.tuples(st.sampled_from(["a", "trail\0p"]), st.sampled_from(TIMES), st.sampled_from(IDS), PARTS).map(
        lambda parts: "\0".join(["", *parts, ""])
    ),
).map(str.encode)


class Write(NamedTuple):
    """A transaction: which of the ids it has, and the keys that it writes."""

    tx_id: str
    keys: tuple[bytes, ...]


WRITES = st.lists(
    st.builds(Write, st.sampled_from(IDS), st.lists(KEYS, min_size=1, max_size=5, unique=True).map(tuple)),
    max_size=8,
)


def body(tx_id: bytes, keys: tuple[bytes, ...] = ()) -> bytes:
    call = block.Call(b"n" * block.NONCE_BYTES, "MSP", "f", b"{}", 7, transient=False)
    writes = tuple((key, bytes(32)) for key in keys)
    return block.encode(block.Transaction(tx_id, call, block.Effect(bytes(32), (), writes, None)))


@contextmanager
def stored(writes: list[Write]) -> Iterator[Storage]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in SCHEMA:
        db.execute(statement)
    storage = Storage(db)
    storage.begin()
    for place, write in enumerate(writes):
        values = [(key, b'"%d %s"' % (place, sha256(key).hexdigest().encode())) for key in write.keys]
        storage.add_transaction(place, body(bytes.fromhex(write.tx_id), write.keys), values)
    storage.commit()
    yield storage
    storage.close()


def model(writes: list[Write], before: int) -> dict[bytes, int]:
    return {key: place for place, write in enumerate(writes[:before]) for key in write.keys}


@settings(deadline=None)
@given(WRITES, KEYS, KEYS | st.just(MARK), st.integers(1, 8), st.integers(0, 8) | st.just(LATEST))
def test_ranges_and_values_are_those_of_the_keys_as_written(
    writes: list[Write], start: bytes, end: bytes, limit: int, before: int
) -> None:
    held = model(writes, before)
    with stored(writes) as storage:
        for key in {start, *(key for write in writes for key in write.keys)}:
            found = storage.value(key, before)
            assert (None if found is None else found[1]) == held.get(key)
        for bounds in ((start, end), (b"\0", MARK), (start, start + "\U0010ffff".encode())):
            within = sorted(key for key in held if bounds[0] <= key < bounds[1])
            ranged = storage.range(*bounds, limit, before)
            assert [(key, place) for key, _, place in ranged] == [(key, held[key]) for key in within[:limit]]
            assert all(value == storage.written(key, place) for key, value, place in ranged)
            behind = [(place, key) for place, key, _ in storage.written_behind(-1, *bounds)]
            assert behind == [
                (place, key)
                for place, write in enumerate(writes)
                for key in write.keys
                if bounds[0] <= key < bounds[1]
            ]
        assert storage.unused_stem() is None


@given(KEYS, st.integers(1, timed_keys.MOST_STEMS - 1))
def test_a_key_comes_back_from_its_short_form(key: bytes, number: int) -> None:
    timed = timed_keys.split(key)
    if timed is not None:
        short = timed.stored(number)
        assert timed_keys.number_of(short) == number
        assert timed_keys.restore(short, timed.stem, timed.tx_id) == key


def test_an_index_key_takes_few_bytes() -> None:
    tx_id = secrets.token_hex(32)
    pairs = [secrets.token_hex(16) for _ in range(2)]
    keys = [f"\0trail\0{pair}\0CityMSP\0{TIMES[1]}\0{tx_id}\x000001\0".encode() for pair in pairs]
    with stored([Write(tx_id, tuple(keys))]) as storage:
        for (short,) in storage.execute("SELECT key FROM versions").fetchall():
            assert len(short) < 20 < len(keys[0])


def test_what_was_dropped_is_forgotten() -> None:
    """The next block takes its places and numbers anew."""
    first, second = (secrets.token_bytes(32) for _ in range(2))
    keys = [f"\0{name}\0{TIMES[1]}\0{tx.hex()}\0".encode() for name, tx in (("a", first), ("b", second))]
    with stored([]) as storage:
        storage.begin()
        storage.add_transaction(0, body(first), [(keys[0], b"{}")])
        assert storage.value(keys[0]) == (b"{}", 0)
        storage.rollback()
        storage.begin()
        storage.add_transaction(0, body(second), [(keys[1], b"[]")])
        storage.commit()
        assert storage.value(keys[0]) is None
        assert storage.range(b"\0", MARK, 9) == [(keys[1], b"[]", 0)]


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_a_release_before_is_read_and_written_on(tmp_path: Path, version: int) -> None:
    """Its keys stay as they are; the table of stems comes when it is opened to write."""
    path = tmp_path / "ledger.db"
    Storage.create(path)
    old, new = (secrets.token_bytes(32) for _ in range(2))
    keys = [f"\0trail\0p\0{TIMES[1]}\0{tx.hex()}\x000001\0".encode() for tx in (old, new)]
    db = sqlite3.connect(path)
    db.executescript(f"DROP TABLE stems; PRAGMA user_version = {version}")
    with db:
        db.execute("INSERT INTO transactions VALUES (0, ?)", (body(old),))
        db.execute("INSERT INTO versions VALUES (1, 0, ?, ?)", (keys[0], b"{}"))
    db.close()
    for writable in (False, True, True):
        storage = Storage.open(path, writable=writable)
        assert storage.value(keys[0]) == (b"{}", 0)
        assert storage.value(keys[1]) is None
        assert storage.range(b"\0", MARK, 9) == [(keys[0], b"{}", 0)]
        found = [sql for (sql,) in storage.execute("SELECT sql FROM sqlite_schema ORDER BY rowid")]
        assert found == list(storage.schema)
        storage.close()
    storage = Storage.open(path, writable=True)
    storage.begin()
    storage.add_transaction(1, body(new), [(keys[1], b"[]")])
    storage.commit()
    assert storage.range(b"\0", MARK, 9) == sorted([(keys[0], b"{}", 0), (keys[1], b"[]", 1)])
    assert [place for place, *_ in storage.written_behind(0, b"\0", MARK)] == [1]
    storage.close()
