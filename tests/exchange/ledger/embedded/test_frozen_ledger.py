"""Ledgers of earlier releases: read as they are, and replayed from where today's contracts were adopted."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from chaincode.adoption import VERSION
from chaincode.consent.calls import Opening
from exchange.demo.consortium import CITY
from exchange.ledger.client import LedgerClient
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.verify import LedgerReport
from exchange.ledger.errors import RefusedError
from exchange.verify.node import check_ledger
from tests.frozen import facts
from tests.support.frozen_nodes import expected, thawed

MSP_ID = CITY.msp_id


def replayed(node: Path) -> LedgerReport:
    public = load_node_key(node / "keys" / "node.key").public_key()
    checked, report = check_ledger(node / "ledger.db", public, lambda *_: None, replay=True)
    assert checked.finding is None
    return report


def test_a_frozen_ledger_verifies_and_is_left_to_the_contracts_that_wrote_it(tmp_path: Path) -> None:
    node = thawed(tmp_path)
    report = replayed(node)
    before = expected("sqlite")
    assert (report.replayed, report.unreplayable) == (0, len(before["ledger"]["headers"]))
    assert facts.of_ledger(node / "ledger.db") == before["ledger"]
    assert facts.terms(node / "ledger.db") == before["terms"]


async def test_a_frozen_ledger_is_replayed_from_the_adoption_of_the_contracts(tmp_path: Path) -> None:
    node = thawed(tmp_path)
    before = (await asyncio.to_thread(replayed, node)).unreplayable
    ledger = EmbeddedLedger.open(node / "ledger.db", key=node / "keys" / "node.key", msp_id=MSP_ID)
    client = LedgerClient(ledger)
    for _ in range(2):  # the second changes nothing
        await client.adopt_contracts()
    name = secrets.token_hex(16)
    assert await client.open_pairs([Opening(name, MSP_ID, "patient")]) == ("opened",)
    for version, refusal in ((VERSION, "has adopted"), (VERSION - 1, "contracts of version")):
        with pytest.raises(RefusedError, match=refusal):
            await ledger.submit("contracts:adopt", b'{"version":%d}' % version)
    await ledger.close()
    report = await asyncio.to_thread(replayed, node)
    assert (report.replayed, report.unreplayable) == (2, before)
