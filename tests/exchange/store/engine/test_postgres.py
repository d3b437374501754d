"""Cases of PostgreSQL alone: its server goes away and comes back, others hold locks, schemas get damaged."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from sqlalchemy import Column, Connection, LargeBinary, MetaData, Table, event, insert, select, text

from exchange.auth.principal import Member
from exchange.crypto.documents import Envelope
from exchange.demo.process import free_port
from exchange.errors import DamagedError, FormatError, UnavailableError
from exchange.node.settings import ConfigError, NodeSettings, check
from exchange.store.engine.database import Database
from exchange.store.engine.dialect import BIGINT, bounded_text
from exchange.store.engine.place import Schema
from exchange.store.engine.postgres import open_engine, remove, schema_exists
from exchange.store.log import log_tables
from exchange.store.log.log_tables import EntryRow
from exchange.store.migrations.create import create_log, create_records
from exchange.store.records import documents
from exchange.store.records.tables import metadata as records
from tests.support.postgres_server import PASSWORD, Server, running

METADATA = MetaData()
NUMBERS = Table(
    "numbers",
    METADATA,
    Column("n", BIGINT, primary_key=True),
    Column("name", bounded_text(8)),
    Column("bytes", LargeBinary),
)


@pytest.fixture
def place(postgres: Server) -> Schema:
    return Schema(postgres.new_database(), "numbers")


@pytest.fixture
def database(place: Schema) -> Iterator[Database]:
    database = Database(place, METADATA, durable=True, begin=METADATA.create_all)
    yield database
    database.close()


def put(n: int) -> object:
    return lambda connection: connection.execute(insert(NUMBERS).values(n=n))


def held(connection: Connection) -> list[int]:
    return list(connection.execute(select(NUMBERS.c.n).order_by(NUMBERS.c.n)).scalars())


def sql(place: Schema, statement: str) -> None:
    with psycopg.connect(place.url) as connection:
        connection.execute(statement)


async def test_while_the_server_is_away_it_is_unavailable_and_then_goes_on_by_itself() -> None:
    with running() as server:
        database = Database(
            Schema(server.new_database(), "numbers"),
            METADATA,
            durable=True,
            exclusive=True,
            begin=METADATA.create_all,
        )
        try:
            await database.write(put(1))
            assert await database.read(held) == [1]
            server.stop()
            for _ in range(2):
                with pytest.raises(UnavailableError):
                    await database.write(put(2))
                results = await asyncio.gather(
                    *(database.read(held) for _ in range(9)), return_exceptions=True
                )
                assert {type(result) for result in results} == {UnavailableError}
            server.start()
            for n in range(3, 9):
                await database.write(put(n))
                assert (await database.read(held))[-1] == n
        finally:
            database.close()


async def test_work_cut_off_in_the_middle_keeps_nothing_and_says_so(database: Database, place: Schema):
    def work(connection: Connection) -> None:
        connection.execute(insert(NUMBERS).values(n=1))
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        sql(place, f"SELECT pg_terminate_backend({pid})")
        connection.execute(insert(NUMBERS).values(n=2))

    jobs = [database.write(put(10)), database.write(work), database.write(put(11))]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(results[1], UnavailableError)
    await database.write(put(5))
    kept = await database.read(held)
    heard = [n for n, result in ((10, results[0]), (11, results[2])) if not isinstance(result, Exception)]
    assert kept == sorted([5, *heard])


async def test_a_read_that_fails_takes_none_of_those_beside_it_with_it(database: Database) -> None:
    await database.write(put(1))

    def broken(connection: Connection) -> None:
        connection.execute(text("SELECT nothing FROM nowhere"))

    results = await asyncio.gather(
        *(database.read(broken if n % 5 == 0 else held) for n in range(60)), return_exceptions=True
    )
    for n, result in enumerate(results):
        assert isinstance(result, UnavailableError) if n % 5 == 0 else result == [1]


def test_a_look_fetches_no_large_body_that_it_does_not_take(
    place: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(place, records, durable=False, begin=create_records)
    token, body = bytes(16), b"x" * 100_000
    fetched = 0

    def count(_connection: object, cursor: psycopg.Cursor, *_: object) -> None:
        nonlocal fetched
        found = cursor.pgresult
        assert found is not None
        cells = itertools.product(range(found.ntuples), range(found.nfields))
        fetched += sum(len(found.get_value(*cell) or b"") for cell in cells)

    try:
        with database.engine.begin() as connection:
            for n in range(20):
                envelope = Envelope(bytes([n]) * 16, 1, b"d" * 32, b"", body if n % 2 else body[:100])
                version = documents.NewVersion(envelope, (token,), 1_000, False, documents.pack([token]))
                documents.write(connection, [version])
        event.listen(database.engine, "after_cursor_execute", count)
        monkeypatch.setattr(documents, "FETCH_LIMIT", 2 * len(body))
        for newest_first, expected in ((False, [1, 2, 3, 4]), (True, [20, 19, 18])):
            fetched = 0
            with database.engine.connect() as connection:
                found = documents.search(
                    connection, [[[[token]]]], newest_first=newest_first, limit=20, reserve=[].append
                )
            assert found.cut
            assert [one.sequence for one in found.rows] == expected
            sizes = [len(body) if one.sequence % 2 == 0 else 100 for one in found.rows]
            assert [len(one.envelope.sealed) for one in found.rows] == sizes
            assert fetched < 2 * sum(sizes) + 20 * 1_000, "two digits a byte, and the rest of each row"
    finally:
        database.close()


async def test_a_read_is_one_snapshot_and_can_change_nothing(database: Database) -> None:
    began, goes_on = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[list[int], list[int]]:
        first = held(connection)
        began.set()
        assert goes_on.wait(20)
        return first, held(connection)

    reading = asyncio.create_task(database.read(twice))
    await asyncio.to_thread(began.wait, 20)
    await database.write(put(1))
    assert await database.read(held) == [1], "a long read holds up no other"
    goes_on.set()
    assert await reading == ([], [])
    with pytest.raises(UnavailableError):
        await database.read(put(2))


async def test_writers_of_two_processes_wait_for_each_other_and_see_what_the_other_wrote(
    database: Database, place: Schema
) -> None:
    def next_one(connection: Connection) -> None:
        connection.execute(insert(NUMBERS).values(n=len(held(connection)) + 1))

    other = Database(place, METADATA, durable=True)
    try:
        await asyncio.gather(*((database, other)[n % 2].write(next_one) for n in range(80)))
    finally:
        other.close()
    assert await database.read(held) == list(range(1, 81))


def test_a_second_that_wants_the_schema_for_itself_is_refused_until_the_first_ends(place: Schema) -> None:
    first = Database(place, METADATA, durable=False, exclusive=True, begin=METADATA.create_all)
    with pytest.raises(UnavailableError, match="another gateway"):
        Database(place, METADATA, durable=False, exclusive=True, begin=METADATA.create_all)
    Database(
        place, METADATA, durable=False, begin=METADATA.create_all
    ).close()  # to look at it is another matter
    first.close()
    Database(place, METADATA, durable=False, exclusive=True, begin=METADATA.create_all).close()


@pytest.mark.parametrize(("durable", "setting"), [(True, "on"), (False, "off")])
async def test_what_is_durable_is_committed_synchronously(place: Schema, durable: bool, setting: str) -> None:
    database = Database(place, METADATA, durable=durable, begin=METADATA.create_all)
    try:
        found = await database.write(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar_one())
    finally:
        database.close()
    assert found == setting


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DROP SCHEMA numbers CASCADE", "is missing"),
        ("DROP TABLE numbers.numbers", "lost its table numbers"),
        ("COMMENT ON SCHEMA numbers IS 'Consentry 99'", "is of format 99"),
        ("COMMENT ON SCHEMA numbers IS 'of somebody'", "another program's"),
        ("COMMENT ON SCHEMA numbers IS NULL", "another program's"),
    ],
)
def test_a_schema_that_is_not_ours_not_whole_or_absent_is_refused(
    place: Schema, statement: str, says: str
) -> None:
    Database(place, METADATA, durable=True, begin=METADATA.create_all).close()
    sql(place, statement)
    with pytest.raises((DamagedError, FormatError), match=says):
        Database(place, METADATA, durable=True)


async def test_texts_are_in_order_of_their_bytes_and_of_any_length(database: Database) -> None:
    names = ["b", "A", "a", "_", "Z" * 300, "é"]
    rows = [{"n": n, "name": name} for n, name in enumerate(names)]
    await database.write(lambda c: c.execute(insert(NUMBERS), rows))
    ordered = await database.read(lambda c: list(c.scalars(select(NUMBERS.c.name).order_by(NUMBERS.c.name))))
    assert ordered == sorted(names, key=str.encode)


async def test_entries_that_come_twice_leave_no_gap_in_the_numbers(postgres: Server) -> None:
    database = Database(
        Schema(postgres.new_database(), "entries"), log_tables.metadata, durable=False, begin=create_log
    )
    rows = [
        EntryRow(
            f"{n:064x}",
            0,
            n,
            1_800_000_000_000 + n,
            f"{n:032x}",
            "c",
            "r",
            "u",
            "read",
            "TREAT",
            "permit",
            b"{}",
        )
        for n in range(6)
    ]
    try:
        for chosen in (rows[:3], rows[:4], rows[2:], rows):
            await database.write(lambda c, chosen=chosen: log_tables.project(c, chosen, 6, 0))
        numbers = await database.read(lambda c: list(c.scalars(select(log_tables.entries.c.sequence))))
        assert await database.read(lambda c: list(log_tables.every_entry(c))) == rows
    finally:
        database.close()
    assert sorted(numbers) == list(range(1, 7))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:secret@h/d",
        "postgresql://a@h/d?password=secret",
        "postgresql://a@h/d?sslpassword=secret",
        "postgresql://a:@h/d",
        "mysql://a@h/secret",
        "host=h password=secret",
    ],
)
def test_a_url_with_a_password_or_of_another_kind_is_refused_without_being_quoted(url: str) -> None:
    settings = NodeSettings("A", "http://127.0.0.1:1", (Member("A", "A", "a"),), database=url)
    with pytest.raises(ConfigError) as refused:
        check(settings)
    assert "secret" not in str(refused.value)


def test_a_wrong_password_or_no_server_is_unavailable_and_named_without_it(
    postgres: Server, tmp_path: Path
) -> None:
    wrong = tmp_path / "pass"
    wrong.touch(mode=0o600)
    wrong.write_text("*:*:*:*:not-the-secret\n")
    for host in (str(postgres.folder), str(tmp_path)):
        url = f"postgresql://consentry@/postgres?host={quote(host)}&passfile={quote(str(wrong))}"
        with pytest.raises(UnavailableError) as refused:
            Database(Schema(url, "numbers"), METADATA, durable=True, begin=METADATA.create_all)
        assert "not-the-secret" not in str(refused.value)
        assert PASSWORD not in str(refused.value)


def _copy(postgres: Server, old: str, new: str) -> None:
    dump = [postgres.bin / "pg_dump", "-Fc", "-d", old]
    data = subprocess.run(dump, check=True, capture_output=True).stdout
    restore = [postgres.bin / "pg_restore", "--exit-on-error", "-d", new]
    subprocess.run(restore, input=data, check=True)


async def test_a_backup_restores_into_another_database(
    database: Database, place: Schema, postgres: Server
) -> None:
    await database.write(put(7))
    copy = Schema(postgres.new_database(), "numbers")
    await asyncio.to_thread(_copy, postgres, place.url, copy.url)
    restored = Database(copy, METADATA, durable=True)
    try:
        assert await restored.read(held) == [7]
    finally:
        restored.close()


def test_a_schema_that_is_there_is_taken_and_one_that_was_removed_is_not(place: Schema) -> None:
    assert not schema_exists(place)
    Database(place, METADATA, durable=True, begin=METADATA.create_all).close()
    assert schema_exists(place)
    remove(place)
    assert not schema_exists(place)


def test_who_vanishes_is_missed_within_half_a_minute_on_both_ends() -> None:
    # Over TCP: on a socket of this machine no peer vanishes unseen.
    with running(port=free_port()) as server:
        engine = open_engine(Schema(f"{server.new_database()}&keepalives_idle=7", "n"), durable=True)
        with engine.connect() as connection:
            told = [
                connection.exec_driver_sql(f"SHOW tcp_{name}").scalar_one()
                for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")
            ]
            driver = connection.connection.dbapi_connection
            assert driver is not None
            ours = driver.info.get_parameters()
        engine.dispose()
    assert told == ["10", "5", "3"]
    assert (ours["keepalives_idle"], ours["keepalives_interval"]) == ("7", "5"), "the URL has the last word"


@pytest.mark.parametrize("set_for", ["DATABASE {}", "ROLE CURRENT_USER"])
async def test_sessions_that_began_in_a_read_only_minute_are_ended(postgres: Server, set_for: str) -> None:
    place = Schema(postgres.new_database(), "numbers")
    database = Database(place, METADATA, durable=True, exclusive=True, begin=METADATA.create_all)
    whose = set_for.format(psycopg.conninfo.conninfo_to_dict(place.url)["dbname"])
    try:
        sql(place, f"ALTER {whose} SET default_transaction_read_only = on")
        sql_ends_others = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'consentry' AND datname = current_database()"
        )
        sql(place, sql_ends_others)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await database.write(put(1))
            with pytest.raises(UnavailableError):
                await database.check_writable()
        assert await database.read(held) == []
        writable = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute(writable)
            connection.execute(f"ALTER {whose} RESET default_transaction_read_only")
        async with asyncio.timeout(5):
            while True:
                try:
                    await database.write(put(1))
                    break
                except UnavailableError:  # the server may still be ending the session before
                    await asyncio.sleep(0.05)
        await database.check_writable()
        assert await database.read(held) == [1]
    finally:
        database.close()
