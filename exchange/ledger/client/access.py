"""Decisions on accesses, entries of what this gateway did, and the log of one pair.

`authorize` is the only way to a `Permit`: this module gets the issuer of permits when it is imported,
and issues one only for the subjects that a committed transaction permitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chaincode.access.calls import PAGE_LIMIT, NoteReleases, PairLog, ReadPairLog
from chaincode.access.model import AccessRequest, Decision, Permitted, RecordedEvent
from chaincode.consent.model import Provision
from chaincode.encoding import encode
from exchange.crypto.permit import Permit, take_issuer
from exchange.ledger.client.contract_calls import ContractCalls
from exchange.ledger.group import GroupCommit
from exchange.ledger.port import Committed, Transactions

_issue = take_issuer()


class SubjectRequest(msgspec.Struct, frozen=True):
    """A request for one subject's records; `subject` is the subject's store token (16 bytes).

    `linked` are the tokens of the subjects of the request's linked pairs, in their order.
    """

    subject: bytes
    request: AccessRequest
    linked: tuple[bytes, ...] = ()


class LoggedDecision(msgspec.Struct, frozen=True):
    """The decision on one request; with the transaction's id, `n` names its entry in the access log."""

    n: int
    decision: Decision


class Authorization(msgspec.Struct, frozen=True):
    """The outcome of one committed transaction: one entry of the access log per request, in order.

    `permit` covers exactly the permitted subjects; None when there is none. `time` is the transaction's,
    in milliseconds since 1970 UTC.
    """

    tx_id: str
    block: int
    time: int
    entries: tuple[LoggedDecision, ...]
    permit: Permit | None


class RecordedEvents(msgspec.Struct, frozen=True):
    """The committed transaction that holds the entries of some events, which are numbered from `first` on.

    `time` is the transaction's, in milliseconds since 1970 UTC.
    """

    tx_id: str
    block: int
    time: int
    first: int


class AccessCalls(ContractCalls):
    """Calls of the access contract. A call may wait `timeout` seconds for its transaction to begin."""

    def __init__(self, transactions: Transactions, *, in_flight: int, timeout: float) -> None:
        super().__init__(transactions, timeout=timeout)
        self._group = GroupCommit(self._authorize, in_flight=in_flight, timeout=timeout)
        self._events = GroupCommit(self._record, in_flight=in_flight, timeout=timeout, records=True)

    async def authorize(self, asked: Sequence[SubjectRequest]) -> Authorization:
        """Decide and log 1 to 500 requests of one recipient in one transaction, at most one per subject.

        Returns when the transaction is committed; denials are entries, not errors.

        Raises:
            TooCostlyError: more requests than one transaction may hold.
            ValueError: no request, two about one subject (name all classes in one), or two recipients.
        """
        if not asked or len({one.subject for one in asked}) != len(asked):
            raise ValueError("authorize needs one request for each subject, and at least one")
        recipient = asked[0].request.recipient
        if any(one.request.recipient != recipient for one in asked):
            raise ValueError("authorize decides on the requests of one recipient at a time")
        part = await self._group.share([encode(one.request) for one in asked])
        obligations: dict[bytes, tuple[Provision, ...]] = {}
        denials: dict[bytes, dict[bytes, tuple[Provision, ...]]] = {}
        until: int | None = None
        entries = []
        for n, (one, decision) in enumerate(zip(asked, part.decisions, strict=True), part.first):
            entries.append(LoggedDecision(n, decision))
            if isinstance(decision, Permitted):
                obligations[one.subject] = decision.obligations
                if decision.denials:
                    of = (one.subject, *one.linked)
                    denials[one.subject] = dict(zip(of, decision.denials, strict=True))
                if decision.until is not None:
                    until = decision.until if until is None else min(until, decision.until)
        committed = part.committed
        return Authorization(
            tx_id=committed.tx_id,
            block=committed.block,
            time=committed.time,
            entries=tuple(entries),
            permit=(_issue(committed.tx_id, recipient, obligations, denials, until) if obligations else None),
        )

    async def record(self, events: Sequence[RecordedEvent]) -> RecordedEvents:
        """Log 1 to 500 events of this organisation in one transaction, which it may share with others.

        Returns when the transaction is committed. Each event's pair is this organisation's own, and open.

        Raises:
            TooCostlyError: more events than one transaction may hold.
            RefusedError: a pair is not open or not this organisation's own, or a field has another shape.
            ValueError: no event.
        """
        if not events:
            raise ValueError("record needs at least one event")
        part = await self._events.share([encode(event) for event in events])
        committed = part.committed
        return RecordedEvents(committed.tx_id, committed.block, committed.time, part.first)

    async def note_releases(self, roots: Sequence[str]) -> None:
        """Write 1 to 500 roots of what was released on permitted entries; return when they are committed.

        Raises:
            RefusedError: this organisation is no member, or the channel's contracts do not know the call yet.
        """
        await self._submit("access:release", NoteReleases(roots=tuple(roots)))

    async def pair_log(
        self,
        pair: str,
        *,
        limit: int = PAGE_LIMIT,
        bookmark: str = "",
        since: int | None = None,
        until: int | None = None,
        custodian: str = "",
    ) -> PairLog:
        """Return one page of a pair's log in the order of time; `since <= time < until` in milliseconds.

        The pair is this organisation's, unless another `custodian` is named.
        """
        asked = ReadPairLog(
            pair=pair, limit=limit, bookmark=bookmark, since=since, until=until, custodian=custodian
        )
        return await self._evaluate("access:trail", asked, PairLog)

    async def _authorize(self, batch: bytes) -> Committed:
        return await self._submit_encoded("access:authorize", batch)

    async def _record(self, batch: bytes) -> Committed:
        return await self._submit_encoded("access:record", batch)
