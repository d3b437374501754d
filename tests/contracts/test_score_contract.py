"""A score's result is logged and permitted only where it rests on a permitted score that was asked for so."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest

from chaincode.access.model import LogEntryValue, ScoreResult
from chaincode.access.scores import WINDOW
from chaincode.consent.model import Condition, Provision, Terms
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError
from chaincode.policy.model import Policy
from exchange.ledger.client import Authorization, LedgerClient, SubjectRequest
from exchange.ledger.errors import RefusedError

MODEL = "1d" * 32
USER = "0a" * 16
EVIDENCE = "0c" * 32


def using(make: Any, **changes: Any) -> Terms:
    """Return terms that permit Hospital B to use records for treatment."""
    terms: Terms = make.grant(**changes)
    return msgspec.structs.replace(
        terms, root=Provision(effect="permit", when=Condition(actions=("use",), purposes=("TREAT",)))
    )


def score(make: Any, pair: str, **changes: Any) -> SubjectRequest:
    fields = {"action": "score", "model": MODEL, "user": USER, "evidence": EVIDENCE}
    return make.ask(pair, **(fields | changes))


def result_of(answer: Authorization, **changes: Any) -> ScoreResult:
    fields: dict[str, Any] = {
        "tx": answer.tx_id,
        "time": answer.time,
        "n": answer.entries[0].n,
        "input": secrets.token_hex(32),
        "output": secrets.token_hex(32),
    }
    return ScoreResult(**(fields | changes))


async def opened(ledger: LedgerClient, make: Any) -> str:
    pair: str = make.pair()
    await ledger.open_pairs([make.opening(pair, using(make))])
    return pair


async def reason(ledger: LedgerClient, ask: SubjectRequest) -> str:
    answer = await ledger.authorize([ask])
    assert (answer.permit is None) is (answer.entries[0].decision.outcome == "deny")
    return answer.entries[0].decision.reason


async def test_a_permitted_score_is_followed_by_its_result_in_the_log(
    ledger: LedgerClient, channel: Any, make: Any
) -> None:
    pair = await opened(ledger, make)
    first = await ledger.authorize([score(make, pair)])
    channel.clock.now += 1
    result = result_of(first)
    second = await ledger.authorize([score(make, pair, result=result)])
    assert first.permit is not None
    assert second.permit is not None
    asked, shown = (await ledger.pair_log(pair)).entries
    assert (asked.model, asked.result, asked.tx) == (MODEL, None, first.tx_id)
    assert (shown.model, shown.result, shown.tx) == (MODEL, result, second.tx_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "0e" * 16},
        {"evidence": "0e" * 32},
        {"role": "http://snomed.info/sct|224535009"},
        {"model": "1e" * 32},
    ],
)
async def test_a_result_of_another_question_is_refused_and_logged(
    ledger: LedgerClient, channel: Any, make: Any, changes: dict[str, str]
) -> None:
    pair = await opened(ledger, make)
    first = await ledger.authorize([score(make, pair)])
    channel.clock.now += 1
    assert await reason(ledger, score(make, pair, result=result_of(first), **changes)) == "no-such-score"
    last = (await ledger.pair_log(pair)).entries[-1]
    assert (last.outcome, last.reason) == ("deny", "no-such-score")


@pytest.mark.parametrize("place", [{"tx": "ab" * 32}, {"time": 1}, {"n": 499}])
async def test_a_result_that_points_to_no_entry_is_refused(
    ledger: LedgerClient, make: Any, place: dict[str, Any]
) -> None:
    pair = await opened(ledger, make)
    first = await ledger.authorize([score(make, pair)])
    assert await reason(ledger, score(make, pair, result=result_of(first, **place))) == "no-such-score"


async def test_a_result_rests_on_no_other_pair_no_denial_no_read_and_no_other_result(
    ledger: LedgerClient, make: Any
) -> None:
    pair, other = await opened(ledger, make), await opened(ledger, make)
    elsewhere = await ledger.authorize([score(make, other)])
    assert await reason(ledger, score(make, pair, result=result_of(elsewhere))) == "no-such-score"
    denied = await ledger.authorize([score(make, pair, purpose="HRESCH")])
    assert denied.permit is None
    assert await reason(ledger, score(make, pair, result=result_of(denied))) == "no-such-score"
    read = await ledger.authorize([make.ask(pair, user=USER, evidence=EVIDENCE)])
    assert await reason(ledger, score(make, pair, result=result_of(read))) == "no-such-score"
    first = await ledger.authorize([score(make, pair)])
    second = await ledger.authorize([score(make, pair, result=result_of(first))])
    assert await reason(ledger, score(make, pair, result=result_of(second))) == "no-such-score"


async def test_a_result_is_decided_on_the_terms_that_hold_by_then(ledger: LedgerClient, make: Any) -> None:
    pair = await opened(ledger, make)
    first = await ledger.authorize([score(make, pair)])
    await ledger.publish_terms([(pair, using(make, version=2, status="inactive"))])
    assert await reason(ledger, score(make, pair, result=result_of(first))) == "no-consent"


async def test_a_permission_to_score_grows_old(ledger: LedgerClient, channel: Any, make: Any) -> None:
    pair = await opened(ledger, make)
    first = await ledger.authorize([score(make, pair)])
    channel.clock.now += WINDOW
    assert await reason(ledger, score(make, pair, result=result_of(first))) == "consent"
    channel.clock.now += 1
    assert await reason(ledger, score(make, pair, result=result_of(first))) == "no-such-score"


async def test_another_custodian_can_not_record_a_result(consortium: Any, make: Any) -> None:
    a, b = LedgerClient(consortium.member(make.A)), LedgerClient(consortium.member(make.B))
    await a.found_policy(Policy(version=1, members=(make.A, make.B), rules=()))
    pair = make.pair()
    await a.open_pairs([make.opening(pair, using(make))])
    first = await a.authorize([score(make, pair)])
    assert await reason(b, score(make, pair, result=result_of(first))) == "pair-not-open"
    await b.open_pairs([make.opening(pair, using(make))])
    assert await reason(b, score(make, pair, result=result_of(first))) == "no-such-score"


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ""},
        {"model": "Diabetes"},
        {"action": "read"},
        {"action": "read", "model": ""},
        {"result": {"tx": "not a transaction"}},
        {"result": {"n": -1}},
        {"result": {"n": 500}},
        {"result": {"time": -1}},
        {"result": {"time": 10**13}},
        {"result": {"input": "0.31"}},
        {"result": {"output": "high risk"}},
    ],
)
async def test_what_is_no_score_of_a_model_refuses_the_call(
    ledger: LedgerClient, make: Any, changes: dict[str, Any]
) -> None:
    pair = await opened(ledger, make)
    first = await ledger.authorize([score(make, pair)])
    result = result_of(first, **changes.get("result", {}))
    with pytest.raises(RefusedError) as caught:
        await ledger.authorize([score(make, pair, **(changes | {"result": result}))])
    assert isinstance(caught.value.reason, BadArgumentError)
    assert len((await ledger.pair_log(pair)).entries) == 1


def test_entries_of_before_there_were_scores_are_read_and_keep_their_bytes() -> None:
    old = b'{"action":"read","custodian":"A","digest":"0b","evidence":"0c","outcome":"deny",'
    old += b'"pair":"0d","purpose":"TREAT","reason":"no-consent","recipient":"B","user":"0a"}'
    record = msgspec.json.decode(old, type=LogEntryValue)
    assert (record.model, record.result) == ("", None)
    assert encode(record) == old
