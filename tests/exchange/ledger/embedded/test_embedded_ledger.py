"""One node on one file: blocks, locks, keys, events, and what happens when things go wrong."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import stat
import subprocess
import sys
import time
from typing import Any

import pytest

import chaincode.router
from chaincode.access.calls import Authorize
from chaincode.consent.calls import Opening, OpenPairs
from chaincode.encoding import encode
from chaincode.policy.model import Policy
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded import block as blocks
from exchange.ledger.embedded.storage import LATEST, Storage, WritingTransaction
from exchange.ledger.errors import InUseError, NodeKeyError, RefusedError, UnknownOutcomeError
from exchange.ledger.port import Checkpoint, Transactions
from exchange.runtime.packed_rows import unpack

A, B = "HospitalAMSP", "HospitalBMSP"
FOUND = encode(chaincode.router.SetPolicy(Policy(version=1, members=(A, B), rules=())))


def opening(*pairs: str) -> bytes:
    return encode(OpenPairs(tuple(Opening(pair, B, "patient") for pair in pairs)))


def headers(node: Any) -> list[blocks.Header]:
    db = sqlite3.connect(node.path)
    found = [blocks.decode_header(row[0]) for row in db.execute("SELECT header FROM blocks ORDER BY number")]
    db.close()
    return found


async def test_it_fits_the_port(node: Any) -> None:
    ledger: Transactions = node.open()
    assert ledger.msp_id == A
    await ledger.close()


async def test_what_waits_together_becomes_one_block(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    names = [secrets.token_hex(16) for _ in range(40)]
    committed = await asyncio.gather(*(ledger.submit("consent:open", opening(name)) for name in names))
    await ledger.close()
    assert len({one.tx_id for one in committed}) == 40
    found = headers(node)
    assert sum(header.count for header in found) == 41
    assert len(found) < 41
    assert [header.number for header in found] == list(range(len(found)))
    assert node.verify(replay=True).sound


async def test_each_transaction_sees_the_one_before_it_in_its_block(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    name = secrets.token_hex(16)
    results = await asyncio.gather(*(ledger.submit("consent:open", opening(name)) for _ in range(10)))
    assert [b"already-open" in one.result for one in results] == [False] + [True] * 9
    assert len({one.block for one in results}) < 10
    await ledger.close()
    assert node.verify(replay=True).sound


async def test_a_refused_transaction_leaves_the_others_in_its_block_alone(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    good = [secrets.token_hex(16) for _ in range(4)]
    calls = [ledger.submit("consent:open", opening(name)) for name in (*good[:2], "bad", *good[2:])]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[2], RefusedError)
    assert sum(isinstance(one, Exception) for one in outcomes) == 1
    await ledger.close()
    report = node.verify(replay=True)
    assert (report.sound, report.transactions, report.values) == (True, 5, 2 + 4 * 2)


async def test_a_refusal_alone_makes_no_block(node: Any) -> None:
    ledger = node.open()
    with pytest.raises(RefusedError) as refused:
        await ledger.submit("consent:open", opening(secrets.token_hex(16)))
    assert refused.value.reason.code == "not-found"
    await ledger.close()
    assert node.verify().blocks == 0


async def test_a_contracts_defect_fails_its_own_transaction_only(
    node: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def defective(ledger: Any, args: Any) -> Any:
        ledger.put("half", b"done")
        raise ZeroDivisionError("a value from a record")

    async def waits(ledger: Any, args: Any) -> Any:
        await asyncio.sleep(0)

    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    real = chaincode.router.FUNCTIONS
    args = real["policy:read"].args
    monkeypatch.setattr(
        chaincode.router,
        "FUNCTIONS",
        {
            **real,
            "defect": chaincode.router.ContractFunction(defective, args),
            "waits": chaincode.router.ContractFunction(waits, args),
        },
    )
    good = opening(secrets.token_hex(16))
    outcomes = await asyncio.gather(
        ledger.submit("defect", b"{}"),
        ledger.submit("waits", b"{}"),
        ledger.submit("consent:open", good),
        return_exceptions=True,
    )
    assert [isinstance(one, UnavailableError) for one in outcomes] == [True, True, False]
    assert "a value from a record" not in caplog.text
    await ledger.close()
    assert node.verify().sound


async def test_a_transaction_does_not_see_its_own_writes(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fabric's rule; a contract that relied on more would work here and fail there."""
    seen: list[bytes | None] = []

    async def twice(ledger: Any, args: Any) -> Any:
        seen.append(await ledger.get("key"))
        ledger.put("key", b"1" if seen[0] is None else b"2")
        seen.append(await ledger.get("key"))
        seen.extend(entry.value for entry in (await ledger.range("a", "z", limit=9)).entries)
        return args

    async def pause(ledger: Any, args: Any) -> Any:
        time.sleep(0.1)  # noqa: ASYNC251 - the writer's thread waits, and the others come into one block
        ledger.put("~paused", b"1")
        return args

    real = chaincode.router.FUNCTIONS
    added = {
        run.__name__: chaincode.router.ContractFunction(run, real["policy:read"].args)
        for run in (twice, pause)
    }
    monkeypatch.setattr(chaincode.router, "FUNCTIONS", {**real, **added})
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    calls = [ledger.submit(name, b"{}") for name in ("pause", "twice", "twice")]
    _, first, second = await asyncio.gather(*calls)
    assert first.block == second.block
    assert seen == [None, None, b"1", b"1", b"1"]
    await ledger.close()
    assert node.verify(replay=True).replayed == 4


async def test_a_transaction_tells_which_versions_it_decided_on(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    name, none = secrets.token_hex(16), secrets.token_hex(16)
    await ledger.submit("consent:open", opening(secrets.token_hex(16)))
    await ledger.submit("consent:open", opening(name))
    await ledger.submit("access:authorize", encode(Authorize((node.request(name), node.request(none)))))
    await ledger.close()
    db = sqlite3.connect(node.path)
    (body,) = db.execute("SELECT body FROM transactions ORDER BY place DESC").fetchone()
    db.close()
    assert blocks.decode_transaction(unpack(body)).effect.reads == (
        (b"\0policy\0consortium\0", 0),
        (b"\0policy\0admissions\0", blocks.NEVER),
        (f"\0pair\0{name}\0{A}\0".encode(), 2 << 16),
        (f"\0pair\0{none}\0{A}\0".encode(), blocks.NEVER),
    )


async def test_reads_do_not_write(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    name = secrets.token_hex(16)
    assert b"opened" in await ledger.evaluate("consent:open", opening(name))
    assert b"null" in await ledger.evaluate("consent:read", encode(chaincode.router.ReadPair(name)))
    await ledger.close()
    assert node.verify().transactions == 1


async def test_a_reader_sees_what_was_acknowledged(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    for _ in range(20):
        name = secrets.token_hex(16)
        await ledger.submit("consent:open", opening(name))
        assert b"custodian" in await ledger.evaluate("consent:read", encode(chaincode.router.ReadPair(name)))
    await ledger.close()


async def test_state_survives_a_restart(node: Any) -> None:
    names = await node.fill()
    client = node.client()
    held = await client.read_pair(names[0])
    assert held is not None
    assert held.epoch == 2
    assert len((await client.pair_log(names[0])).entries) == 5
    assert (await client.authorize([node.ask(names[1])])).permit is not None
    await client.close()
    report = node.verify(replay=True)
    assert (report.sound, report.blocks) == (True, 9)


async def test_a_second_writer_is_turned_away(node: Any) -> None:
    ledger = node.open()
    with pytest.raises(InUseError):
        node.open()
    await ledger.submit("policy:found", FOUND)
    await ledger.close()
    await node.open().close()


async def test_a_second_process_is_turned_away(node: Any) -> None:
    ledger = node.open()
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from exchange.ledger.embedded import EmbeddedLedger\n"
        "async def main():\n"
        "    EmbeddedLedger.open(Path(sys.argv[1]), key=Path(sys.argv[2]), msp_id='HospitalAMSP')\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(node.path), str(node.key)]
    other = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert "InUseError" in other.stderr
    await ledger.close()


async def test_a_node_key_that_is_missing_or_wrong_is_named(filled: Any) -> None:
    other = filled.folder / "other.pem"
    EmbeddedLedger.create_key(other)
    garbage = filled.folder / "garbage.pem"
    garbage.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    for key, message in (
        (filled.folder / "none.pem", "missing"),
        (garbage, "no key"),
        (other, "another node key"),
    ):
        with pytest.raises(NodeKeyError, match=message):
            EmbeddedLedger.open(filled.path, key=key, msp_id=A)
    with pytest.raises(NodeKeyError, match="organisation"):
        filled.open(msp_id=B)
    await filled.open().close()  # nothing of it kept the lock


def test_a_node_key_is_private_and_never_written_over(node: Any) -> None:
    assert stat.S_IMODE(node.key.stat().st_mode) == 0o600
    before = node.key.read_bytes()
    with pytest.raises(NodeKeyError):
        EmbeddedLedger.create_key(node.key)
    assert node.key.read_bytes() == before


async def test_the_ledgers_file_is_private(filled: Any) -> None:
    assert stat.S_IMODE(filled.path.stat().st_mode) == 0o600


async def test_a_file_of_another_kind_is_refused(node: Any) -> None:
    node.path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(DamagedError):
        node.open()
    node.path.unlink()
    sqlite3.connect(node.path).execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(DamagedError, match="not an embedded ledger"):
        node.open()
    node.path.write_bytes(b"")
    with pytest.raises(DamagedError):
        node.open()


async def test_a_damaged_newest_block_is_named_on_opening(filled: Any) -> None:
    for statement, message in (
        ("UPDATE blocks SET signature = zeroblob(64) WHERE number = 7", "block 7: its signature"),
        ("DELETE FROM blocks WHERE number = 6", "block 6: is missing"),
        ("DELETE FROM blocks WHERE number = 7", "block 7, transaction 0: belongs to no block"),
        ("UPDATE transactions SET body = zeroblob(9) WHERE place >> 16 = 7", "block 7, transaction 0"),
        ("UPDATE versions SET value = x'7b7d' WHERE place >> 16 = 7", "block 7, transaction 0.*value"),
        ("DELETE FROM versions WHERE place >> 16 = 7", "versions .*"),
        ("INSERT INTO versions VALUES (1000, 0, x'00', x'00')", "versions .*another key"),
        ("DELETE FROM blocks", "blocks block 0: is missing"),
    ):
        before = filled.path.read_bytes()
        db = sqlite3.connect(filled.path)
        db.execute(statement)
        db.commit()
        db.close()
        with pytest.raises(DamagedError, match=message):
            filled.open()
        filled.path.write_bytes(before)
    await filled.open().close()


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
async def test_a_file_that_was_cut_off_is_refused(filled: Any, kept: float) -> None:
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DamagedError):
        filled.open()
    assert not filled.verify().sound


async def test_time_does_not_run_back_while_a_clock_is_adjusted(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    first = node.now
    node.now -= 60_000
    assert (await ledger.submit("consent:open", opening(secrets.token_hex(16)))).time == first
    await ledger.close()


FAILURES = [("SQLITE_FULL", "full"), ("SQLITE_IOERR", "takes no writes"), (None, "can't be written")]


@pytest.mark.parametrize(("code", "said"), FAILURES)
async def test_a_failed_write_is_told_until_writing_goes_on(
    node: Any, monkeypatch: pytest.MonkeyPatch, code: str | None, said: str
) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    name = secrets.token_hex(16)
    await ledger.submit("consent:open", opening(name))
    failure = sqlite3.OperationalError("no")
    if code is not None:
        failure.sqlite_errorcode = getattr(sqlite3, code)

    def fail() -> None:
        raise failure

    with monkeypatch.context() as patch:
        for step in ("commit", "write_nothing"):
            patch.setattr(ledger._writable, step, fail)
        outcomes = await asyncio.gather(
            *(ledger.submit("consent:open", opening(secrets.token_hex(16))) for _ in range(3)),
            return_exceptions=True,
        )
        assert {type(one) for one in outcomes} <= {UnknownOutcomeError, UnavailableError}
        assert any(isinstance(one, UnknownOutcomeError) for one in outcomes)
        with pytest.raises(UnavailableError, match=said):
            await ledger.submit("consent:open", opening(secrets.token_hex(16)))
        assert said in ledger.trouble()
    # What was read within the block that failed is not remembered.
    assert b"already-open" in (await ledger.submit("consent:open", opening(name))).result
    assert ledger.trouble() is None
    await ledger.close()
    assert node.verify(replay=True).sound


async def test_writing_goes_on_although_nobody_asks(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)

    def fail() -> None:
        raise sqlite3.OperationalError("no")

    with monkeypatch.context() as patch:
        patch.setattr(ledger._writable, "commit", fail)
        with pytest.raises(UnknownOutcomeError):
            await ledger.submit("consent:open", opening(secrets.token_hex(16)))
    async with asyncio.timeout(10):
        while ledger.trouble():  # noqa: ASYNC110  # the writer's thread tells nobody
            await asyncio.sleep(0.05)
    await ledger.close()


async def test_a_block_of_unknown_fate_that_stands_ends_the_writer(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    commit = ledger._writable.commit

    def fail() -> None:
        commit()
        raise sqlite3.OperationalError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(ledger._writable, "commit", fail)
        with pytest.raises(UnknownOutcomeError):
            await ledger.submit("consent:open", opening(secrets.token_hex(16)))
    with pytest.raises(UnavailableError, match="start the gateway again"):
        await ledger.submit("consent:open", opening(secrets.token_hex(16)))
    await ledger.close()
    again = node.open()
    await again.submit("consent:open", opening(secrets.token_hex(16)))
    await again.close()
    assert node.verify(replay=True).sound


async def test_closing_finishes_what_was_submitted(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    waiting = [
        asyncio.ensure_future(ledger.submit("consent:open", opening(secrets.token_hex(16))))
        for _ in range(20)
    ]
    await asyncio.sleep(0)
    await ledger.close()
    await ledger.close()
    assert len(await asyncio.gather(*waiting)) == 20
    with pytest.raises(UnavailableError):
        await ledger.submit("policy:found", FOUND)
    with pytest.raises(UnavailableError):
        await ledger.evaluate("policy:read", b"{}")


async def test_a_caller_that_gives_up_in_the_queue_is_not_written(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    calls = [
        asyncio.ensure_future(ledger.submit("consent:open", opening(secrets.token_hex(16))))
        for _ in range(50)
    ]
    await asyncio.sleep(0)
    for call in calls[1::2]:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert not any(isinstance(one, BaseException) for one in outcomes[::2])
    await ledger.close()
    assert node.verify(replay=True).sound


# -- events ------------------------------------------------------------------------


async def take(stream: Any, count: int) -> list[Any]:
    found = []
    async for event in stream:
        found.append(event)
        if len(found) == count:
            break
    await stream.aclose()
    return found


async def test_events_are_those_of_the_transactions_in_order(node: Any) -> None:
    ledger = node.open()
    committed = [await ledger.submit("policy:found", FOUND)]
    names = [secrets.token_hex(16) for _ in range(100)]
    committed += [await ledger.submit("consent:open", opening(name)) for name in names]
    found = await take(ledger.events(None), 101)
    assert [event.tx_id for event in found] == [one.tx_id for one in committed]
    assert [event.checkpoint.block for event in found] == [one.block for one in committed]
    assert [event.name for event in found] == ["policy"] + ["consent"] * 100
    rest = await take(ledger.events(found[70].checkpoint), 30)
    assert rest == found[71:]
    await ledger.close()


async def test_a_follower_gets_what_comes_later(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    follower = asyncio.ensure_future(take(ledger.events(None), 4))
    slow = asyncio.ensure_future(take(ledger.events(Checkpoint(0, 0)), 3))
    for _ in range(3):
        await asyncio.sleep(0.01)
        await asyncio.gather(ledger.submit("consent:open", opening(secrets.token_hex(16))))
    assert (await follower)[1:] == await slow
    await ledger.close()


async def test_an_event_comes_with_what_its_transaction_wrote(node: Any) -> None:
    """Whether it is still at hand, or read back from the file."""
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    names = [secrets.token_hex(16) for _ in range(5)]
    requests = tuple(node.request(name) for name in names)
    committed = await ledger.submit("access:authorize", encode(Authorize(requests)))
    (event,) = await take(ledger.events(Checkpoint(0, 0)), 1)
    storage = Storage.open(node.path, writable=False)
    (_, body), *_ = storage.transactions(1 << 16, LATEST)
    writer = WritingTransaction.of(body)
    rows = [storage.restored(row, writer) for row in storage.versions() if row[1] >> 16 == 1]
    storage.close()
    assert (event.name, event.tx_id) == ("access", committed.tx_id)
    assert (event.payload, event.written) == (b"", tuple((key, value) for *_, key, value in rows))
    await ledger.close()
    ledger = node.open()
    assert await take(ledger.events(Checkpoint(0, 0)), 1) == [event]
    await ledger.close()


async def test_a_transaction_without_an_event_is_passed_over(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    name = secrets.token_hex(16)
    for _ in range(70):  # more than a page without any
        await ledger.submit("consent:open", opening(name))
    last = await ledger.submit("consent:open", opening(secrets.token_hex(16)))
    found = await take(ledger.events(None), 3)
    assert found[2].tx_id == last.tx_id
    await ledger.close()


async def test_followers_end_when_the_ledger_closes(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)

    async def follow() -> list[Any]:
        return [event async for event in ledger.events(None)]

    follower = asyncio.ensure_future(follow())
    await asyncio.sleep(0.05)
    await ledger.close()
    assert len(await follower) == 1


async def test_a_checkpoint_beyond_the_end_says_that_blocks_are_gone(filled: Any) -> None:
    ledger = filled.open()
    with pytest.raises(DamagedError, match="ends before block 9"):
        await anext(ledger.events(Checkpoint(9, 0)))
    await ledger.close()


# -- verifying -----------------------------------------------------------------------


async def test_a_ledger_verifies_while_its_node_has_it_open(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    for _ in range(5):
        committed = await ledger.submit("consent:open", opening(secrets.token_hex(16)))
        report = await asyncio.to_thread(node.verify, replay=True)
        assert (report.sound, report.tip.block) == (True, committed.block)
    await ledger.close()


async def test_transactions_with_transient_data_are_counted_and_not_replayed(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    await ledger.submit("consent:open", opening(secrets.token_hex(16)), transient={"assertion": b"signed"})
    await ledger.close()
    report = node.verify(replay=True)
    assert (report.sound, report.replayed, report.unreplayable) == (True, 1, 1)
    assert b"signed" not in node.path.read_bytes()


async def test_verifying_says_how_far_it_came(node: Any) -> None:
    ledger = node.open()
    await ledger.submit("policy:found", FOUND)
    for _ in range(70):
        await ledger.submit("consent:open", opening(secrets.token_hex(16)))
    await ledger.close()
    told: list[tuple[int, int]] = []
    report = node.verify(progress=lambda done, total: told.append((done, total)))
    assert told == [(2 + 63 * 2, 2 + 70 * 2), (2 + 70 * 2, 2 + 70 * 2)]
    assert (report.blocks, report.transactions, report.values) == (71, 71, 2 + 70 * 2)
