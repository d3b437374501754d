"""The embedded ledger as the gateway sees it: one organisation's node, in this process, on one file."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chaincode.caller import Caller
from chaincode.errors import ContractError
from chaincode.router import Router
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.clock import WatchedClock, system_clock, system_passed
from exchange.ledger.embedded import block
from exchange.ledger.embedded.block_checks import MismatchError, check_tip, read_header
from exchange.ledger.embedded.engine import Execution, View, run
from exchange.ledger.embedded.event_cache import EventCache
from exchange.ledger.embedded.identity import WriterLock, create_node_key, load_node_key
from exchange.ledger.embedded.storage import LATEST, UNREADABLE, Storage
from exchange.ledger.embedded.writer import Settled, Submission, Tip, Writer
from exchange.ledger.errors import NodeKeyError, refusal
from exchange.ledger.port import Checkpoint, Committed, LedgerEvent

A = TypeVar("A")
T = TypeVar("T")

_EVENTS_PAGE = 64
_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class EmbeddedLedger:
    """The contracts over a file of signed blocks; it fits `exchange.ledger.port.Transactions`.

    Make one with `open`. It belongs to the event loop that opened it.
    """

    def __init__(
        self,
        storages: tuple[Storage, Storage],
        tip: Tip,
        lock: WriterLock,
        *,
        key: Ed25519PrivateKey,
        msp_id: str,
        clock: WatchedClock,
    ) -> None:
        self.msp_id = msp_id
        self._loop = asyncio.get_running_loop()
        self._lock, self._clock = lock, clock
        self._now = (
            0  # of the call that runs: its time is this endorser's, so the guard has nothing to refuse
        )
        self._router = Router(lambda: self._now)
        self._writable, self._readable = storages
        self._creator = block.creator(msp_id, key.public_key().public_bytes_raw())
        self._writer = Writer(self._writable, tip, key=key, msp_id=msp_id, clock=clock, deliver=self._deliver)
        # One thread for reads: a connection serves one at a time, and a snapshot each.
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="ledger-reader")
        self._cache = EventCache(self._readable.newest_place())
        self._grown: set[asyncio.Event] = set()
        self._closed = False
        self._writer.start()

    @classmethod
    def open(
        cls, path: Path, *, key: Path, msp_id: str, clock: Callable[[], int] = system_clock
    ) -> EmbeddedLedger:
        """Open the ledger at `path` for writing, after a check of its newest block.

        Where there is no file, a new ledger is begun. `key` is the file of the node's signing key. Call it
        in the event loop that the ledger is to serve.

        Raises:
            InUseError: another process has it open.
            NodeKeyError: the key is missing, or the ledger belongs to another key or organisation.
            DamagedError: the file is damaged; the message names the block.
            UnavailableError: the file can't be opened.
        """
        signer = load_node_key(key)
        lock = WriterLock(path)
        try:
            storages, tip = _open(path, signer, msp_id)
            watched = WatchedClock(
                tip.time, wall=clock, passed=system_passed if clock is system_clock else None
            )
            return cls(storages, tip, lock, key=signer, msp_id=msp_id, clock=watched)
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def create_key(path: Path) -> None:
        """Make the node's signing key (see `create_node_key`)."""
        create_node_key(path)

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        """Run `function` and commit its writes; they are on disk when this returns (see the port)."""
        if self._closed:
            raise UnavailableError("the ledger is closed")
        future: asyncio.Future[Committed] = self._loop.create_future()
        nonce = secrets.token_bytes(block.NONCE_BYTES)
        self._writer.put(Submission(nonce, function, args, transient or _NOTHING, future))
        return await future

    async def evaluate(self, function: str, args: bytes) -> bytes:
        """Run `function` on the committed state and write nothing (see the port)."""
        return await self._read(self._evaluate, (function, args))

    async def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        """Yield every event after `after`, in order, and then as they come (see the port).

        Raises:
            DamagedError: the ledger ends before `after`: blocks that were there are gone.
        """
        place = -1 if after is None else after.block * block.BLOCK_LIMIT + after.index
        grown = asyncio.Event()
        self._grown.add(grown)
        try:
            await self._read(self._check_reaches, place)
            while not self._closed:
                grown.clear()
                before = place
                found = self._cache.after(place)
                page, place = found if found is not None else await self._read(self._events, place)
                for event in page:
                    yield event
                if place == before:
                    await grown.wait()
        finally:
            self._grown.discard(grown)

    def trouble(self) -> str | None:
        """Return why no transaction can commit now, None if one can (see the port)."""
        return self._writer.trouble() or self._clock.trouble()

    def doubt(self) -> str | None:
        """Return what should be looked at although transactions commit (see the port)."""
        return self._clock.doubt()

    async def close(self) -> None:
        """Finish the submitted transactions and close the file."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._readers.shutdown)
        self._readable.close()
        self._writable.close()
        self._lock.release()
        self._wake()

    # -- called in the writer's thread ----------------------------------------

    def _deliver(self, settled: Settled) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and all waiting callers with it
            self._loop.call_soon_threadsafe(self._resolve, settled)

    # -- called in the event loop ---------------------------------------------

    def _resolve(self, settled: Settled) -> None:
        if settled.newest >= 0:
            self._cache.add(settled.events, settled.newest)
        for future, outcome in settled.outcomes:
            if future.done():
                continue
            if isinstance(outcome, Committed):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
        self._wake()

    def _wake(self) -> None:
        for grown in self._grown:
            grown.set()

    async def _read(self, work: Callable[[A], T], argument: A) -> T:
        if self._closed:
            raise UnavailableError("the ledger is closed")
        try:
            return await self._loop.run_in_executor(self._readers, work, argument)
        except (*UNREADABLE, block.BlockFormatError) as why:
            raise DamagedError(f"the ledger's file can't be read: {why}") from None

    # -- called in the reader's thread ----------------------------------------

    def _evaluate(self, call: tuple[str, bytes]) -> bytes:
        self._now = self._clock.read()
        execution = Execution(
            View(self._readable),
            tx_id=block.transaction_id(secrets.token_bytes(block.NONCE_BYTES), self._creator).hex(),
            timestamp=self._now,
            caller=Caller(self.msp_id),
            transient=_NOTHING,
        )
        self._readable.snapshot()
        try:
            return run(self._router, execution, *call)
        except ContractError as why:
            raise refusal(why) from None
        finally:
            self._readable.rollback()

    def _check_reaches(self, place: int) -> None:
        if place >= 0 and not any(self._readable.transactions(place, place + 1)):
            raise DamagedError(f"the ledger ends before block {place // block.BLOCK_LIMIT}, which was there")

    def _events(self, place: int) -> tuple[list[LedgerEvent], int]:
        """Return the events of the next transactions after `place`, and the place reached."""
        found = []
        self._readable.snapshot()
        try:
            rows = list(self._readable.transactions(place + 1, LATEST, _EVENTS_PAGE))
            for where, body in rows:
                transaction = block.decode_transaction(body)
                announced = transaction.effect.event
                if announced is None:
                    continue
                checkpoint = Checkpoint(*divmod(where, block.BLOCK_LIMIT))
                keys = (key for key, _ in transaction.effect.writes)
                written = tuple((key, self._readable.written(key, where)) for key in keys)
                tx_id, payload = transaction.tx_id.hex(), announced.payload or b""
                found.append(LedgerEvent(checkpoint, tx_id, announced.name, payload, written))
        finally:
            self._readable.rollback()
        return found, rows[-1][0] if rows else place


def _open(path: Path, key: Ed25519PrivateKey, msp_id: str) -> tuple[tuple[Storage, Storage], Tip]:
    if not path.exists():
        Storage.create(path)
    writable = Storage.open(path, writable=True)
    try:
        tip = _tip(writable, key, msp_id)
        return (writable, Storage.open(path, writable=False)), tip
    except BaseException:
        writable.close()
        raise


def _tip(storage: Storage, key: Ed25519PrivateKey, msp_id: str) -> Tip:
    try:
        newest = storage.tip()
        if newest is not None:
            begun = read_header(newest)
            if (begun.msp_id, begun.signer) != (msp_id, key.public_key().public_bytes_raw()):
                raise NodeKeyError(
                    "the ledger belongs to another organisation"
                    if begun.msp_id != msp_id
                    else "the ledger was begun with another node key"
                )
        header = check_tip(storage, key.public_key())
    except MismatchError as wrong:
        raise DamagedError(f"the ledger does not verify: {wrong}") from None
    except UNREADABLE as why:
        raise DamagedError(f"the ledger's newest block can't be read: {why}") from None
    if newest is None or header is None:
        return Tip(-1, block.GENESIS, 0)
    return Tip(header.number, block.block_hash(newest.header), header.time)
