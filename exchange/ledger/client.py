"""What the gateway's services ask of the ledger, with types.

`authorize` is the way to a `Permit`, and the only one: this module takes the issuer of permits when it
is imported, and issues one only for what a committed transaction permitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from chaincode.access.calls import PAGE_LIMIT, PairLog, ReadPairLog
from chaincode.access.model import AccessRequest, Decision
from chaincode.consent.calls import (
    HISTORY_LIMIT,
    CurrentPair,
    OpenedPairs,
    Opening,
    OpenPairs,
    PairHistory,
    PublishedTerms,
    PublishTerms,
    ReadHistory,
    ReadPair,
    TermsUpdate,
)
from chaincode.consent.model import Pair, Provision, Terms
from chaincode.encoding import encode
from chaincode.policy.calls import (
    ApprovePolicy,
    CurrentPolicy,
    ProposalState,
    ReadPolicy,
    SetPolicy,
    WithdrawPolicy,
)
from chaincode.policy.model import Policy
from exchange.crypto.permit import Permit, take_issuer
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.errors import VoidedError
from exchange.ledger.group import GroupCommit
from exchange.ledger.port import Checkpoint, Committed, Event, Transactions

_issue = take_issuer()
_TRIES = 5  # of a transaction that was voided because what it read had changed

R = TypeVar("R")


class Ask(msgspec.Struct, frozen=True):
    """One subject's records, asked for: the subject's store token (16 bytes), and the request about it."""

    subject: bytes
    request: AccessRequest


class Entry(msgspec.Struct, frozen=True):
    """The decision on one ask; with the transaction's id, `n` names its entry in the access log."""

    n: int
    decision: Decision


class Authorization(msgspec.Struct, frozen=True):
    """What a committed transaction decided: one entry of the access log per ask, in order.

    `permit` covers exactly the permitted subjects; None when there is none. `time` is the transaction's,
    in milliseconds since 1970 UTC.
    """

    tx_id: str
    block: int
    time: int
    entries: tuple[Entry, ...]
    permit: Permit | None


class Written(msgspec.Struct, frozen=True):
    """Where a change stands on the ledger."""

    tx_id: str
    block: int
    time: int


class Filed(Written, frozen=True):
    """The epoch that each filing's pair has now."""

    epochs: tuple[int, ...]


class PolicySet(Written, frozen=True):
    """Where a proposed policy stands."""

    standing: ProposalState


class LedgerClient:
    """Typed calls on a channel of the ledger.

    `patience` is how many seconds a transaction may take, and how long a call may queue for one, before
    it ends in `UnavailableError`; what was submitted may still commit then, and nothing is released on it.

    Every method raises what `exchange.ledger.port.Transactions` raises.
    """

    def __init__(self, transactions: Transactions, *, in_flight: int = 1, patience: float = 15.0) -> None:
        self._transactions, self._patience = transactions, patience
        self._group = GroupCommit(self._authorize, in_flight=in_flight, patience=patience)

    @property
    def msp_id(self) -> str:
        """The organisation in whose name this gateway submits."""
        return self._transactions.msp_id

    # -- access ----------------------------------------------------------------

    async def authorize(self, asks: Sequence[Ask]) -> Authorization:
        """Decide and log 1 to 500 asks of one recipient in one transaction, at most one for each subject.

        Returns when the transaction is committed; denials are entries, not errors.

        Raises:
            TooCostlyError: more asks than one transaction takes.
            ValueError: no ask, two about one subject (name all classes in one request), or two recipients.
        """
        if not asks or len({ask.subject for ask in asks}) != len(asks):
            raise ValueError("authorize takes one ask for each subject, and at least one")
        recipient = asks[0].request.recipient
        if any(ask.request.recipient != recipient for ask in asks):
            raise ValueError("authorize takes the asks of one recipient at a time")
        requests = [encode(ask.request) for ask in asks]
        share = await self._group.authorize(requests)
        committed = share.committed
        obligations: dict[bytes, tuple[Provision, ...]] = {}
        until: int | None = None
        entries = []
        for n, (ask, decision) in enumerate(zip(asks, share.decisions, strict=True), share.first):
            entries.append(Entry(n, decision))
            if decision.outcome == "permit":
                obligations[ask.subject] = decision.obligations or ()
                if decision.until is not None:
                    until = decision.until if until is None else min(until, decision.until)
        return Authorization(
            tx_id=committed.tx_id,
            block=committed.block,
            time=committed.time,
            entries=tuple(entries),
            permit=_issue(committed.tx_id, recipient, obligations, until) if obligations else None,
        )

    async def pair_log(
        self,
        pair: str,
        *,
        limit: int = PAGE_LIMIT,
        bookmark: str = "",
        since: int | None = None,
        until: int | None = None,
    ) -> PairLog:
        """One page of a pair's access log in the order of time; `since <= time < until` in milliseconds."""
        asked = ReadPairLog(pair=pair, limit=limit, bookmark=bookmark, since=since, until=until)
        return await self._evaluate("access:trail", asked, PairLog)

    # -- consent ---------------------------------------------------------------

    async def open_pairs(self, openings: Sequence[Opening]) -> tuple[str, ...]:
        """Open up to 500 pairs with the terms that hold now; a pair that is open stays as it was.

        Returns for each opening `opened` or `already-open`.
        """
        committed = await self._submit("consent:open", OpenPairs(tuple(openings)))
        return _decode(committed.result, OpenedPairs).outcomes

    async def publish_terms(self, filings: Sequence[tuple[str, Terms]]) -> Filed:
        """Grant, change or revoke: up to 500 (pair, terms), each a newer version of one consent.

        One patient's pairs belong in separate calls: a transaction that holds two would join them.
        """
        args = PublishTerms(tuple(TermsUpdate(pair, terms) for pair, terms in filings))
        committed = await self._submit("consent:file", args)
        result = _decode(committed.result, PublishedTerms)
        return Filed(committed.tx_id, committed.block, committed.time, result.epochs)

    async def read_pair(self, pair: str) -> Pair | None:
        """A pair as it stands; None where it is not open."""
        return (await self._evaluate("consent:read", ReadPair(pair), CurrentPair)).pair

    async def pair_history(self, pair: str, *, limit: int = HISTORY_LIMIT, bookmark: str = "") -> PairHistory:
        """One page of the states that a pair had, the newest first."""
        return await self._evaluate("consent:history", ReadHistory(pair, limit, bookmark), PairHistory)

    # -- policy ----------------------------------------------------------------

    async def found_policy(self, policy: Policy) -> PolicySet:
        """Found the consortium on its first policy."""
        return await self._set_policy("policy:found", SetPolicy(policy))

    async def propose_policy(self, policy: Policy) -> PolicySet:
        """Propose the next version, and approve it."""
        return await self._set_policy("policy:propose", SetPolicy(policy))

    async def approve_policy(self, digest: str) -> PolicySet:
        """Approve the proposal of exactly this digest; a majority adopts it."""
        return await self._set_policy("policy:approve", ApprovePolicy(digest))

    async def withdraw_policy(self, digest: str) -> PolicySet:
        """Take this organisation's approval of a proposal back, while it waits."""
        return await self._set_policy("policy:withdraw", WithdrawPolicy(digest))

    async def read_policy(self) -> CurrentPolicy:
        """The policy in force and the proposals that wait."""
        return await self._evaluate("policy:read", ReadPolicy(), CurrentPolicy)

    # -- the rest ----------------------------------------------------------------

    def events(self, after: Checkpoint | None) -> AsyncIterator[Event]:
        """Every event after `after`, in order, and then as they come."""
        return self._transactions.events(after)

    async def close(self) -> None:
        """Finish what was submitted and let go of the ledger."""
        await self._group.close()
        await self._transactions.close()

    async def _set_policy(self, function: str, args: msgspec.Struct) -> PolicySet:
        committed = await self._submit(function, args)
        standing = _decode(committed.result, ProposalState)
        return PolicySet(committed.tx_id, committed.block, committed.time, standing)

    async def _authorize(self, batch: bytes) -> Committed:
        return await self._try("access:authorize", batch)

    async def _submit(self, function: str, args: msgspec.Struct) -> Committed:
        return await self._try(function, encode(args))

    async def _evaluate(self, function: str, args: msgspec.Struct, kind: type[R]) -> R:
        async with self._deadline():
            return _decode(await self._transactions.evaluate(function, encode(args)), kind)

    async def _try(self, function: str, args: bytes) -> Committed:
        async with self._deadline():
            for _ in range(_TRIES - 1):
                try:
                    return await self._transactions.submit(function, args)
                except VoidedError:
                    continue  # nothing was written; the next try reads what is there now
            return await self._transactions.submit(function, args)

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError:
            raise UnavailableError("the ledger did not answer in time") from None


def _decode(result: bytes, kind: type[R]) -> R:
    try:
        return msgspec.json.decode(result, type=kind)
    except msgspec.MsgspecError:
        raise DamagedError("the ledger's answer can't be read") from None
