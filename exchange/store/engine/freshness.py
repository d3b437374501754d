"""The rows that a process knows to be in its database, so that a row that was taken back is found.

A seal shows that a row was written, not that nothing was written after it. So a process that serves goes
through the watched tables once, at its start, and its own writes change what it knows from then on.

1. The keys of a table are spread evenly over buckets by their first bits. Of each bucket the process keeps
   the sum of its rows' marks: 64 bits, under a key that no other process has. Without it no rows can be
   chosen that come to the same sum.
2. A key is checked by reading its bucket, a few rows, and comparing the sum. The outcome is cached until a
   write of this process changes it, for those that need not hide whether a key is known. Where the newest row
   of a key is the one that counts, a bucket has the newest rows alone, so its work does not grow with them.
3. A row that is written counts once it is committed. Where the outcome of a commit was lost, the rows
   tell it before the next transaction.
4. A reader may see rows just before or after they count. So a difference that it finds is looked at once
   more by the thread that writes, between two transactions (`exchange.store.engine.database`).
"""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from exchange.errors import DamagedError
from exchange.store.engine.dialect import is_postgres, run

OPTION: Final = "freshness"
"""The execution option of a connection that has its `Freshness`."""
SETTLED: Final = "settled"
"""The execution option of the connection that writes."""

_FEWEST_BITS, _MOST_BITS = 12, 22
_ROWS_EACH = 2  # rows of a bucket, about, at the start
_MOST_KNOWN = 100_000
_MODULUS = 1 << 64
_UNKNOWN: Final = object()

_encode = msgspec.msgpack.Encoder().encode


class UnsettledError(DamagedError):
    """A reader found another row than is known; the thread that writes can tell whether it is damage."""


@dataclass(frozen=True, slots=True)
class WatchedTable:
    """A table, or those of its rows that meet `where`: the first of `columns` is the key, 16 even bytes.

    With `by_newest` only the greatest row of each key counts, by the second of `columns`; the table has a
    unique index of the two. `meaning` names the rows in errors.
    """

    name: str
    columns: str
    meaning: str
    where: str = "1 = 1"
    by_newest: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.columns.split(", "))

    def in_range(self, *, postgres: bool) -> tuple[str, str]:
        """Return two statements: for the rows whose keys are within two bounds, and above one."""
        key, second, *others = self.names
        columns, chosen, tail = self.columns, "", ""
        if self.by_newest and postgres:
            chosen, tail = f"DISTINCT ON ({key})", f"ORDER BY {key}, {second} DESC"
        elif self.by_newest:  # SQLite takes the bare columns from the row that holds max()
            columns, tail = ", ".join([key, f"max({second})", *others]), f"GROUP BY {key}"
        head = f"SELECT {chosen} {columns} FROM {self.name} WHERE {self.where} AND {key} >= ?"  # noqa: S608 - our own words
        return f"{head} AND {key} < ? {tail}", f"{head} {tail}"


class _Change(NamedTuple):
    rows: _Rows
    key: bytes
    difference: int
    stamp: object


class Freshness:
    """The rows that one process knows of the watched tables of one database; none before `learn`."""

    def __init__(self) -> None:
        self.secret = os.urandom(32)  # of the marks: under the same, equal rows have equal ones
        self._tables: dict[str, _Rows] = {}
        self._learned: dict[str, int] = {}
        self._lock = threading.Lock()
        self._staged: list[_Change] = []
        self._lost: list[list[_Change]] = []

    def learn(
        self, connection: Connection, tables: Iterable[WatchedTable], *, like: Freshness | None = None
    ) -> None:
        """Take the rows of `tables` as they are now for those that should be there.

        Raises:
            DamagedError: they are not the rows that `like` has learned.
        """
        if like is not None:
            self.secret = like.secret
        learned = {table.name: _Rows.learned(connection, table, self.secret) for table in tables}
        self._tables = {name: rows for name, (rows, _) in learned.items()}
        self._learned = {name: total for name, (_, total) in learned.items()}
        if like is not None and self._learned != like.learned():
            raise DamagedError("the records have changed since they were checked; start again")

    def learned(self) -> dict[str, int]:
        """Return the sum of the marks of each table as it was learned, of every row."""
        return dict(self._learned)

    def watches(self, table: WatchedTable) -> bool:
        """Return whether rows of `table` are known."""
        return table.name in self._tables

    def stamp(self, table: WatchedTable, key: bytes, found: Sequence[tuple[Any, ...]]) -> object:
        """Return that by which `check` knows the rows of `key`, which are without the key here."""
        rows = self._tables.get(table.name)
        return None if rows is None else rows.stamp(key, found)

    def check(
        self,
        connection: Connection,
        table: WatchedTable,
        found: Mapping[bytes, object],
        *,
        cached: bool = True,
    ) -> None:
        """Check that the rows of each key are those that `found` stamps, and no others are known.

        Without `cached` the bucket is read at any rate: a key that was looked at lately, one that was not and
        one that is not there are the same work.

        Raises:
            UnsettledError: they are not, as a reader sees it.
            DamagedError: they are not.
        """
        rows = self._tables.get(table.name)
        if rows is None:
            return
        settled = bool(connection.get_execution_options().get(SETTLED))
        buckets: dict[int, list[bytes]] = {}
        for key, stamp in found.items():
            if not cached or rows.known_stamp(key, settled=settled) != stamp:
                buckets.setdefault(rows.bucket(key), []).append(key)
        for bucket, keys in buckets.items():
            if not self._is_known(
                connection, rows, bucket, {key: found[key] for key in keys}, settled=settled
            ):
                problem = f"{table.meaning} are not as they were written last; run `consentry verify`"
                raise DamagedError(problem) if settled else UnsettledError(problem)

    def _is_known(
        self,
        connection: Connection,
        rows: _Rows,
        bucket: int,
        found: Mapping[bytes, object],
        *,
        settled: bool,
    ) -> bool:
        stored = rows.stored(connection, bucket)
        total = rows.total(stored)
        with self._lock:
            staged = rows.staged.get(bucket, 0) if settled else 0
            if total != (rows.sums[bucket] + staged) % _MODULUS:
                return False
            for key, stamp in found.items():
                if rows.stamp(key, [row[1:] for row in stored if row[0] == key]) != stamp:
                    return False
                if not staged:
                    rows.remember(key, stamp)
        return True

    # -- what this process writes, in the thread that writes ------------------

    def stage(
        self,
        table: WatchedTable,
        key: bytes,
        *,
        removed: Sequence[tuple[Any, ...]] = (),
        added: Sequence[tuple[Any, ...]] = (),
        alone: bool = False,
    ) -> None:
        """Have rows of `key` removed and added once the transaction is committed.

        With `alone` those that are added are the only ones then. Of a table `by_newest` the greatest row of a
        key is removed when a greater one is added.
        """
        rows = self._tables.get(table.name)
        if rows is None:
            return
        difference = sum(rows.mark(key, one) for one in added) - sum(rows.mark(key, one) for one in removed)
        change = _Change(rows, key, difference, rows.stamp(key, added) if alone else _UNKNOWN)
        self._staged.append(change)
        rows.stage(change)

    def position(self) -> int:
        """Return how much is staged, for `undo`."""
        return len(self._staged)

    def undo(self, position: int) -> None:
        """Forget what was staged since `position`: it was rolled back."""
        if len(self._staged) > position:
            kept = self._staged[:position]
            self._drop_staged()
            for change in kept:
                self._staged.append(change)
                change.rows.stage(change)

    def committed(self) -> None:
        """Count what is staged: it is committed."""
        if self._staged:
            self._apply(self._staged)
            self._drop_staged()

    def lost(self) -> None:
        """Leave open whether what is staged was committed: the answer to the commit was lost."""
        if self._staged:
            self._lost.append(self._staged)
            self._drop_staged()

    def settle(self, connection: Connection) -> None:
        """Find out, by the rows, which of the transactions with a lost outcome were committed."""
        while self._lost:
            changes = self._lost[0]
            rows, bucket = changes[0].rows, changes[0].rows.bucket(changes[0].key)
            difference = sum(
                one.difference for one in changes if one.rows is rows and rows.bucket(one.key) == bucket
            )
            total = rows.total(rows.stored(connection, bucket))
            if total == (rows.sums[bucket] + difference) % _MODULUS:
                self._apply(changes)
            del self._lost[0]

    def _apply(self, changes: Sequence[_Change]) -> None:
        with self._lock:
            for rows, key, difference, stamp in changes:
                bucket = rows.bucket(key)
                rows.sums[bucket] = (rows.sums[bucket] + difference) % _MODULUS
                rows.remember(key, stamp)

    def _drop_staged(self) -> None:
        for change in self._staged:
            change.rows.drop_staged()
        self._staged = []


class _Rows:
    """The rows of one table, as far as they are known."""

    __slots__ = ("_known", "_secret", "_shift", "_stamps", "_statements", "_table", "staged", "sums")

    def __init__(self, table: WatchedTable, secret: bytes, bits: int) -> None:
        self._table = table
        self._secret = blake2b(table.name.encode(), key=secret, digest_size=32).digest()
        self._shift = 64 - bits
        self.sums = array("Q", bytes(8 << bits))
        self._known: dict[bytes, object] = {}
        self.staged: dict[int, int] = {}
        self._stamps: dict[bytes, object] = {}
        self._statements: tuple[str, str] | None = None

    @classmethod
    def learned(cls, connection: Connection, table: WatchedTable, secret: bytes) -> tuple[_Rows, int]:
        """Return what is known of the rows that are there now, and the sum of the marks of all of them."""
        source = f"FROM {table.name} WHERE {table.where}"
        key, second = table.names[:2]
        counted = f"DISTINCT {key}" if table.by_newest else "*"
        count = connection.execute(text(f"SELECT count({counted}) {source}")).scalar_one()
        bits = min(max((int(count) // _ROWS_EACH).bit_length(), _FEWEST_BITS), _MOST_BITS)
        rows, total = cls(table, secret, bits), 0
        order = f"ORDER BY {key}, {second}" if table.by_newest else ""
        statement = text(f"SELECT {table.columns} {source} {order}")
        last, newest = b"", 0
        with connection.execute(statement.execution_options(yield_per=5_000)) as result:
            for found, *fields in result:
                bucket, mark = rows.bucket(found), rows.mark(found, fields)
                total += mark
                replaced = newest if table.by_newest and found == last else 0
                rows.sums[bucket] = (rows.sums[bucket] + mark - replaced) % _MODULUS
                last, newest = found, mark
        return rows, total % _MODULUS

    def bucket(self, key: bytes) -> int:
        """Return the number of the bucket of `key`."""
        return int.from_bytes(key[:8].ljust(8, b"\0"), "big") >> self._shift

    def stored(self, connection: Connection, bucket: int) -> list[tuple[Any, ...]]:
        """Return the rows of a bucket, keys first; of a table `by_newest`, the greatest of each key."""
        if self._statements is None:
            self._statements = self._table.in_range(postgres=is_postgres(connection))
        within, above = self._statements
        first = (bucket << self._shift).to_bytes(8, "big")
        if bucket + 1 == len(self.sums):
            return [tuple(row) for row in run(connection, above, (first,))]
        behind = (bucket + 1 << self._shift).to_bytes(8, "big")
        return [tuple(row) for row in run(connection, within, (first, behind))]

    def total(self, stored: Sequence[tuple[Any, ...]]) -> int:
        """Return the sum of the marks of rows, keys first."""
        return sum(self.mark(key, fields) for key, *fields in stored) % _MODULUS

    def mark(self, key: bytes, fields: Sequence[Any]) -> int:
        """Return the mark of one row."""
        data = _encode((key, *fields))
        return int.from_bytes(blake2b(data, key=self._secret, digest_size=8).digest(), "big")

    def stamp(self, key: bytes, found: Sequence[tuple[Any, ...]]) -> object:
        """Return the greatest of the rows of `key`, or the sum of their marks; None without any."""
        if not found:
            return None
        if self._table.by_newest:
            return max(found)
        return sum(self.mark(key, fields) for fields in found) % _MODULUS

    def known_stamp(self, key: bytes, *, settled: bool) -> object:
        """Return the stamp of `key` that is known without reading a row."""
        if settled and key in self._stamps:
            return self._stamps[key]
        return self._known.get(key, _UNKNOWN)

    def remember(self, key: bytes, stamp: object) -> None:
        """Cache the stamp of `key`, or forget it where it is not known."""
        if stamp is _UNKNOWN:
            self._known.pop(key, None)
            return
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = stamp

    def stage(self, change: _Change) -> None:
        """Note a change of the transaction under way."""
        bucket = self.bucket(change.key)
        self.staged[bucket] = (self.staged.get(bucket, 0) + change.difference) % _MODULUS
        self._stamps[change.key] = change.stamp

    def drop_staged(self) -> None:
        """Forget the changes of the transaction under way."""
        self.staged.clear()
        self._stamps.clear()


_NOTHING: Final = Freshness()


def freshness(connection: Connection) -> Freshness:
    """Return what the process knows of the rows behind `connection`: nothing on one that is not watched."""
    known: Freshness = connection.get_execution_options().get(OPTION, _NOTHING)
    return known
