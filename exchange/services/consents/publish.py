"""Asks the ledger to hold what the pairs of a subject should hold, so that no late answer undoes it.

1. What the ledger is asked for may commit long after its caller gave up, or never. So each asking is
   noted before, durably: which consents went to which pair.
2. A consent that has ended is filed as ended to every pair that it was ever noted for, whatever seems to
   have become of that. From then on the contract refuses every older version, however late it comes.
   A pair that it was not noted for is left alone, or the change would join the pairs of one patient.
3. A pair whose opening was begun and not confirmed is opened again with all that it should hold, ended
   consents included, and where it turns out to be open they are filed. A late opening then finds it open
   and does nothing.
4. Nothing of this is decided by looking at the ledger, which can't show what is still on its way, but for
   one: a pair that the ledger does not have, towards an organisation that the policy there no longer names.
   An opening that is still on its way read the policy of before, so it is void; and once that organisation
   is a member again, what it asks for is opened with all that the pair should hold by then.

Callers see to it that one task at a time asks for one subject.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from chaincode.consent.model import Terms
from chaincode.errors import ConflictError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.services.consents.expected import Holdings
from exchange.store.engine.database import Database
from exchange.store.records import subjects as store

_log = structlog.get_logger()


class Filing:
    """Opens pairs and files terms, with notes in `records`."""

    def __init__(self, records: Database, ledger: LedgerClient) -> None:
        self._records = records
        self._ledger = ledger

    async def file(self, subject: Holdings) -> frozenset[str]:
        """Bring what waits in the outbox to the subject's pairs; returns the recipients left behind.

        A recipient is left behind where the contract refuses, and then everything stays in the outbox.

        Raises:
            UnavailableError: the ledger or the store can't be reached; everything stays in the outbox.
        """
        waiting = subject.standing.waiting
        if not waiting:
            return frozenset()
        pairs = subject.pairs()
        await self._note([(subject, pair.recipient) for pair in pairs if pair.opened])
        behind = set()
        for pair in pairs:
            if pair.opened:
                held = subject.held(pair.recipient)
                due = [held[reference] for reference in waiting if reference in held]
                in_step = await self._put(pair.pair, due)
            else:
                in_step = bool(await self.open([subject], pair.recipient)) or await self._left(subject, pair)
            if not in_step:
                behind.add(pair.recipient)
        if not behind:
            granted = subject.granted(now=time.time_ns() // 1_000_000)
            await self._records.write(lambda c: store.filed(c, subject.keys.token, waiting, granted))
        return frozenset(behind)

    async def open(self, subjects: Sequence[Holdings], recipient: str) -> frozenset[bytes]:
        """Open the pairs of `subjects` towards `recipient`, with all that they should hold.

        Returns the tokens of those whose pair is open with it now: one that the contract refuses is not.

        Raises:
            UnavailableError: the ledger or the store can't be reached; the pairs may open yet.
        """
        await self._note([(subject, recipient) for subject in subjects])
        openings = [subject.opening(recipient) for subject in subjects]
        try:
            outcomes = await self._ledger.open_pairs(openings)
        except RefusedError as refused:
            if len(subjects) > 1:  # one of them is at fault, and the others should open
                return frozenset().union(*[await self.open([subject], recipient) for subject in subjects])
            _warn("pair.not_opened", refused)
            return frozenset()
        opened: dict[bytes, str] = {}
        for subject, opening, outcome in zip(subjects, openings, outcomes, strict=True):
            # Open before, by an opening that nobody heard of any more: perhaps with older terms.
            if outcome == "opened" or await self._put(opening.pair, opening.terms):
                opened[subject.keys.token] = opening.pair
        await self._records.write(lambda c: store.confirm_pairs(c, list(opened.values())))
        return frozenset(opened)

    async def _left(self, subject: Holdings, pair: store.PairRow) -> bool:
        """Whether a pair is as it should be although it can't be opened, because its recipient has left."""
        policy = (await self._ledger.read_policy()).policy
        if policy is None or pair.recipient in policy.members:
            return False
        if await self._ledger.read_pair(pair.pair) is None:
            return True
        return await self._put(pair.pair, tuple(subject.held(pair.recipient).values()))

    async def _note(self, asked: Sequence[tuple[Holdings, str]]) -> None:
        opening: list[tuple[bytes, str, str]] = []
        asking: list[tuple[bytes, str, bytes]] = []
        for subject, recipient in asked:
            opening += subject.unnoted_pair(recipient)
            asking += subject.unnoted(recipient)
        if opening or asking:
            await self._records.write(lambda c: store.note(c, opening, asking))

    async def _put(self, pair: str, terms: Sequence[Terms]) -> bool:
        """File `terms` to one pair; whether it holds each of them, or a newer version, now."""
        # Together they are measured by what they come to. One by one, what ends makes room for the others.
        left = sorted(terms, key=lambda one: one.status == "active")
        if not left or await self._takes(pair, left):
            return True
        while left:
            refused = [one for one in left if not await self._takes(pair, [one])]
            if len(refused) == len(left):
                return False
            left = refused
        return True

    async def _takes(self, pair: str, terms: Sequence[Terms]) -> bool:
        try:
            await self._ledger.publish_terms([(pair, one) for one in terms])
        except RefusedError as refused:
            if len(terms) > 1:
                return False
            if isinstance(refused.reason, ConflictError):  # this version or a newer one is there already
                return True
            _warn("consent.not_filed", refused)
            return False
        return True


def _warn(event: str, refused: RefusedError) -> None:
    _log.warning(event, code=refused.reason.code, reason=str(refused.reason))  # a bound's name, no value
