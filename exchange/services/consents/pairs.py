"""Keeps the ledger's pairs in step with what patients decided.

A pair stands for one subject towards one recipient. The custodian's own pair is open from the start;
another opens at that organisation's first request that its terms might permit: a pair that is not open
denies. A change of consent goes to every pair of the subject, one transaction after the other so that no
transaction joins two of them, and is acknowledged when all are committed.

1. What one subject's pairs hold is changed by one task at a time. A pair that opened while a revocation is
   being filed would otherwise open with the old terms and be missed by the filing.
2. A change is measured before it is stored, so that whatever is stored can be filed.
3. While a change of a subject waits to be filed, no request about that subject goes on before it is.
4. Where a subject's terms permit a recipient nothing, no pair is opened: it would only tell the recipient
   that the patient is here.

How a change reaches the pairs, whatever becomes of each transaction, is said in
`exchange.services.consents.publish`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Literal, TypeVar
from weakref import WeakValueDictionary

import msgspec
import structlog

from exchange.consent.compile import ConsentDraft
from exchange.consent.expected_terms import check_bounds
from exchange.crypto.keys import SubjectKeys
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.services.access.subject_keys import Keys
from exchange.services.consents.expected import Holdings, KnownPairs, context_of, open_draft
from exchange.services.consents.publish import Filing
from exchange.store.engine.database import Database
from exchange.store.records import subjects as store

_OPEN_LIMIT = 500
_AGAIN = 2.0
_POLICY_AGAIN = 10.0
_IN_THREAD = 8  # consents of one subject from which on measuring them would keep the loop waiting
_log = structlog.get_logger()

T = TypeVar("T")

Change = tuple[SubjectKeys, bytes, ConsentDraft]
"""A consent about to be stored: whose, its reference, and what it was compiled to."""


class Pairs:
    """Opens pairs and files consent changes for the gateway of the custodian `msp_id`.

    `members` maps the names that consents give organisations to their MSP ids.
    """

    def __init__(
        self,
        *,
        msp_id: str,
        members: Mapping[str, str],
        directory: bytes,
        records: Database,
        keys: Keys,
        ledger: LedgerClient,
    ) -> None:
        self._msp_id = msp_id
        self._members = members
        self._directory = directory
        self._records = records
        self._keys = keys
        self._ledger = ledger
        self._filing = Filing(records, ledger)
        self._known = KnownPairs()
        self._unfiled: dict[bytes, None] = {}
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._policy_permits = False
        self._policy_members: frozenset[str] = frozenset()
        self._policy_read = float("-inf")
        self._policy_changes = 0
        self._policy_lock = asyncio.Lock()

    # -- before a request ------------------------------------------------------

    async def ensure(
        self, subjects: Sequence[SubjectKeys], recipient: str, *, nobody: Sequence[bytes] | None = None
    ) -> frozenset[bytes]:
        """Open what should be open towards `recipient` before `subjects` are asked for.

        Returns the store tokens of those whose pair is open on the ledger now, with all that was stored.
        With `nobody`, tokens that no subject has, these are looked up as if they had one, and so is what is
        known to be closed: a request for somebody whose pair is closed costs what one for nobody does.

        Raises:
            UnavailableError: the ledger can't be reached, or a change that was stored can't be filed.
        """
        if recipient != self._msp_id:
            await self._follow_policy()
        todo = {
            keys.token: keys
            for keys in subjects
            if self._is_unsettled(keys.token, recipient)
            or (nobody is not None and not self._known.state(keys.token, recipient))
        }
        if todo or nobody:
            await self._settle_all(list(todo.values()), recipient, nobody or ())
        return frozenset(keys.token for keys in subjects if self._known.state(keys.token, recipient))

    async def open_own(self, subjects: Sequence[SubjectKeys]) -> None:
        """Open the custodian's own pairs of `subjects` that have none yet; a write needs no more.

        Raises:
            UnavailableError: the ledger can't be reached.
        """
        new = {keys.token: keys for keys in subjects if self._known.state(keys.token, self._msp_id) is None}
        if new:
            await self._settle_all(list(new.values()), self._msp_id, releases=False)

    async def open_towards(self, recipient: str, *, limit: int) -> list[bytes]:
        """The tokens of up to `limit` subjects whose pair towards `recipient` is open, in their own order.

        What was granted and not asked for by name since is opened first.

        Raises:
            UnavailableError: the ledger can't be reached, or a change that was stored can't be filed.
        """
        granted = await self._records.read(lambda c: store.granted_towards(c, recipient, limit))
        if granted:
            await self.ensure(list((await self._keys.find(granted)).values()), recipient)
        return await self._records.read(lambda c: store.open_towards(c, recipient, limit))

    async def _settle_all(
        self,
        todo: Sequence[SubjectKeys],
        recipient: str,
        nobody: Sequence[bytes] = (),
        *,
        releases: bool = True,
    ) -> None:
        changes = self._known.changes
        tokens = [*(keys.token for keys in todo), *nobody]
        opened = await self._records.read(lambda c: store.opened_pairs(c, recipient, tokens))
        for token in opened:
            self._known.set_open(token, recipient)
        rest = [
            keys
            for keys in todo
            if (releases and keys.token in self._unfiled) or not self._known.state(keys.token, recipient)
        ]
        if recipient == self._msp_id:
            if len(rest) > 1:
                await self._open_together(rest)
        elif not self._policy_permits:
            # Most patients have no consent: one look-up settles that for all who don't.
            tokens = [*(keys.token for keys in rest if keys.token != self._directory), *nobody]
            concerned = await self._records.read(lambda c: store.with_consents(c, recipient, tokens))
            if changes == self._known.changes:  # or what was read may be over
                for token in set(tokens).difference(concerned, nobody):
                    self._known.set_closed(token, recipient)
        for keys in rest:
            if self._is_unsettled(keys.token, recipient):
                async with self._lock(keys.token):
                    await self._settle(keys, recipient)

    def _is_unsettled(self, token: bytes, recipient: str) -> bool:
        return token in self._unfiled or self._known.state(token, recipient) is None

    async def _settle(self, keys: SubjectKeys, recipient: str) -> None:
        if keys.token in self._unfiled and recipient in await self._file(keys):
            raise UnavailableError("a change of consent is not on the ledger yet")
        if self._known.state(keys.token, recipient) is None:
            subject = await self._holdings(keys)
            if recipient != self._msp_id and recipient not in self._policy_members:
                self._known.set_closed(keys.token, recipient)  # the contract would refuse to open it
            elif self._policy_permits or subject.should_open(recipient, now=time.time_ns() // 1_000_000):
                await self._open([subject], recipient)
            else:
                self._known.set_closed(keys.token, recipient)

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
                    if keys.token not in self._unfiled and self._known.state(keys.token, self._msp_id) is None
                ]
                if new:
                    found = await asyncio.gather(*(self._holdings(keys) for keys in new))
                    await self._open(found, self._msp_id)

    def policy_changed(self) -> None:
        """Read the policy before the next request; without being told, that is done now and then."""
        self._policy_changes += 1
        self._policy_read = float("-inf")

    async def _follow_policy(self) -> None:
        if time.monotonic() - self._policy_read < _POLICY_AGAIN:
            return
        async with self._policy_lock:
            if time.monotonic() - self._policy_read >= _POLICY_AGAIN:  # who held the lock did not read it
                await self._read_policy()

    async def _read_policy(self) -> None:
        now, changes = time.monotonic(), self._policy_changes
        policy = (await self._ledger.read_policy()).policy
        permits = policy is not None and any(
            rule.relation == "member" and rule.subject == "patient" for rule in policy.rules
        )
        members = frozenset(() if policy is None else policy.members)
        if (permits, members) != (self._policy_permits, self._policy_members):
            self._policy_permits, self._policy_members = permits, members
            self._known.forget_closed()
        if changes == self._policy_changes:  # or what was read may be over
            self._policy_read = now

    # -- a change of consent ---------------------------------------------------

    async def change(self, changes: Sequence[Change], commit: Callable[[], Awaitable[T]]) -> T:
        """Store consents with `commit`, in one commit with their places in the outbox, and file them.

        Returns what `commit` returned, when every pair that is concerned has them. A caller that is
        cancelled stops waiting; what was begun goes on.

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
                news = {reference: draft for whose, reference, draft in changes if whose.token == token}
                await self._check_bounds(keys, news)
            for token in owners:  # before the commit: whatever ends this task, nobody overlooks it
                self._unfiled[token] = None
            result = await commit()
            behind = [await self._file(keys) for keys in owners.values()]
        if any(behind):
            raise UnavailableError("the consent is stored, and not on the ledger for every recipient yet")
        return result

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone, and then nobody else looks

    async def _check_bounds(self, keys: SubjectKeys, news: Mapping[bytes, ConsentDraft]) -> None:
        rows = await self._records.read(lambda c: store.drafts_of(c, keys.token))
        versions = {row.reference: row.version for row in rows}

        def check() -> None:
            drafts = {row.reference: open_draft(keys, row) for row in rows}
            for reference, draft in news.items():
                newer = versions.get(reference, 0) + 1
                drafts[reference] = msgspec.structs.replace(draft, version=newer)
            contexts = (
                context_of(keys, recipient, self._members)
                for recipient in sorted({self._msp_id, *self._members.values()})
            )
            check_bounds(drafts, news, contexts, added=bool(news.keys() - versions.keys()))

        if len(rows) + len(news) < _IN_THREAD:
            check()
        else:
            await asyncio.to_thread(check)

    async def recover(self) -> int:
        """File what is still in the outbox; returns for how many subjects that could be done."""
        for token in await self._records.read(store.unfiled_subjects):
            self._unfiled.setdefault(token)
        done = 0
        for token, keys in (await self._keys.find(list(self._unfiled))).items():
            # To the end: one that can't be filed must not keep the others waiting.
            self._unfiled.pop(token, None)
            self._unfiled[token] = None
            try:
                async with self._lock(token):
                    done += not await self._file(keys)
            except UnavailableError as why:
                _log.warning("consent.unfiled", error=type(why).__name__)
                break
        return done

    async def keep_filing(self) -> None:
        """File what the ledger could not take at the time, again and again, until cancelled.

        When it is, the changes that were begun are brought to their end first.
        """
        try:
            while True:
                await asyncio.sleep(_AGAIN)
                with suppress(UnavailableError):
                    await self.recover()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _file(self, keys: SubjectKeys) -> frozenset[str]:
        """Bring what waits for `keys` to its pairs, under its lock; returns the recipients left behind."""
        self._unfiled[keys.token] = None
        self._known.forget_closed(keys.token)
        behind = await self._filing.file(await self._holdings(keys))
        if not behind:
            self._unfiled.pop(keys.token, None)
        return behind

    async def _open(self, subjects: Sequence[Holdings], recipient: str) -> None:
        opened = await self._filing.open(subjects, recipient)
        for subject in subjects:
            token = subject.keys.token
            if token in opened:
                self._known.set_open(token, recipient)
            else:
                self._known.set_closed(token, recipient)

    async def _holdings(self, keys: SubjectKeys) -> Holdings:
        standing = await self._records.read(lambda c: store.standing(c, keys.token))
        kind: Literal["directory", "patient"] = "directory" if keys.token == self._directory else "patient"
        return Holdings(keys, kind, self._members, standing, always=self._msp_id)

    def _lock(self, token: bytes) -> asyncio.Lock:
        lock = self._locks.get(token)
        if lock is None:
            lock = self._locks[token] = asyncio.Lock()
        return lock
