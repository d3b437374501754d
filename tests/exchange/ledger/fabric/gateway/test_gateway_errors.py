"""The error tree, the retry table, and how both look through the ledger's port."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from chaincode.errors import ContractError, NotFoundError
from exchange.errors import UnavailableError
from exchange.ledger.errors import RefusedError, UnknownOutcomeError, VoidedError
from exchange.ledger.fabric.gateway.client import Deadlines
from exchange.ledger.fabric.gateway.connection import Profile, connect
from exchange.ledger.fabric.gateway.errors import (
    CallError,
    CommitError,
    EndorsedTransaction,
    EndorseError,
    EvaluateError,
    FailureDetail,
    IdentityError,
    OutcomeUnknownError,
    ProfileError,
    Stage,
    call_error,
    commit_error,
)
from exchange.ledger.fabric.gateway.retries import TABLE, Advice, advise, row
from exchange.ledger.fabric.gateway.transactions import FabricTransactions, _translate
from exchange.ledger.port import Checkpoint


def failure(stage: Stage, code: StatusCode, text: str) -> CallError:
    return call_error(stage, AioRpcError(code, Metadata(), Metadata(), text))


def test_every_stage_has_its_own_class():
    kinds = {type(failure(stage, StatusCode.UNAVAILABLE, "")) for stage in Stage}
    assert len(kinds) == len(Stage)
    assert all(kind.__mro__[1] is CallError for kind in kinds)


def test_foreign_trailer_does_not_hide_the_status():
    trailer = Metadata(("grpc-status-details-bin", b"\xff\xff not a status"))
    error = call_error(
        Stage.EVALUATE, AioRpcError(StatusCode.UNAVAILABLE, Metadata(), trailer, "a proxy's words")
    )
    assert error.details == ()
    assert "a proxy's words" in str(error)


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.code.name}-{entry.text or 'any'}")
def test_no_row_of_the_table_hides_behind_another(entry):
    for stage in entry.stages:
        found = row(failure(stage, entry.code, f"before {entry.text} after"))
        assert found is entry, stage


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.code.name}-{entry.text or 'any'}")
def test_text_counts_in_details_too(entry):
    for stage in entry.stages:
        error = failure(stage, entry.code, "see the details")
        error.details = (FailureDetail("peer:7051", "A", f"said {entry.text}"),)
        assert row(error) is entry


def test_failure_without_a_row_is_final():
    assert row(failure(Stage.EVALUATE, StatusCode.DATA_LOSS, "")) is None
    assert advise(failure(Stage.EVALUATE, StatusCode.DATA_LOSS, "")) is Advice.GIVE_UP
    assert advise(failure(Stage.SUBMIT, StatusCode.RESOURCE_EXHAUSTED, "larger than max")) is Advice.GIVE_UP


def test_refusal_keeps_every_line_of_its_message():
    error = failure(Stage.ENDORSE, StatusCode.ABORTED, "chaincode response 409, conflict: one\ntwo")
    assert error.refusal
    assert (error.refusal.status, error.refusal.message) == (409, "conflict: one\ntwo")
    assert failure(Stage.ENDORSE, StatusCode.ABORTED, "no response").refusal is None


def test_refusal_of_peers_that_lag_behind_the_own_one_is_none_and_worth_another_try():
    said = "chaincode response 404, not-found: a pair is not open"
    few = "failed to collect enough transaction endorsements, see attached details for more info"
    others = (FailureDetail("b:7051", "BMSP", said), FailureDetail("c:7051", "CMSP", said))
    lagging = EndorseError(StatusCode.ABORTED, few, others, own="AMSP")
    assert lagging.refusal is None
    assert advise(lagging) is Advice.AGAIN
    refused = EndorseError(
        StatusCode.ABORTED, few, (*others, FailureDetail("a:7051", "AMSP", said)), own="AMSP"
    )
    assert refused.refusal
    assert advise(refused) is Advice.GIVE_UP


ENDORSED = EndorsedTransaction("ab", 1, b"", b"")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (failure(Stage.ENDORSE, StatusCode.UNAVAILABLE, ""), UnavailableError, "down, restarting"),
        (failure(Stage.ENDORSE, StatusCode.DATA_LOSS, ""), UnavailableError, "not expected"),
        (
            failure(Stage.EVALUATE, StatusCode.UNKNOWN, "chaincode response 404, not-found: nothing: here"),
            RefusedError,
            "not-found: nothing: here",
        ),
        (
            failure(Stage.EVALUATE, StatusCode.UNKNOWN, "chaincode response 500, internal: failed"),
            UnavailableError,
            "refused or failed",
        ),
        (
            failure(Stage.EVALUATE, StatusCode.UNKNOWN, "chaincode response 500, not-found: forged status"),
            UnavailableError,
            "refused or failed",
        ),
        (commit_error("ab", "MVCC_READ_CONFLICT", 3), VoidedError, "changed"),
        (commit_error("ab", "PHANTOM_READ_CONFLICT", 3), VoidedError, "changed"),
        (commit_error("ab", "ENDORSEMENT_POLICY_FAILURE", 3), UnavailableError, "ENDORSEMENT_POLICY"),
        (OutcomeUnknownError(ENDORSED), UnknownOutcomeError, "ab"),
        (IdentityError("the key"), UnavailableError, "identity"),
    ],
)
def test_port_sees_its_own_errors(error, kind, words):
    translated = _translate(error)
    assert type(translated) is kind
    assert words in str(translated)


def test_port_gets_the_contracts_own_class_back():
    error = failure(Stage.ENDORSE, StatusCode.ABORTED, "chaincode response 404, not-found: gone")
    translated = _translate(error)
    assert isinstance(translated, RefusedError)
    assert type(translated.reason) is NotFoundError
    assert str(translated.reason) == "gone"
    general = failure(Stage.ENDORSE, StatusCode.ABORTED, "chaincode response 500, contract: other")
    refused = _translate(general)
    assert isinstance(refused, RefusedError)
    assert type(refused.reason) is ContractError


async def test_adapter_submits_evaluates_and_follows(stage, fault):
    transactions = FabricTransactions(stage.channel, stage.gateway)
    assert transactions.msp_id == "HospitalMSP"
    committed = await transactions.submit("write", b"1", transient={"t": b"s"})
    assert (committed.block, committed.result) == (1, b"write|1")
    assert await transactions.evaluate("read", b"1") == b"read|1"
    assert stage.peer.organisations[-1] == ["HospitalMSP"]
    async for event in transactions.events(None):
        assert (event.checkpoint, event.tx_id) == (Checkpoint(1, 0), committed.tx_id)
        assert (event.name, event.payload, event.written) == ("done", b"done", ((b"k", b"done"),))
        break
    stage.peer.fail("evaluate", fault(StatusCode.UNKNOWN, "chaincode response 404, not-found: gone"))
    with pytest.raises(RefusedError) as refused:
        await transactions.evaluate("read", b"1")
    assert isinstance(refused.value.__cause__, EvaluateError)
    stage.peer.fail("blocks", fault(StatusCode.PERMISSION_DENIED, "no"))
    with pytest.raises(UnavailableError):
        await anext(transactions.events(None))
    with pytest.raises(VoidedError):
        await transactions.submit("write", b"conflict")
    await transactions.close()


@pytest.mark.parametrize("patience", [0.1, 60])
@pytest.mark.parametrize("call", ["evaluate", "endorse", "submit"])
async def test_calls_are_refused_at_once_after_one_that_waited_in_vain(staged, fault, call, patience):
    """The wait ends with the patience, or with the last try before that."""
    stage = await staged(
        Deadlines(
            evaluate=2,
            endorse=2,
            commit_status=0.3,
            outcome=0.4,
            absent=0.3,
            resend=0.1,
            patience=patience,
        )
    )
    transactions = FabricTransactions(stage.channel, stage.gateway)
    stage.peer.fail(call, *[fault(StatusCode.UNAVAILABLE, "no")] * 10_000)
    if call == "submit":  # the orderers have no leader
        stage.peer.fail("commit-status", *[fault(hang=True)] * 10_000)
    ask = transactions.evaluate if call == "evaluate" else transactions.submit
    with pytest.raises(UnavailableError):
        await ask("read", b"1")
    before = len(stage.peer.calls)
    for again in (transactions.evaluate, transactions.submit):
        with pytest.raises(UnavailableError):
            await again("read", b"1")
    assert transactions.trouble()
    assert len(stage.peer.calls) == before  # nothing was sent
    stage.peer.faults.clear()
    async with asyncio.timeout(10):
        while transactions.trouble():  # noqa: ASYNC110  # the probe tells nobody
            await asyncio.sleep(0.02)
    assert await transactions.evaluate("read", b"1") == b"read|1"
    await transactions.close()


@pytest.mark.parametrize("call", ["endorse", "commit-status"])
async def test_the_own_peer_is_asked_while_transactions_are_refused(staged, fault, call):
    """Too many others, or the orderers, are away: queries need neither."""
    stage = await staged(Deadlines(endorse=2, absent=0.3, resend=0.1, commit_status=0.3, patience=0.2))
    transactions = FabricTransactions(stage.channel, stage.gateway)
    lost = fault(StatusCode.UNAVAILABLE, "no") if call == "endorse" else fault(hang=True)
    stage.peer.fail(call, *[lost] * 10_000)
    with pytest.raises(UnavailableError):
        await transactions.submit("write", b"1")
    async with asyncio.timeout(10):
        while True:
            try:
                assert await transactions.evaluate("read", b"1") == b"read|1"
                break
            except UnavailableError:  # until the own peer has said that it is there
                await asyncio.sleep(0.02)
    for n in range(5):
        with pytest.raises(UnavailableError):
            await transactions.submit("write", b"2")
        assert await transactions.evaluate("read", b"%d" % n) == b"read|%d" % n
    assert transactions.trouble()
    stage.peer.faults.clear()
    async with asyncio.timeout(10):
        while transactions.trouble():  # noqa: ASYNC110  # the probe tells nobody
            await asyncio.sleep(0.02)
    assert (await transactions.submit("write", b"3")).result == b"write|3"
    await transactions.close()


async def test_close_waits_for_what_was_submitted_and_for_no_reader(stage, fault):
    transactions = FabricTransactions(stage.channel, stage.gateway)
    stage.peer.fail("submit", fault(forget=True))
    submitting = asyncio.create_task(transactions.submit("write", b"1"))
    reading = asyncio.create_task(anext(transactions.events(Checkpoint(9, 0))))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await transactions.close()
    assert submitting.done()
    assert (await submitting).block == 1
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


def test_profile_is_read_as_it_was_written(tmp_path):
    profile = Profile(
        "A", "localhost:7051", tmp_path / "ca", tmp_path / "cert", tmp_path / "key", "records", "ledger"
    )
    profile.write(tmp_path / "profile.json")
    assert Profile.read(tmp_path / "profile.json") == profile


def test_profile_that_can_not_be_used_is_named(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(ProfileError, match=r"missing: No such file"):
        Profile.read(missing)
    (tmp_path / "other").write_text('{"msp_id": 1}')
    with pytest.raises(ProfileError, match="is no profile"):
        Profile.read(tmp_path / "other")
    with pytest.raises(ProfileError, match="No such file"):
        connect(Profile("A", "localhost:7051", missing, missing, missing, "records", "ledger"))


def test_messages_say_stage_code_and_who_said_what():
    error = EndorseError(
        grpc.StatusCode.ABORTED,
        "failed",
        (FailureDetail("peer:7051", "A", "no"), FailureDetail("peer:7052", "B", "yes")),
    )
    assert str(error) == "endorse: ABORTED: failed [A peer:7051: no; B peer:7052: yes]"
    assert str(CommitError("ab", "BAD", 3)) == "transaction ab is invalid in block 3: BAD"
