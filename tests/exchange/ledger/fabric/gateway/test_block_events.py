"""Events are numbered as the Gateway numbers them, and come with what was written."""

from __future__ import annotations

import pytest
from fabric_protos.peer.transaction_pb2 import MVCC_READ_CONFLICT, VALID

from exchange.errors import DamagedError
from exchange.ledger.fabric.gateway.block_events import chaincode_events
from exchange.ledger.port import Checkpoint, LedgerEvent
from tests.support.ledger.simulated_blocks import CHAINCODE, whole


def test_events_of_valid_transactions_are_numbered_from_zero() -> None:
    block = whole(7, [("aa", VALID, "one"), ("bb", MVCC_READ_CONFLICT, "two"), ("cc", VALID, "three")])
    assert list(chaincode_events(block, CHAINCODE)) == [
        LedgerEvent(Checkpoint(7, 0), "aa", "done", b"one", ((b"k", b"one"),)),
        LedgerEvent(Checkpoint(7, 1), "cc", "done", b"three", ((b"k", b"three"),)),
    ]


def test_another_chaincodes_events_are_not_ours() -> None:
    assert list(chaincode_events(whole(7, [("aa", VALID, "one")]), "other")) == []


def test_a_valid_transaction_that_cannot_be_read_is_damage_with_the_block_named() -> None:
    block = whole(7, [("aa", VALID, "one")])
    block.data.data[0] = block.data.data[0][:-3]
    with pytest.raises(DamagedError, match="block 7"):
        list(chaincode_events(block, CHAINCODE))


def test_what_the_peer_calls_invalid_need_not_be_readable() -> None:
    block = whole(7, [("aa", MVCC_READ_CONFLICT, "one")])
    block.data.data[0] = b"\xff"
    assert list(chaincode_events(block, CHAINCODE)) == []
