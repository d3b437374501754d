"""The stream: answers find their questions, refusals travel, failures tell nothing, ends are clean."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fabric_protos.peer import chaincode_shim_pb2 as shim
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
from chaincode.shim.errors import PeerError

M = shim.ChaincodeMessage
fresh_peer = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def echo(stub, function, argument):
    return argument


async def test_first_message_registers_the_package(bench):
    assert (await bench.peer(echo)).registered == "records_1:abc"


async def test_result_and_event_travel_back(bench):
    async def contract(stub, function, argument):
        stub.put("k", argument)
        stub.emit("first", b"replaced")
        stub.emit("written", b"payload")
        return b"result of " + function.encode()

    peer = await bench.peer(contract)
    done = await peer.invoke("write", b"v")
    assert (done.response.status, done.response.payload) == (200, b"result of write")
    assert (done.event.event_name, done.event.payload) == ("written", b"payload")
    assert peer.state == {("", "k"): b"v"}


async def test_keepalive_comes_back(bench):
    peer = await bench.peer(echo)
    await peer.send(M(type=M.KEEPALIVE, payload=b"ping"))
    await peer.until(lambda: len(peer.echoes) == 1)
    assert peer.echoes[0].payload == b"ping"


@pytest.mark.parametrize(
    "kind",
    [ContractError, BadArgumentError, NotFoundError, ConflictError, ForbiddenError, ClockError],
    ids=lambda kind: kind.code,
)
async def test_refusal_travels_with_code_and_message_and_writes_nothing(bench, kind):
    async def contract(stub, function, argument):
        stub.put("k", b"v")
        stub.emit("never", b"")
        raise kind("the reason: this")

    peer = await bench.peer(contract)
    done = await peer.invoke("refuse")
    assert done.response.status == kind.status
    assert done.response.message == f"{kind.code}: the reason: this"
    assert done.event is None
    assert peer.asked == []


async def test_failure_tells_the_peer_nothing_and_the_log_the_place(bench, caplog):
    async def contract(stub, function, argument):
        raise ValueError(f"cannot handle {argument.decode()}")

    caplog.set_level(logging.DEBUG)
    done = await (await bench.peer(contract)).invoke("fail", b"a secret")
    assert done.response.status == 500
    assert done.response.message.startswith("internal: ")
    assert done.response.payload == b""
    assert "ValueError at contract:" in caplog.text
    assert "secret" not in caplog.text + done.response.message


async def test_nothing_that_a_contract_handles_is_logged(bench, caplog):
    async def contract(stub, function, argument):
        await stub.get("key-secret")
        stub.put("key-secret", b"value-secret")
        raise NotFoundError("told to the caller")

    caplog.set_level(logging.DEBUG)
    await (await bench.peer(contract)).invoke("function-secret", b"argument-secret")
    assert "secret" not in caplog.text


async def test_refusal_of_the_peer_is_an_exception_that_a_contract_may_catch(bench):
    async def contract(stub, function, argument):
        try:
            await stub.get_private("nowhere", "k")
        except PeerError as why:
            return f"{why.question} said {why}".encode()
        return b"not refused"

    peer = await bench.peer(contract, refused={"GET_STATE"})
    assert (await peer.invoke("f")).response.payload == b"GET_STATE said GET_STATE: no such collection"
    peer.refused.clear()
    assert (await peer.invoke("f")).response.payload == b"not refused"


async def test_write_that_the_peer_refuses_fails_the_transaction(bench):
    async def contract(stub, function, argument):
        stub.put("k", b"v")
        return b"never seen"

    peer = await bench.peer(contract, refused={"WRITE_BATCH_STATE"})
    done = await peer.invoke("f")
    assert (done.response.status, done.response.payload) == (500, b"")


@pytest.mark.parametrize("arguments", [[], [b"f"], [b"f", b"1", b"2"], [b"\xff", b"1"]])
async def test_malformed_call_is_refused(bench, arguments):
    done = await (await bench.peer(echo)).invoke("", arguments=arguments)
    assert done.response.status == 400
    assert done.response.message.startswith("bad-argument: ")


# -- many at once -----------------------------------------------------------------


@fresh_peer
@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    order=st.lists(st.integers(0, 7), min_size=1, max_size=12),
    batched=st.booleans(),
)
async def test_every_answer_finds_its_question_in_any_order(bench, sizes, order, batched):
    async def contract(stub, function, argument):
        read = [await stub.get(f"{argument.decode()}-{number}") for number in range(int(function))]
        for number in range(int(function)):
            stub.put(f"{argument.decode()}-{number}", b"new " + read[number])
        return b",".join(read)

    peer = await bench.peer(contract, writes_offered=1000 if batched else 0, held=True)
    running = []
    for transaction, size in enumerate(sizes):
        for number in range(size):
            peer.state["", f"{transaction}-{number}"] = f"value {transaction} {number}".encode()
        running.append(await peer.start(str(size), str(transaction).encode()))
    step = 0
    while not all(done.done() for done in running):
        await peer.until(lambda: peer.pending or all(done.done() for done in running))
        if peer.pending:
            await peer.release(order[step % len(order)])
            step += 1
    for transaction, (size, done) in enumerate(zip(sizes, running, strict=True)):
        values = [f"value {transaction} {number}".encode() for number in range(size)]
        assert done.result().response.payload == b",".join(values)
        for number, value in enumerate(values):
            assert peer.state["", f"{transaction}-{number}"] == b"new " + value
    assert peer.violations == []


async def test_questions_of_one_transaction_wait_for_each_other(bench):
    async def contract(stub, function, argument):
        return b",".join(await asyncio.gather(*(stub.get(key) for key in "abc")))

    peer = await bench.peer(contract, held=True)
    peer.state = {("", key): key.encode() for key in "abc"}
    done = await peer.start("f")
    for _ in range(3):
        await peer.release()
        await asyncio.sleep(0.02)
    assert (await done).response.payload == b"a,b,c"
    assert peer.violations == []


async def test_late_answer_is_not_taken_for_the_next(bench):
    async def contract(stub, function, argument):
        try:
            async with asyncio.timeout(0.05):
                await stub.get("slow")
        except TimeoutError:
            return await stub.get("next")
        return b"was not slow"

    peer = await bench.peer(contract, held=True)
    peer.state = {("", "slow"): b"old answer", ("", "next"): b"right answer"}
    done = await peer.start("f")
    await asyncio.sleep(0.2)
    await peer.release()
    await peer.release()
    assert (await done).response.payload == b"right answer"
    assert peer.violations == []


async def test_waiting_invocation_holds_up_no_other(bench):
    async def contract(stub, function, argument):
        return await stub.get("k") or b"nothing"

    peer = await bench.peer(contract, held=True)
    first, second = await peer.start("f"), await peer.start("f")
    await peer.until(lambda: len(peer.pending) == 2)
    await peer.release(1)
    assert (await second).response.payload == b"nothing"
    assert not first.done()
    await peer.release()
    await first


async def test_transaction_under_an_id_that_runs_is_not_started_twice(bench):
    ran = []

    async def contract(stub, function, argument):
        ran.append(argument)
        return await stub.get("k") or b""

    peer = await bench.peer(contract, held=True)
    done = await peer.start("f", b"1", tx_id="a")
    await peer.start("f", b"2", tx_id="a")
    await peer.release()
    await done
    assert ran == [b"1"]
    assert (await (await bench.peer(echo)).invoke("f", b"3", tx_id="a")).response.payload == b"3"


async def test_strange_messages_are_passed_over(bench, caplog):
    peer = await bench.peer(echo)
    await peer.send(M(type=M.RESPONSE, txid="nobody's", payload=b"secret"))
    await peer.send(M(type=M.ERROR, txid="nobody's", payload=b"secret"))
    await peer.send(M(type=M.GET_STATE, txid="wrong way", payload=b"secret"))
    assert (await peer.invoke("f", b"1")).response.payload == b"1"
    assert "an answer to no question" in caplog.text
    assert "a message of unexpected type" in caplog.text
    assert "secret" not in caplog.text


# -- ends -------------------------------------------------------------------------


async def test_end_of_the_stream_cancels_what_runs_and_the_peer_may_come_back(bench):
    cancelled = asyncio.Event()

    async def contract(stub, function, argument):
        if function == "quick":
            return argument
        try:
            return await stub.get("k") or b""
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = await bench.serve(contract)
    peer = await bench.dial(server.port, held=True)
    await peer.start("f")
    await peer.until(lambda: bool(peer.pending))
    await peer.close()
    async with asyncio.timeout(5):
        await cancelled.wait()
    again = await bench.dial(server.port)
    assert (await again.invoke("quick", b"1")).response.payload == b"1"


async def test_stop_lets_what_runs_finish_and_starts_nothing_new(bench):
    async def contract(stub, function, argument):
        stub.put("k", await stub.get("k") or b"first")
        return argument

    server = await bench.serve(contract)
    peer = await bench.dial(server.port, held=True)
    running = await peer.start("f", b"1")
    await peer.until(lambda: len(peer.pending) == 1)
    stopping = asyncio.create_task(server.stop(5))
    await asyncio.sleep(0.1)
    refused = await peer.start("f", b"2")
    await peer.release()
    await peer.release()
    assert (await running).response.payload == b"1"
    async with asyncio.timeout(2):
        await stopping
    assert not refused.done()


async def test_stop_without_work_is_quick(bench):
    server = await bench.serve(echo)
    await bench.dial(server.port)
    async with asyncio.timeout(1):
        await server.stop(5)


async def test_stop_waits_no_longer_than_its_grace(bench):
    async def contract(stub, function, argument):
        return await stub.get("k") or b""

    server = await bench.serve(contract)
    peer = await bench.dial(server.port, held=True)
    await peer.start("f")
    await peer.until(lambda: bool(peer.pending))
    async with asyncio.timeout(3):
        await server.stop(0.2)
