"""Channels that were recorded from real networks: every release verifies them, replaying each call.

They need no Fabric. A failure here would be one on the consortium's own ledger after an upgrade.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from fabric_protos.common.common_pb2 import CONFIG, ENDORSER_TRANSACTION, TRANSACTIONS_FILTER, Block
from fabric_protos.peer.transaction_pb2 import TxValidationCode

from exchange.ledger.embedded.verify import LedgerReport
from exchange.ledger.fabric.blocks import layout
from exchange.ledger.fabric.blocks.verify import ChannelVerifier

RECORDINGS = sorted((Path(__file__).parent / "vectors").glob("*.json.gz"))


def blocks(recording: Path) -> list[Block]:
    return [
        Block.FromString(bytes.fromhex(one)) for one in json.loads(gzip.decompress(recording.read_bytes()))
    ]


def verified(held: list[Block]) -> LedgerReport:
    with ChannelVerifier("consentry", "consentry") as verifier:
        for block in held:
            if not verifier.check(block):
                break
        return verifier.finish(len(held))


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_a_recorded_channel_verifies(recording: Path) -> None:
    held = blocks(recording)
    report = verified(held)
    assert report.finding is None
    assert report.blocks == len(held)
    assert report.replayed + report.unreplayable > 5


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_hashes_are_those_that_fabric_itself_wrote(recording: Path) -> None:
    held = blocks(recording)
    for block, following in itertools.pairwise(held):
        assert layout.block_hash(block.header) == following.header.previous_hash
        assert layout.data_hash(block.data.data) == block.header.data_hash


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_holds_a_little_of_everything(recording: Path) -> None:
    """Otherwise it would prove little."""
    functions: set[str] = set()
    kinds: set[int] = set()
    verdicts: Counter[str] = Counter()
    for block in blocks(recording):
        for raw, verdict in zip(block.data.data, block.metadata.metadata[TRANSACTIONS_FILTER], strict=True):
            headers = layout.proposed(raw)
            kinds.add(headers.kind)
            verdicts[TxValidationCode.Name(verdict)] += 1
            if headers.kind == ENDORSER_TRANSACTION:
                call = layout.endorsed(headers)
                functions.add(call.arguments[0].decode())
    assert kinds == {CONFIG, ENDORSER_TRANSACTION}
    assert functions >= {"policy:found", "consent:open", "consent:file", "access:authorize"}
    assert verdicts["VALID"] > 5
    assert {"MVCC_READ_CONFLICT", "DUPLICATE_TXID", "ENDORSEMENT_POLICY_FAILURE"} <= set(verdicts)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_that_was_changed_is_found(recording: Path) -> None:
    held = blocks(recording)
    last = bytearray(held[-1].data.data[-1])
    last[len(last) // 2] ^= 1
    held[-1].data.data[-1] = bytes(last)
    assert verified(held).finding is not None


def test_there_is_a_recording() -> None:
    assert RECORDINGS
