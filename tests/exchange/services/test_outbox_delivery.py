"""Entries of the outbox are delivered in order, again and again after failures, and none is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, insert, select

from exchange.errors import DamagedError, UnavailableError
from exchange.services import outbox_delivery
from exchange.services.outbox_delivery import OutboxDelivery
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.migrations.create import create_records
from exchange.store.records import outbox
from exchange.store.records.tables import metadata

TOPIC = "letters"
A, B, C = (bytes([n]) * 16 for n in range(3))

changes = Table("changes", MetaData(), Column("n", Integer, primary_key=True), Column("subject", LargeBinary))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    if request.param == "sqlite":
        return tmp_path / "records.db"
    return Schema(request.getfixturevalue("postgres").new_database(), "records")


def opened(place: Place) -> Database:
    return Database(place, metadata, durable=False, begin=create_records)


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    database = opened(place)
    yield database
    database.close()


def reference(n: int) -> bytes:
    return n.to_bytes(16, "big")


async def put(database: Database, subject: bytes, *numbers: int, due: int = 0, topic: str = TOPIC) -> None:
    def work(connection: Connection) -> None:
        for n in numbers:
            outbox.put(connection, topic, subject, reference(n), due=due, sealed=bytes([n]))

    await database.write(work)


class Receiver:
    """Takes deliveries, but for what `fails` says of a subject; keeps them in their order."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.taken: dict[bytes, list[int]] = defaultdict(list)
        self.tried: list[bytes] = []
        self.refused: set[bytes] = set()
        self.unreachable = False
        self.damaged: set[bytes] = set()

    async def deliver(self, subject: bytes) -> bool:
        self.tried.append(subject)
        if self.unreachable:
            raise UnavailableError("the receiver is away")
        if subject in self.damaged:
            raise DamagedError("an entry does not verify")
        if subject in self.refused:
            return False
        entries = await self.database.read(lambda c: outbox.entries_of(c, TOPIC, subject))
        self.taken[subject] += [entry.sealed[0] for entry in entries]
        await self.database.write(lambda c: outbox.remove(c, [entry.sequence for entry in entries]))
        return True


def delivery(receiver: Receiver) -> OutboxDelivery:
    return OutboxDelivery(receiver.database, TOPIC, receiver.deliver)


async def count(database: Database) -> int:
    return await database.read(lambda c: outbox.count(c, TOPIC))


async def due_of(database: Database, subject: bytes) -> tuple[int, int]:
    statement = select(outbox.outbox.c.attempts, outbox.outbox.c.due)
    rows = await database.read(lambda c: c.execute(statement.where(outbox.outbox.c.subject == subject)).all())
    ((attempts, due),) = {tuple(row) for row in rows}
    return attempts, due


# -- entries ----------------------------------------------------------------------


async def test_an_entry_is_there_with_its_change_or_not_at_all(database: Database) -> None:
    def fail(connection: Connection) -> None:
        outbox.put(connection, TOPIC, A, reference(1), due=0)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(fail)
    assert await count(database) == 0


async def test_entries_of_a_subject_keep_their_order_and_a_newer_one_replaces_the_older(
    database: Database,
) -> None:
    await put(database, A, 3, 1, 2)
    await put(database, B, 1)
    await put(database, A, 3)
    entries = await database.read(lambda c: outbox.entries_of(c, TOPIC, A))
    assert [entry.reference for entry in entries] == [reference(1), reference(2), reference(3)]
    assert await count(database) == 4


@pytest.mark.parametrize("ahead", [2 * 3600 * 1000, 10 * 365 * 24 * 3600 * 1000])
async def test_an_entry_that_a_clock_ahead_postponed_is_due(database: Database, ahead: int) -> None:
    now = 1_800_000_000_000
    await put(database, A, 1)
    await database.write(lambda c: outbox.postpone(c, TOPIC, A, now + ahead, failed=True))
    assert await database.read(lambda c: outbox.subjects_due(c, TOPIC, now, 10)) == [A]
    await database.write(lambda c: outbox.postpone(c, TOPIC, A, now + 60_000, failed=True))
    assert await database.read(lambda c: outbox.subjects_due(c, TOPIC, now, 10)) == []


async def test_an_entry_that_was_replaced_while_it_was_delivered_stays(database: Database) -> None:
    await put(database, A, 1)
    delivered = await database.read(lambda c: outbox.entries_of(c, TOPIC, A))
    await put(database, A, 1)
    await database.write(lambda c: outbox.remove(c, [entry.sequence for entry in delivered]))
    assert await count(database) == 1


async def test_topics_do_not_see_each_other(database: Database) -> None:
    await put(database, A, 1)
    await put(database, A, 1, topic="others")
    receiver = Receiver(database)
    assert await delivery(receiver).deliver_all() == 1
    assert await database.read(lambda c: outbox.count(c, "others")) == 1


# -- deliveries -------------------------------------------------------------------


async def test_all_is_delivered_in_order(database: Database) -> None:
    await put(database, A, 1, 2)
    await put(database, B, 3)
    await put(database, A, 4)
    receiver = Receiver(database)
    assert await delivery(receiver).deliver_due() == 2
    assert receiver.taken == {A: [1, 2, 4], B: [3]}
    assert await count(database) == 0


async def test_a_subject_that_is_refused_waits_longer_each_time_and_keeps_no_other_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000_000
    monkeypatch.setattr(outbox_delivery, "_now", lambda: clock)
    await put(database, A, 1)
    await put(database, B, 2)
    receiver = Receiver(database)
    receiver.refused = {A}
    pauses = []
    for attempt in range(1, 9):
        await delivery(receiver).deliver_due()
        attempts, due = await due_of(database, A)
        assert attempts == attempt
        pauses.append(due - clock)
        clock = due - 1
        tried = len(receiver.tried)
        await delivery(receiver).deliver_due()
        assert len(receiver.tried) == tried  # not before it is due
        clock = due
    assert pauses == [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]
    assert receiver.taken == {B: [2]}
    receiver.refused = set()
    assert await delivery(receiver).deliver_due() == 1
    assert receiver.taken == {B: [2], A: [1]}


async def test_a_new_entry_ends_the_wait_of_its_subject_and_order_is_kept(database: Database) -> None:
    await put(database, A, 1)
    receiver = Receiver(database)
    receiver.refused = {A}
    await delivery(receiver).deliver_due()
    assert (await due_of(database, A))[0] == 1
    await put(database, A, 2)
    assert await due_of(database, A) == (0, 0)
    receiver.refused = set()
    await delivery(receiver).deliver_due()
    assert receiver.taken == {A: [1, 2]}


async def test_a_receiver_that_is_away_ends_the_round_and_the_next_begins_elsewhere(
    database: Database,
) -> None:
    for subject in (A, B, C):
        await put(database, subject, 1)
    receiver = Receiver(database)
    receiver.unreachable = True
    for _ in range(3):
        assert await delivery(receiver).deliver_due() == 0
    assert receiver.tried == [A, B, C]
    receiver.unreachable = False
    assert await delivery(receiver).deliver_due() == 0  # all of them wait
    assert await delivery(receiver).deliver_all() == 3  # but a start of the node tries each
    assert await count(database) == 0


async def test_a_receiver_that_was_away_for_long_gets_all_soon_after_it_is_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 1_000_000
    monkeypatch.setattr(outbox_delivery, "_now", lambda: clock)
    await put(database, A, 1)
    await put(database, B, 2)
    receiver = Receiver(database)
    receiver.unreachable = True
    for _ in range(20):
        await delivery(receiver).deliver_due()
        clock += 2_000
    assert receiver.tried[:4] == [A, B, A, B]
    receiver.unreachable = False
    assert await delivery(receiver).deliver_due() == 2


async def test_a_damaged_subject_keeps_no_other_waiting_while_a_node_runs(database: Database) -> None:
    await put(database, A, 1)
    await put(database, B, 2)
    receiver = Receiver(database)
    receiver.damaged = {A}
    with pytest.raises(DamagedError):
        await delivery(receiver).deliver_all()  # a node that starts is refused
    assert await delivery(receiver).deliver_due() == 1
    assert receiver.taken == {B: [2]}
    assert (await due_of(database, A))[0] == 1


async def test_it_goes_on_by_itself_until_it_is_cancelled(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_delivery, "RETRY_SECONDS", 0.02)
    receiver = Receiver(database)
    receiver.refused = {A}
    keeping = asyncio.create_task(delivery(receiver).keep_delivering())
    await put(database, A, 1)
    async with asyncio.timeout(30):
        while len(receiver.tried) < 3:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
        receiver.refused = set()
        while await count(database):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    assert receiver.taken == {A: [1]}
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


# -- kill -9 ----------------------------------------------------------------------


def run_until_killed(place: Place, delivered: Path, kill: Callable[[str, int], None]) -> None:
    """Change and deliver three times; deliveries are lines of a file, which a process can't take back."""

    async def work() -> None:
        database = opened(place)

        async def deliver(subject: bytes) -> bool:
            for entry in await database.read(lambda c: outbox.entries_of(c, TOPIC, subject)):
                n = entry.sealed[0]
                kill("deliver", n)
                with delivered.open("a") as file:
                    file.write(f"{n}\n")
                kill("remove", n)
                await database.write(lambda c, entry=entry: outbox.remove(c, [entry.sequence]))
                kill("next", n)
            return True

        def change(connection: Connection, n: int) -> None:
            connection.execute(insert(changes).values(n=n, subject=A))
            kill("put", n)
            outbox.put(connection, TOPIC, A, reference(n), due=0, sealed=bytes([n]))
            kill("commit", n)

        with database.engine.begin() as connection:
            changes.create(connection, checkfirst=True)
        there = await database.read(lambda c: list(c.execute(select(changes.c.n)).scalars()))
        for n in range(3):
            if n not in there:
                await database.write(lambda c, n=n: change(c, n))
                kill("committed", n)
        await OutboxDelivery(database, TOPIC, deliver).deliver_all()
        database.close()

    asyncio.run(work())


@pytest.mark.parametrize("moment", ["put", "commit", "committed", "deliver", "remove", "next"])
def test_nothing_is_lost_by_a_kill_at_any_moment(place: Place, tmp_path: Path, moment: str) -> None:
    delivered = tmp_path / "delivered"
    delivered.touch()
    opened(place).close()
    for at in range(3):
        child = os.fork()
        if not child:

            def kill(when: str, n: int, at: int = at) -> None:
                if (when, n) == (moment, at):
                    os.kill(os.getpid(), signal.SIGKILL)

            run_until_killed(place, delivered, kill)
            os._exit(0)
        os.waitpid(child, 0)
    run_until_killed(place, delivered, lambda *_: None)
    lines = [int(line) for line in delivered.read_text().split()]
    assert list(dict.fromkeys(lines)) == [0, 1, 2]  # all of them, first seen in their order
    assert lines == sorted(lines)
    database = opened(place)
    with database.engine.connect() as connection:
        assert outbox.count(connection, TOPIC) == 0
        assert sorted(connection.execute(select(changes.c.n)).scalars()) == [0, 1, 2]
    database.close()
