"""The failures after which the same call is worth another try, in one table.

Another try is always safe: evaluating and endorsing write nothing, and a signed transaction's id can be
valid only once. The table lists the useful tries: a refusal stays a refusal, and a peer that restarts
comes back. The first row that fits counts; a failure without a row is final.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

import msgspec
from grpc import StatusCode

from exchange.ledger.fabric.gateway.errors import CallError, Stage


class Advice(Enum):
    """The next step after a failure."""

    AGAIN = "again"
    GIVE_UP = "give up"


class RetryRule(msgspec.Struct, frozen=True):
    """One kind of failure. `text` is part of the message or of a detail; empty fits all."""

    stages: Collection[Stage]
    code: StatusCode
    text: str
    advice: Advice
    reason: str


_ALL = tuple(Stage)
_PROPOSING = (Stage.EVALUATE, Stage.ENDORSE)
_IDENTITY = "the certificate has expired or is not one of the organisation that it is used for"
_CLOCK = "this machine's clock is far from the peer's"
_CHAINCODE = "no chaincode of this name is committed on such a channel"
_REFUSED = "chaincode response"
_CHANNEL = "the peer has not joined a channel of this name"

TABLE: tuple[RetryRule, ...] = (
    RetryRule(_PROPOSING, StatusCode.UNKNOWN, _REFUSED, Advice.GIVE_UP, "the contract refused or failed"),
    RetryRule(_PROPOSING, StatusCode.ABORTED, _REFUSED, Advice.GIVE_UP, "the contract refused or failed"),
    RetryRule(_PROPOSING, StatusCode.ABORTED, "access denied", Advice.GIVE_UP, _IDENTITY),
    RetryRule(_PROPOSING, StatusCode.FAILED_PRECONDITION, "access denied", Advice.GIVE_UP, _IDENTITY),
    RetryRule(_PROPOSING, StatusCode.ABORTED, "client identity expired", Advice.GIVE_UP, _IDENTITY),
    RetryRule(_PROPOSING, StatusCode.ABORTED, "incorrect timestamp", Advice.GIVE_UP, _CLOCK),
    RetryRule(_PROPOSING, StatusCode.UNAVAILABLE, "incorrect timestamp", Advice.GIVE_UP, _CLOCK),
    RetryRule(_PROPOSING, StatusCode.ABORTED, "make sure the chaincode", Advice.GIVE_UP, _CHAINCODE),
    RetryRule(
        _PROPOSING, StatusCode.FAILED_PRECONDITION, "No metadata was found", Advice.GIVE_UP, _CHAINCODE
    ),
    RetryRule(
        _PROPOSING,
        StatusCode.ABORTED,
        "",
        Advice.AGAIN,
        "a peer's chaincode is restarting, or the peers' results differ while one of them lags",
    ),
    RetryRule(_ALL, StatusCode.UNAVAILABLE, "failed to get config for channel", Advice.GIVE_UP, _CHANNEL),
    RetryRule(
        _ALL, StatusCode.FAILED_PRECONDITION, "failed to get config for channel", Advice.GIVE_UP, _CHANNEL
    ),
    RetryRule(_ALL, StatusCode.UNAVAILABLE, "client identity expired", Advice.GIVE_UP, _IDENTITY),
    RetryRule(_ALL, StatusCode.PERMISSION_DENIED, "", Advice.GIVE_UP, f"{_CHANNEL}, or {_IDENTITY}"),
    RetryRule(_ALL, StatusCode.NOT_FOUND, "", Advice.GIVE_UP, _CHANNEL),
    RetryRule(
        _ALL,
        StatusCode.UNAVAILABLE,
        "CERTIFICATE_VERIFY_FAILED",
        Advice.GIVE_UP,
        "the peer's TLS certificate has expired or is not from the CA that the profile names",
    ),
    RetryRule(
        _ALL,
        StatusCode.UNAVAILABLE,
        "",
        Advice.AGAIN,
        "a peer or every orderer is down, restarting, or electing a leader",
    ),
    RetryRule(
        _PROPOSING,
        StatusCode.FAILED_PRECONDITION,
        "peers",
        Advice.AGAIN,
        "gossip has not met enough peers for this chaincode, they are down, or the channel has none such",
    ),
    RetryRule(
        _PROPOSING,
        StatusCode.FAILED_PRECONDITION,
        "failed to select a set of endorsers",
        Advice.AGAIN,
        "too few peers for the endorsement policy are up",
    ),
    RetryRule(_ALL, StatusCode.DEADLINE_EXCEEDED, "", Advice.AGAIN, "no answer came within the deadline"),
    RetryRule(_ALL, StatusCode.CANCELLED, "", Advice.AGAIN, "the peer is shutting down"),
    RetryRule(_ALL, StatusCode.INTERNAL, "RST_STREAM", Advice.AGAIN, "the connection broke during the call"),
    RetryRule(
        _ALL, StatusCode.UNKNOWN, "Stream removed", Advice.AGAIN, "the connection broke during the call"
    ),
    RetryRule(
        _ALL,
        StatusCode.RESOURCE_EXHAUSTED,
        "concurrency limit",
        Advice.AGAIN,
        "the peer serves as many calls as it is set to",
    ),
    RetryRule(
        (Stage.COMMIT_STATUS, Stage.EVENTS),
        StatusCode.ABORTED,
        "",
        Advice.AGAIN,
        "the peer is closing its ledger",
    ),
    RetryRule(
        (Stage.SUBMIT,),
        StatusCode.ABORTED,
        "channel does not exist",
        Advice.AGAIN,
        "an orderer that is new on the channel or was renewed has not caught up yet: any is asked again",
    ),
    RetryRule((Stage.SUBMIT,), StatusCode.ABORTED, "", Advice.GIVE_UP, "the orderer refuses the transaction"),
)
"""Failures by stage, gRPC code and text."""


def row(failure: CallError) -> RetryRule | None:
    """Return the first row that fits a failure."""
    texts = (failure.message, *(detail.message for detail in failure.details))
    for candidate in TABLE:
        if (
            failure.stage in candidate.stages
            and failure.code is candidate.code
            and any(candidate.text in text for text in texts)
            and not (candidate.text == _REFUSED and failure.peers_differ)
        ):
            return candidate
    return None


def advise(failure: CallError) -> Advice:
    """Return whether the call that failed is worth another try."""
    found = row(failure)
    return found.advice if found else Advice.GIVE_UP
