"""The health of a node: whether it can write and decide now, and what somebody should look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.store.engine.database import Database

LASTS: Final = 1.0
"""Seconds for which a result is given again: who asks often costs no writes."""
_TIMEOUT = 4.0


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a check, as `application/health+json` has it: `output` says why it is not "pass"."""

    status: str
    output: str = ""

    @property
    def serves(self) -> bool:
        """Return whether requests can be answered."""
        return self.status != "fail"


class NodeHealth:
    """Checks of one node: each database takes a write, and the ledger says that it takes transactions."""

    def __init__(self, ledger: LedgerClient, databases: Sequence[Database]) -> None:
        self._ledger, self._databases = ledger, databases
        self._lock = asyncio.Lock()
        self._found, self._until = Health("pass"), 0.0

    async def check(self) -> Health:
        """Return the health of this moment, at most `LASTS` seconds old."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await self._look()
                self._until = time.monotonic() + LASTS
            return self._found

    async def _look(self) -> Health:
        trouble = self._ledger.trouble()
        if trouble is not None:
            return Health("fail", f"ledger: {trouble}")
        try:
            async with asyncio.timeout(_TIMEOUT):
                for database in self._databases:
                    await database.check_writable()
        except (UnavailableError, TimeoutError):
            return Health("fail", "documents: the document store takes no writes")
        doubt = self._ledger.doubt()
        return Health("pass") if doubt is None else Health("warn", f"ledger: {doubt}")
