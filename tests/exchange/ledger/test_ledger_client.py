"""The client on a real ledger: permits for exactly what was permitted, under many callers at once."""

from __future__ import annotations

import asyncio
import random
import secrets
import subprocess
import sys
from typing import Any

import pytest

import exchange.ledger.client
from chaincode.consent.calls import Opening
from chaincode.consent.model import Condition, Provision, Terms
from chaincode.policy.model import Policy
from exchange.crypto.permit import take_issuer
from exchange.ledger.client import LedgerClient

A, B = "HospitalAMSP", "HospitalBMSP"


def grant(version: int = 1, status: Any = "active", **when: Any) -> Terms:
    condition = Condition(purposes=("TREAT",), **when)
    return Terms("1" * 32, version, status, "patient", Provision("permit", when=condition))


@pytest.fixture
async def client(node: Any) -> LedgerClient:
    client: LedgerClient = node.client()
    await client.found_policy(Policy(version=1, members=(A, B), rules=()))
    return client


async def opened(client: LedgerClient, *terms: Terms) -> str:
    pair = secrets.token_hex(16)
    await client.open_pairs([Opening(pair, B, "patient", terms)])
    return pair


async def test_a_permit_covers_exactly_what_was_permitted(client: LedgerClient, node: Any) -> None:
    yes, no = await opened(client, grant()), await opened(client)
    limited = await opened(client, grant(records="e" * 32))
    answer = await client.authorize([node.ask(pair) for pair in (yes, no, limited)])
    assert [entry.decision.outcome for entry in answer.entries] == ["permit", "deny", "permit"]
    permit = answer.permit
    assert permit is not None
    assert (permit.tx_id, permit.recipient) == (answer.tx_id, B)
    assert set(permit.obligations) == {bytes.fromhex(yes), bytes.fromhex(limited)}
    assert permit.covers((bytes.fromhex(yes), bytes.fromhex(limited)))
    assert not permit.covers((bytes.fromhex(yes), bytes.fromhex(no)))
    for entry, subject in zip(answer.entries[::2], (yes, limited), strict=True):
        assert permit.obligations[bytes.fromhex(subject)] == entry.decision.obligations
    assert permit.obligations[bytes.fromhex(limited)]


async def test_denials_alone_give_no_permit(client: LedgerClient, node: Any) -> None:
    answer = await client.authorize([node.ask(await opened(client))])
    assert answer.permit is None
    assert len(answer.tx_id) == 64


def test_nobody_else_can_take_the_issuer() -> None:
    assert exchange.ledger.client
    with pytest.raises(RuntimeError):
        take_issuer()


def test_whoever_takes_the_issuer_first_stops_the_client_from_loading() -> None:
    """So a second taker shows at once, in whichever order modules load."""
    script = (
        "from exchange.crypto.permit import take_issuer\ntake_issuer()\n"
        "try:\n    import exchange.ledger.client\nexcept RuntimeError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


async def test_filing_says_where_the_change_stands(client: LedgerClient, node: Any) -> None:
    pair = await opened(client, grant())
    filed = await client.publish_terms([(pair, grant(2, "inactive"))])
    assert filed.epochs == (2,)
    (newest, *_) = (await client.pair_history(pair)).versions
    assert (newest.tx, newest.time) == (filed.tx_id, filed.time)


async def test_many_callers_and_revocations_at_once_agree_with_the_log(
    client: LedgerClient, node: Any
) -> None:
    """Every permit that anybody got is in the log, before the revocation and with the older epoch."""
    pairs = [await opened(client, grant()) for _ in range(20)]
    permits: dict[str, list[Any]] = {pair: [] for pair in pairs}
    revoked: dict[str, Any] = {}

    async def reader() -> None:
        for pair in random.choices(pairs, k=25):
            answer = await client.authorize([node.ask(pair)])
            permits[pair].append(answer)
            if pair in revoked and answer.block > revoked[pair].block:
                assert answer.permit is None

    async def revoker() -> None:
        for pair in pairs:
            revoked[pair] = await client.publish_terms([(pair, grant(2, "inactive"))])
            assert (await client.authorize([node.ask(pair)])).permit is None

    await asyncio.gather(revoker(), *(reader() for _ in range(20)))
    for pair in pairs:
        records = (await client.pair_log(pair)).entries
        assert len(records) == len(permits[pair]) + 1
        logged = {(record.tx, record.n): record for record in records}
        for answer in permits[pair]:
            record = logged[answer.tx_id, answer.entries[0].n]
            assert (record.outcome == "permit") == (answer.permit is not None)
            assert (record.outcome == "permit") == (record.epoch == 1)
    await client.close()
    report = node.verify(replay=True)
    assert report.sound, report.finding
    assert report.replayed == report.transactions
