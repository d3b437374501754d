"""Deciding and logging in one transaction, and reading the log of one pair.

`authorize` reads the policy and the pairs' terms, decides each request with `chaincode.consent.rules`,
and writes one log entry per request, denials included. Every key that it read is checked again at commit,
so a permit never outlives a revocation that was ordered before it. The event says only that there are
entries: with a second copy of them a block would be half as large again, at every peer and orderer.

`record` writes entries of what the caller's own gateway did, without a decision, under pairs of which the
caller is custodian and recipient.

`note_releases` writes what was released on permitted entries, as roots that tell a reader of the ledger
nothing: how much a search has found is as private as the record is long.

The result of a score is a request of its own, which rests on the entry that permitted the score
(`chaincode.access.scores`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from chaincode.access.calls import (
    PAGE_LIMIT,
    Authorize,
    Decisions,
    NotedReleases,
    NoteReleases,
    PairLog,
    ReadPairLog,
    Record,
    Recorded,
)
from chaincode.access.log_keys import (
    ACCESS,
    INDEX_VALUE,
    LogPosition,
    find_entry,
    index_key,
    index_range,
    indexed_position,
    log_page_key,
    read_entry,
    releases_key,
    write_log_pages,
)
from chaincode.access.model import (
    BATCH_LIMIT,
    KNOWN_AS_LIMIT,
    LINKED_LIMIT,
    AccessRequest,
    Action,
    Decision,
    Denied,
    LogEntry,
    LogEntryValue,
    Reason,
    RecordedAction,
    RecordedEvent,
)
from chaincode.access.scores import check_score, permitting_position, rests_on
from chaincode.consent.periods import next_boundary
from chaincode.consent.rules import decide
from chaincode.consent.state import decode_pair, pair_key
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.identifiers import CODE, CODING, DIGEST, KNOWN_AS, MSP_ID, OPAQUE, PAIR, require
from chaincode.ledger import Ledger
from chaincode.paging import read_page
from chaincode.policy.model import Policy
from chaincode.policy.state import (
    ADMISSIONS_KEY,
    POLICY_KEY,
    decode_admissions,
    decode_policy,
    read_policy,
)
from chaincode.roles import check_role

_CLASSES_LIMIT = 200  # FHIR R4 has 148 resource types
_PAGES_AT_ONCE = 32  # log pages read in one round trip; most entries on them may be of other pairs

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
_PERSON = re.compile(_SHAPES["person"])
_EVENT_SHAPES = frozenset({"pair", "purpose", "action", "user", "digest", "evidence", "role"})
_RECORDED = frozenset(RecordedAction)
_COUNT_LIMIT = 10**9
# These fields in one match; no shape allows a line break. Only a mismatch searches for the wrong field.
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
    now, caller = ledger.timestamp, ledger.caller.msp_id
    pairs = [pair_key(request.pair, caller) for request in requests]
    linked = [pair_key(one.pair, caller) for request in requests for one in request.linked]
    permitting_pages = [
        log_page_key(place) for place in map(permitting_position, requests) if place is not None
    ]
    names = [POLICY_KEY, ADMISSIONS_KEY, *dict.fromkeys(pairs + linked + permitting_pages)]
    values = dict(zip(names, await ledger.get_many(names), strict=True))
    policy_value = values[POLICY_KEY]
    again = decode_admissions(values[ADMISSIONS_KEY]).again
    policy = None if policy_value is None else decode_policy(policy_value)
    decisions, entries = [], []
    for request, pair in zip(requests, pairs, strict=True):
        beside = [values[pair_key(one.pair, caller)] for one in request.linked]
        admitted = again.get(request.recipient, 0)
        decision = _decide(
            policy, values[pair], request, now=now, caller=caller, linked=beside, admitted=admitted
        )
        place = permitting_position(request)
        if place is not None:
            decision = _confirmed(decision, request, place, values, now=now, caller=caller)
        decisions.append(decision)
        entries.append(_entry(request, decision, custodian=caller))
    _write_entries(ledger, entries)
    return Decisions(decisions=tuple(decisions))


async def record(ledger: Ledger, args: Record) -> Recorded:
    """Log what the caller's own gateway did; everything commits together, or nothing does.

    Raises:
        BadArgumentError: the batch is empty or too large, or an event has a field of another shape.
        NotFoundError: a pair is not open.
        ForbiddenError: a pair is not the caller's own: the caller as custodian towards itself.
        ConflictError: a newer release wrote a pair.
    """
    events = args.events
    if not 1 <= len(events) <= BATCH_LIMIT:
        raise BadArgumentError(f"a batch holds 1 to {BATCH_LIMIT} events")
    for event in events:
        _check_event(event)
    caller = ledger.caller.msp_id
    names = list(dict.fromkeys(pair_key(event.pair, caller) for event in events))
    epochs: dict[str, int] = {}
    for name, value in zip(names, await ledger.get_many(names), strict=True):
        if value is None:
            raise NotFoundError("a pair is not open")
        pair = decode_pair(value)
        if pair.recipient != caller:
            raise ForbiddenError("a pair is not the caller's own")
        epochs[name] = pair.epoch
    entries = [
        _recorded(event, caller=caller, epoch=epochs[pair_key(event.pair, caller)]) for event in events
    ]
    _write_entries(ledger, entries)
    return Recorded(entries=len(entries))


async def note_releases(ledger: Ledger, args: NoteReleases) -> NotedReleases:
    """Write the roots of what the caller released; none is ever changed or removed.

    Raises:
        BadArgumentError: the batch is empty or too large, or a root is no digest.
        ForbiddenError: the caller is not a member.
        ConflictError: a newer release wrote the policy.
    """
    roots = args.roots
    if not 1 <= len(roots) <= BATCH_LIMIT:
        raise BadArgumentError(f"a batch holds 1 to {BATCH_LIMIT} roots")
    for root in roots:
        require(DIGEST, root, "root")
    policy, caller = await read_policy(ledger), ledger.caller.msp_id
    if policy is None or caller not in policy.members:
        raise ForbiddenError("only members note releases")
    ledger.put(releases_key(caller, ledger.timestamp, ledger.tx_id), encode(roots))
    return NotedReleases(roots=len(roots))


async def read_pair_log(ledger: Ledger, args: ReadPairLog) -> PairLog:
    """Return one page of a pair's log, in the order of time.

    Raises:
        BadArgumentError: a limit, a time or the bookmark is out of bounds.
    """
    require(PAIR, args.pair, "pair")
    custodian = args.custodian or ledger.caller.msp_id
    require(MSP_ID, custodian, "custodian")
    bounds = index_range(args.pair, custodian, args.since, args.until)
    page = await read_page(ledger, bounds, limit=args.limit, most=PAGE_LIMIT, bookmark=args.bookmark)
    positions = [indexed_position(entry.key) for entry in page.entries]
    entries: list[LogEntry] = []
    for first in range(0, len(positions), _PAGES_AT_ONCE):
        some = positions[first : first + _PAGES_AT_ONCE]
        names = list(dict.fromkeys(map(log_page_key, some)))
        pages = dict(zip(names, await ledger.get_many(names), strict=True))
        entries += (_indexed_entry(pages, position) for position in some)
    return PairLog(entries=tuple(entries), bookmark=page.bookmark)


def _write_entries(ledger: Ledger, entries: Sequence[LogEntryValue]) -> None:
    for n, entry in enumerate(entries):
        place = LogPosition(ledger.timestamp, ledger.tx_id, n)
        ledger.put(index_key(entry.pair, entry.custodian, place), INDEX_VALUE)
    for key, value in write_log_pages(ledger.timestamp, ledger.tx_id, entries):
        ledger.put(key, value)
    ledger.emit(ACCESS, b"")


def _confirmed(
    decision: Decision,
    request: AccessRequest,
    place: LogPosition,
    values: Mapping[str, bytes | None],
    *,
    now: int,
    caller: str,
) -> Decision:
    # The decision on the result of a score, which must rest on the permitted score at `place`.
    if isinstance(decision, Denied):
        return decision
    try:
        value = find_entry(place, values[log_page_key(place)])
        before = None if value is None else read_entry(place, value)
    except BadArgumentError:
        before = None  # of a newer release: refuses the one request that rests on it, and no other
    if before is None or not rests_on(request, before, now=now, caller=caller):
        return Denied(reason=Reason.NO_SCORE, epoch=decision.epoch)
    return decision


def _indexed_entry(pages: Mapping[str, bytes | None], position: LogPosition) -> LogEntry:
    value = find_entry(position, pages[log_page_key(position)])
    if value is None:
        raise ConflictError("an index key names an entry that does not exist")
    return read_entry(position, value)


def _check(request: AccessRequest) -> None:
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
    if request.role:
        check_role(request.role)
    for name in request.classes:
        require(CODE, name, "classes")
    if request.known_as or request.linked:
        _check_names(request)
    if request.action == Action.SCORE or request.model or request.result is not None:
        check_score(request)


def _check_names(request: AccessRequest) -> None:
    if len(request.linked) > LINKED_LIMIT:
        raise BadArgumentError(f"a request names more than {LINKED_LIMIT} linked pairs")
    for one in request.linked:
        require(PAIR, one.pair, "linked.pair")
        require(_PERSON, one.person, "linked.person")
        if one.role:
            check_role(one.role)
    for names in (request.known_as, *(one.known_as for one in request.linked)):
        if len(names) > KNOWN_AS_LIMIT:
            raise BadArgumentError(f"a requester has more than {KNOWN_AS_LIMIT} identifiers")
        for name in names:
            require(KNOWN_AS, name, "known_as")


def _check_event(event: RecordedEvent) -> None:
    if len(event.classes) > _CLASSES_LIMIT:
        raise BadArgumentError(f"an event names more than {_CLASSES_LIMIT} classes")
    for name, shape in _SHAPES.items():
        if name in _EVENT_SHAPES:
            require(re.compile(shape), getattr(event, name), name)
    if event.role:
        check_role(event.role)
    for name in event.classes:
        require(CODE, name, "classes")
    if event.action not in _RECORDED:
        raise BadArgumentError("action is not one that is recorded without a decision")
    if event.root:
        require(DIGEST, event.root, "root")
    if not 0 <= event.count < _COUNT_LIMIT:
        raise BadArgumentError(f"count is 0 to {_COUNT_LIMIT - 1}")


def _recorded(event: RecordedEvent, *, caller: str, epoch: int) -> LogEntryValue:
    return LogEntryValue(
        pair=event.pair,
        custodian=caller,
        recipient=caller,
        purpose=event.purpose,
        action=event.action,
        user=event.user,
        digest=event.digest,
        evidence=event.evidence,
        outcome="deny" if event.refused else "permit",
        reason=Reason.RECORDED,
        role=event.role,
        classes=event.classes,
        epoch=epoch,
        root=event.root,
        count=event.count,
    )


def _decide(
    policy: Policy | None,
    value: bytes | None,
    request: AccessRequest,
    *,
    now: int,
    caller: str,
    linked: Sequence[bytes | None],
    admitted: int,
) -> Decision:
    try:
        pair, *beside = [None if one is None else decode_pair(one) for one in (value, *linked)]
    except (BadArgumentError, ConflictError):
        # Terms of a newer release deny this request; the rest of the batch is decided all the same.
        return Denied(reason=Reason.UNREADABLE)
    decision = decide(policy, pair, request, now=now, caller=caller, linked=beside, admitted=admitted)
    if pair is None or isinstance(decision, Denied):
        return decision
    until = next_boundary([pair, *(one for one in beside if one is not None)], now)
    return decision if until is None else msgspec.structs.replace(decision, until=until)


def _entry(request: AccessRequest, decision: Decision, *, custodian: str) -> LogEntryValue:
    return LogEntryValue(
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
