"""The one thread that writes: it makes one block of all waiting submissions.

Each transaction runs on the state that the ones before it left, so none is ever voided. One SQLite
transaction, one fsync and one call into the event loop serve the block; a transaction that comes alone
is written at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chaincode.caller import Caller
from chaincode.errors import ContractError
from chaincode.router import Router
from exchange.errors import UnavailableError
from exchange.ledger.clock import WatchedClock
from exchange.ledger.embedded import block
from exchange.ledger.embedded.engine import Execution, View, run
from exchange.ledger.embedded.storage import Block, Storage
from exchange.ledger.errors import ClockWrongError, UnknownOutcomeError, refusal
from exchange.ledger.port import Checkpoint, Committed, LedgerEvent

logger = logging.getLogger(__name__)

_GROUP = 256  # transactions in one block; each may hold hundreds of records
_MEND_SECONDS = 1.0  # between two tries to write after a failed one, if no transaction is asked for


class Submission(NamedTuple):
    """A transaction that waits, and the future of its submitter."""

    nonce: bytes
    function: str
    args: bytes
    transient: Mapping[str, bytes]
    future: asyncio.Future[Committed]


Outcome = tuple[asyncio.Future[Committed], Committed | Exception]


class Settled(NamedTuple):
    """The outcomes of a group of submissions, and the events and last place of the block made of it."""

    outcomes: list[Outcome]
    events: Sequence[LedgerEvent] = ()
    newest: int = -1


class Tip(NamedTuple):
    """The end of the chain: the number of its newest block (-1 for none), its hash and its time."""

    number: int
    hash: bytes
    time: int


class Writer:
    """The owner of the writable connection and of the chain's tip."""

    def __init__(
        self,
        storage: Storage,
        tip: Tip,
        *,
        key: Ed25519PrivateKey,
        msp_id: str,
        clock: WatchedClock,
        deliver: Callable[[Settled], None],
    ) -> None:
        self._storage, self._view, self._tip = storage, View(storage), tip
        self._key, self._signer = key, key.public_key().public_bytes_raw()
        self._creator = block.creator(msp_id, self._signer)
        self._caller, self._clock = Caller(msp_id), clock
        # This writer gives the transactions their time: the guard has nothing to refuse.
        self._router = Router(lambda: self._time)
        self._time = tip.time
        self._deliver = deliver
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._trouble: str | None = None
        self._thread = Thread(target=self._work, name="ledger-writer", daemon=True)

    def start(self) -> None:
        """Begin to accept submissions."""
        self._thread.start()

    def put(self, submission: Submission) -> None:
        """Queue a submission; its outcome goes to `deliver`."""
        self._queue.put(submission)

    def stop(self) -> None:
        """Finish the queue and end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def trouble(self) -> str | None:
        """Return why no block can be written now; None if one can."""
        return self._trouble

    def _work(self) -> None:
        more = True
        while more:
            group, more = self._next_group()
            if self._trouble is not None:
                self._mend()
            if group:
                self._deliver(self._settle(group))

    def _next_group(self) -> tuple[list[Submission], bool]:
        """Collect one submission, and all that wait with it; False once `stop` was reached.

        After a failed write the group is empty if none comes for a moment.
        """
        group: list[Submission] = []
        try:
            waiting = self._queue.get(timeout=None if self._trouble is None else _MEND_SECONDS)
        except Empty:
            return group, True
        while True:
            if waiting is None:
                return group, False
            # A submitter that gave up before the transaction ran gets nothing written.
            if not waiting.future.cancelled():
                group.append(waiting)
            if len(group) == _GROUP:
                return group, True
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return group, True

    def _settle(self, group: list[Submission]) -> Settled:
        if self._trouble is not None:
            return Settled([(one.future, UnavailableError(self._trouble)) for one in group])
        try:
            return self._commit(group)
        except ClockWrongError as why:  # nothing was begun
            return Settled([(one.future, ClockWrongError(str(why))) for one in group])
        except Exception as why:  # noqa: BLE001  # no error may leave a submitter waiting for ever
            # Only the error's kind: a traceback could hold values.
            logger.error("ledger_write_failed", extra={"reason": type(why).__name__})  # noqa: TRY400  # see above
            # Whether a failed COMMIT stands shows only on reading the file again: `_mend` does that.
            self._trouble = _reason(why)
            with contextlib.suppress(sqlite3.Error):
                self._storage.rollback()
            unknown = f"the ledger could not be written: {self._trouble}"
            return Settled([(one.future, UnknownOutcomeError(unknown)) for one in group])

    def _mend(self) -> None:
        """Continue to write if the file takes writes again and ends with the block that this writer knows."""
        try:
            self._storage.rollback()
            self._storage.write_nothing()
            newest = self._storage.tip()
        except sqlite3.Error as why:
            self._trouble = _reason(why)
            return
        tip = (-1, block.GENESIS) if newest is None else (newest.number, block.block_hash(newest.header))
        if tip != (self._tip.number, self._tip.hash):
            self._trouble = "the ledger stopped after a failed write; start the gateway again"
            return
        self._view.forget_all()
        self._trouble = None
        logger.warning("ledger_writes_again")

    def _commit(self, group: list[Submission]) -> Settled:
        number, time = self._tip.number + 1, self._clock.block_time(self._tip.time)
        self._time = time
        outcomes: list[Outcome] = []
        bodies: list[bytes] = []
        events: list[LedgerEvent] = []
        self._storage.begin()
        for one in group:
            tx_id = block.transaction_id(one.nonce, self._creator)
            execution = Execution(
                self._view, tx_id=tx_id.hex(), timestamp=time, caller=self._caller, transient=one.transient
            )
            try:
                result = run(self._router, execution, one.function, one.args)
            except ContractError as why:
                outcomes.append((one.future, refusal(why)))
                continue
            except sqlite3.Error:
                raise
            except Exception as why:  # noqa: BLE001  # a contract's defect refuses its own transaction only
                reason = type(why).__name__
                logger.error("contract_failed", extra={"function": one.function, "reason": reason})  # noqa: TRY400  # as below
                outcomes.append((one.future, UnavailableError("the contract failed")))
                continue
            call = block.Call(
                one.nonce, self._caller.msp_id, one.function, one.args, time, bool(one.transient)
            )
            body = block.encode(block.Transaction(tx_id, call, execution.effect(result)))
            place = number * block.BLOCK_LIMIT + len(bodies)
            self._storage.add_transaction(place, body, execution.writes.items())
            self._view.forget(list(execution.writes))
            if execution.event is not None:
                checkpoint, written = Checkpoint(number, len(bodies)), tuple(execution.writes.items())
                events.append(LedgerEvent(checkpoint, tx_id.hex(), *execution.event, written))
            bodies.append(body)
            outcomes.append((one.future, Committed(tx_id.hex(), number, time, result)))
        if not bodies:
            self._storage.rollback()
            return Settled(outcomes)
        self._seal(number, time, bodies)
        return Settled(outcomes, events, number * block.BLOCK_LIMIT + len(bodies) - 1)

    def _seal(self, number: int, time: int, bodies: list[bytes]) -> None:
        header = block.encode(
            block.Header(
                format=block.FORMAT,
                msp_id=self._caller.msp_id,
                signer=self._signer,
                number=number,
                previous=self._tip.hash,
                data=block.data_hash(bodies),
                count=len(bodies),
                time=time,
            )
        )
        self._storage.add_block(Block(number, header, block.sign(self._key, header)))
        self._storage.commit()
        self._tip = Tip(number, block.block_hash(header), time)


def _reason(why: Exception) -> str:
    """Return why a write failed, in words without values."""
    code = getattr(why, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "the disk of the ledger is full"
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
        return "the disk of the ledger takes no writes"
    return f"the ledger can't be written ({type(why).__name__})"
