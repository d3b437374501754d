"""Many rows in one statement."""

from __future__ import annotations

import sqlite3

import pytest

from exchange.store.engine.rows import insert


@pytest.mark.parametrize("count", [0, 1, 2, 3, 127, 128, 129, 2048, 5001])
def test_every_row_is_inserted_once_and_in_order(count: int) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE numbers (place INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    rows = [(number, f"n{number}") for number in range(count)]
    insert(connection.execute, "INSERT INTO numbers (place, name)", rows)
    assert connection.execute("SELECT * FROM numbers ORDER BY rowid").fetchall() == rows
    connection.close()


def test_a_row_that_is_refused_fails_the_statement() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE numbers (place INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    with pytest.raises(sqlite3.IntegrityError):
        insert(connection.execute, "INSERT INTO numbers (place, name)", [(1, "a"), (1, "b")])
    connection.close()
