"""Ledgers of earlier releases: read as they are, and replayed to the same bytes."""

from __future__ import annotations

from pathlib import Path

from exchange.ledger.embedded.identity import load_node_key
from exchange.verify.node import check_ledger
from tests.frozen import facts
from tests.support.frozen_nodes import expected, thawed


def test_a_frozen_ledger_replays_to_the_same_bytes(tmp_path: Path) -> None:
    node = thawed(tmp_path)
    public = load_node_key(node / "keys" / "node.key").public_key()
    checked, report = check_ledger(node / "ledger.db", public, lambda *_: None, replay=True)
    before = expected("sqlite")
    assert checked.finding is None
    assert report.replayed == len(before["ledger"]["headers"])
    assert facts.of_ledger(node / "ledger.db") == before["ledger"]
    assert facts.terms(node / "ledger.db") == before["terms"]
