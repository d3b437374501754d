"""The embedded ledger's file: SQLite tables that only grow.

- `blocks`: header and signature of each block;
- `transactions`: one body each; `place` is block * 65536 + index, which is also the version of its
  writes;
- `versions`: every value ever written, in the order of writing. The latest version of a key is its
  state, all of them are its history.

Bodies and values are packed (`exchange.runtime.packed_rows`); the methods give and take them unpacked.

WAL with synchronous FULL: a commit is on disk when it returns, and a process killed at any point leaves
the state after some complete block. A connection belongs to one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from exchange.errors import DamagedError, UnavailableError
from exchange.runtime.packed_rows import PackingError, pack, unpack
from exchange.runtime.private_files import sync_folder
from exchange.store.engine.rows import insert

APPLICATION_ID = 0x434E5359  # "CNSY", shown by file(1) and checked on opening
USER_VERSION = 2
"""The version of files with packed rows; this release also reads files of version 1, which have none."""
_PLAIN_VERSION = 1
LATEST = 2**62
"""A place after every other."""

UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError, PackingError)
"""Errors of reading a damaged file; the second where SQLite's message quotes damaged text."""

SCHEMA = (
    "CREATE TABLE blocks (number INTEGER PRIMARY KEY, header BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
    "CREATE TABLE transactions (place INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT",
    (
        "CREATE TABLE versions (seq INTEGER PRIMARY KEY, place INTEGER NOT NULL,"
        " key BLOB NOT NULL, value BLOB NOT NULL) STRICT"
    ),
    "CREATE UNIQUE INDEX versions_by_key ON versions (key, place)",
)

_PAGE_BYTES = 8192
_CACHE_KIB = 64 * 1024
_CHECKPOINT_PAGES = 4000  # 32 MB of log before its pages are copied into the main file


class Block(NamedTuple):
    """A row of `blocks`."""

    number: int
    header: bytes
    signature: bytes


Version = tuple[int, int, bytes, bytes]
"""A row of `versions`: seq, place, key, value."""


class Storage:
    """One connection to a ledger's file. Its methods raise `UNREADABLE` where the file is damaged."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.execute = connection.execute

    @classmethod
    def create(cls, path: Path) -> None:
        """Create an empty ledger at `path` atomically: a file that is half made never has that name."""
        partial = path.with_name(path.name + ".new")
        partial.unlink(missing_ok=True)
        db = sqlite3.connect(partial, isolation_level=None)
        try:
            db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {USER_VERSION}")
            for statement in SCHEMA:
                db.execute(statement)
        finally:
            db.close()
        partial.chmod(0o600)
        partial.rename(path)
        sync_folder(path.parent)

    @classmethod
    def open(cls, path: Path, *, writable: bool) -> Storage:
        """Connect to an existing ledger.

        Raises:
            UnavailableError: there is no such file, or it can't be opened.
            DamagedError: it is not a ledger's file, or of a newer release, or cut off.
        """
        if not path.is_file():
            raise UnavailableError("the ledger's file does not exist")
        mode = "rw" if writable else "ro"
        try:
            db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError as why:
            raise UnavailableError(f"the ledger's file can't be opened: {why}") from None
        try:
            cls._prepare(db, path, writable=writable)
        except UNREADABLE as why:
            db.close()
            raise DamagedError(f"the ledger's file is damaged: {why}") from None
        except BaseException:
            db.close()
            raise
        return cls(db)

    @staticmethod
    def _prepare(db: sqlite3.Connection, path: Path, *, writable: bool) -> None:
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        (kind,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if kind != APPLICATION_ID:
            raise DamagedError("this file is not an embedded ledger")
        if version not in {_PLAIN_VERSION, USER_VERSION}:
            raise DamagedError(f"the ledger's file has format {version}, this release reads {USER_VERSION}")
        if not writable:
            return
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
        if path.stat().st_size < pages * size:
            raise DamagedError("the ledger's file is cut off")
        if version != USER_VERSION:
            db.execute(f"PRAGMA user_version = {USER_VERSION}")  # earlier releases refuse it from here on

    def close(self) -> None:
        """Close the connection; the last one copies the write-ahead log into the main file."""
        self._db.close()

    # -- reading -------------------------------------------------------------

    def value(self, key: bytes, before: int = LATEST) -> tuple[bytes, int] | None:
        """Return the value of `key` as written before place `before`, and the place of that write."""
        found: tuple[bytes, int] | None = self.execute(
            "SELECT value, place FROM versions WHERE key = ? AND place < ? ORDER BY place DESC LIMIT 1",
            (key, before),
        ).fetchone()
        return None if found is None else (unpack(found[0]), found[1])

    def range(
        self, start: bytes, end: bytes, limit: int, before: int = LATEST
    ) -> list[tuple[bytes, bytes, int]]:
        """Return up to `limit` of (key, value, place) with `start <= key < end`, in the order of keys."""
        # SQLite takes the bare column `value` from the row that holds max(place).
        found = self.execute(
            "SELECT key, value, max(place) FROM versions WHERE key >= ? AND key < ? AND place < ?"
            " GROUP BY key ORDER BY key LIMIT ?",
            (start, end, before, limit),
        ).fetchall()
        return [(key, unpack(value), place) for key, value, place in found]

    def versions(self) -> Iterator[Version]:
        """Yield every row of `versions` in the order of writing."""
        rows = self.execute("SELECT seq, place, key, value FROM versions ORDER BY seq")
        return (_unpacked(row) for row in rows)

    def newest_versions(self, limit: int) -> list[Version]:
        """Return the `limit` rows of `versions` that were written last, in the order of writing."""
        rows = self.execute("SELECT seq, place, key, value FROM versions ORDER BY seq DESC LIMIT ?", (limit,))
        return [_unpacked(row) for row in rows.fetchall()[::-1]]

    def written(self, key: bytes, place: int) -> bytes:
        """Return the value that the transaction at `place` wrote to `key`."""
        found: tuple[bytes] | None = self.execute(
            "SELECT value FROM versions WHERE key = ? AND place = ?", (key, place)
        ).fetchone()
        if found is None:
            raise DamagedError(f"a value written in block {place >> 16} is missing")
        return unpack(found[0])

    def block(self, number: int) -> Block | None:
        """Return the block of this number."""
        found = self.execute("SELECT * FROM blocks WHERE number = ?", (number,)).fetchone()
        return None if found is None else Block(*found)

    def tip(self) -> Block | None:
        """Return the newest block; None in an empty ledger."""
        found = self.execute("SELECT * FROM blocks ORDER BY number DESC LIMIT 1").fetchone()
        return None if found is None else Block(*found)

    def transactions(self, start: int, end: int, limit: int = -1) -> Iterator[tuple[int, bytes]]:
        """Yield (place, body) with `start <= place < end`, in order."""
        rows = self.execute(
            "SELECT place, body FROM transactions WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
            (start, end, limit),
        )
        return ((place, _content(body)) for place, body in rows)

    def newest_place(self) -> int:
        """Return the place of the newest transaction; -1 in an empty ledger."""
        (place,) = self.execute("SELECT max(place) FROM transactions").fetchone()
        return -1 if place is None else int(place)

    # -- writing -------------------------------------------------------------

    def begin(self) -> None:
        """Start a block: all that follows is committed together or not at all."""
        self.execute("BEGIN IMMEDIATE")

    def add_transaction(self, place: int, body: bytes, writes: Iterable[tuple[bytes, bytes]]) -> None:
        """Add a transaction with the (key, value) pairs that it wrote; later reads see them."""
        self.execute("INSERT INTO transactions VALUES (?, ?)", (place, pack(body)))
        rows = [(place, key, pack(value)) for key, value in writes]
        insert(self.execute, "INSERT INTO versions (place, key, value)", rows)

    def add_block(self, block: Block) -> None:
        """Add the block that holds the transactions just added."""
        self.execute("INSERT INTO blocks VALUES (?, ?, ?)", block)

    def write_nothing(self) -> None:
        """Commit a page as it was: an error shows that the disk takes no writes."""
        self.execute(f"PRAGMA user_version = {USER_VERSION}")

    def commit(self) -> None:
        """Make the block durable: on disk when this returns."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Drop the block, or end a reader's snapshot."""
        if self._db.in_transaction:
            self.execute("ROLLBACK")

    def snapshot(self) -> None:
        """Let the reads that follow see one state, until `rollback`."""
        self.execute("BEGIN")


def _unpacked(row: Version) -> Version:
    seq, place, key, value = row
    return seq, place, key, _content(value)


def _content(stored: bytes) -> bytes:
    # A changed row is returned as it is: its digest is wrong, and by that the check names it.
    try:
        return unpack(stored)
    except PackingError:
        return stored
