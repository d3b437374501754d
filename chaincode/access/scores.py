"""The result of a score: the earlier entry that it must rest on before it may be shown. Pure; no I/O.

A model's answer is known only after the decision that allowed its question, so a score is two requests:

1. With the model's digest, before any record is read. It is decided like every other request.
2. With the result: the first entry's position, and commitments to the input and to the answer to be shown.
   It is decided anew on the terms that hold by now, so that a revocation in between is obeyed; and it is
   refused unless the first entry is there, is a permitted score of the same model that the same user of
   the same organisation asked the same custodian for, on the same evidence, and is recent.

Both are entries of the log, refused or not. A gateway shows nothing of a score before the second commits.
"""

from __future__ import annotations

from chaincode.access.log_keys import LogPosition
from chaincode.access.model import BATCH_LIMIT, AccessRequest, Action, LogEntry
from chaincode.errors import BadArgumentError
from chaincode.identifiers import DIGEST, require

WINDOW = 5 * 60 * 1000
"""Milliseconds after the permission in which its result can be recorded."""


def check_score(request: AccessRequest) -> None:
    """Refuse a score without its model, anything else with one, and a result of another shape.

    Raises:
        BadArgumentError: naming the field.
    """
    if request.action != Action.SCORE:
        raise BadArgumentError("only a score has a model and a result")
    require(DIGEST, request.model, "model")
    result = request.result
    if result is None:
        return
    require(DIGEST, result.tx, "result.tx")
    require(DIGEST, result.input, "result.input")
    require(DIGEST, result.output, "result.output")
    if not 0 <= result.n < BATCH_LIMIT:
        raise BadArgumentError("result.n is the number of an entry")


def permitting_position(request: AccessRequest) -> LogPosition | None:
    """Return the position of the entry that the request's result names; None for a request without one."""
    result = request.result
    return None if result is None else LogPosition(result.time, result.tx, result.n)


def rests_on(request: AccessRequest, before: LogEntry, *, now: int, caller: str) -> bool:
    """Return whether `before`, the entry that the request's result names, permitted this score.

    `now` is the transaction's time in ms since 1970 UTC, `caller` the MSP id of the gateway that submits.
    """
    return (
        before.outcome == "permit"
        and before.action == Action.SCORE
        and before.result is None
        and before.custodian == caller
        and before.model == request.model
        and _asked(before) == _asked(request)
        and 0 <= now - before.time <= WINDOW
    )


def _asked(one: AccessRequest | LogEntry) -> tuple[str, ...]:
    return one.pair, one.recipient, one.user, one.role, one.purpose, one.evidence
