"""Publishes the consents of a subject to its pairs on the ledger, so that no late answer undoes them.

1. A request to the ledger may commit long after its caller gave up, or never. So each request is recorded
   durably before it is sent: which consents went to which pair.
2. A consent that has ended is published as ended to every pair that it was ever requested for, with any
   outcome. Terms follow one state of their pair (`exchange.services.consents.pair_filing`), so from then on
   the contract refuses every older request, however late it comes.
   A pair that it was not requested for is left alone, or the change would join the pairs of one patient.
3. A pair with an opening that was begun and not confirmed is opened again with all that it should hold, ended
   consents included, and where it turns out to be open they are published to it. A late opening then finds it
   open and does nothing.
4. Consents that a pair holds count as requested, whatever the rows say: before a change that may narrow is
   published, the ledger is asked for the pairs that no row speaks for, towards every member ever known. So
   a row that somebody removed keeps no pair from its end, and is there again afterwards.
5. No pair is left out for what the ledger shows, which can't show requests that are still on their way, with
   one exception: a pair that the ledger does not have, towards an organisation that the policy there no
   longer names. An opening that is still on its way read the policy of before, so it is void; and once
   that organisation is a member again, its next request opens the pair with all that it should hold by
   then.

Callers see to it that one task at a time publishes for one subject.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.services.consents.covered_filing import CoveredFiling
from exchange.services.consents.expected import DesiredConsents
from exchange.services.consents.pair_filing import PairFiling
from exchange.store.engine.database import Database
from exchange.store.records import subjects as store

LEFT_TO_WRITER_MS: Final = 5_000
"""For how long the outbox leaves a change to the write that stored it."""

_log = structlog.get_logger()


class ConsentPublisher:
    """Opens pairs and publishes terms, with each request recorded in `records`."""

    def __init__(self, records: Database, ledger: LedgerClient, covered: CoveredFiling) -> None:
        self._records = records
        self._ledger = ledger
        self._covered = covered
        self._pairs = PairFiling(ledger)

    async def publish(self, desired: DesiredConsents) -> frozenset[str]:
        """Bring the subject's consents in the outbox to its pairs; return the recipients left behind.

        A recipient is left behind where the contract refuses, and then everything stays in the outbox.

        Raises:
            UnavailableError: the ledger or the store can't be reached; everything stays in the outbox.
        """
        waiting = desired.snapshot.waiting
        if not waiting:
            return frozenset()
        await self._learn_held(desired)
        pairs = desired.pairs()
        await self._record([(desired, pair.recipient) for pair in pairs if pair.opened])
        due = {entry.reference for entry in waiting}
        concerned = [
            pair.recipient
            for pair in pairs
            if pair.opened and not due.isdisjoint(desired.expected_terms(pair.recipient))
        ]
        behind = set()
        if concerned and not await self._covered.file(desired):
            behind = {one for one in concerned if not await self._pairs.file(desired, one, due)}
        for pair in pairs:
            if pair.opened:
                if await self._is_asleep(desired, pair):
                    await self.open([desired], pair.recipient)
                continue
            opened = bool(await self.open([desired], pair.recipient))
            if not (opened or await self._recipient_left(desired, pair)):
                behind.add(pair.recipient)
        if not behind:
            granted = desired.granted()
            await self._records.write(lambda c: store.mark_published(c, desired.keys.token, waiting, granted))
        return frozenset(behind)

    async def open(self, subjects: Sequence[DesiredConsents], recipient: str) -> frozenset[bytes]:
        """Open the pairs of `subjects` towards `recipient`, with all that they should hold.

        Returns the tokens of those with an open pair now: one that the contract refuses is not.

        Raises:
            UnavailableError: the ledger or the store can't be reached; the pairs may open yet.
        """
        await self._record([(desired, recipient) for desired in subjects])
        openings = [desired.opening(recipient) for desired in subjects]
        try:
            outcomes: Sequence[str] = await self._ledger.open_pairs(openings)
        except RefusedError as refused:
            if len(subjects) > 1:  # one of them is at fault, and the others should open
                return frozenset().union(*[await self.open([desired], recipient) for desired in subjects])
            outcomes = await self._open_again(subjects[0], recipient)
            if not outcomes:
                _log.warning("pair.not_opened", code=refused.reason.code, reason=str(refused.reason))
                return frozenset()
        opened: dict[bytes, str] = {}
        for desired, opening, outcome in zip(subjects, openings, outcomes, strict=True):
            # Open before, by an opening with an answer that was lost: perhaps with older terms.
            if outcome == "opened" or await self._pairs.file(desired, recipient):
                opened[desired.keys.token] = opening.pair
        await self._records.write(lambda c: store.confirm_pairs(c, list(opened.values())))
        return frozenset(opened)

    async def _open_again(self, desired: DesiredConsents, recipient: str) -> Sequence[str]:
        """Open a pair of before its recipient left; return nothing where there is none, or it is refused."""
        pair = await self._ledger.read_pair(desired.name(recipient))
        if pair is None:
            return ()
        try:
            return await self._ledger.open_pairs([desired.opening(recipient, pair.epoch)])
        except RefusedError:
            return ()

    async def _is_asleep(self, desired: DesiredConsents, row: store.PairRow) -> bool:
        """Return whether the pair was opened before its recipient left and was admitted again."""
        admitted = desired.admitted(row.recipient)
        pair = await self._ledger.read_pair(row.pair) if admitted else None
        return pair is not None and pair.opened < admitted

    async def _learn_held(self, desired: DesiredConsents) -> None:
        doubtful = desired.in_doubt()
        found = await asyncio.gather(*(self._ledger.read_pair(desired.name(one)) for one in doubtful))
        for recipient, pair in zip(doubtful, found, strict=True):
            if pair is not None and desired.learn(recipient, pair):
                _log.warning("pair.row_missing", member=recipient)

    async def _recipient_left(self, desired: DesiredConsents, pair: store.PairRow) -> bool:
        """Return whether a pair that can't be opened is as it should be: its recipient is no member."""
        policy = (await self._ledger.read_policy()).policy
        if policy is None or pair.recipient in policy.members:
            return False
        if await self._ledger.read_pair(pair.pair) is None:
            return True
        return await self._pairs.file(desired, pair.recipient)

    async def _record(self, requests: Sequence[tuple[DesiredConsents, str]]) -> None:
        opening: list[tuple[bytes, str, str]] = []
        asking: list[tuple[bytes, str, bytes]] = []
        for desired, recipient in requests:
            opening += desired.unrequested_pair(recipient)
            asking += desired.unrequested(recipient)
        if opening or asking:
            await self._records.write(lambda c: store.record_requests(c, opening, asking))
