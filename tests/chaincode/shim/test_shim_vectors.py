"""The shim's frozen messages: endorsers of different releases must come to the same bytes."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common.policies_pb2 import SignaturePolicyEnvelope
from fabric_protos.peer import chaincode_shim_pb2 as shim

HERE = Path(__file__).parent / "vectors"
MADE: dict[str, str] = runpy.run_path(str(HERE / "make.py"))["vectors"]()
M = shim.ChaincodeMessage


@pytest.mark.parametrize("name", MADE)
def test_the_bytes_are_those_that_were_frozen(name: str) -> None:
    assert (HERE / name).read_text() == MADE[name], "run make.py, and mind channels with older endorsers"


def sent(name: str) -> list[Any]:
    return [M.FromString(bytes.fromhex(one["hex"])) for one in json.loads(MADE["messages.json"])[name]]


def written(name: str) -> list[tuple[str, str, str, bytes]]:
    """Return collection, key, kind and value of each write, in the order in which the peer gets them."""
    W, found = shim.WriteRecord, []  # noqa: N806  # the message's name
    kinds = {
        M.PUT_STATE: (shim.PutState, "PUT_STATE"),
        M.DEL_STATE: (shim.DelState, "DEL_STATE"),
        M.PURGE_PRIVATE_DATA: (shim.PurgePrivateState, "PURGE_PRIVATE_DATA"),
        M.PUT_STATE_METADATA: (shim.PutStateMetadata, "PUT_STATE_METADATA"),
    }
    for message in sent(name):
        if message.type == M.WRITE_BATCH_STATE:
            for one in shim.WriteBatchState.FromString(message.payload).rec:
                value = one.value or one.metadata.value
                found.append((one.collection, one.key, W.Type.Name(one.type), value))
        elif message.type in kinds:
            shape, kind = kinds[message.type]
            one = shape.FromString(message.payload)
            value = getattr(one, "value", b"") or getattr(getattr(one, "metadata", None), "value", b"")
            found.append((one.collection, one.key, kind, value))
    return found


def test_a_batch_says_what_single_messages_say_in_the_same_order() -> None:
    """Peers of both kinds must come to the same writes on one channel."""
    batched = written("a call at a peer of 3.1")
    assert batched == written("a call at a peer of older")
    assert len(batched) == 6


def test_every_kind_of_message_that_the_shim_sends_has_a_vector() -> None:
    names = ("a call at a peer of 3.1", "a call at a peer of older")
    seen = {M.Type.Name(message.type) for name in names for message in sent(name)}
    # The bodies that the shim can fill are the ones that it imports from the peer's protocol.
    assert seen == {
        "REGISTER",
        "KEEPALIVE",
        "GET_STATE",
        "GET_STATE_MULTIPLE",
        "GET_STATE_BY_RANGE",
        "GET_HISTORY_FOR_KEY",
        "GET_PRIVATE_DATA_HASH",
        "GET_STATE_METADATA",
        "QUERY_STATE_CLOSE",
        "QUERY_STATE_NEXT",
        "WRITE_BATCH_STATE",
        "PUT_STATE",
        "DEL_STATE",
        "PURGE_PRIVATE_DATA",
        "PUT_STATE_METADATA",
        "COMPLETED",
    }


def test_frozen_policy_reads_as_all_of_its_organisations() -> None:
    policy = SignaturePolicyEnvelope.FromString(
        bytes.fromhex(json.loads(MADE["messages.json"])["policy of two organisations"])
    )
    assert policy.rule.n_out_of.n == len(policy.identities) == 2
