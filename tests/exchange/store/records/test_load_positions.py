from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.migrations.create import create_records
from exchange.store.records.load_positions import PositionRow, every_position, put_positions
from exchange.store.records.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    place: Place = tmp_path / "records.db"
    if request.param == "postgresql":
        place = Schema(request.getfixturevalue("postgres").new_database(), "records")
    database = Database(place, metadata, durable=False, begin=create_records)
    yield database
    database.close()


async def held(database: Database) -> list[PositionRow]:
    return await database.read(lambda c: sorted(every_position(c)))


async def test_a_later_position_replaces_an_earlier_one(database: Database) -> None:
    await database.write(lambda c: put_positions(c, [("a", 1, 10, False), ("b", 2, 20, False)]))
    await database.write(lambda c: put_positions(c, [("a", 3, 30, False), ("a", 0, 0, True)]))
    assert await held(database) == [("a", 0, 0, True), ("b", 2, 20, False)]


async def test_no_positions_are_nothing_to_write(database: Database) -> None:
    await database.write(lambda c: put_positions(c, []))
    assert await held(database) == []


async def test_positions_go_with_the_transaction_that_they_are_in(database: Database) -> None:
    def fail(connection: object) -> None:
        put_positions(connection, [("a", 1, 10, False)])  # type: ignore[arg-type]
        raise KeyError("no")

    with pytest.raises(KeyError):
        await database.write(fail)
    assert await held(database) == []


async def test_a_file_of_many_gigabytes_has_a_position(database: Database) -> None:
    await database.write(lambda c: put_positions(c, [("a", 2**40, 2**50, False)]))
    assert await held(database) == [("a", 2**40, 2**50, False)]
