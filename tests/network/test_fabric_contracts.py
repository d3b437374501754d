"""The project's own contracts on a real network, through the client that the gateway's services use."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from chaincode.access.model import AccessRequest
from chaincode.consent.calls import Opening
from chaincode.consent.model import Condition, Provision, Terms
from chaincode.errors import ConflictError, ContractError
from chaincode.policy.model import Policy
from exchange import devnet
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.errors import ClockWrongError, RefusedError, VoidedError
from exchange.ledger.fabric.gateway import proposal
from exchange.ledger.fabric.gateway.transactions import FabricTransactions

pytestmark = pytest.mark.fabric

MEMBERS = ("Hospital1MSP", "Hospital2MSP", "Hospital3MSP")
RECIPIENT = "Hospital2MSP"
GRANT = Terms("1" * 32, 1, "active", "patient", Provision("permit", when=Condition(purposes=("TREAT",))))
REVOKED = Terms("1" * 32, 2, "inactive", "patient", GRANT.root)


@pytest.fixture(scope="module")
def consortium(programs, tmp_path_factory):
    with devnet.up(tmp_path_factory.mktemp("consortium") / "network", programs=programs) as running:
        asyncio.run(found(running))
        yield running


async def found(running: devnet.Network) -> None:
    client = LedgerClient(FabricTransactions.open(running.profile("Hospital1")))
    await client.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    await client.close()


@pytest.fixture
async def ledger(consortium) -> AsyncIterator[LedgerClient]:
    client = LedgerClient(FabricTransactions.open(consortium.profile("Hospital1")), in_flight=4)
    yield client
    await client.close()


async def opened(ledger: LedgerClient) -> str:
    pair = secrets.token_hex(16)
    assert await ledger.open_pairs([Opening(pair, RECIPIENT, "patient", (GRANT,))]) == ("opened",)
    return pair


def ask(pair: str, **changes: Any) -> SubjectRequest:
    fields: dict[str, Any] = {
        "pair": pair,
        "recipient": RECIPIENT,
        "purpose": "TREAT",
        "action": "read",
        "user": "0a" * 16,
        "digest": secrets.token_hex(32),
        "evidence": "0c" * 32,
    }
    return SubjectRequest(bytes.fromhex(pair), AccessRequest(**(fields | changes)))


async def test_granted_access_is_permitted_logged_and_announced(ledger):
    pair = await opened(ledger)
    seen: list[str] = []

    async def follow() -> None:
        async for event in ledger.events(None):
            if event.name == "access" and any(pair.encode() in key for key, _ in event.written):
                seen.append(event.tx_id)
                return

    async with asyncio.timeout(20):
        following = asyncio.create_task(follow())
        decided = await ledger.authorize([ask(pair)])
        await following
    assert decided.permit
    assert decided.permit.covers((bytes.fromhex(pair),))
    assert [entry.decision.outcome for entry in decided.entries] == ["permit"]
    assert seen == [decided.tx_id]
    (record,) = (await ledger.pair_log(pair)).entries
    assert record.outcome == "permit"


async def test_refused_access_is_logged_too(ledger):
    pair = await opened(ledger)
    decided = await ledger.authorize([ask(pair, purpose="HRESCH")])
    assert decided.permit is None
    assert [record.outcome for record in (await ledger.pair_log(pair)).entries] == ["deny"]


async def test_pair_that_is_not_open_denies(ledger):
    decided = await ledger.authorize([ask(secrets.token_hex(16))])
    assert decided.permit is None


async def test_nothing_is_permitted_in_a_block_after_a_revocation(ledger):
    pair = await opened(ledger)
    stop = asyncio.Event()
    decisions: list[tuple[int, str]] = []

    async def read() -> None:
        while not stop.is_set():
            decided = await ledger.authorize([ask(pair)])
            decisions.append((decided.block, decided.entries[0].decision.outcome))

    readers = [asyncio.create_task(read()) for _ in range(8)]
    await asyncio.sleep(0.4)
    revoked = await ledger.publish_terms([(pair, REVOKED)])
    await asyncio.sleep(0.4)
    stop.set()
    await asyncio.gather(*readers)
    assert any(outcome == "permit" for block, outcome in decisions if block < revoked.block)
    assert any(block > revoked.block for block, _ in decisions)
    assert {outcome for block, outcome in decisions if block > revoked.block} == {"deny"}


async def test_accesses_on_their_way_outlast_pairs_that_are_filed_again_as_cover(ledger, monkeypatch):
    pairs = [await opened(ledger) for _ in range(8)]
    voided, outcomes, done = 0, [], asyncio.Event()
    submit = FabricTransactions.submit

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal voided
        try:
            return await submit(*args, **kwargs)
        except VoidedError:
            voided += 1
            raise

    async def read() -> None:
        while not done.is_set():
            decided = await ledger.authorize([ask(secrets.choice(pairs))])
            outcomes.append(decided.entries[0].decision.outcome)

    monkeypatch.setattr(FabricTransactions, "submit", counted)
    readers = [asyncio.create_task(read()) for _ in range(16)]
    for epoch in range(1, 26):
        anew = msgspec.structs.replace(GRANT, version=epoch + 1)
        await ledger.publish_terms([(pair, anew) for pair in pairs], after=dict.fromkeys(pairs, epoch))
    done.set()
    await asyncio.gather(*readers)
    assert voided > 0
    assert set(outcomes) == {"permit"}


async def test_many_requests_share_transactions_and_all_are_logged(ledger):
    pairs = [await opened(ledger) for _ in range(4)]
    decided = await asyncio.gather(*(ledger.authorize([ask(pairs[n % 4])]) for n in range(200)))
    assert len({one.tx_id for one in decided}) < 100
    records = [record for pair in pairs for record in (await ledger.pair_log(pair)).entries]
    assert len(records) == 200


async def test_full_batch_is_decided_in_one_transaction(ledger):
    pair = await opened(ledger)
    asks = [ask(secrets.token_hex(16)) for _ in range(499)]
    decided = await ledger.authorize([ask(pair), *asks])
    assert [entry.decision.outcome for entry in decided.entries] == ["permit", *["deny"] * 499]


async def test_refusal_keeps_its_class(ledger):
    with pytest.raises(RefusedError) as refused:
        await ledger.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    assert isinstance(refused.value.reason, ConflictError)


async def test_custodian_can_not_be_another_organisation(consortium, ledger):
    pair = await opened(ledger)
    other = LedgerClient(FabricTransactions.open(consortium.profile("Hospital3")))
    try:
        with pytest.raises(RefusedError) as refused:
            await other.publish_terms([(pair, REVOKED)])
        assert isinstance(refused.value.reason, ContractError)
    finally:
        await other.close()
    assert (await ledger.authorize([ask(pair)])).permit


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_proposal_with_a_wrong_time_is_refused(ledger, monkeypatch, minutes):
    pair = await opened(ledger)
    real = time.time_ns
    monkeypatch.setattr(proposal.time, "time_ns", lambda: real() + minutes * 60 * 10**9)
    with pytest.raises(ClockWrongError):
        await ledger.authorize([ask(pair)])
