"""Many callers, few transactions; and one caller's trouble is no other's."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from chaincode.access.calls import Authorize, Decisions
from chaincode.access.model import Permitted
from chaincode.errors import BadArgumentError
from exchange.errors import DamagedError, TooCostlyError, UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError, VoidedError
from exchange.ledger.port import Committed

PERMIT = Permitted(reason="consent", obligations=())


class Gate:
    """A channel whose transactions commit when a test says so; it fits the port."""

    msp_id = "HospitalAMSP"

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.fail: list[Exception | None] = []
        self.result: bytes | None = None

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        requests = msgspec.json.decode(args, type=Authorize).requests
        self.batches.append([request.pair for request in requests])
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(gate)
        await gate
        if self.fail and (why := self.fail.pop(0)):
            raise why
        if any(request.purpose == "BAD" for request in requests):
            raise RefusedError(BadArgumentError("purpose"))
        answer = self.result or msgspec.json.encode(Decisions(tuple(PERMIT for _ in requests)))
        return Committed(secrets.token_hex(32), len(self.batches), 1, answer)

    async def open_next(self) -> None:
        while not self.waiting:  # noqa: ASYNC110  # these tests go by turns of the loop
            await asyncio.sleep(0)
        self.waiting.pop(0).set_result(None)

    async def keep_open(self) -> None:
        while True:
            await self.open_next()

    def trouble(self) -> str | None:
        return None

    def doubt(self) -> str | None:
        return None

    async def evaluate(self, function: str, args: bytes) -> bytes:
        raise NotImplementedError

    def events(self, after: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        """Hold nothing."""


@pytest.fixture
def gate() -> Gate:
    return Gate()


def start(client: LedgerClient, *asks: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(client.authorize(list(asks)))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_alone_goes_at_once_and_the_rest_go_together(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    names = [secrets.token_hex(16) for _ in range(6)]
    tasks = [start(client, node.ask(names[0]))]
    await settle()
    assert gate.batches == [names[:1]]
    tasks += [start(client, node.ask(name)) for name in names[1:]]
    await settle()
    assert gate.batches == [names[:1]]
    await gate.open_next()
    await gate.open_next()
    answers = await asyncio.gather(*tasks)
    assert gate.batches == [names[:1], names[1:]]
    assert len({answer.tx_id for answer in answers}) == 2
    assert [answer.entries[0].n for answer in answers] == [0, 0, 1, 2, 3, 4]


async def test_many_are_shared_out_among_the_transactions_that_are_free(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate, in_flight=2)
    tasks = [start(client, node.ask(secrets.token_hex(16))) for _ in range(450)]
    await settle()
    assert [len(batch) for batch in gate.batches] == [256, 194]
    tasks += [start(client, node.ask(secrets.token_hex(16))) for _ in range(90)]
    await gate.open_next()
    await settle()
    assert [len(batch) for batch in gate.batches] == [256, 194, 90]
    await gate.open_next()
    await gate.open_next()
    await asyncio.gather(*tasks)


async def test_few_are_not_shared_out(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate, in_flight=2)
    tasks = [start(client, node.ask(secrets.token_hex(16))) for _ in range(200)]
    await settle()
    assert [len(batch) for batch in gate.batches] == [200]
    await gate.open_next()
    await asyncio.gather(*tasks)


async def test_each_caller_gets_a_permit_for_its_own_subjects(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    keeper = asyncio.create_task(gate.keep_open())
    asks = [node.ask(secrets.token_hex(16)) for _ in range(5)]
    answers = await asyncio.gather(client.authorize(asks[:2]), client.authorize(asks[2:]))
    assert [set(answer.permit.obligations) for answer in answers if answer.permit] == [
        {asks[0].subject, asks[1].subject},
        {ask.subject for ask in asks[2:]},
    ]
    assert all(answer.permit and answer.permit.recipient == "HospitalBMSP" for answer in answers)
    keeper.cancel()


async def test_a_calls_asks_stay_in_one_transaction(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    sizes = (1, 300, 150, 100, 400, 500, 2)
    calls = [[node.ask(secrets.token_hex(16)) for _ in range(size)] for size in sizes]
    tasks = [start(client, *asks) for asks in calls]
    keeper = asyncio.create_task(gate.keep_open())
    await asyncio.gather(*tasks)
    keeper.cancel()
    assert [len(batch) for batch in gate.batches] == [451, 500, 500, 2]


async def test_more_than_one_transaction_takes_is_too_costly(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    with pytest.raises(TooCostlyError):
        await client.authorize([node.ask(secrets.token_hex(16)) for _ in range(501)])
    assert gate.batches == []


async def test_one_subject_is_asked_for_once_and_for_one_recipient(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    ask = node.ask(secrets.token_hex(16))
    other = node.ask(secrets.token_hex(16), recipient="HospitalCMSP")
    for wrong in ([], [ask, ask], [ask, other]):
        with pytest.raises(ValueError, match=r"^authorize "):
            await client.authorize(wrong)
    assert gate.batches == []


async def test_one_bad_request_harms_its_own_caller_only(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    first = start(client, node.ask(secrets.token_hex(16)))
    await settle()
    asks = [node.ask(secrets.token_hex(16), purpose="BAD" if n == 2 else "TREAT") for n in range(5)]
    tasks = [start(client, ask) for ask in asks]
    keeper = asyncio.create_task(gate.keep_open())
    outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
    keeper.cancel()
    assert [isinstance(one, RefusedError) for one in outcomes] == [False, False, False, True, False, False]
    assert [len(batch) for batch in gate.batches] == [1, 5, 1, 1, 1, 1, 1]


async def test_a_caller_that_gives_up_harms_nobody(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    names = [secrets.token_hex(16) for _ in range(4)]
    in_flight = start(client, node.ask(names[0]))
    await settle()
    queued = [start(client, node.ask(name)) for name in names[1:]]
    await settle()
    in_flight.cancel()
    queued[1].cancel()
    await gate.open_next()
    await gate.open_next()
    outcomes = await asyncio.gather(in_flight, *queued, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in outcomes] == [True, False, True, False]
    assert gate.batches == [[names[0]], [names[1], names[3]]], "who left the queue leaves no trace"


async def test_several_transactions_may_be_in_flight(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate, in_flight=3)
    tasks = []
    for _ in range(5):
        tasks.append(start(client, node.ask(secrets.token_hex(16))))
        await settle()
    assert [len(batch) for batch in gate.batches] == [1, 1, 1]
    keeper = asyncio.create_task(gate.keep_open())
    await asyncio.gather(*tasks)
    keeper.cancel()
    assert [len(batch) for batch in gate.batches] == [1, 1, 1, 2]


async def test_a_voided_transaction_is_tried_anew(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    gate.fail = [VoidedError("MVCC_READ_CONFLICT")] * 19  # while consents change all the time
    keeper = asyncio.create_task(gate.keep_open())
    assert (await client.authorize([node.ask(secrets.token_hex(16))])).permit is not None
    assert len(gate.batches) == 20
    gate.fail = [VoidedError("MVCC_READ_CONFLICT")] * 50
    with pytest.raises(VoidedError):
        await client.authorize([node.ask(secrets.token_hex(16))])
    keeper.cancel()


async def test_a_ledger_that_does_not_answer_releases_nothing(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate, timeout=0.05)
    tasks = [start(client, node.ask(secrets.token_hex(16)))]
    await settle()
    tasks += [start(client, node.ask(secrets.token_hex(16))) for _ in range(3)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(type(one) is UnavailableError for one in outcomes)
    gate.waiting.clear()
    keeper = asyncio.create_task(gate.keep_open())
    assert (await client.authorize([node.ask(secrets.token_hex(16))])).permit is not None
    keeper.cancel()


@pytest.mark.parametrize("result", [b"{}", b'{"decisions":[]}', b"nonsense"])
async def test_an_answer_that_is_not_one_decision_each_releases_nothing(
    gate: Gate, node: Any, result: bytes
) -> None:
    client = LedgerClient(gate)
    gate.result = result
    keeper = asyncio.create_task(gate.keep_open())
    with pytest.raises(DamagedError):
        await client.authorize([node.ask(secrets.token_hex(16))])
    keeper.cancel()


async def test_a_failed_batch_fails_its_callers_and_not_the_next(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    gate.fail = [UnavailableError("down")]
    keeper = asyncio.create_task(gate.keep_open())
    with pytest.raises(UnavailableError, match="down"):
        await client.authorize([node.ask(secrets.token_hex(16))])
    assert (await client.authorize([node.ask(secrets.token_hex(16))])).permit is not None
    keeper.cancel()


async def test_closing_finishes_what_waits_and_takes_no_more(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    tasks = [start(client, node.ask(secrets.token_hex(16)))]
    await settle()
    tasks.append(start(client, node.ask(secrets.token_hex(16))))
    await settle()
    closing = asyncio.create_task(client.close())
    await settle()
    with pytest.raises(UnavailableError):
        await client.authorize([node.ask(secrets.token_hex(16))])
    keeper = asyncio.create_task(gate.keep_open())
    await closing
    assert all(answer.permit for answer in await asyncio.gather(*tasks))
    keeper.cancel()


async def test_nobody_waits_for_ever_when_the_work_is_cancelled(gate: Gate, node: Any) -> None:
    client = LedgerClient(gate)
    tasks = [start(client, node.ask(secrets.token_hex(16)))]
    await settle()
    tasks.append(start(client, node.ask(secrets.token_hex(16))))
    await settle()
    for work in list(client._group._running):
        work.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, UnavailableError) for one in outcomes)


async def test_a_call_that_comes_as_the_last_batch_ends_is_not_forgotten(gate: Gate, node: Any) -> None:
    """The worker has looked into an empty queue but is not yet done: the next call starts another."""
    client = LedgerClient(gate, timeout=5)
    keeper = asyncio.create_task(gate.keep_open())
    for turns in range(30):
        first = start(client, node.ask(secrets.token_hex(16)))
        for _ in range(turns):
            await asyncio.sleep(0)
        second = start(client, node.ask(secrets.token_hex(16)))
        await asyncio.wait_for(asyncio.gather(first, second), 1)
    keeper.cancel()
