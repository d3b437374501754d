"""Organisations that sufficed as endorsers are asked at once, for as long as they suffice."""

from __future__ import annotations

from typing import Any

import pytest
from grpc import StatusCode

from exchange.ledger.fabric.gateway.endorsers import Endorsers
from exchange.ledger.fabric.gateway.errors import CommitError, EndorseError

CHOSEN = ["HospitalMSP", "LakeMSP"]


def test_what_was_learned_lasts_for_ten_seconds() -> None:
    now = 100.0
    endorsers = Endorsers(lambda: now)
    assert endorsers.named() == ()
    endorsers.learn(CHOSEN)
    now += 9.9
    assert endorsers.named() == tuple(CHOSEN)
    now += 0.2
    assert endorsers.named() == ()


async def test_those_whom_the_peer_chose_are_named_from_then_on(stage: Any) -> None:
    for _ in range(3):
        await stage.gateway.submit("write", b"1")
    assert stage.peer.organisations == [[], CHOSEN, CHOSEN]


async def test_naming_them_oneself_teaches_nothing(stage: Any) -> None:
    await stage.gateway.submit("write", b"1", organisations=["ElsewhereMSP"])
    await stage.gateway.submit("write", b"1")
    assert stage.peer.organisations == [["ElsewhereMSP"], []]


async def test_when_one_of_them_is_away_the_peer_chooses_within_the_same_call(stage: Any, fault: Any) -> None:
    await stage.gateway.submit("write", b"1")
    stage.peer.fail("endorse", fault(StatusCode.ABORTED, "failed to endorse transaction"))
    stage.peer.chosen = ("HospitalMSP", "RidgeMSP")
    await stage.gateway.submit("write", b"2")
    await stage.gateway.submit("write", b"3")
    assert stage.peer.organisations == [[], CHOSEN, [], ["HospitalMSP", "RidgeMSP"]]


async def test_a_refusal_is_an_answer_and_not_asked_again(stage: Any, fault: Any) -> None:
    await stage.gateway.submit("write", b"1")
    stage.peer.fail("endorse", fault(StatusCode.ABORTED, "chaincode response 409, conflict: no"))
    with pytest.raises(EndorseError):
        await stage.gateway.submit("write", b"2")
    assert stage.peer.organisations == [[], CHOSEN]


async def test_a_policy_that_demands_more_since_is_met_by_a_new_transaction(stage: Any) -> None:
    first = await stage.gateway.submit("write", b"1")
    stage.peer.demanded, stage.peer.chosen = frozenset({"RidgeMSP"}), ("HospitalMSP", "RidgeMSP")
    second = await stage.gateway.submit("write", b"2")
    assert stage.peer.organisations == [[], CHOSEN, []]
    assert second.tx_id != first.tx_id


async def test_a_policy_that_the_peers_choice_does_not_meet_is_an_error(stage: Any) -> None:
    stage.peer.demanded = frozenset({"RidgeMSP"})
    with pytest.raises(CommitError):
        await stage.gateway.submit("write", b"1")
    assert stage.peer.organisations == [[]]
