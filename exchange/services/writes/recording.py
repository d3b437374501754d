"""Entries of what this gateway did: a write, a refused log-in, a changed client.

1. An entry is planned in the database's transaction that makes the change: as a sealed row of the outbox.
2. After the commit it goes to the ledger, under the custodian's own pair of the subject, and its detail is
   sealed beside it as those of reads are. Only then is the change acknowledged.
3. An entry that a crash or a ledger that is away leaves in between is completed at the next start, and
   every few seconds. An entry that is on the ledger already is found there by its digest, which occurs once.
4. While entries wait for a ledger that could not take them, no further change is begun.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Connection

from chaincode.access.model import BATCH_LIMIT, RecordedAction, RecordedEvent
from exchange.auth.principal import Principal
from exchange.consent.compile import role_in
from exchange.crypto.documents import open_metadata, seal_metadata
from exchange.crypto.keys import SubjectKeys
from exchange.crypto.pseudonyms import PatientSecret
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.runtime.batching import Coalescer
from exchange.services.access.details import Detail, detail_label, encode_detail
from exchange.services.access.requester_names import requester_names, salted
from exchange.services.access.subject_keys import SubjectKeyStore
from exchange.services.consents.pairs import Pairs
from exchange.services.outbox_delivery import OutboxDelivery
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.records import outbox
from exchange.store.records.outbox import OutboxEntry

ENTRIES: Final = "entries"
"""The topic under which entries wait in the outbox."""

_LEFT_TO_WRITER_MS = 5_000  # for how long the outbox leaves an entry to the call that planned it
_CLOCK_MS = 10 * 60 * 1000  # by how much the ledger's time may be behind that of the plan
_TOKEN_BYTES = 16

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deed:
    """An act of `principal`, as its entry tells it; `refused` where it was tried and not done.

    `interaction` is FHIR's name, or that of an event of identity; `target` is sealed and may hold
    identifiers. `root` commits to all that is stored of the subject then (`exchange.crypto.version_sums`).
    """

    principal: Principal
    action: RecordedAction
    interaction: str
    target: str
    classes: tuple[str, ...] = ()
    root: str = ""
    count: int = 0
    refused: bool = False


class _Content(msgspec.Struct, frozen=True):
    event: RecordedEvent
    detail: Detail
    planned: int


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """An entry that waits in the outbox under `reference`, with its subject's keys."""

    keys: SubjectKeys
    reference: bytes
    content: _Content

    @property
    def place(self) -> tuple[bytes, bytes]:
        """Return subject and reference of its row."""
        return self.keys.token, self.reference


class Recording:
    """Plans, records and completes the entries of one custodian's gateway, which has the MSP id `msp_id`."""

    def __init__(
        self,
        *,
        msp_id: str,
        base: str,
        records: Database,
        keys: SubjectKeyStore,
        pairs: Pairs,
        ledger: LedgerClient,
        entries: Database,
    ) -> None:
        self._msp_id = msp_id
        self._base = base
        self._records = records
        self._keys = keys
        self._pairs = pairs
        self._ledger = ledger
        self._entries = entries
        self._details = Coalescer(self._keep)
        self._delivery = OutboxDelivery(records, ENTRIES, self._deliver)
        self._under_way: set[tuple[bytes, bytes]] = set()
        self._planned: dict[tuple[bytes, bytes], float] = {}
        self._done: dict[tuple[bytes, bytes], None] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._delivering = asyncio.Lock()
        self._behind = False
        self._refused: set[bytes] = set()  # subjects of which the contract takes no entries now

    @property
    def msp_id(self) -> str:
        """The MSP id of the custodian."""
        return self._msp_id

    def late(self) -> str | None:
        """Return why entries wait that the ledger could not take; None if none does."""
        return (self._ledger.trouble() or "try again") if self._behind else None

    async def ready(self, subjects: Sequence[SubjectKeys]) -> None:
        """Make sure that entries about `subjects` can be recorded, before anything is changed.

        Raises:
            UnavailableError: the ledger can't take entries now; nothing was changed.
        """
        if self._behind:
            await self.complete_all()
            if (why := self.late()) is not None:
                raise UnavailableError(f"the ledger can't log a change now, so nothing was stored: {why}")
        if not await self._pairs.open_own(subjects):
            raise UnavailableError(
                "the ledger opens no pair for this hospital now, so nothing was stored; is it a member?"
            )

    def done(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the rows of entries that are recorded, for `plan` to remove and `record` to forget."""
        return tuple(self._done)

    def plan(
        self,
        connection: Connection,
        deeds: Sequence[tuple[SubjectKeys, Deed]],
        done: Sequence[tuple[bytes, bytes]] = (),
    ) -> list[PlannedEntry]:
        """Put the entries of `deeds` into the outbox, in place of those `done`."""
        planned = [planned_entry(keys, deed, msp_id=self._msp_id, base=self._base) for keys, deed in deeds]
        put_planned(connection, planned, wait_ms=_LEFT_TO_WRITER_MS)
        self._planned |= dict.fromkeys((one.place for one in planned), time.monotonic())
        outbox.remove_places(connection, ENTRIES, done)
        return planned

    async def record(self, planned: Sequence[PlannedEntry], done: Sequence[tuple[bytes, bytes]] = ()) -> str:
        """Record planned entries that are committed, and return the transaction of the first of them.

        `done` are the rows that their transaction removed. A caller that is cancelled stops waiting.

        Raises:
            UnavailableError: the change is stored, and its entry is recorded as soon as the ledger can.
        """
        for place in done:
            self._done.pop(place, None)
        if not planned:
            return ""
        self._under_way.update(one.place for one in planned)
        for one in planned:
            self._planned.pop(one.place, None)
        task = asyncio.create_task(self._record(planned), name="record-entries")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except (UnavailableError, RefusedError) as why:
            self._behind = isinstance(why, UnavailableError)
            _log.warning("entries.not_recorded", reason=str(why), count=len(planned))
            raise UnavailableError(
                "the change is stored, and the ledger could not log it yet; the entry follows"
            ) from None

    async def complete_all(self) -> int:
        """Record every entry that waits; return for how many subjects that could be done.

        Raises:
            DamagedError: a waiting entry does not verify.
            UnavailableError: the store can't be reached.
        """
        before = await self._waiting()
        done = await self._delivery.deliver_all()
        self._behind = bool(before & await self._waiting())  # what came meanwhile is not late
        return done

    async def keep_recording(self) -> None:
        """Record entries that wait, again and again, until cancelled; then clear away those that are done."""
        try:
            await self._delivery.keep_delivering()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)
            with suppress(UnavailableError):
                await self._clear(self.done())

    async def _record(self, planned: Sequence[PlannedEntry]) -> str:
        first = ""
        try:
            for start in range(0, len(planned), BATCH_LIMIT):
                some = planned[start : start + BATCH_LIMIT]
                recorded = await self._ledger.record([one.content.event for one in some])
                first = first or recorded.tx_id
                rows: list[log_tables.DetailRow] = []
                for n, one in enumerate(some, recorded.first):
                    label = detail_label(recorded.tx_id, n)
                    sealed = seal_metadata(one.keys, label, encode_detail(one.content.detail))
                    rows.append((recorded.tx_id, n, one.keys.token, False, sealed))
                await self._details.share(rows)
                self._done.update(dict.fromkeys(one.place for one in some))
        finally:
            self._under_way.difference_update(one.place for one in planned)
        return first

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone, and an error that is never looked at is reported

    async def _keep(self, details: Sequence[log_tables.DetailRow]) -> None:
        await self._entries.write(lambda c: log_tables.add_details(c, details))

    async def _deliver(self, token: bytes) -> bool:
        async with self._delivering:  # a request may complete entries while the outbox does
            return await self._deliver_of(token)

    async def _deliver_of(self, token: bytes) -> bool:
        keys = (await self._keys.find([token])).get(token)
        if keys is None:
            return False
        rows = await self._records.read(lambda c: outbox.entries_of(c, ENTRIES, token))
        others = self._of_writers()
        mine = [row for row in rows if (token, row.reference) not in others]
        left = [
            PlannedEntry(keys, row.reference, self._content(keys, row))
            for row in mine
            if (token, row.reference) not in self._done
        ]
        if left:
            await self._pairs.open_own([keys])
            left = [one for one in left if not await self._is_recorded(one)]
        try:
            await self._record(left)
        except RefusedError as why:
            _log.warning("entries.refused", reason=str(why))
            self._refused.add(token)
            return False
        self._refused.discard(token)
        await self._clear([(token, row.reference) for row in mine])
        return len(mine) == len(rows)

    def _content(self, keys: SubjectKeys, row: OutboxEntry) -> _Content:
        content = _opened(keys, row.reference, row.sealed)
        # An earlier release may have planned it, with a role that the contract refuses by now.
        role = role_in(PatientSecret(keys.secret).salt(self.msp_id), content.detail.role)
        return msgspec.structs.replace(content, event=msgspec.structs.replace(content.event, role=role))

    async def _is_recorded(self, one: PlannedEntry) -> bool:
        event, bookmark = one.content.event, ""
        while True:
            page = await self._ledger.pair_log(
                event.pair, bookmark=bookmark, since=max(0, one.content.planned - _CLOCK_MS)
            )
            if any(entry.digest == event.digest for entry in page.entries):
                return True
            bookmark = page.bookmark
            if not bookmark:
                return False

    async def _waiting(self) -> set[tuple[bytes, bytes]]:
        """Return the rows that no writer records and that the contract has not refused."""
        places = await self._records.read(lambda c: outbox.all_waiting(c, ENTRIES))
        left = places - self._done.keys() - self._of_writers()
        return {place for place in left if place[0] not in self._refused}

    def _of_writers(self) -> set[tuple[bytes, bytes]]:
        """Return the rows that a writer records, or is about to: it has just committed them."""
        begun = time.monotonic() - _LEFT_TO_WRITER_MS / 1000
        for place, planned in self._planned.copy().items():
            if planned < begun:  # its transaction failed, or the writer is gone
                self._planned.pop(place, None)
        return self._under_way | self._planned.keys()

    async def _clear(self, places: Sequence[tuple[bytes, bytes]]) -> None:
        if places:
            await self._records.write(lambda c: outbox.remove_places(c, ENTRIES, places))
            for place in places:
                self._done.pop(place, None)


def planned_entry(keys: SubjectKeys, deed: Deed, *, msp_id: str, base: str) -> PlannedEntry:
    """Plan the entry of `deed` about the subject with `keys`, at the gateway of `msp_id`."""
    secret, principal = PatientSecret(keys.secret), deed.principal
    salt = secret.salt(msp_id)
    reference = os.urandom(_TOKEN_BYTES)
    names = requester_names(principal, secret.pair(msp_id), salt, base, own=principal.organization == msp_id)
    event = RecordedEvent(
        pair=names.pair,
        purpose=principal.purpose,
        action=deed.action.value,
        user=names.user,
        digest=salted(salt, "deed", f"{deed.interaction}\0{deed.target}\0{reference.hex()}"),
        evidence=names.evidence,
        role=names.role,
        classes=deed.classes,
        root=deed.root,
        count=deed.count,
        refused=deed.refused,
    )
    detail = Detail(
        client=principal.client_id,
        organization=principal.organization,
        user=principal.user,
        user_name=principal.user_name,
        role=principal.role,
        interaction=deed.interaction,
        target=deed.target,
        patient=keys.name,
        evidence=principal.evidence,
        reason=principal.reason,
    )
    return PlannedEntry(keys, reference, _Content(event, detail, _now()))


def put_planned(connection: Connection, planned: Sequence[PlannedEntry], *, wait_ms: int) -> None:
    """Put planned entries into the outbox, to be left alone there for `wait_ms`."""
    rows = [
        (
            one.keys.token,
            one.reference,
            seal_metadata(one.keys, _label(one.reference), msgspec.json.encode(one.content)),
        )
        for one in planned
    ]
    outbox.put_new(connection, ENTRIES, rows, due=_now() + wait_ms)


def waiting_events(connection: Connection, keys: SubjectKeys) -> list[RecordedEvent]:
    """Return the events of the entries of one subject that wait in the outbox, in their order.

    Raises:
        DamagedError: a row does not verify.
    """
    rows = outbox.entries_of(connection, ENTRIES, keys.token)
    return [_opened(keys, row.reference, row.sealed).event for row in rows]


def waiting_root(keys: SubjectKeys, reference: bytes, sealed: bytes) -> str:
    """Return the root that an entry in the outbox carries.

    Raises:
        DamagedError: the row does not verify.
    """
    return _opened(keys, reference, sealed).event.root


def _label(reference: bytes) -> bytes:
    return b"entry" + reference


def _opened(keys: SubjectKeys, reference: bytes, sealed: bytes) -> _Content:
    return msgspec.json.decode(open_metadata(keys, _label(reference), sealed), type=_Content)


def _now() -> int:
    return time.time_ns() // 1_000_000
