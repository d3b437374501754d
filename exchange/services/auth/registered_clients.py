"""The clients that may ask for tokens: registered, changed, disabled and enabled again by the operator.

A client's row carries a MAC of this gateway; one that is not as it was registered here ends in an error.
Each change is an event of the access log, whose entry commits to all clients (`client_commitments`). A client
that is disabled, or loses a key, loses its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from sqlalchemy import Connection

from chaincode.access.model import RecordedAction
from exchange.auth.clients import Client
from exchange.auth.principal import Member
from exchange.crypto.operator_seal import OperatorSeal
from exchange.errors import BadRequestError, NotFoundError
from exchange.services.auth.identity_events import IdentityEvents
from exchange.store.engine.database import Database
from exchange.store.records import clients as store
from exchange.store.records import jobs

Change = Callable[[Client], Client]
"""Makes the client that is wanted of the one that is registered; may refuse with a BadRequestError."""


class RegisteredClients:
    """The registered clients of one gateway; `members` are the consortium's, by MSP id.

    `forget` hears of each client whose tokens were voided, `clock` says the time in ms since 1970 UTC.
    """

    def __init__(
        self,
        records: Database,
        members: Mapping[str, Member],
        *,
        seal: OperatorSeal,
        events: IdentityEvents | None,
        forget: Callable[[str], None],
        clock: Callable[[], int],
    ) -> None:
        self._records = records
        self._members = members
        self._seal = seal
        self._events = events
        self._forget = forget
        self._now = clock

    async def register(self, client: Client, *, by: str = "") -> None:
        """Let `client` (see `exchange.auth.clients.new_client`) ask for tokens.

        Raises:
            BadRequestError: its organisation is no member.
            ConflictError: its client_id is taken.
        """
        if client.organization not in self._members:
            known = ", ".join(sorted(self._members))
            raise BadRequestError(
                f"the client's organisation is no member of the consortium; its members are {known}"
            )

        def work(connection: Connection) -> None:
            store.lock(connection)
            store.register(connection, client, self._seal.mac(client))
            self._tell(connection, RecordedAction.CLIENT_REGISTERED, client, by)

        await self._records.write(work)

    async def registered(self) -> list[Client]:
        """Return all registered clients, disabled ones included."""
        rows = await self._records.read(lambda c: list(store.everyone(c)))
        for client, mac in rows:
            self._seal.check(client, mac)
        return [client for client, _ in rows]

    async def one(self, client_id: str) -> Client:
        """Return the client with that id, disabled or not.

        Raises:
            NotFoundError: there is none.
        """
        found = await self._records.read(lambda c: self.find(c, client_id))
        if found is None:
            raise NotFoundError("no client has this client_id; `consentry client list` shows them")
        return found

    def find(self, connection: Connection, client_id: str, *, lock: bool = False) -> Client | None:
        """Return the client with that id; with `lock` it can't be changed before this transaction ends.

        Raises:
            DamagedError: it is not as it was registered here.
        """
        row = store.find(connection, client_id, lock=lock)
        if row is None:
            return None
        self._seal.check(*row)
        return row[0]

    async def change(self, client_id: str, wanted: Change, *, by: str = "") -> Client:
        """Change the keys of a client, and return it; if a key goes, the tokens that it holds end.

        Raises:
            NotFoundError: no client has this id.
            BadRequestError: by `wanted`.
        """

        def work(connection: Connection) -> tuple[Client, bool]:
            store.lock(connection)
            before = self.find(connection, client_id, lock=True)
            if before is None:
                raise NotFoundError("no client has this client_id; `consentry client list` shows them")
            after = wanted(before)
            kept = after.jwks_url == before.jwks_url and all(key in after.keys for key in before.keys)
            store.change(connection, after, self._seal.mac(after))
            if not kept:
                store.revoke_tokens_of(connection, client_id)
            self._tell(connection, RecordedAction.CLIENT_CHANGED, after, by)
            return after, kept

        changed, kept = await self._records.write(work)
        if not kept:
            self._forget(client_id)
        return changed

    async def disable(self, client_id: str, *, by: str = "") -> None:
        """Give the client no more tokens, void those it holds and cancel its jobs.

        Raises:
            NotFoundError: no enabled client has this id.
        """

        def work(connection: Connection) -> bool:
            store.lock(connection)
            client = self.find(connection, client_id, lock=True)
            if client is None or client.disabled is not None:
                return False
            now = self._now()
            client = msgspec.structs.replace(client, disabled=now)
            store.change(connection, client, self._seal.mac(client))
            store.revoke_tokens_of(connection, client_id)
            jobs.cancel_of_client(connection, client_id, now)
            self._tell(connection, RecordedAction.CLIENT_DISABLED, client, by)
            return True

        found = await self._records.write(work)
        self._forget(client_id)
        if not found:
            raise NotFoundError("no enabled client has this client_id; `consentry client list` shows them")

    async def enable(self, client_id: str, *, by: str = "") -> None:
        """Let a disabled client ask for tokens again; those that it held stay void.

        Raises:
            NotFoundError: no disabled client has this id.
        """

        def work(connection: Connection) -> bool:
            store.lock(connection)
            client = self.find(connection, client_id, lock=True)
            if client is None or client.disabled is None:
                return False
            client = msgspec.structs.replace(client, disabled=None)
            store.change(connection, client, self._seal.mac(client))
            self._tell(connection, RecordedAction.CLIENT_CHANGED, client, by, "enabled: ")
            return True

        if not await self._records.write(work):
            raise NotFoundError("no disabled client has this client_id; `consentry client list` shows them")

    def _tell(
        self, connection: Connection, action: RecordedAction, client: Client, by: str, prefix: str = ""
    ) -> None:
        if self._events is not None:
            keys = client.jwks_url or ", ".join(key["kid"] for key in client.keys)
            granted = " ".join(client.scopes)
            told = f"{prefix}client {client.client_id} of {client.organization}: {granted}; keys {keys}"
            root = self._seal.clients_root(store.macs(connection))
            self._events.put_of_operator(connection, action, by, told, root=root)
