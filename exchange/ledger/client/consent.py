"""Pairs and their terms: open a pair, publish terms to it, read it and its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chaincode.consent.calls import (
    BATCH_LIMIT,
    HISTORY_LIMIT,
    CurrentPair,
    OpenedPairs,
    Opening,
    OpenPairs,
    PairHistory,
    PairOpener,
    PairOpeners,
    PublishedTerms,
    PublishTerms,
    ReadHistory,
    ReadOpeners,
    ReadPair,
    RetirePairs,
    TermsUpdate,
)
from chaincode.consent.model import Pair, Terms
from exchange.ledger.client.contract_calls import ContractCalls, LedgerChange, decode_result


class TermsChange(LedgerChange, frozen=True):
    """The transaction that published terms, with the epoch that each update gave its pair."""

    epochs: tuple[int, ...]


class ConsentCalls(ContractCalls):
    """Calls of the consent contract."""

    _node: str

    async def open_pairs(self, openings: Sequence[Opening]) -> tuple[str, ...]:
        """Open up to 500 pairs with the terms that hold now; a pair that is open stays as it was.

        Returns for each opening `opened` or `already-open`.
        """
        named = tuple(msgspec.structs.replace(opening, node=self._node) for opening in openings)
        committed = await self._submit("consent:open", OpenPairs(named))
        return decode_result(committed.result, OpenedPairs).outcomes

    async def publish_terms(
        self, updates: Sequence[tuple[str, Terms]], *, after: Mapping[str, int] | None = None
    ) -> TermsChange:
        """Grant, change or revoke: up to 500 (pair, terms), each a newer version of one consent.

        `after` has the epoch of each pair that the terms follow: with another, the call is refused. A
        transaction with two pairs of one patient joins them, unless pairs of others are in it too.
        """
        follows = after or {}
        args = PublishTerms(tuple(TermsUpdate(pair, terms, follows.get(pair, 0)) for pair, terms in updates))
        committed = await self._submit("consent:file", args)
        result = decode_result(committed.result, PublishedTerms)
        return TermsChange(committed.tx_id, committed.block, committed.time, result.epochs)

    async def retire_pairs(self, pairs: Sequence[str], node: str) -> None:
        """Retire pairs of this custodian that `node` opened, some hundred in a transaction; idempotent."""
        for start in range(0, len(pairs), BATCH_LIMIT):
            await self._submit("consent:retire", RetirePairs(tuple(pairs[start : start + BATCH_LIMIT]), node))

    async def pair_openers(self, pairs: Sequence[str]) -> dict[str, PairOpener]:
        """Return which gateways of this custodian opened those of `pairs` that are open."""
        found: dict[str, PairOpener] = {}
        for start in range(0, len(pairs), BATCH_LIMIT):
            some = tuple(pairs[start : start + BATCH_LIMIT])
            result = await self._evaluate("consent:openers", ReadOpeners(some), PairOpeners)
            openers = zip(some, result.openers, strict=True)
            found |= {name: opener for name, opener in openers if opener is not None}
        return found

    async def read_pair(self, pair: str) -> Pair | None:
        """Return a pair of this custodian in its present state; None where it is not open."""
        return (await self._evaluate("consent:read", ReadPair(pair), CurrentPair)).pair

    async def pair_history(self, pair: str, *, limit: int = HISTORY_LIMIT, bookmark: str = "") -> PairHistory:
        """Return one page of the states that a pair had, the newest first."""
        return await self._evaluate("consent:history", ReadHistory(pair, limit, bookmark), PairHistory)
