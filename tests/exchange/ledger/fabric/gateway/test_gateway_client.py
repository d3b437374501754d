"""Transactions keep their outcome when calls fail, answers get lost and orderers forget."""

from __future__ import annotations

import asyncio
import time

import pytest
from fabric_protos.peer.transaction_pb2 import VALID
from grpc import StatusCode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.ledger.fabric.gateway.client import Committed, Deadlines
from exchange.ledger.fabric.gateway.errors import (
    CommitError,
    CommitStatusError,
    EndorseError,
    EvaluateError,
    OutcomeUnknownError,
    ReadConflictError,
    SubmitError,
)

REFUSED = "chaincode response 404, not-found: nothing there"


def own_tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("fabric-")}


async def test_evaluate_returns_what_the_chaincode_said(stage):
    assert await stage.gateway.evaluate("read", b"1", organisations=["A"]) == b"read|1"
    assert stage.peer.organisations == [["A"]]


async def test_evaluate_tries_again_through_a_restart(stage, fault):
    stage.peer.fail("evaluate", *(fault(StatusCode.UNAVAILABLE, "connection refused") for _ in range(3)))
    assert await stage.gateway.evaluate("read", b"1") == b"read|1"
    assert stage.peer.calls == ["evaluate"] * 4


@pytest.mark.parametrize("call", ["evaluate", "endorse"])
async def test_refusal_of_the_contract_is_final_and_tells_status_and_message(stage, fault, call):
    detail = ("peer:7051", "HospitalMSP", REFUSED)
    stage.peer.fail(call, fault(StatusCode.ABORTED, "failed", (detail,)))
    with pytest.raises((EvaluateError, EndorseError)) as refused:
        await (stage.gateway.evaluate if call == "evaluate" else stage.gateway.submit)("read", b"1")
    assert refused.value.refusal.status == 404
    assert refused.value.refusal.message == "not-found: nothing there"
    assert refused.value.details[0].msp_id == "HospitalMSP"
    assert refused.value.code is StatusCode.ABORTED
    assert stage.peer.calls == [call]


@pytest.mark.parametrize("call", ["evaluate", "endorse"])
async def test_peer_that_does_not_answer_costs_the_deadline_and_no_more(staged, fault, call):
    stage = await staged(Deadlines(evaluate=0.3, endorse=0.3))
    stage.peer.fail(call, *(fault(hang=True) for _ in range(9)))
    began = time.monotonic()
    with pytest.raises((EvaluateError, EndorseError)) as late:
        await getattr(stage.gateway, call)("read", b"1")
    assert late.value.code is StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 10


async def test_submit_returns_the_block_and_the_result(stage):
    committed = await stage.gateway.submit("write", b"1", transient={"t": b"secret"})
    assert committed.result == b"write|1"
    assert committed.block == 1
    assert stage.peer.verdicts(committed.tx_id) == [VALID]
    assert all(b"secret" not in envelope for envelope in stage.peer.sent)
    assert not own_tasks()


async def test_transaction_that_the_orderer_forgot_is_sent_again_unchanged(stage, fault):
    stage.peer.fail("submit", fault(forget=True), fault(forget=True))
    committed = await stage.gateway.submit("write", b"1")
    assert stage.peer.verdicts(committed.tx_id) == [VALID]
    assert len(stage.peer.sent) == 3
    assert len(set(stage.peer.sent)) == 1


async def test_lost_answer_of_the_orderer_is_no_failure(stage, fault):
    stage.peer.fail("submit", fault(StatusCode.UNAVAILABLE, "no orderers", deed=True))
    committed = await stage.gateway.submit("write", b"1")
    assert stage.peer.verdicts(committed.tx_id)[0] == VALID


async def test_orderer_that_hangs_after_taking_it_does_not_hold_the_verdict_up(staged, fault):
    stage = await staged(Deadlines(submit=20, outcome=20))
    stage.peer.fail("submit", fault(deed=True, hang=True))
    began = time.monotonic()
    await stage.gateway.submit("write", b"1")
    assert time.monotonic() - began < 10


async def test_refusal_of_the_orderer_is_final(stage, fault):
    stage.peer.fail("submit", fault(StatusCode.ABORTED, "status=FORBIDDEN"))
    with pytest.raises(SubmitError):
        await stage.gateway.submit("write", b"1")
    assert stage.peer.calls.count("submit") == 1
    assert not own_tasks()


async def test_refusal_after_an_uncertain_sending_leaves_the_outcome_open(stage, fault):
    stage.peer.fail(
        "submit",
        fault(StatusCode.UNAVAILABLE, "the connection broke"),
        fault(StatusCode.ABORTED, "status=FORBIDDEN"),
    )
    with pytest.raises(OutcomeUnknownError) as unknown:
        await stage.gateway.submit("write", b"1")
    assert stage.peer.calls.count("submit") == 2
    later = await stage.gateway.settle(unknown.value.endorsed)
    assert later.tx_id == unknown.value.endorsed.tx_id


async def test_conflict_is_an_error_of_its_own(stage):
    with pytest.raises(ReadConflictError) as voided:
        await stage.gateway.submit("write", b"conflict")
    assert voided.value.code == "MVCC_READ_CONFLICT"
    assert voided.value.block == 1


async def test_other_invalid_transaction_names_its_code(stage):
    endorsed = await stage.gateway.endorse("write", b"1")
    await stage.peer.add((endorsed.tx_id, 10, ""))
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE") as invalid:
        await stage.gateway.settle(endorsed)
    assert not isinstance(invalid.value, ReadConflictError)


async def test_deadline_without_a_verdict_keeps_the_transaction_for_later(stage, fault):
    stage.peer.fail("submit", *(fault(forget=True) for _ in range(20)))
    began = time.monotonic()
    with pytest.raises(OutcomeUnknownError) as unknown:
        await stage.gateway.submit("write", b"1")
    assert 1.4 < time.monotonic() - began < 10
    assert not own_tasks()
    stage.peer.faults.clear()
    assert (await stage.gateway.settle(unknown.value.endorsed)).block == 1


async def test_unreadable_commit_status_leaves_the_outcome_open(stage, fault):
    stage.peer.fail("commit-status", fault(StatusCode.PERMISSION_DENIED, "no"))
    stage.peer.fail("submit", fault(forget=True))
    with pytest.raises(OutcomeUnknownError) as unknown:
        await stage.gateway.submit("write", b"1")
    assert isinstance(unknown.value.__cause__, CommitStatusError)


async def test_cancelled_caller_leaves_nothing_running(stage, fault):
    stage.peer.fail("submit", *(fault(forget=True) for _ in range(20)))
    task = asyncio.create_task(stage.gateway.submit("write", b"1"))
    await asyncio.sleep(0.2)
    assert own_tasks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not own_tasks()


FAULTS = st.sampled_from(
    [
        {"code": StatusCode.UNAVAILABLE, "message": "no Raft leader"},
        {"code": StatusCode.UNAVAILABLE, "message": "broken", "deed": True},
        {"code": StatusCode.INTERNAL, "message": "Received RST_STREAM", "deed": True},
        {"code": StatusCode.ABORTED, "message": "status=BAD_REQUEST"},
        {"code": StatusCode.CANCELLED, "message": "shutting down"},
        {"forget": True},
    ]
)
LOST = st.sampled_from(
    [
        {"code": StatusCode.UNAVAILABLE, "message": "down"},
        {"code": StatusCode.ABORTED, "message": "unexpected close of commit notification channel"},
        {"hang": True},
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sending=st.lists(FAULTS, max_size=4), asking=st.lists(LOST, max_size=2))
async def test_what_a_client_is_told_is_what_the_chain_holds(staged, fault, sending, asking):
    stage = await staged(Deadlines(submit=0.3, commit_status=0.1, outcome=1.0, resend=0.03))
    stage.peer.fail("submit", *(fault(**given) for given in sending))
    stage.peer.fail("commit-status", *(fault(**given) for given in asking))
    endorsed = await stage.gateway.endorse("write", b"1")
    try:
        committed = await stage.gateway.settle(endorsed)
    except SubmitError:
        assert stage.peer.verdicts(endorsed.tx_id) == []
    except OutcomeUnknownError as unknown:
        stage.peer.faults.clear()
        committed = await stage.gateway.settle(unknown.endorsed)
        assert stage.peer.verdicts(endorsed.tx_id).count(VALID) == 1
    else:
        assert isinstance(committed, Committed)
        assert stage.peer.verdicts(endorsed.tx_id).count(VALID) == 1
    assert len(set(stage.peer.sent)) <= 1
    assert not own_tasks()
