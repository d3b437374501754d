"""Files a change of consent among cover: pairs of other subjects, filed again without a change.

A reader of the ledger sees which pairs change in one transaction. If these were the pairs of the subject
that changed a consent, each change would join them.

1. Subjects with pairs towards others are parted into groups by their store tokens, which are random
   (`exchange.store.records.cover`). A group is never joined to another, and parted only where both halves
   are large enough.
2. A change files every pair of the subject's group that holds terms, whichever of them it concerns, in one
   transaction and in random order. So all pairs of a group change together, always: to watch many changes
   tells no more than to watch one.
3. Every pair is filed with all its terms, made anew: versions and digests of a pair that did not change are
   as new as those of one that did.
4. Changes that come while a transaction is on its way share the next one, with their groups. None waits for
   others to come: an end goes out at once.
5. Cover changes nothing, so it never stands in the way. It takes no more room than a transaction has; and
   where there is none, or the contract refuses the transaction, the change is left to be filed pair by pair.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import structlog
from cachetools import LRUCache
from sqlalchemy import Connection

from chaincode.consent.calls import BATCH_LIMIT
from chaincode.consent.model import Terms
from chaincode.encoding import encode
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.services.consents.expected import DesiredConsents
from exchange.store.engine.database import Database
from exchange.store.records import cover

LEAST_GROUP: Final = 8
"""Subjects of one group, where there are as many."""

_BYTES: Final = 512 * 1024
"""Bytes of terms in one transaction: blocks have bounds."""

_AT_ONCE = 8  # changes in one transaction
_LEAST_SUBJECTS = 2  # in a transaction: with pairs of one subject alone it would join them
_TRIES = 2
_EPOCHS_CACHED = 50_000

_log = structlog.get_logger()
_random = random.SystemRandom()


class _Change(NamedTuple):
    desired: DesiredConsents
    filed: asyncio.Future[bool]


class _FiledPair(NamedTuple):
    subject: bytes
    name: str
    epoch: int
    terms: Sequence[Terms]


class CoveredFiling:
    """Files the open pairs of subjects, with those of their groups.

    `load` returns the desired consents of subjects by their tokens; `others` returns the organisations that
    pairs may be open to, without the custodian. The `directory` subject, which shows what it is, is no cover.
    """

    def __init__(
        self,
        records: Database,
        ledger: LedgerClient,
        load: Callable[[Sequence[bytes]], Awaitable[list[DesiredConsents]]],
        *,
        others: Callable[[], Sequence[str]],
        directory: bytes,
    ) -> None:
        self._records = records
        self._ledger = ledger
        self._load = load
        self._others = others
        self._directory = directory
        self._epochs: LRUCache[str, int] = LRUCache(_EPOCHS_CACHED)
        self._waiting: list[_Change] = []
        self._task: asyncio.Task[None] | None = None

    async def file(self, desired: DesiredConsents) -> bool:
        """File every open pair of the subject among cover; return whether they are all filed now.

        Raises:
            UnavailableError: the ledger or the store can't be reached; the pairs may be filed yet.
            DamagedError: a row of the subject or of its cover does not verify.
        """
        change = _Change(desired, asyncio.get_running_loop().create_future())
        self._waiting.append(change)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="covered-filing")
        return await change.filed

    async def _work(self) -> None:
        try:
            while self._waiting:
                changes, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._commit(changes)
        except asyncio.CancelledError:
            _end(self._waiting, UnavailableError("the gateway stops"))
            raise
        finally:
            self._task = None

    async def _commit(self, changes: Sequence[_Change]) -> None:
        try:
            filed = await self._file([change.desired for change in changes])
        except asyncio.CancelledError:
            _end(changes, UnavailableError("the gateway stops"))
            raise
        except Exception as why:  # noqa: BLE001  # every change gets it; the next ones are another try
            _end(changes, why)
            return
        if not filed and len(changes) > 1:  # one of them is at fault, and the others should have cover
            for change in changes:
                await self._commit([change])
            return
        for change in changes:
            if not change.filed.done():
                change.filed.set_result(change.desired.keys.token in filed)

    async def _file(self, changed: Sequence[DesiredConsents]) -> set[bytes]:
        """File the pairs of `changed` with cover; return the subjects with pairs that are all filed."""
        own = {one.keys.token for one in changed}
        tokens = await self._cover(own)
        for _ in range(_TRIES):
            missing = await self._read_epochs(changed)
            pairs = [pair for one in changed for pair in self._pairs_of(one, one.terms_after)]
            pairs = _within(pairs, await self._covering(tokens))
            if len({pair.subject for pair in pairs if pair.terms}) < _LEAST_SUBJECTS:
                return set()
            if await self._submit(pairs):
                return own - missing
            for pair in pairs:
                self._epochs.pop(pair.name, None)  # another request may have changed it
        return set()

    async def _cover(self, changed: set[bytes]) -> list[bytes]:
        others = list(self._others())

        def groups(connection: Connection) -> set[bytes]:
            return set().union(*(cover.group_of(connection, one, others, LEAST_GROUP) for one in changed))

        return sorted(await self._records.read(groups) - changed - {self._directory})

    async def _covering(self, tokens: Sequence[bytes]) -> list[_FiledPair]:
        subjects = await self._load(tokens)
        known = {row.pair for one in subjects for row in one.snapshot.pairs} <= self._epochs.keys()
        await self._read_epochs(subjects)
        if not known:
            # Consents are read after the epoch that they follow: what changes later voids the transaction.
            subjects = await self._load(tokens)
        return [pair for one in subjects for pair in self._pairs_of(one, one.cover_after)]

    async def _read_epochs(self, subjects: Sequence[DesiredConsents]) -> set[bytes]:
        """Read the epochs of open pairs; return the subjects with a pair that the ledger does not have."""
        places = {row.pair: one for one in subjects for row in one.snapshot.pairs if row.opened}
        unknown = [name for name in places if name not in self._epochs]
        found = await asyncio.gather(*map(self._ledger.read_pair, unknown))
        self._epochs.update(
            {name: pair.epoch for name, pair in zip(unknown, found, strict=True) if pair is not None}
        )
        return {one.keys.token for name, one in places.items() if name not in self._epochs}

    def _pairs_of(
        self, desired: DesiredConsents, terms_after: Callable[[str, int], Mapping[bytes, Terms]]
    ) -> Iterator[_FiledPair]:
        for row in desired.snapshot.pairs:
            epoch = self._epochs.get(row.pair)
            if row.opened and epoch is not None:
                terms = tuple(terms_after(row.recipient, epoch).values())
                yield _FiledPair(desired.keys.token, row.pair, epoch, terms)

    async def _submit(self, pairs: Sequence[_FiledPair]) -> bool:
        shuffled = [pair for pair in pairs if pair.terms]
        _random.shuffle(shuffled)
        updates = [(pair.name, one) for pair in shuffled for one in pair.terms]
        try:
            change = await self._ledger.publish_terms(
                updates, after={pair.name: pair.epoch for pair in shuffled}
            )
        except RefusedError as refused:
            _log.info("consent.cover_refused", code=refused.reason.code, reason=str(refused.reason))
            return False
        except UnavailableError:
            for pair in shuffled:
                self._epochs.pop(pair.name, None)
            raise
        self._epochs.update({name: epoch for (name, _), epoch in zip(updates, change.epochs, strict=True)})
        return True


def _within(real: list[_FiledPair], covering: list[_FiledPair]) -> list[_FiledPair]:
    """Return `real` with as much cover as one transaction may hold."""
    count, size = _measure(real)
    chosen = list(real)
    for pair in _random.sample(covering, len(covering)):
        more, larger = _measure([pair])
        if count + more <= BATCH_LIMIT and size + larger <= _BYTES:
            chosen.append(pair)
            count, size = count + more, size + larger
    return chosen


def _measure(pairs: Sequence[_FiledPair]) -> tuple[int, int]:
    terms = [one for pair in pairs for one in pair.terms]
    return len(terms), sum(len(encode(one)) for one in terms)


def _end(changes: Sequence[_Change], why: Exception) -> None:
    for change in changes:
        if not change.filed.done():
            change.filed.set_exception(why)
