"""Events of identity as entries of the access log: tokens of persons, clients, refused log-ins, settings.

1. An event is put into the outbox in the transaction that makes the change, also by a command beside a
   gateway, which can't write to the ledger. The gateway records it within seconds, or when it starts.
2. A person's token is refused until its entry is on the ledger.
3. Refused log-ins are counted for each registered client, and together for all others, and recorded at most
   once in `WINDOW_SECONDS`: strangers can't fill the ledger. A gateway that is killed loses what it counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.clients import Client
from exchange.auth.principal import Principal
from exchange.crypto.keys import KeyRing, SubjectKeys
from exchange.crypto.references import References
from exchange.errors import DamagedError, UnavailableError
from exchange.services.writes.recording import Deed, planned_entry, put_planned
from exchange.store.engine.database import Database
from exchange.store.keys import wrapped_keys

WINDOW_SECONDS: Final = 60.0
"""Seconds between two rounds of entries about refused log-ins."""
_NO_DIRECTORY = (
    "the keys of the directory are missing, so nothing can be logged; restore the database of records from a "
    "backup"
)
_MOST_CLIENTS = 100  # with an entry of their own in one round

_log = structlog.get_logger()


class Completion(Protocol):
    """The part of `exchange.services.writes.recording.Recording` that is needed here."""

    async def complete_all(self) -> int:
        """Record every entry that waits."""

    def late(self) -> str | None:
        """Return why entries wait that the ledger could not take; None if none does."""


class IdentityEvents:
    """Puts the events of the gateway of `msp_id` into the outbox; `base` is its FHIR base URL."""

    def __init__(self, *, msp_id: str, base: str, ring: KeyRing, references: References) -> None:
        self._msp_id = msp_id
        self._base = base
        self._ring = ring
        self._references = references
        self._completion: Completion | None = None

    def completed_by(self, completion: Completion) -> None:
        """Have entries that wait recorded by `completion`: this process is the gateway."""
        self._completion = completion

    async def complete(self) -> None:
        """Record what waits, in the gateway; elsewhere it is the gateway that does.

        Raises:
            UnavailableError: the ledger can't take it now.
        """
        if self._completion is not None:
            await self._completion.complete_all()
            if (why := self._completion.late()) is not None:
                raise UnavailableError(f"the ledger could not log yet that this token was issued: {why}")

    def put(self, connection: Connection, action: RecordedAction, principal: Principal, told: str) -> None:
        """Put an event into the outbox: about `principal`, with `told` for its readers."""
        self._put(connection, Deed(principal, action, action.value, told))

    def put_of_operator(
        self, connection: Connection, action: RecordedAction, by: str, told: str, *, root: str = ""
    ) -> None:
        """Put an event into the outbox that the operator `by` caused; its entry commits to `root`."""
        principal = Principal.for_operator(self._msp_id, by or "operator")
        self._put(connection, Deed(principal, action, action.value, told, root=root))

    def put_refused(self, connection: Connection, told: str, count: int) -> None:
        """Put the refusal of `count` log-ins into the outbox."""
        principal = Principal.for_operator(self._msp_id, "consentry-log-ins")
        action = RecordedAction.LOGIN_REFUSED
        self._put(connection, Deed(principal, action, action.value, told, count=count, refused=True))

    def _put(self, connection: Connection, deed: Deed) -> None:
        keys = self._keys(connection, deed.principal.patient)
        entry = planned_entry(keys, deed, msp_id=self._msp_id, base=self._base)
        put_planned(connection, [entry], wait_ms=0)

    def _keys(self, connection: Connection, patient: str) -> SubjectKeys:
        """Return the keys of the patient, or else those of the directory, which every complete node has.

        Raises:
            DamagedError: the node has neither, so that no event of it could be logged.
        """
        names = [self._references.subject(patient)] if patient else []
        keys = subject_keys(connection, self._ring, [*names, self._references.directory])
        if keys is None:
            raise DamagedError(_NO_DIRECTORY)
        return keys


def subject_keys(connection: Connection, ring: KeyRing, names: Sequence[bytes]) -> SubjectKeys | None:
    """Return the keys of the first of the subjects `names` that has any."""
    closed = [token for token in names if ring.cached(token) is None]
    wrapped = wrapped_keys.find(connection, closed) if closed else {}
    for token in names:
        keys = ring.cached(token)
        if keys is not None:
            return keys
        if token in wrapped:
            return ring.open(token, wrapped[token])
    return None


class RefusedLogIns:
    """Counts the log-ins that the token endpoint refused, and has them recorded."""

    def __init__(self, records: Database, events: IdentityEvents, *, window: float = WINDOW_SECONDS) -> None:
        self._records = records
        self._events = events
        self._window = window
        self._counts: Counter[tuple[str, str]] = Counter()
        self._wake = asyncio.Event()

    def note(self, client: Client | None, why: str) -> None:
        """Count a log-in in the name of `client`, None for an unknown one, that was refused."""
        known = f"{client.client_id} of {client.organization}" if client is not None else ""
        if known not in {name for name, _ in self._counts} and len(self._counts) >= _MOST_CLIENTS:
            known = ""
        self._counts[known, why if known else ""] += 1
        self._wake.set()

    async def keep_recording(self) -> None:
        """Record what was counted, at most once in the window, until cancelled."""
        try:
            while True:
                await self._wake.wait()
                await self.record()
                await asyncio.sleep(self._window)
        finally:
            with suppress(UnavailableError):
                await self._store()

    async def record(self) -> None:
        """Record what was counted until now."""
        with suppress(UnavailableError):  # what was stored is recorded by the outbox, the rest is counted on
            await self._store()
            await self._events.complete()

    async def _store(self) -> None:
        self._wake.clear()
        counts, self._counts = self._counts, Counter()
        try:
            await self._records.write(lambda c: self._put(c, counts))
        except UnavailableError:
            self._counts.update(counts)
            self._wake.set()
            raise

    def _put(self, connection: Connection, counts: Counter[tuple[str, str]]) -> None:
        for (known, why), count in counts.items():
            told = f"log-in refused: {known}: {why}" if known else "log-in refused: unknown clients"
            self._events.put_refused(connection, f"{told} ({count})", count)
