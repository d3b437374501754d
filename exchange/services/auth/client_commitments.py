"""The commitment of entries about clients to all that are registered, so that one that was put back is found.

A client's row carries a MAC, which shows that it was written, not that nothing was written after it. So
the entry of each change has a root over the MACs of all rows behind the change, and the newest such root must
be that of the rows. Entries of releases before this have none; until the first change nothing is compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from chaincode.access.model import LogEntryValue, Reason, RecordedAction
from exchange.crypto.keys import KeyRing
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.errors import DamagedError
from exchange.services.auth.identity_events import subject_keys
from exchange.services.writes.recording import waiting_events
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.records import clients

TAKEN_BACK: Final = "are not those of the newest entry about clients: one was put back, changed or removed"

_CHANGES = frozenset(
    {
        RecordedAction.CLIENT_REGISTERED,
        RecordedAction.CLIENT_CHANGED,
        RecordedAction.CLIENT_DISABLED,
    }
)
_TRIES, _PAUSE = 30, 0.1  # seconds between two looks, while an entry is on its way from the outbox to the log

_entry = msgspec.json.Decoder(LogEntryValue)


class ClientRoot(NamedTuple):
    """The root that an entry about clients carries, and the digest by which the entry is known."""

    digest: str
    root: str


class ClientCommitments:
    """The roots of the registered clients of the gateway of `msp_id`."""

    def __init__(self, *, msp_id: str, seal: OperatorSeal, ring: KeyRing, references: References) -> None:
        self._msp_id = msp_id
        self._seal = seal
        self._ring = ring
        self._references = references

    def root(self, connection: Connection) -> str:
        """Return the root of the clients that are registered now."""
        return self._seal.clients_root(clients.macs(connection))

    def pair(self, connection: Connection) -> str:
        """Return the pair of the entries about clients; empty where the node has none yet."""
        keys = subject_keys(connection, self._ring, [self._references.directory])
        return "" if keys is None else PatientSecret(keys.secret).pair(self._msp_id)

    def of_entries(self, pair: str, entries: Iterable[bytes]) -> list[ClientRoot]:
        """Return the roots in `entries`, those of the ledger in their order."""
        found = []
        for value in entries:
            entry = _entry.decode(value)
            is_own = (entry.pair, entry.custodian, entry.reason) == (pair, self._msp_id, Reason.RECORDED)
            if is_own and entry.root and entry.action in _CHANGES:
                found.append(ClientRoot(entry.digest, entry.root))
        return found

    def logged(self, connection: Connection, pair: str) -> list[ClientRoot]:
        """Return the roots in the log, in their order."""
        table = log_tables.entries.c
        own = (table.pair == pair, table.action.in_(sorted(_CHANGES)))
        return self.of_entries(pair, log_tables.records(connection, *own))

    def waiting(self, connection: Connection) -> list[ClientRoot]:
        """Return the roots in entries that wait in the outbox, in their order."""
        keys = subject_keys(connection, self._ring, [self._references.directory])
        events = [] if keys is None else waiting_events(connection, keys)
        return [ClientRoot(one.digest, one.root) for one in events if one.root and one.action in _CHANGES]

    def in_order(self, logged: Sequence[ClientRoot], waiting: Sequence[ClientRoot]) -> list[ClientRoot]:
        """Return all roots, the last of which the clients should have; none before the first change.

        An entry that is logged waits no more, whatever the outbox says.
        """
        known = {one.digest for one in logged}
        return [*logged, *(one for one in waiting if one.digest not in known)]


class WatchedClients:
    """The registered clients as a gateway last found them to be those of the newest entry."""

    def __init__(self, commitments: ClientCommitments, *, records: Database, entries: Database) -> None:
        self._commitments = commitments
        self._records = records
        self._entries = entries
        self._accepted: str | None = None
        self._newest = ""  # the digest of the entry by which it was accepted

    async def check(self) -> None:
        """Check that no client was put back, changed or removed but by a change that has an entry.

        Raises:
            DamagedError: one was.
            UnavailableError: a database can't be reached.
        """
        for _ in range(_TRIES):
            found = await self._records.read(self._commitments.root)
            if found == self._accepted or await self._is_newest(found):
                self._accepted = found
                return
            await asyncio.sleep(_PAUSE)
        raise DamagedError(
            f"the registered clients {TAKEN_BACK}, or the log is still behind; run `consentry verify`"
        )

    async def _is_newest(self, found: str) -> bool:
        pair = await self._records.read(self._commitments.pair)
        waiting = await self._records.read(self._commitments.waiting)
        logged = await self._entries.read(lambda c: self._commitments.logged(c, pair))
        roots = self._commitments.in_order(logged, waiting)
        if not roots:
            return self._accepted is None
        if self._newest and self._newest not in {one.digest for one in roots}:
            return False  # it has left the outbox, and the log has it in a moment
        if roots[-1].root != found:
            return False
        self._newest = roots[-1].digest
        return True
