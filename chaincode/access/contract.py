"""Deciding and logging in one transaction, and reading the log of one pair.

`authorize` reads the policy and the pairs' terms, decides each request with `chaincode.consent.rules`,
and writes one record per request, denials included. What was read is checked again at commit, so a
permit never outlives a revocation that was ordered before it. The event says only that there are records:
a block that held them once more would be half as large again, at every peer and orderer.

What came of a score is a request of its own, which rests on the entry that permitted it
(`chaincode.access.scores`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from chaincode.access.calls import PAGE_LIMIT, Authorize, Decisions, ReadTrail, Trail
from chaincode.access.model import BATCH_LIMIT, Action, Decision, Reason, Record, RecordValue, Request
from chaincode.access.scores import check_score, rests_on
from chaincode.access.state import (
    ACCESS,
    MARK,
    Place,
    mark_key,
    mark_range,
    marked_place,
    on_sheet,
    read_record,
    sheet_key,
    write_sheets,
)
from chaincode.consent.model import Pair, Policy
from chaincode.consent.periods import next_turn
from chaincode.consent.rules import decide
from chaincode.consent.state import POLICY_KEY, decode_pair, decode_policy, pair_key
from chaincode.errors import BadArgumentError, ConflictError
from chaincode.ledger import Ledger
from chaincode.pages import read_page
from chaincode.shapes import CODE, CODING, DIGEST, MSP_ID, OPAQUE, PAIR, require

_CLASSES_LIMIT = 200  # FHIR R4 has 148 resource types
_AT_ONCE = 32  # sheets that a trail reads in one go; most of what is on them may be of other pairs

_SHAPES = {
    "pair": PAIR.pattern,
    "recipient": MSP_ID.pattern,
    "purpose": CODE.pattern,
    "action": CODE.pattern,
    "user": OPAQUE.pattern,
    "digest": DIGEST.pattern,
    "evidence": DIGEST.pattern,
    "role": f"(?:{CODING.pattern})?",
    "person": f"(?:{OPAQUE.pattern})?",
}
# These fields in one match; none of the shapes takes a line break. Which field is wrong is found only then.
_ALL_SHAPES = re.compile("\n".join(_SHAPES.values()))


async def authorize(ledger: Ledger, args: Authorize) -> Decisions:
    """Decide each request and log it; everything commits together, or nothing does.

    Raises:
        BadArgumentError: the batch is empty or too large, or a request has a field of another shape.
        ConflictError: a newer release wrote the policy.
    """
    requests = args.requests
    if not 1 <= len(requests) <= BATCH_LIMIT:
        raise BadArgumentError(f"a batch holds 1 to {BATCH_LIMIT} requests")
    for request in requests:
        _check(request)
    pairs = [pair_key(request.pair) for request in requests]
    permitted = [sheet_key(_rests_at(request)) for request in requests if request.result is not None]
    names = [POLICY_KEY, *dict.fromkeys(pairs + permitted)]
    values = dict(zip(names, await ledger.get_many(names), strict=True))
    policy_value = values[POLICY_KEY]
    policy = None if policy_value is None else decode_policy(policy_value)
    now, caller = ledger.timestamp, ledger.caller.msp_id
    decisions, records = [], []
    for n, (request, pair) in enumerate(zip(requests, pairs, strict=True)):
        decision = _decide(policy, values[pair], request, now=now, caller=caller)
        if request.result is not None and decision.outcome == "permit":
            before = _record_before(values, _rests_at(request))
            if before is None or not rests_on(request, before, now=now, caller=caller):
                decision = Decision(outcome="deny", reason=Reason.NO_SCORE, epoch=decision.epoch)
        decisions.append(decision)
        records.append(_record(request, decision, custodian=caller))
        ledger.put(mark_key(request.pair, Place(now, ledger.tx_id, n)), MARK)
    for key, value in write_sheets(now, ledger.tx_id, records):
        ledger.put(key, value)
    ledger.emit(ACCESS, b"")
    return Decisions(decisions=tuple(decisions))


async def trail(ledger: Ledger, args: ReadTrail) -> Trail:
    """One page of a pair's log, in the order of time.

    Raises:
        BadArgumentError: a limit, a time or the bookmark is out of bounds.
    """
    require(PAIR, args.pair, "pair")
    bounds = mark_range(args.pair, args.since, args.until)
    page = await read_page(ledger, bounds, limit=args.limit, most=PAGE_LIMIT, bookmark=args.bookmark)
    places = [marked_place(entry.key) for entry in page.entries]
    records: list[Record] = []
    for first in range(0, len(places), _AT_ONCE):
        some = places[first : first + _AT_ONCE]
        names = list(dict.fromkeys(map(sheet_key, some)))
        sheets = dict(zip(names, await ledger.get_many(names), strict=True))
        records += (_marked(sheets, place) for place in some)
    return Trail(records=tuple(records), bookmark=page.bookmark)


def _rests_at(request: Request) -> Place:
    result = request.result
    if result is None:
        raise ValueError("only a request with a result rests on another")
    return Place(result.time, result.tx, result.n)


def _record_before(values: Mapping[str, bytes | None], place: Place) -> Record | None:
    try:
        value = on_sheet(place, values[sheet_key(place)])
        return None if value is None else read_record(place, value)
    except BadArgumentError:
        return None  # of a newer release; what rests on it is refused, the others are none the worse


def _marked(sheets: Mapping[str, bytes | None], place: Place) -> Record:
    value = on_sheet(place, sheets[sheet_key(place)])
    if value is None:
        raise ConflictError("a mark names a record that is not there")
    return read_record(place, value)


def _check(request: Request) -> None:
    values = (
        request.pair,
        request.recipient,
        request.purpose,
        request.action,
        request.user,
        request.digest,
        request.evidence,
        request.role,
        request.person,
    )
    if len(request.classes) > _CLASSES_LIMIT:
        raise BadArgumentError(f"a request names more than {_CLASSES_LIMIT} classes")
    if _ALL_SHAPES.fullmatch("\n".join(values)) is None:
        for (name, shape), value in zip(_SHAPES.items(), values, strict=True):
            require(re.compile(shape), value, name)
    for name in request.classes:
        require(CODE, name, "classes")
    if request.action == Action.SCORE or request.model or request.result is not None:
        check_score(request)


def _decide(
    policy: Policy | None, value: bytes | None, request: Request, *, now: int, caller: str
) -> Decision:
    pair: Pair | None = None
    if value is not None:
        try:
            pair = decode_pair(value)
        except (BadArgumentError, ConflictError):
            # Terms of a newer release deny this request; the others in the batch are none the worse.
            return Decision(outcome="deny", reason=Reason.UNREADABLE)
    decision = decide(policy, pair, request, now=now, caller=caller)
    if pair is None or decision.outcome == "deny":
        return decision
    until = next_turn(pair, now)
    return decision if until is None else msgspec.structs.replace(decision, until=until)


def _record(request: Request, decision: Decision, *, custodian: str) -> RecordValue:
    return RecordValue(
        pair=request.pair,
        custodian=custodian,
        recipient=request.recipient,
        purpose=request.purpose,
        action=request.action,
        user=request.user,
        digest=request.digest,
        evidence=request.evidence,
        outcome=decision.outcome,
        reason=decision.reason,
        role=request.role,
        classes=request.classes,
        basis=decision.basis,
        basis_version=decision.basis_version,
        epoch=decision.epoch,
        model=request.model,
        result=request.result,
    )
