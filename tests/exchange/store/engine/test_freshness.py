"""The rows that a process knows to be there: its own writes count, and other changes are found."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    create_engine,
    delete,
    insert,
    select,
)

from exchange.errors import DamagedError
from exchange.store.engine.database import Database
from exchange.store.engine.freshness import OPTION, SETTLED, Freshness, WatchedTable, freshness

METADATA = MetaData()
THINGS = Table(
    "things",
    METADATA,
    Column("key", LargeBinary, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("value", Integer, nullable=False),
)
WATCHED = WatchedTable("things", "key, number, value", "the things")
NEWEST = WatchedTable("things", "key, number, value", "the things", by_newest=True)

Rows = dict[tuple[bytes, int], int]


def key(number: int) -> bytes:
    """Keys that share buckets, and some that don't."""
    return bytes([0 if number % 2 else 255, number]) + bytes(14)


def write(connection: Connection, number: int, at: int, value: int, *, table: WatchedTable = WATCHED) -> None:
    """Add a row, as a module of the store does; of the newest ones, it is greater than those before it."""
    replaced = sorted(rows_of(connection, number))[-1:] if table is NEWEST else []
    connection.execute(insert(THINGS), {"key": key(number), "number": at, "value": value})
    known = freshness(connection)
    known.stage(table, key(number), removed=replaced, added=[(at, value)], alone=table is NEWEST)


def remove(connection: Connection, number: int) -> None:
    """Remove the rows of a key."""
    found = rows_of(connection, number)
    connection.execute(delete(THINGS).where(THINGS.c.key == key(number)))
    freshness(connection).stage(WATCHED, key(number), removed=found)


def rows_of(connection: Connection, number: int) -> list[tuple[int, int]]:
    statement = select(THINGS.c.number, THINGS.c.value).where(THINGS.c.key == key(number))
    return [(row[0], row[1]) for row in connection.execute(statement)]


def read(connection: Connection, number: int) -> list[tuple[int, int]]:
    """Return the rows of a key, checked."""
    found = rows_of(connection, number)
    known = freshness(connection)
    known.check(connection, WATCHED, {key(number): known.stamp(WATCHED, key(number), found)})
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(path, METADATA, durable=False, begin=METADATA.create_all)
    yield opened
    opened.close()


async def test_writes_that_share_a_commit_count_unless_they_fail(
    database: Database,
) -> None:
    await database.watch([WATCHED])

    def work(connection: Connection, number: int) -> None:
        write(connection, number, 1, number)
        assert read(connection, number) == [(1, number)]  # its own, before the commit
        if number % 3 == 0:
            raise ValueError
        if number % 5 == 0:
            remove(connection, number)

    for begin in (0, 64):
        numbers = range(begin, begin + 64)
        await asyncio.gather(
            *(database.write(lambda c, n=number: work(c, n)) for number in numbers), return_exceptions=True
        )
        reads = (database.read(lambda c, n=number: read(c, n)) for number in numbers)
        expected = [[] if n % 3 == 0 or n % 5 == 0 else [(1, n)] for n in numbers]
        assert await asyncio.gather(*reads) == expected


async def test_reads_beside_writes_find_nothing_wrong(database: Database) -> None:
    await database.watch([WATCHED])

    async def reading() -> None:
        for turn in range(150):
            await database.read(lambda c, n=turn % 8: read(c, n))

    async def writing() -> None:
        for turn in range(150):
            await database.write(lambda c, n=turn: write(c, n % 8, n, n))

    await asyncio.gather(writing(), *(reading() for _ in range(4)))
    assert [len(await database.read(lambda c, n=n: read(c, n))) for n in range(8)] == [19] * 6 + [18] * 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.dictionaries(st.tuples(st.integers(0, 9), st.integers(1, 3)), st.integers(0, 3), min_size=1),
    number=st.integers(0, 9),
    other=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=3, unique_by=lambda row: row[0]),
    looked=st.booleans(),
)
def test_any_other_rows_of_a_key_are_found(
    tmp_path: Path, rows: dict[tuple[int, int], int], number: int, other: list[tuple[int, int]], looked: bool
) -> None:
    path = tmp_path / "other.db"
    path.unlink(missing_ok=True)

    async def run() -> None:
        database = Database(path, METADATA, durable=False, begin=METADATA.create_all)
        try:
            await database.watch([WATCHED])
            for (one, at), value in rows.items():
                await database.write(lambda c, o=one, a=at, v=value: write(c, o, a, v))
            before = {n: await database.read(lambda c, n=n: read(c, n)) for n in range(10)} if looked else {}
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("DELETE FROM things WHERE key = ?", (key(number),))
                db.executemany("INSERT INTO things VALUES (?, ?, ?)", [(key(number), *row) for row in other])
            mine = sorted((at, value) for (one, at), value in rows.items() if one == number)
            if sorted(other) == mine:
                assert sorted(await database.read(lambda c: read(c, number))) == mine
                return
            for _ in range(2):
                with pytest.raises(DamagedError, match="the things are not as they were written last"):
                    await database.read(lambda c: read(c, number))
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("DELETE FROM things WHERE key = ?", (key(number),))
                db.executemany("INSERT INTO things VALUES (?, ?, ?)", [(key(number), *row) for row in mine])
            assert sorted(await database.read(lambda c: read(c, number))) == mine
            for one, found in before.items():
                assert await database.read(lambda c, n=one: read(c, n)) == found
        finally:
            database.close()

    asyncio.run(run())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=20),
    number=st.integers(0, 5),
    other=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), max_size=4, unique_by=lambda row: row[0]),
    learned=st.booleans(),
)
def test_another_newest_row_is_found_and_older_ones_do_not_count(
    tmp_path: Path,
    written: list[tuple[int, int]],
    number: int,
    other: list[tuple[int, int]],
    learned: bool,
) -> None:
    path = tmp_path / "newest.db"
    path.unlink(missing_ok=True)

    def newest(connection: Connection, one: int) -> tuple[int, int] | None:
        found = max(rows_of(connection, one), default=None)
        freshness(connection).check(connection, NEWEST, {key(one): found}, cached=False)
        return found

    async def run() -> None:
        database = Database(path, METADATA, durable=False, begin=METADATA.create_all)
        try:
            if not learned:
                await database.watch([NEWEST])
            kept: dict[int, list[tuple[int, int]]] = {}
            for one, value in written:
                row = (len(kept.setdefault(one, [])) + 1, value)
                kept[one].append(row)
                await database.write(lambda c, o=one, r=row: write(c, o, *r, table=NEWEST))
            if learned:
                await database.watch([NEWEST])
            for one in range(6):
                assert await database.read(lambda c, o=one: newest(c, o)) == (kept.get(one) or [None])[-1]
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("DELETE FROM things WHERE key = ?", (key(number),))
                db.executemany("INSERT INTO things VALUES (?, ?, ?)", [(key(number), *row) for row in other])
            expected = (kept.get(number) or [None])[-1]
            if max(other, default=None) == expected:
                assert await database.read(lambda c: newest(c, number)) == expected
            else:
                with pytest.raises(DamagedError, match="the things are not as they were written last"):
                    await database.read(lambda c: newest(c, number))
        finally:
            database.close()

    asyncio.run(run())


async def test_older_rows_put_back_before_the_watch_are_refused_too(path: Path) -> None:
    compared = Freshness()
    database = Database(path, METADATA, durable=False, begin=METADATA.create_all)
    try:
        for at in (1, 2):
            await database.write(lambda c, at=at: write(c, 1, at, at, table=NEWEST))
        with database.engine.connect() as connection:
            compared.learn(connection, [NEWEST])
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM things WHERE number = 1")
        with pytest.raises(DamagedError, match="changed since they were checked"):
            await database.watch([NEWEST], like=compared)
    finally:
        database.close()


def test_a_bucket_has_one_row_of_a_key_whose_newest_counts(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    METADATA.create_all(engine)
    with engine.connect() as connection:
        for at in range(1, 40):
            connection.execute(insert(THINGS), {"key": key(1), "number": at, "value": -at})
        within, above = NEWEST.in_range(postgres=False)
        assert connection.exec_driver_sql(within, (key(1), key(2) + b"\xff")).all() == [(key(1), 39, -39)]
        assert connection.exec_driver_sql(above, (key(1),)).all() == [(key(1), 39, -39)]


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("table", [WATCHED, NEWEST], ids=["all rows", "the newest"])
def test_a_commit_with_a_lost_answer_is_told_by_the_rows(
    path: Path, committed: bool, table: WatchedTable
) -> None:
    known = Freshness()
    engine = create_engine(f"sqlite:///{path}").execution_options(**{OPTION: known, SETTLED: True})
    METADATA.create_all(engine)
    with engine.connect() as connection:
        write(connection, 1, 1, 1)
        connection.commit()
        known.learn(connection, [table])
        for number in (1, 2, 3):
            write(connection, number, 2, 2, table=table)
        known.lost()
        connection.commit() if committed else connection.rollback()
        known.settle(connection)
        for number in (1, 2, 3):
            rows = rows_of(connection, number)
            assert ((2, 2) in rows) is committed
            known.check(connection, table, {key(number): known.stamp(table, key(number), rows)})
            with pytest.raises(DamagedError):
                known.check(connection, table, {key(number): known.stamp(table, key(number), [(7, 7)])})


async def test_rows_other_than_those_that_were_compared_are_refused_at_the_start(path: Path) -> None:
    compared = Freshness()
    database = Database(path, METADATA, durable=False, begin=METADATA.create_all)
    try:
        await database.write(lambda c: write(c, 1, 1, 1))
        with database.engine.connect() as connection:
            compared.learn(connection, [WATCHED])
        await database.watch([WATCHED], like=compared)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE things SET value = 2")
        with pytest.raises(DamagedError, match="changed since they were checked"):
            await database.watch([WATCHED], like=compared)
    finally:
        database.close()
