"""The access log in the gateway's own database, followed from the ledger's events.

It goes on from a checkpoint that is stored with the rows, so that an event counts once however often it
arrives, and the projection can be deleted and built again. Under load it writes in batches; a
caller that needs a certain transaction waits for it.

Each batch is written only behind the one before it. Commits to the log do not wait for the disk, so a
database's server that crashed, while this process did not, may come back without the last of them: then the
ledger is read once more from where the database is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import msgspec
import structlog
from cachetools import FIFOCache
from sqlalchemy import Connection

from chaincode.access.log_keys import ACCESS, LogPosition, read_log_page
from chaincode.access.model import LogEntryValue
from chaincode.encoding import composite_key
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.port import Checkpoint, LedgerEvent, LedgerReader, Transactions
from exchange.runtime.metrics import LOG_HEIGHT
from exchange.store.engine.database import Database
from exchange.store.log import log_tables

_BATCH = 500
_PAUSE = 0.25
_CACHE_SIZE = 5_000
_REACHED_TIMEOUT = 30.0
_DRAIN_TIMEOUT = 3.0
_DRAINED_SECONDS = 0.1  # without an event: then all have come
_RETRY_SECONDS = 2.0

_log = structlog.get_logger()

_record = msgspec.json.Decoder(LogEntryValue)
_LOG_PAGES = composite_key(ACCESS).encode()


OpenReader = Callable[[], AbstractContextManager[LedgerReader]]
"""Opening a reader of the ledger."""


class Projection:
    """The access log of one ledger in one database, followed from `start` until `close`.

    `open_reader` opens a ledger that is a file of this node, which may have been replaced by an older copy;
    no single node can do that to a channel. `policy_changed` is called when the ledger announces a policy.
    """

    def __init__(
        self,
        transactions: Transactions,
        entries: Database,
        *,
        open_reader: OpenReader | None = None,
        policy_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._transactions = transactions
        self._entries = entries
        self._open_reader = open_reader
        self._policy_changed = policy_changed
        self._seen: FIFOCache[str, None] = FIFOCache(_CACHE_SIZE)
        self._waiting: dict[str, asyncio.Event] = {}
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._last = 0.0

    async def start(self) -> None:
        """Begin to follow behind the stored checkpoint.

        Raises:
            DamagedError: the log is ahead of its ledger, or is that of another one.
        """
        open_reader = self._open_reader
        if open_reader is not None:
            await self._entries.read(lambda c: _check_holds(open_reader, c))
        place = await self._entries.read(log_tables.checkpoint)
        after = None if place is None else Checkpoint(*place)
        self._task = asyncio.create_task(self._follow(after), name="projection")

    async def close(self) -> None:
        """Write the events that have come, and stop; missing ones come again at the next start."""
        if self._task is not None:
            self._closing = True
            self._hurry.set()
            clock = asyncio.get_running_loop().time
            end, self._last = clock() + _DRAIN_TIMEOUT, clock()
            # The wait ends when no event comes any more, so it needs a timeout.
            while not self._task.done() and clock() < min(end, self._last + _DRAINED_SECONDS):  # noqa: ASYNC110
                await asyncio.sleep(_DRAINED_SECONDS / 10)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def reached(self, tx_id: str) -> None:
        """Return once the entries of `tx_id`, committed just now, are in the projection.

        Raises:
            UnavailableError: the projection can't keep up, or has ended.
        """
        if tx_id in self._seen:
            return
        if self._task is None or self._task.done():
            raise UnavailableError("the access log is not being followed; restart the gateway")
        waiter = self._waiting.setdefault(tx_id, asyncio.Event())
        self._hurry.set()
        try:
            async with asyncio.timeout(_REACHED_TIMEOUT):
                await waiter.wait()
        except TimeoutError:
            raise UnavailableError("the access log is behind the ledger; try again") from None
        finally:
            self._waiting.pop(tx_id, None)

    async def _follow(self, after: Checkpoint | None) -> None:
        while True:
            after = await self._follow_behind(after)
            self._seen.clear()
            _log.warning("log.again", block=None if after is None else after.block)

    async def _follow_behind(self, after: Checkpoint | None) -> Checkpoint | None:
        """Project the events behind `after` until the database is at another checkpoint, and return that."""
        queue: asyncio.Queue[LedgerEvent] = asyncio.Queue(maxsize=_BATCH)
        reader = asyncio.create_task(self._read(after, queue), name="projection-events")
        try:
            while True:
                events = [await self._next(queue, reader)]
                if not self._waiting and not self._closing and queue.qsize() < _BATCH // 2:
                    self._hurry.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_PAUSE):
                            await self._hurry.wait()
                while len(events) < _BATCH and not queue.empty():
                    events.append(queue.get_nowait())
                stored = await self._project_surely(events, after)
                after = events[-1].checkpoint
                if stored != after:
                    return stored
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _read(self, after: Checkpoint | None, queue: asyncio.Queue[LedgerEvent]) -> None:
        while True:
            try:
                async for event in self._transactions.events(after):
                    if event.name == "policy":
                        self._policy_changed()
                    await queue.put(event)
                    after = event.checkpoint
                return
            except UnavailableError as why:
                # A peer that is away comes back, a certificate is renewed: this node needs no restart for it.
                _log.warning("log.behind", reason=str(why))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _next(self, queue: asyncio.Queue[LedgerEvent], reader: asyncio.Task[None]) -> LedgerEvent:
        getter = asyncio.create_task(queue.get())
        try:
            await asyncio.wait({getter, reader}, return_when=asyncio.FIRST_COMPLETED)
            if getter.done():
                return getter.result()
            reader.result()  # raises what ended the stream
            raise UnavailableError("the ledger's event stream ended")
        finally:
            getter.cancel()

    async def _project_surely(
        self, events: Sequence[LedgerEvent], after: Checkpoint | None
    ) -> Checkpoint | None:
        # A database that can't commit now may do so later; projecting is idempotent.
        while True:
            try:
                return await self._project(events, after)
            except UnavailableError:
                await asyncio.sleep(_PAUSE)

    async def _project(self, events: Sequence[LedgerEvent], after: Checkpoint | None) -> Checkpoint | None:
        """Add `events` if the database is at `after`, and return its checkpoint then."""
        rows = [row for event in events if event.name == ACCESS for row in _rows(event)]
        self._last = asyncio.get_running_loop().time()
        last = events[-1].checkpoint

        def work(connection: Connection) -> Checkpoint | None:
            place = log_tables.checkpoint(connection)
            stored = None if place is None else Checkpoint(*place)
            if stored != after:  # or at `last`, where only the answer to a commit was lost
                return stored
            log_tables.project(connection, rows, last.block, last.index)
            return last

        stored = await self._entries.write(work)
        if stored == last:
            LOG_HEIGHT.set(last.block)
            self._tell(events)
        return stored

    def _tell(self, events: Sequence[LedgerEvent]) -> None:
        for event in events:
            self._seen[event.tx_id] = None
            waiter = self._waiting.get(event.tx_id)
            if waiter is not None:
                waiter.set()


def _check_holds(open_reader: OpenReader, connection: Connection) -> None:
    place, newest = log_tables.checkpoint(connection), log_tables.newest(connection)
    if place is None:
        return
    with open_reader() as ledger:
        if not ledger.has_place(*place):
            raise DamagedError(
                f"the access log is ahead of its ledger, which ends before block {place[0]}: "
                "an older copy of the ledger was put back, or its newest blocks are gone"
            )
        if newest is None:
            return
        if ledger.entry(LogPosition(newest.time, newest.tx, newest.n)) != (newest.record, newest.block):
            raise DamagedError(
                f"the access log's newest entry, in block {newest.block}, is not on the ledger: "
                "the two are not of the same node, or the ledger was written anew"
            )


def _rows(event: LedgerEvent) -> list[log_tables.EntryRow]:
    pages = (read_log_page(key.decode(), value) for key, value in event.written if key.startswith(_LOG_PAGES))
    entries = sorted(entry for page in pages for entry in page)
    return [project_entry(position, entry, event.checkpoint.block) for position, entry in entries]


def project_entry(position: LogPosition, value: bytes, block: int) -> log_tables.EntryRow:
    """Return the row of one log entry of the ledger."""
    record = _record.decode(value)
    return log_tables.EntryRow(
        tx=position.tx,
        n=position.n,
        block=block,
        time=position.time,
        pair=record.pair,
        custodian=record.custodian,
        recipient=record.recipient,
        user=record.user,
        action=record.action,
        purpose=record.purpose,
        outcome=record.outcome,
        record=value,
    )
