"""Transactions on a real network, through the port that the gateway's services use."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaincode.errors import (
    BadArgumentError,
    ClockError,
    ConflictError,
    ContractError,
    ForbiddenError,
    NotFoundError,
)
from exchange.errors import UnavailableError
from exchange.ledger.errors import ClockWrongError, RefusedError, VoidedError
from exchange.ledger.fabric.gateway.client import GatewayClient
from exchange.ledger.fabric.gateway.errors import CommitError, EndorseError, EvaluateError
from exchange.ledger.port import Checkpoint, Transactions

pytestmark = pytest.mark.fabric


def fresh(name: str = "key") -> str:
    return f"{name}-{uuid.uuid4().hex}"


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


async def call(transactions: Transactions, function: str, argument: Any) -> Any:
    return json.loads(await transactions.evaluate(function, encoded(argument)))


async def submit(transactions: Transactions, function: str, argument: Any) -> Any:
    return json.loads((await transactions.submit(function, encoded(argument))).result)


async def soon(read: Any, wanted: Any) -> None:
    """Wait for the other peers, which hold a block a moment after the own one."""
    async with asyncio.timeout(10):
        while await read() != wanted:  # noqa: ASYNC110  # another process makes it so, not this loop
            await asyncio.sleep(0.02)


async def test_committed_value_is_read_at_every_organisation(clients):
    key = fresh()
    await submit(clients.transactions("Hospital1"), "put", {key: "1"})
    for organisation in ("Hospital1", "Hospital2", "Hospital3"):
        there = clients.transactions(organisation)
        await soon(lambda there=there: call(there, "get_many", [key]), ["1"])


async def test_commit_names_the_time_that_the_contract_saw(clients):
    before = time.time_ns() // 1_000_000
    committed = await clients.transactions().submit("put", encoded({fresh(): "1"}))
    assert json.loads(committed.result) == {"tx": committed.tx_id, "time": committed.time}
    assert before <= committed.time <= time.time_ns() // 1_000_000


async def test_contract_sees_who_signed(clients):
    seen = await call(clients.transactions("Hospital2"), "who", None)
    assert seen["msp"] == "Hospital2MSP"
    assert "CN=User1@hospital2.example" in seen["subject"]


async def test_transient_data_reaches_the_contract_and_no_block(clients):
    secret = fresh("secret")
    committed = await clients.transactions().submit(
        "transient", b"null", transient={"proof": secret.encode()}
    )
    assert json.loads(committed.result) == {"proof": secret}
    # The contract's answer is in the block; the proposal's transient map must not be, so ask for less.
    quiet = await clients.transactions().submit(
        "put", encoded({fresh(): "1"}), transient={"proof": f"other {secret}".encode()}
    )
    async for block in clients.follower().blocks(quiet.block, quiet.block):
        assert f"other {secret}".encode() not in block.SerializeToString()


@pytest.mark.parametrize(
    "kind",
    [ContractError, BadArgumentError, NotFoundError, ConflictError, ForbiddenError],
    ids=lambda kind: kind.code,
)
async def test_refusal_comes_back_as_the_contracts_own_error(clients, kind):
    transactions = clients.transactions()
    asked = encoded({"code": kind.code, "message": "as: given, with 100 % of its text"})
    for run in (transactions.submit, transactions.evaluate):
        with pytest.raises(RefusedError) as refused:
            await run("refuse", asked)
        assert type(refused.value.reason) is kind
        assert str(refused.value.reason) == "as: given, with 100 % of its text"


async def test_refusal_about_time_is_no_refusal_of_the_contract(clients):
    transactions = clients.transactions()
    asked = encoded({"code": ClockError.code, "message": "five minutes"})
    for run in (transactions.submit, transactions.evaluate):
        with pytest.raises(ClockWrongError):
            await run("refuse", asked)
    assert transactions.trouble() is None


async def test_refused_transaction_writes_nothing(clients):
    transactions = clients.transactions()
    with pytest.raises(RefusedError):
        await transactions.submit("refuse", encoded({"code": "conflict", "message": "no"}))
    assert await call(transactions, "get_many", ["refused"]) == [None]


async def test_contract_that_fails_tells_the_client_nothing_and_logs_no_value(clients):
    secret = fresh("secret")
    for run in (clients.transactions().submit, clients.transactions().evaluate):
        with pytest.raises(UnavailableError) as failed:
            await run("crash", encoded(secret))
        assert not isinstance(failed.value, RefusedError)
        assert secret not in str(failed.value.__cause__)
    logs = b"".join(log.read_bytes() for log in clients.network.folder.logs.glob("chaincode.*"))
    assert b"ValueError at crash:" in logs
    assert secret.encode() not in logs


async def test_logs_hold_no_key_and_no_value(clients):
    key, value = fresh("key"), fresh("value")
    transactions = clients.transactions()
    await submit(transactions, "put", {key: value})
    await call(transactions, "get", key)
    with pytest.raises(RefusedError):
        await transactions.evaluate("get", encoded(fresh("key")))
    logs = b"".join(log.read_bytes() for log in clients.network.folder.logs.glob("chaincode.*"))
    assert key.encode() not in logs
    assert value.encode() not in logs


async def test_refusal_of_the_peer_reaches_the_contract_as_an_exception(clients):
    with pytest.raises(UnavailableError):
        await clients.transactions().evaluate("unknown_collection", encoded("k"))
    logs = clients.network.folder.log("chaincode.hospital1").read_text()
    assert "PeerError at ask:" in logs


async def test_thousands_of_keys_travel_in_several_batches(clients):
    transactions, name = clients.transactions(), fresh()
    written = {f"{name}-{number:04d}": str(number) for number in range(2_300)}
    await submit(transactions, "put", written)
    assert await call(transactions, "get_many", list(written)) == list(written.values())
    assert await call(transactions, "get_many", [*list(written)[:3], fresh()]) == ["0", "1", "2", None]


async def test_large_value_passes(clients):
    transactions, key = clients.transactions(), fresh()
    await submit(transactions, "put", {key: "x" * 6_000_000})
    assert await call(transactions, "get", key) == "x" * 6_000_000


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 12), limit=st.integers(1, 5))
async def test_pages_walk_a_range_once_and_in_order(clients, count, limit):
    transactions, subject = clients.transactions(), fresh("subject")
    names = [f"{number:02d}" for number in range(count)]
    await asyncio.gather(
        *(submit(transactions, "note", {"subject": subject, "id": name}) for name in reversed(names))
    )
    await submit(transactions, "note", {"subject": f"{subject}x", "id": "another subject's"})
    seen: list[str] = []
    bookmark = ""
    while True:
        asked = {"subject": subject, "limit": limit, "bookmark": bookmark}
        page = await call(transactions, "notes", asked)
        assert len(page["values"]) <= limit
        seen += page["values"]
        bookmark = page["bookmark"]
        if not bookmark:
            break
        assert len(page["values"]) == limit
    assert seen == names


async def test_range_longer_than_the_peers_parts_is_read_to_its_end(clients):
    transactions, subject = clients.transactions(), fresh("subject")
    gateway = clients.gateway()
    endorsed = [
        gateway.submit("note", encoded({"subject": subject, "id": f"{number:03d}"})) for number in range(130)
    ]
    await asyncio.gather(*endorsed)
    page = await call(transactions, "notes", {"subject": subject, "limit": 500})
    assert page == {"values": [f"{number:03d}" for number in range(130)], "bookmark": ""}


async def test_transaction_reads_a_page_and_writes(clients):
    transactions, subject = clients.transactions(), fresh("subject")
    for name in ("a", "b"):
        await submit(transactions, "note", {"subject": subject, "id": name})
    assert await submit(transactions, "count_and_note", subject) == 1
    page = await call(transactions, "notes", {"subject": subject, "limit": 10})
    assert page["values"] == ["a", "b", "counted"]


async def test_history_is_newest_first_with_times_and_ids(clients):
    transactions, key = clients.transactions(), fresh()
    done = [await transactions.submit("put", encoded({key: str(number)})) for number in range(3)]
    assert await call(transactions, "history", key) == [
        [past.tx_id, past.time, str(number)] for number, past in reversed(list(enumerate(done)))
    ]


async def test_concurrent_transactions_all_commit_once(clients):
    transactions, subject = clients.transactions(), fresh("subject")
    names = [f"{number:03d}" for number in range(96)]
    committed = await asyncio.gather(
        *(transactions.submit("note", encoded({"subject": subject, "id": name})) for name in names)
    )
    assert len({done.tx_id for done in committed}) == len(names)
    page = await call(transactions, "notes", {"subject": subject, "limit": 200})
    assert page["values"] == names


async def test_slow_invocation_holds_up_no_other(clients):
    # Only invocations: a peer commits no block while one of its contracts runs, whatever a shim does.
    transactions, key = clients.transactions(), fresh()
    await submit(transactions, "put", {key: "1"})
    slow = asyncio.create_task(call(transactions, "wait", 1.5))
    began = time.monotonic()
    for _ in range(10):
        assert await call(transactions, "get", key) == "1"
    assert time.monotonic() - began < 1.2
    assert await slow == 1.5


async def test_conflicting_transactions_are_voided_and_leave_no_trace(clients):
    transactions, key = clients.transactions(), fresh("counter")
    outcomes = await asyncio.gather(
        *(submit(transactions, "increment", key) for _ in range(24)), return_exceptions=True
    )
    committed = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    voided = [outcome for outcome in outcomes if isinstance(outcome, VoidedError)]
    assert len(committed) + len(voided) == 24
    assert committed
    assert voided
    assert sorted(committed) == list(range(1, len(committed) + 1))
    assert await call(transactions, "get", key) == str(len(committed))


async def test_events_come_in_order_and_resume_from_any_checkpoint(clients):
    transactions, tag = clients.transactions(), fresh()
    names = [f"{tag}-{number}" for number in range(6)]
    for name in names:
        await submit(transactions, "note", {"subject": fresh("subject"), "id": name})
    collected: list[tuple[Checkpoint, str]] = []
    async with asyncio.timeout(20):
        async for event in transactions.events(None):
            if event.name == "note" and event.payload.decode().startswith(tag):
                collected.append((event.checkpoint, event.payload.decode()))
                if len(collected) == len(names):
                    break
        assert [name for _, name in collected] == names
        for place, (checkpoint, _) in enumerate(collected[:-1]):
            async for event in transactions.events(checkpoint):
                assert event.payload.decode() == names[place + 1]
                break


async def test_events_of_one_block_have_their_own_checkpoints(clients, fabric):
    transactions = clients.transactions("Hospital2")
    everything: list[Checkpoint] = []
    height = (await transactions.submit("put", encoded({fresh(): "1"}))).block
    async with asyncio.timeout(20):
        async for event in transactions.events(None):
            everything.append(event.checkpoint)
            if event.checkpoint.block >= height:
                break
    assert everything == sorted(set(everything))


async def test_private_data_is_for_its_members_only(clients):
    one, two, three = (clients.transactions(f"Hospital{number}") for number in (1, 2, 3))
    key = fresh()
    await one.submit("keep", encoded(key), transient={"value": b"only for two"})
    seen = await call(one, "recall", key)
    assert seen["value"] == "only for two"
    assert key in seen["keys"]
    await soon(lambda: call(two, "recall", key), seen)
    with pytest.raises(UnavailableError):
        await three.evaluate("recall", encoded(key))
    async for block in clients.follower("Hospital3").blocks(
        0, (await one.submit("put", encoded({key: "1"}))).block
    ):
        assert b"only for two" not in block.SerializeToString()
    await one.submit("purge", encoded(key))
    assert (await call(one, "recall", key))["value"] is None


async def test_key_may_require_organisations_of_its_own(clients):
    key = fresh()
    gateway: GatewayClient = clients.gateway()
    two = ["Hospital1MSP", "Hospital2MSP"]
    everybody = [*two, "Hospital3MSP"]
    await gateway.submit("guard", encoded({"key": key, "msp_ids": everybody}))
    assert json.loads(await gateway.evaluate("guarded", encoded(key)))
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await gateway.submit("put", encoded({key: "by two"}), organisations=two)
    await gateway.submit("put", encoded({key: "by all"}))
    assert json.loads(await gateway.evaluate("get", encoded(key))) == "by all"


async def test_one_organisation_alone_can_write_nothing(clients):
    gateway, key = clients.gateway(), fresh()
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await gateway.submit("put", encoded({key: "alone"}), organisations=["Hospital1MSP"])
    assert json.loads(await gateway.evaluate("get_many", encoded([key]))) == [None]


async def test_call_needs_a_function_and_one_argument(clients):
    for arguments in ((), (b"1", b"2")):
        with pytest.raises(EvaluateError) as refused:
            await clients.gateway().evaluate("put", *arguments)
        assert refused.value.refusal
        assert refused.value.refusal.message.startswith("bad-argument: ")
    with pytest.raises(EndorseError) as refused_too:
        await clients.gateway().submit("no such function", b"null")
    assert refused_too.value.refusal
    assert refused_too.value.refusal.status == 409
