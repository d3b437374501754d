"""Which failures are worth the same call again, in one table.

Another try is always safe: evaluating and endorsing write nothing, and a signed transaction's id can be
valid only once. The table is about sense: a refusal stays a refusal, and a peer that restarts comes back.
The first row that fits counts; a failure without a row is final.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

import msgspec
from grpc import StatusCode

from exchange.ledger.gateway.errors import CallError, Stage


class Advice(Enum):
    """What to do after a failure."""

    AGAIN = "again"
    GIVE_UP = "give up"


class Row(msgspec.Struct, frozen=True):
    """One kind of failure. `text` is part of the message or of a detail; empty fits all."""

    stages: Collection[Stage]
    code: StatusCode
    text: str
    advice: Advice
    reason: str


_ALL = tuple(Stage)
_PROPOSING = (Stage.EVALUATE, Stage.ENDORSE)

TABLE: tuple[Row, ...] = (
    Row(_PROPOSING, StatusCode.UNKNOWN, "chaincode response", Advice.GIVE_UP, "the contract refused"),
    Row(_PROPOSING, StatusCode.ABORTED, "chaincode response", Advice.GIVE_UP, "the contract refused"),
    Row(
        _PROPOSING,
        StatusCode.ABORTED,
        "make sure the chaincode",
        Advice.GIVE_UP,
        "no chaincode of this name is committed on the channel",
    ),
    Row(_PROPOSING, StatusCode.ABORTED, "access denied", Advice.GIVE_UP, "the identity may not do this"),
    Row(_PROPOSING, StatusCode.ABORTED, "creator", Advice.GIVE_UP, "the peers don't know the identity"),
    Row(
        _PROPOSING,
        StatusCode.ABORTED,
        "",
        Advice.AGAIN,
        "a peer's chaincode is restarting, or the peers' results differ while one of them lags",
    ),
    Row(
        _ALL,
        StatusCode.UNAVAILABLE,
        "failed to get config for channel",
        Advice.GIVE_UP,
        "the peer has not joined such a channel",
    ),
    Row(
        _ALL,
        StatusCode.UNAVAILABLE,
        "",
        Advice.AGAIN,
        "a peer or every orderer is down, restarting, or electing a leader",
    ),
    Row(
        _PROPOSING,
        StatusCode.FAILED_PRECONDITION,
        "peers",
        Advice.AGAIN,
        "gossip has not yet met enough peers for the endorsement policy",
    ),
    Row(
        _PROPOSING,
        StatusCode.FAILED_PRECONDITION,
        "failed to select a set of endorsers",
        Advice.AGAIN,
        "the same, when peers have just gone away",
    ),
    Row(_ALL, StatusCode.DEADLINE_EXCEEDED, "", Advice.AGAIN, "the call's own deadline was too short"),
    Row(_ALL, StatusCode.CANCELLED, "", Advice.AGAIN, "the peer is shutting down"),
    Row(_ALL, StatusCode.INTERNAL, "RST_STREAM", Advice.AGAIN, "the connection broke during the call"),
    Row(_ALL, StatusCode.UNKNOWN, "Stream removed", Advice.AGAIN, "the connection broke during the call"),
    Row(
        _ALL,
        StatusCode.RESOURCE_EXHAUSTED,
        "concurrency limit",
        Advice.AGAIN,
        "the peer serves as many calls as it is set to",
    ),
    Row(
        (Stage.COMMIT_STATUS, Stage.EVENTS),
        StatusCode.ABORTED,
        "",
        Advice.AGAIN,
        "the peer is closing its ledger",
    ),
)
"""Failures by stage, gRPC code and text."""


def advise(failure: CallError) -> Advice:
    """Whether the call that failed is worth another try."""
    texts = (failure.message, *(detail.message for detail in failure.details))
    for row in TABLE:
        if (
            failure.stage in row.stages
            and failure.code is row.code
            and any(row.text in text for text in texts)
        ):
            return row.advice
    return Advice.GIVE_UP
