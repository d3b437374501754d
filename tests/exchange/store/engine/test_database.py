from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, event, insert, select

from exchange.errors import DamagedError, FormatError, UnavailableError
from exchange.store.engine import sqlite
from exchange.store.engine.database import Database, read_format
from exchange.store.engine.place import Place, Schema

METADATA = MetaData()
NUMBERS = Table("numbers", METADATA, Column("n", Integer, primary_key=True))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    place: Place = tmp_path / "x.db"
    if request.param == "postgresql":
        place = Schema(request.getfixturevalue("postgres").new_database(), "x")
    database = Database(place, METADATA, durable=True, begin=METADATA.create_all)
    yield database
    database.close()


def put(*numbers: int, fail: Exception | None = None) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        for number in numbers:
            connection.execute(insert(NUMBERS).values(n=number))
        if fail is not None:
            raise fail
        return sum(numbers)

    return work


def held(connection: Connection) -> list[int]:
    return list(connection.execute(select(NUMBERS.c.n).order_by(NUMBERS.c.n)).scalars())


async def test_what_fails_takes_nothing_of_the_others_with_it(database: Database) -> None:
    results = await asyncio.gather(
        *(database.write(put(n, n + 100, fail=KeyError("no") if n % 3 == 0 else None)) for n in range(30)),
        return_exceptions=True,
    )
    kept = [n for n in range(30) if n % 3]
    assert [n for n, result in enumerate(results) if not isinstance(result, KeyError)] == kept
    assert await database.read(held) == sorted(kept + [n + 100 for n in kept])


async def test_alone_too_what_fails_is_not_kept(database: Database) -> None:
    with pytest.raises(ValueError, match="no"):
        await database.write(put(1, fail=ValueError("no")))
    assert await database.read(held) == []


async def test_what_the_database_refuses_is_unavailable_and_the_next_goes_on(database: Database) -> None:
    assert await database.write(put(1)) == 1
    with pytest.raises(UnavailableError):
        await database.write(put(2, 1))
    assert await database.write(put(3)) == 3
    assert await database.read(held) == [1, 3]


async def test_work_that_waits_together_shares_commits(database: Database) -> None:
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    results = await asyncio.gather(*(database.write(put(n)) for n in range(200)))
    assert results == list(range(200))
    assert await database.read(held) == results
    assert len(commits) < 50


async def test_a_reader_sees_what_was_acknowledged(database: Database) -> None:
    for n in range(20):
        await database.write(put(n))
        assert await database.read(held) == list(range(n + 1))


def test_what_was_queued_is_done_before_the_end_and_outlives_it(tmp_path: Path) -> None:
    async def fill() -> None:
        database = Database(tmp_path / "x.db", METADATA, durable=True, begin=METADATA.create_all)
        writes = [asyncio.create_task(database.write(put(n))) for n in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(database.close)
        await asyncio.gather(*writes)

    asyncio.run(fill())
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert [n for (n,) in connection.execute("SELECT n FROM numbers ORDER BY n")] == list(range(50))


@pytest.mark.parametrize("pragma", ["user_version = 99", "application_id = 7"])
def test_a_database_of_another_program_or_version_is_refused(tmp_path: Path, pragma: str) -> None:
    Database(tmp_path / "x.db", METADATA, durable=True, begin=METADATA.create_all).close()
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute(f"PRAGMA {pragma}")
    with pytest.raises((DamagedError, FormatError)):
        Database(tmp_path / "x.db", METADATA, durable=True, begin=METADATA.create_all)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database" * 100)
    with pytest.raises(DamagedError):
        Database(tmp_path / "x.db", METADATA, durable=True, begin=METADATA.create_all)


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_what_is_durable_is_flushed_at_every_commit(tmp_path: Path, durable: bool, level: int) -> None:
    database = Database(tmp_path / "x.db", METADATA, durable=durable, begin=METADATA.create_all)
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
    database.close()


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    engine = sqlite.open_engine(path, durable=True)

    def fill() -> None:
        with sqlite.readable(path), engine.begin() as connection:
            METADATA.create_all(connection)
            connection.exec_driver_sql("PRAGMA max_page_count=1")  # as full as a disk can be
            connection.execute(insert(NUMBERS), [{"n": n} for n in range(1_000)])

    with pytest.raises(UnavailableError, match="the disk is full; make room first"):
        fill()
    engine.dispose()


def test_a_file_that_is_missing_has_no_format_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=r"x\.db is missing"):
        read_format(tmp_path / "x.db")
    assert not list(tmp_path.iterdir())
