"""Updates the ledger's pairs to the consents that are stored here.

A pair stands for one subject towards one recipient. The custodian's own pair is open from the start;
another opens at that organisation's first request that its terms might permit: a pair that is not open
denies. A change of consent goes to every pair of the subject, in a transaction with pairs of other subjects
(`exchange.services.consents.covered_filing`), and is acknowledged when all are committed.

1. One task at a time changes the pairs of one subject. A pair that opened while a revocation is being
   published would otherwise open with the old terms and be missed by the publication.
2. A change is measured before it is stored, so that every stored consent can be published.
3. While a change of a subject is in the outbox, no request about that subject goes on before it is published.
4. Where a subject's terms permit a recipient nothing, no pair is opened: it would only tell the recipient
   that the patient is here. The same goes where another record of the same patient denies the recipient all.
5. A request about one record of a patient names the pairs of the others, which are opened for that.

`exchange.services.consents.publish` describes how a change is published to the pairs, also where a
transaction fails or its outcome is unknown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Literal, TypeVar
from weakref import WeakValueDictionary

import msgspec
import structlog

from exchange.consent.compile import CompiledConsent
from exchange.consent.expected_terms import check_bounds
from exchange.consent.notices import notices_of
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pair_versions import COUNT_LIMIT
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.services.access.patient_links import PatientLinks
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.consents.covered_filing import CoveredFiling
from exchange.services.consents.expected import DesiredConsents, context_of, open_consent
from exchange.services.consents.followed_policy import FollowedPolicy
from exchange.services.consents.known_pairs import KnownPairs
from exchange.services.consents.publish import ConsentPublisher
from exchange.services.outbox_delivery import OutboxDelivery
from exchange.store.engine.database import Database
from exchange.store.records import outbox, watched
from exchange.store.records import subjects as store

_OPEN_LIMIT = 500
_IN_THREAD = 8  # consents of one subject from which on measuring them would keep the loop waiting
_log = structlog.get_logger()

T = TypeVar("T")

Change = tuple[SubjectKeys, bytes, CompiledConsent]
"""A consent about to be stored: its subject, its reference and its compiled form."""


class Pairs:
    """Opens pairs and publishes consent changes for the gateway of the custodian `msp_id`.

    `members` maps the names that consents give organisations to their MSP ids.
    """

    def __init__(
        self,
        *,
        msp_id: str,
        members: Mapping[str, str],
        directory: bytes,
        records: Database,
        keys: SubjectKeyStore,
        links: PatientLinks,
        ledger: LedgerClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._msp_id = msp_id
        self._members = members
        self._directory = directory
        self._records = records
        self._keys = keys
        self._links = links
        filing = CoveredFiling(records, ledger, self._cover_of, others=self._others, directory=directory)
        self._publisher = ConsentPublisher(records, ledger, filing)
        self._delivery = OutboxDelivery(records, watched.CONSENTS, self._deliver)
        self._known = KnownPairs()
        self._not_published: set[bytes] = set()
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._policy = FollowedPolicy(ledger, clock)

    # -- before a request ------------------------------------------------------

    async def ensure(
        self, subjects: Sequence[SubjectKeys], recipient: str, *, strangers: Sequence[bytes] | None = None
    ) -> frozenset[bytes]:
        """Open the pairs of `subjects` that should be open towards `recipient`, before a request.

        Returns the store tokens of those with a pair that is open on the ledger now, with all their consents.
        With `strangers`, tokens of no subject, these are looked up as if they were subjects, and so are pairs
        that are known to be closed: a request for a patient with a closed pair costs as much as one for an
        unknown patient.

        Raises:
            UnavailableError: the ledger can't be reached, or a change that was stored can't be published.
        """
        self._known.follow_clock(time.time_ns() // 1_000_000)
        if recipient != self._msp_id and await self._policy.follow():
            self._known.forget_closed()
        todo = {
            keys.token: keys
            for keys in subjects
            if self._is_unsettled(keys.token, recipient)
            or (strangers is not None and not self._known.state(keys.token, recipient))
        }
        if todo or strangers:
            await self._settle_all(list(todo.values()), recipient, strangers or ())
        return frozenset(keys.token for keys in subjects if self._known.state(keys.token, recipient))

    async def open_all(self, subjects: Sequence[SubjectKeys], recipient: str) -> None:
        """Open the pairs of `subjects` towards `recipient`, whether or not they have a use of their own.

        Raises:
            UnavailableError: the ledger can't be reached, or a change that was stored can't be published.
        """
        for keys in subjects:
            if keys.token in self._not_published or not self._known.state(keys.token, recipient):
                async with self._lock(keys.token):
                    await self._settle(keys, recipient)
                    if not self._known.state(keys.token, recipient):
                        await self._open([await self._desired(keys)], recipient)

    async def noticed(self, recipient: str, tokens: Sequence[bytes]) -> None:
        """Take note that the ledger calls the pairs of `tokens` towards `recipient` not open.

        They were opened before their member left and was admitted again; the next request opens them anew.
        """
        if tokens:
            await self._records.write(lambda c: store.unconfirm_pairs(c, recipient, tokens))
            self._known.forget_open(tokens, recipient)
            self._policy.changed()

    def relinked(self, tokens: Iterable[bytes]) -> None:
        """Take note that subjects are of one person since now, or no longer."""
        for token in tokens:
            self._known.forget_closed(token)

    async def members_now(self) -> frozenset[str]:
        """Return the members by the policy in force.

        Raises:
            UnavailableError: the ledger can't be reached.
        """
        if await self._policy.follow():
            self._known.forget_closed()
        return self._policy.members

    async def notices(self, consent: CompiledConsent) -> tuple[str, ...]:
        """Return what the author of a consent is told of its effect under the policy in force.

        Raises:
            UnavailableError: the ledger can't be reached.
        """
        if consent.status != "active":
            return ()
        await self.members_now()
        return notices_of(
            consent,
            overrides=self._policy.overrides,
        )

    async def open_own(self, subjects: Sequence[SubjectKeys]) -> bool:
        """Open the custodian's own pairs of `subjects` that have none yet; return whether all are open then.

        Raises:
            UnavailableError: the ledger can't be reached.
        """
        new = {keys.token: keys for keys in subjects if self._known.state(keys.token, self._msp_id) is None}
        if new:
            await self._settle_all(list(new.values()), self._msp_id, releases=False)
        return all(self._known.state(keys.token, self._msp_id) for keys in subjects)

    async def open_towards(self, recipient: str, *, limit: int) -> list[bytes]:
        """Return the tokens of up to `limit` subjects with an open pair towards `recipient`, sorted.

        Pairs of patients that granted something and were not asked for by name since are opened first.

        Raises:
            UnavailableError: the ledger can't be reached, or a change that was stored can't be published.
        """
        granted = await self._records.read(lambda c: store.granted_towards(c, recipient, limit))
        if granted:
            await self.ensure(list((await self._keys.find(granted)).values()), recipient)
        return await self._records.read(lambda c: store.open_towards(c, recipient, limit))

    async def _settle_all(
        self,
        todo: Sequence[SubjectKeys],
        recipient: str,
        strangers: Sequence[bytes] = (),
        *,
        releases: bool = True,
    ) -> None:
        changes = self._known.changes
        tokens = [*(keys.token for keys in todo), *strangers]
        opened = await self._records.read(lambda c: store.opened_pairs(c, recipient, tokens))
        for token in opened:
            self._known.set_open(token, recipient)
        rest = [
            keys
            for keys in todo
            if (releases and keys.token in self._not_published)
            or not self._known.state(keys.token, recipient)
        ]
        if recipient == self._msp_id:
            if len(rest) > 1:
                await self._open_together(rest)
        elif not self._policy.permits:
            # Most patients have no consent: one query finds that for all of them.
            tokens = [*(keys.token for keys in rest if keys.token != self._directory), *strangers]
            concerned = await self._records.read(lambda c: store.with_consents(c, recipient, tokens))
            if changes == self._known.changes:  # otherwise the answer may be outdated
                for token in set(tokens).difference(concerned, strangers):
                    self._known.set_closed(token, recipient)
        for keys in rest:
            if self._is_unsettled(keys.token, recipient):
                async with self._lock(keys.token):
                    await self._settle(keys, recipient)

    def _is_unsettled(self, token: bytes, recipient: str) -> bool:
        return token in self._not_published or self._known.state(token, recipient) is None

    async def _settle(self, keys: SubjectKeys, recipient: str) -> None:
        if keys.token in self._not_published and recipient in await self._publish(keys):
            raise UnavailableError("a change of consent is not on the ledger yet")
        if self._known.state(keys.token, recipient) is None:
            desired = await self._desired(keys)
            if recipient != self._msp_id and recipient not in self._policy.members:
                self._known.set_closed(keys.token, recipient)  # the contract would refuse to open it
            elif self._policy.permits or await self._has_use(desired, recipient):
                await self._open([desired], recipient)
            else:
                self._known.set_closed(keys.token, recipient)

    async def _has_use(self, desired: DesiredConsents, recipient: str) -> bool:
        if not desired.should_open(recipient, now=time.time_ns() // 1_000_000):
            return False
        if recipient == self._msp_id:
            return True
        others = await self._keys.find(self._links.others(desired.keys.token))
        return not any([(await self._desired(keys)).denies_all(recipient) for keys in others.values()])

    async def _open_together(self, subjects: Sequence[SubjectKeys]) -> None:
        # Many at once: these belong to many patients, so the transaction joins nothing.
        for start in range(0, len(subjects), _OPEN_LIMIT):
            chunk = sorted(subjects[start : start + _OPEN_LIMIT], key=lambda keys: keys.token)
            async with AsyncExitStack() as held:
                for keys in chunk:  # in one order, so that none waits in a ring
                    await held.enter_async_context(self._lock(keys.token))
                new = [
                    keys
                    for keys in chunk
                    if keys.token not in self._not_published
                    and self._known.state(keys.token, self._msp_id) is None
                ]
                if new:
                    found = await asyncio.gather(*(self._desired(keys) for keys in new))
                    await self._open(found, self._msp_id)

    def policy_changed(self) -> None:
        """Read the policy before the next request; without this call it is read now and then."""
        self._policy.changed()

    # -- a change of consent ---------------------------------------------------

    async def change(self, changes: Sequence[Change], commit: Callable[[], Awaitable[T]]) -> T:
        """Store consents with `commit`, in one commit with their outbox entries, and publish them.

        Returns the result of `commit` when every pair that is concerned has them. A caller that is cancelled
        stops waiting; the change goes on.

        Raises:
            TooCostlyError: the ledger could not hold them; nothing is stored.
            UnavailableError: stored, and not on every pair yet; until then nothing is asked for the subject.
        """
        task = asyncio.create_task(self._change(changes, commit), name="consent-change")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _change(self, changes: Sequence[Change], commit: Callable[[], Awaitable[T]]) -> T:
        owners = {keys.token: keys for keys, _, _ in changes}
        async with AsyncExitStack() as held:
            for token in sorted(owners):
                await held.enter_async_context(self._lock(token))
            for token, keys in owners.items():
                changed = {reference: one for owner, reference, one in changes if owner.token == token}
                await self._check_bounds(keys, changed)
            for token in owners:  # before the commit, so that no request overlooks it, however this task ends
                self._not_published.add(token)
            result = await commit()
            behind = [await self._publish(keys) for keys in owners.values()]
        if any(behind):
            raise UnavailableError("the consent is stored, and not on the ledger for every recipient yet")
        return result

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone, and an error that is never looked at is reported

    async def _check_bounds(self, keys: SubjectKeys, changed: Mapping[bytes, CompiledConsent]) -> None:
        rows = await self._records.read(lambda c: store.consents_of(c, keys.token))
        versions = {row.reference: row.version for row in rows}

        def check() -> None:
            consents = {row.reference: open_consent(keys, row) for row in rows}
            for reference, consent in changed.items():
                newer = versions.get(reference, 0) + 1
                consents[reference] = msgspec.structs.replace(consent, version=newer)
            contexts = (
                context_of(keys, recipient, self._members, count=COUNT_LIMIT)
                for recipient in sorted({self._msp_id, *self._members.values()})
            )
            check_bounds(consents, changed, contexts, added=bool(changed.keys() - versions.keys()))

        if len(rows) + len(changed) < _IN_THREAD:
            check()
        else:
            await asyncio.to_thread(check)

    # -- consents in the outbox ------------------------------------------------

    async def load_outbox(self) -> None:
        """Learn which subjects have changes that are not published yet; call it before any request.

        Raises:
            UnavailableError: the store can't be reached.
        """
        waiting = await self._records.read(lambda c: outbox.subjects_waiting(c, watched.CONSENTS))
        self._not_published.update(waiting)

    async def publish_all(self) -> int:
        """Publish every consent in the outbox; return for how many subjects that could be done.

        Raises:
            UnavailableError: the store can't be reached.
        """
        await self.load_outbox()
        return await self._delivery.deliver_all()

    async def keep_publishing(self) -> None:
        """Publish consents that the ledger could not take at the time, again and again, until cancelled.

        On cancellation, changes that were begun are brought to their end first.
        """
        try:
            await self._delivery.keep_delivering()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _deliver(self, token: bytes) -> bool:
        keys = (await self._keys.find([token])).get(token)
        if keys is None:
            return False
        async with self._lock(token):
            return not await self._publish(keys)

    async def _publish(self, keys: SubjectKeys) -> frozenset[str]:
        """Publish the consents of `keys` in the outbox, under its lock; return the recipients left behind."""
        self._not_published.add(keys.token)
        for token in (keys.token, *self._links.others(keys.token)):
            self._known.forget_closed(token)
        behind = await self._publisher.publish(await self._desired(keys))
        if not behind:
            self._not_published.discard(keys.token)
        return behind

    async def _open(self, subjects: Sequence[DesiredConsents], recipient: str) -> None:
        opened = await self._publisher.open(subjects, recipient)
        for desired in subjects:
            token = desired.keys.token
            if token in opened:
                self._known.set_open(token, recipient)
            else:
                self._known.set_closed(token, recipient)

    async def _desired(self, keys: SubjectKeys) -> DesiredConsents:
        snapshot = await self._records.read(lambda c: store.snapshot(c, keys.token))
        kind: Literal["directory", "patient"] = "directory" if keys.token == self._directory else "patient"
        return DesiredConsents(
            keys, kind, self._members, snapshot, always=self._msp_id, again=self._policy.again
        )

    def _others(self) -> list[str]:
        return sorted({*self._members.values()} - {self._msp_id})

    async def _cover_of(self, tokens: Sequence[bytes]) -> list[DesiredConsents]:
        found = []
        for token in tokens:
            with suppress(DamagedError):  # no subject's damage keeps another's change from the ledger
                keys = await self._keys.find([token])
                found += [await self._desired(one) for one in keys.values()]
        return found

    def _lock(self, token: bytes) -> asyncio.Lock:
        lock = self._locks.get(token)
        if lock is None:
            lock = self._locks[token] = asyncio.Lock()
        return lock
