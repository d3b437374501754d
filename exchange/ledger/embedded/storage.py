"""The embedded ledger's file: SQLite tables that only grow.

- `blocks`: header and signature of each block;
- `transactions`: one body each; `place` is block * 65536 + index, which is also the version of its
  writes;
- `versions`: every value ever written, in the order of writing. The latest version of a key is its
  state, all of them are its history;
- `stems`: the beginnings of keys that go on with the time and the id of the transaction that wrote them. Such
  a key stands in `versions` as a timed key: its stem's number, the time, and the part behind the id.

Bodies and values are packed (`exchange.runtime.packed_rows`), values with the runs of their transaction's
body as known ones. The methods give and take all of them as they were, but for `versions` and
`newest_versions`: a check has the transactions at hand, and restores their rows with `restored`.

WAL with synchronous FULL: a commit is on disk when it returns, and a process killed at any point leaves
the state after some complete block. A connection belongs to one thread at a time.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

from cachetools import LRUCache

from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.embedded import timed_keys
from exchange.ledger.embedded.block import BlockFormatError, transaction_id_of
from exchange.ledger.embedded.timed_keys import MARK, MOST_STEMS, TimedKey
from exchange.runtime.packed_rows import PackingError, pack, runs_of, unpack
from exchange.runtime.private_files import sync_folder
from exchange.store.engine.rows import insert

APPLICATION_ID = 0x434E5359  # "CNSY", shown by file(1) and checked on opening
USER_VERSION = 3
"""The version of files with stems. This release also reads older ones, and gives them the table of stems when
it opens them to write; files of version 1 have no packed rows."""
_VERSIONS = range(1, USER_VERSION + 1)
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
    "CREATE TABLE stems (id INTEGER PRIMARY KEY, stem BLOB NOT NULL) STRICT",
    "CREATE UNIQUE INDEX stems_by_text ON stems (stem)",
)
_STEMS = SCHEMA[4:]

_PAGE_BYTES = 8192
_CACHE_KIB = 64 * 1024
_CHECKPOINT_PAGES = 4000  # 32 MB of log before its pages are copied into the main file
_CACHED_STEMS = 10_000
_CACHED_WRITERS = 100
_AT_ONCE = 1_000
_USED = "SELECT 1 FROM versions WHERE key >= ? AND key < ? LIMIT 1"
_VALUES = "SELECT seq, value FROM versions WHERE seq IN ({})"


class Block(NamedTuple):
    """A row of `blocks`."""

    number: int
    header: bytes
    signature: bytes


Version = tuple[int, int, bytes, bytes]
"""A row of `versions`: seq, place, key, value."""

Found = tuple[bytes, int, int]
"""A version that was found: its key as it was, place and seq."""


class WritingTransaction(NamedTuple):
    """A transaction as its writes are stored with it: its id, and the runs of its body."""

    tx_id: bytes
    runs: list[bytes]

    @classmethod
    def of(cls, body: bytes) -> WritingTransaction:
        """Return the transaction with this body.

        Raises:
            BlockFormatError: the bytes are no transaction.
        """
        return cls(transaction_id_of(body), runs_of(body))


class Storage:
    """One connection to a ledger's file. Its methods raise `UNREADABLE` where the file is damaged."""

    def __init__(self, connection: sqlite3.Connection, version: int = USER_VERSION) -> None:
        self._db = connection
        self.execute = connection.execute
        self.schema = SCHEMA if version == USER_VERSION else SCHEMA[: -len(_STEMS)]
        self._numbers: LRUCache[bytes, int] = LRUCache(_CACHED_STEMS)
        self._stems: LRUCache[int, bytes] = LRUCache(_CACHED_STEMS)
        self._writers: LRUCache[int, WritingTransaction] = LRUCache(_CACHED_WRITERS)
        self._writes = False

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
            version = cls._prepare(db, path, writable=writable)
        except UNREADABLE as why:
            db.close()
            raise DamagedError(f"the ledger's file is damaged: {why}") from None
        except BaseException:
            db.close()
            raise
        return cls(db, version)

    @staticmethod
    def _prepare(db: sqlite3.Connection, path: Path, *, writable: bool) -> int:
        """Set the connection up; return the version of the file from now on."""
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        (kind,) = db.execute("PRAGMA application_id").fetchone()
        version: int
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if kind != APPLICATION_ID:
            raise DamagedError("this file is not an embedded ledger")
        if version not in _VERSIONS:
            raise DamagedError(f"the ledger's file has format {version}, this release reads {USER_VERSION}")
        if not writable:
            return version
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
        if path.stat().st_size < pages * size:
            raise DamagedError("the ledger's file is cut off")
        if version != USER_VERSION:
            db.execute("BEGIN IMMEDIATE")
            for statement in _STEMS:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {USER_VERSION}")  # earlier releases refuse it from here on
            db.execute("COMMIT")
        return USER_VERSION

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
        if (timed := timed_keys.split(key)) is not None:
            found = self._timed_value(timed, before, -1 if found is None else found[1]) or found
        return None if found is None else (self._unpacked(*found), found[1])

    def _timed_value(self, key: TimedKey, before: int, behind: int) -> tuple[bytes, int] | None:
        # Transactions of one moment have the same timed key, and ids of their own.
        number = self._number(key.stem)
        if number is not None:
            rows: Iterator[tuple[bytes, int]] = self.execute(
                "SELECT value, place FROM versions WHERE key = ? AND place > ? AND place < ?"
                " ORDER BY place DESC",
                (key.stored(number), behind, before),
            )
            for value, place in rows:
                if self._writer(place).tx_id == key.tx_id:
                    return value, place
        return None

    def range(
        self, start: bytes, end: bytes, limit: int, before: int = LATEST
    ) -> list[tuple[bytes, bytes, int]]:
        """Return up to `limit` of (key, value, place) with `start <= key < end`, in the order of keys."""
        sources = [self._plain_range(start, end, limit, before)]
        for number, stem in self._stems_within(start, end):
            sources.append(self._timed_range(number, stem, (start, end), before))
        newest: list[Found] = []
        for found in heapq.merge(*sources):
            if newest and newest[-1][0] == found[0]:
                newest[-1] = found  # its key was written again later
            elif len(newest) == limit:
                break
            else:
                newest.append(found)
        values: dict[int, bytes] = {}
        for first in range(0, len(newest), _AT_ONCE):
            some = [seq for *_, seq in newest[first : first + _AT_ONCE]]
            values |= self.execute(_VALUES.format(",".join("?" * len(some))), some)
        return [(key, self._unpacked(values[seq], place), place) for key, place, seq in newest]

    def _plain_range(self, start: bytes, end: bytes, limit: int, before: int) -> Iterator[Found]:
        # SQLite takes the bare column `seq` from the row that holds max(place).
        rows: Iterator[Found] = self.execute(
            "SELECT key, max(place), seq FROM versions WHERE key >= ? AND key < ? AND place < ?"
            " GROUP BY key ORDER BY key LIMIT ?",
            (start, min(end, MARK), before, limit + 1),
        )
        return rows

    def _stems_within(self, start: bytes, end: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield number and stem of the stems whose keys may be in the range."""
        if self.schema is not SCHEMA:
            return
        for cut in timed_keys.cuts(start):
            number = self._number(start[:cut])
            if number is not None:
                yield number, start[:cut]
        yield from self.execute("SELECT id, stem FROM stems WHERE stem > ? AND stem < ?", (start, end))

    def _timed_range(
        self, number: int, stem: bytes, bounds: tuple[bytes, bytes], before: int
    ) -> Iterator[Found]:
        rows: Iterator[Found] = self.execute(
            "SELECT key, place, seq FROM versions WHERE key >= ? AND key < ? AND place < ? ORDER BY key",
            (*timed_keys.stored_bounds(number, stem, *bounds), before),
        )
        # Of one moment, the ids decide the order.
        for _, moment in groupby(rows, lambda row: timed_keys.moment(row[0])):
            yield from sorted(
                (key, place, seq)
                for stored, place, seq in moment
                if bounds[0] <= (key := self._restored_key(stored, self._writer(place).tx_id)) < bounds[1]
            )

    def versions(self) -> Iterator[Version]:
        """Yield every row of `versions` as it is stored, in the order of writing."""
        rows: Iterator[Version] = self.execute("SELECT seq, place, key, value FROM versions ORDER BY seq")
        return rows

    def newest_versions(self, limit: int) -> list[Version]:
        """Return the `limit` rows of `versions` that were written last as they are stored, in their order."""
        rows: list[Version] = self.execute(
            "SELECT seq, place, key, value FROM versions ORDER BY seq DESC LIMIT ?", (limit,)
        ).fetchall()
        return rows[::-1]

    def restored(self, row: Version, writer: WritingTransaction) -> Version:
        """Return a stored row of `versions` with key and value as `writer` wrote them.

        A changed row is returned as it is: its key or digest is wrong, and by that a check names it.
        """
        seq, place, key, value = row
        try:
            return seq, place, self._restored_key(key, writer.tx_id), unpack(value, lambda: writer.runs)
        except PackingError:
            return row

    def written(self, key: bytes, place: int) -> bytes:
        """Return the value that the transaction at `place` wrote to `key`."""
        timed = timed_keys.split(key)
        number = None if timed is None else self._number(timed.stem)
        stored = key if timed is None or number is None else timed.stored(number)
        found: tuple[bytes] | None = self.execute(
            "SELECT value FROM versions WHERE key IN (?, ?) AND place = ?", (stored, key, place)
        ).fetchone()
        if found is None:
            raise DamagedError(f"a value written in block {place >> 16} is missing")
        return self._unpacked(found[0], place)

    def written_behind(self, behind: int, start: bytes, end: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (place, key, value) of each write behind the place `behind` with `start <= key < end`.

        They come in the order of writing.
        """
        bounds = [(start, min(end, MARK))]
        bounds += [timed_keys.stored_bounds(*stem, start, end) for stem in self._stems_within(start, end)]
        # The plus keeps SQLite from sorting all that the index finds.
        within = " OR ".join(["+key >= ? AND +key < ?"] * len(bounds))
        rows = self.execute(
            f"SELECT place, key, value FROM versions WHERE place > ? AND ({within}) ORDER BY seq",  # noqa: S608 - question marks
            (behind, *chain.from_iterable(bounds)),
        )
        for place, stored, value in rows:
            key = self._restored_key(stored, self._writer(place).tx_id)
            if start <= key < end:
                yield place, key, self._unpacked(value, place)

    def unused_stem(self) -> int | None:
        """Return the number of a stem that no key has, None where each is some key's."""
        if self.schema is SCHEMA:
            for number, _ in self.execute("SELECT id, stem FROM stems ORDER BY id"):
                bounds = timed_keys.stored_bounds(number, b"", MARK, MARK) if 0 < number < MOST_STEMS else ()
                if not bounds or not self.execute(_USED, bounds).fetchone():
                    return int(number)
        return None

    def _unpacked(self, value: bytes, place: int) -> bytes:
        return unpack(value, lambda: self._writer(place).runs)

    def _writer(self, place: int) -> WritingTransaction:
        writer = self._writers.get(place)
        if writer is None:
            found = self.execute("SELECT body FROM transactions WHERE place = ?", (place,)).fetchone()
            try:
                writer = self._writers[place] = WritingTransaction.of(unpack(found[0]))
            except (TypeError, BlockFormatError):
                raise PackingError("the transaction that wrote a value can't be read") from None
        return writer

    def _restored_key(self, stored: bytes, tx_id: bytes) -> bytes:
        if type(stored) is not bytes or not stored.startswith(MARK):
            return stored
        number = timed_keys.number_of(stored)
        stem = self._stems.get(number)
        if stem is None:
            found = None
            if self.schema is SCHEMA:
                found = self.execute("SELECT stem FROM stems WHERE id = ?", (number,)).fetchone()
            if found is None or type(found[0]) is not bytes:
                raise PackingError("a stored key names a stem that is not there")
            stem = self._stems[number] = found[0]
        return timed_keys.restore(stored, stem, tx_id)

    def _number(self, stem: bytes) -> int | None:
        number = self._numbers.get(stem)
        if number is None and self.schema is SCHEMA:
            found: tuple[int] | None = self.execute("SELECT id FROM stems WHERE stem = ?", (stem,)).fetchone()
            if found is not None and 0 < found[0] < MOST_STEMS:
                number = self._numbers[stem] = found[0]
        return number

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
        self._writes = True

    def add_transaction(self, place: int, body: bytes, writes: Iterable[tuple[bytes, bytes]]) -> None:
        """Add a transaction with the (key, value) pairs that it wrote; later reads see them."""
        self.execute("INSERT INTO transactions VALUES (?, ?)", (place, pack(body)))
        writer = WritingTransaction.of(body)
        rows = [
            (place, self._stored_key(key, writer.tx_id), pack(value, writer.runs)) for key, value in writes
        ]
        insert(self.execute, "INSERT INTO versions (place, key, value)", rows)

    def _stored_key(self, key: bytes, tx_id: bytes) -> bytes:
        timed = timed_keys.split(key)
        if timed is None or timed.tx_id != tx_id:
            return key
        number = self._number(timed.stem)
        if number is None:
            self.execute("INSERT INTO stems (stem) VALUES (?)", (timed.stem,))
            (number,) = self.execute("SELECT last_insert_rowid()").fetchone()
            self._numbers[timed.stem] = number
        return timed.stored(number)

    def add_block(self, block: Block) -> None:
        """Add the block that holds the transactions just added."""
        self.execute("INSERT INTO blocks VALUES (?, ?, ?)", block)

    def write_nothing(self) -> None:
        """Commit a page as it was: an error shows that the disk takes no writes."""
        self.execute(f"PRAGMA user_version = {USER_VERSION}")

    def commit(self) -> None:
        """Make the block durable: on disk when this returns."""
        self.execute("COMMIT")
        self._writes = False

    def rollback(self) -> None:
        """Drop the block, or end a reader's snapshot."""
        if self._db.in_transaction:
            self.execute("ROLLBACK")
        if self._writes:  # the next block uses its numbers and places anew
            self._numbers.clear()
            self._stems.clear()
            self._writers.clear()
            self._writes = False

    def snapshot(self) -> None:
        """Let the reads that follow see one state, until `rollback`."""
        self.execute("BEGIN")


def _content(stored: bytes) -> bytes:
    # A changed row is returned as it is: its digest is wrong, and by that the check names it.
    try:
        return unpack(stored)
    except PackingError:
        return stored
