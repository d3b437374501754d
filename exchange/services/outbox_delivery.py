"""Delivers the entries of the outbox, with retries until each succeeds.

1. Subjects are independent of each other: one with a delivery that fails delays no other.
2. After a failure a subject waits for a pause that doubles each time. The pause is stored, so a restart does
   not shorten it; the start of a node tries every subject once.
3. A receiver that can't be reached at all ends the round, and the next round begins with other subjects.
   That is no failure of the subject: its pause does not grow, so all are out soon after the receiver is back.
4. While a node runs, a subject with entries that do not verify is one that fails: it is logged, and keeps no
   other waiting. A node that starts is refused.
5. A delivery may happen twice where a process ends between it and the commit that takes the entry out, so
   receivers take every delivery idempotently.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from sqlalchemy import Connection

from exchange.errors import DamagedError, UnavailableError
from exchange.store.engine.database import Database
from exchange.store.records import outbox

RETRY_SECONDS: Final = 2.0
"""The pause after the first failure, and between rounds."""
LONGEST_PAUSE_SECONDS: Final = 60.0
_AT_ONCE = 1_000

_log = structlog.get_logger()

Deliver = Callable[[bytes], Awaitable[bool]]
"""Delivers the entries of one subject in order and removes them; returns whether none is left.

It raises UnavailableError where the receiver can't be reached.
"""


class OutboxDelivery:
    """Hands the subjects that wait under `topic` to `deliver`."""

    def __init__(self, records: Database, topic: str, deliver: Deliver) -> None:
        self._records = records
        self._topic = topic
        self._deliver = deliver

    async def deliver_all(self) -> int:
        """Try every subject once, also those that are to wait; return how many are out.

        Raises:
            DamagedError: the entries of a subject, or its keys, do not verify.
            UnavailableError: the store can't be reached.
        """
        waiting = await self._records.read(lambda c: outbox.subjects_waiting(c, self._topic))
        return await self._round(waiting, self._deliver)

    async def deliver_due(self) -> int:
        """Try the subjects that are due; return how many are out.

        Raises:
            UnavailableError: the store can't be reached.
        """
        now = _now()
        due = await self._records.read(lambda c: outbox.subjects_due(c, self._topic, now, _AT_ONCE))
        return await self._round(due, self._deliver_undamaged)

    async def keep_delivering(self) -> None:
        """Deliver due entries, until cancelled."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            with suppress(UnavailableError):
                await self.deliver_due()

    async def _deliver_undamaged(self, subject: bytes) -> bool:
        try:
            return await self._deliver(subject)
        except DamagedError as why:
            _log.error("outbox.damaged", topic=self._topic, reason=str(why))
            return False

    async def _round(self, subjects: Sequence[bytes], deliver: Deliver) -> int:
        done = 0
        for subject in subjects:
            try:
                is_out = await deliver(subject)
            except UnavailableError as why:
                _log.warning("outbox.unreachable", topic=self._topic, reason=str(why))
                await self._postpone(subject, failed=False)
                break
            done += is_out
            if not is_out:
                await self._postpone(subject)
        return done

    async def _postpone(self, subject: bytes, *, failed: bool = True) -> None:
        now = _now()

        def work(connection: Connection) -> None:
            entries = outbox.waiting(connection, self._topic, subject)
            if entries:
                doublings = min(entries[0].attempts, 16) if failed else 0
                pause = min(RETRY_SECONDS * 2**doublings, LONGEST_PAUSE_SECONDS)
                outbox.postpone(connection, self._topic, subject, now + round(pause * 1000), failed=failed)

        await self._records.write(work)


def _now() -> int:
    return time.time_ns() // 1_000_000
