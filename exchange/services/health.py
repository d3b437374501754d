"""The health of a node: whether it can write and decide now, and what somebody should look at.

Each dependency has a check of its own: the databases, the ledger, the disk under the node's folder, the
certificates that it shows to others, and this machine's clock.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.store.engine.database import Database

LASTS: Final = 1.0
"""Seconds for which a result is given again: who asks often costs no writes."""
WATCH_SECONDS: Final = 5.0
"""Seconds between two looks of the watch that logs what is lost and what is back."""
LITTLE_SPACE: Final = 256 << 20
"""Bytes on the disk below which somebody should look at it."""
SOON_SECONDS: Final = 14 * 24 * 3600
"""Seconds before a certificate's end from which on somebody should look at it."""

_TIMEOUT = 4.0
_PASS, _WARN, _FAIL = "pass", "warn", "fail"

_log = structlog.get_logger()


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a check, as `application/health+json` has it: `output` says why it is not "pass"."""

    status: str
    output: str = ""

    @property
    def serves(self) -> bool:
        """Return whether requests can be answered."""
        return self.status != _FAIL


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """The health of a node with that of each dependency by its name; a name has one check."""

    status: str
    checks: dict[str, list[Health]]
    output: str = ""

    @property
    def serves(self) -> bool:
        """Return whether requests can be answered."""
        return self.status != _FAIL


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The parts that a node needs besides its ledger.

    `folder` is on the disk that is looked at; `certificates` have the end of each in seconds since 1970 UTC.
    """

    databases: Sequence[Database]
    folder: Path
    certificates: Mapping[str, float] = field(default_factory=dict)


class NodeHealth:
    """Checks of one node: each database takes a write, the ledger transactions, and so on."""

    def __init__(self, ledger: LedgerClient, needed: Dependencies) -> None:
        self._ledger, self._needed = ledger, needed
        self._lock = asyncio.Lock()
        self._found: dict[str, Health] = {}
        self._until = 0.0

    async def check(self) -> Health:
        """Return the health of this moment, at most `LASTS` seconds old."""
        found = await self._checks()
        return _worst(found)

    async def ready(self) -> Readiness:
        """Return the health of this moment with that of each dependency."""
        found = await self._checks()
        worst = _worst(found)
        return Readiness(worst.status, {name: [one] for name, one in found.items()}, worst.output)

    async def keep_watching(self) -> None:
        """Log each dependency that is lost, and that is back, until cancelled."""
        lost: set[str] = set()
        while True:
            for name, one in (await self._checks()).items():
                if not one.serves and name not in lost:
                    lost.add(name)
                    _log.error("dependency.lost", kind=name, reason=one.output)
                elif one.serves and name in lost:
                    lost.discard(name)
                    _log.warning("dependency.back", kind=name)
            await asyncio.sleep(WATCH_SECONDS)

    async def _checks(self) -> dict[str, Health]:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await self._look()
                self._until = time.monotonic() + LASTS
            return self._found

    async def _look(self) -> dict[str, Health]:
        trouble, doubt = self._ledger.trouble(), self._ledger.doubt()
        return {
            "ledger": Health(_PASS) if trouble is None else Health(_FAIL, f"ledger: {trouble}"),
            "database": await self._databases(),
            "disk": await asyncio.to_thread(self._disk),
            "certificate": self._certificates(),
            "clock": Health(_PASS) if doubt is None else Health(_WARN, f"ledger: {doubt}"),
        }

    async def _databases(self) -> Health:
        try:
            async with asyncio.timeout(_TIMEOUT):
                for database in self._needed.databases:
                    await database.check_writable()
        except (UnavailableError, TimeoutError):
            return Health(_FAIL, "documents: the document store takes no writes")
        return Health(_PASS)

    def _disk(self) -> Health:
        try:
            free = shutil.disk_usage(self._needed.folder).free
        except OSError as why:
            return Health(_FAIL, f"disk: the node's folder can't be looked at ({why.strerror})")
        if free < LITTLE_SPACE:
            return Health(_WARN, f"disk: {free >> 20} MiB are free")
        return Health(_PASS)

    def _certificates(self) -> Health:
        now = time.time()
        ends = sorted((end, name) for name, end in self._needed.certificates.items())
        if not ends or ends[0][0] - now > SOON_SECONDS:
            return Health(_PASS)
        end, name = ends[0]
        if end <= now:
            return Health(_FAIL, f"certificate: {name} is over; put a new one in its place")
        return Health(_WARN, f"certificate: {name} ends in {int((end - now) / 86_400)} days")


def _worst(found: Mapping[str, Health]) -> Health:
    order = {_FAIL: 0, _WARN: 1, _PASS: 2}
    return min(found.values(), key=lambda one: order[one.status])
