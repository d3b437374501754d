"""The reads of a transaction or batch: performed until they have brought `MOST_READ` bytes, refused then.

A transaction holds whole or not at all, and what is committed can't be taken back. So:

1. Every read is performed before anything is stored. One that fails refuses the transaction.
2. A read whose answer the writes may change is performed once more after them, and answered as it is then.
3. A read of a record that the transaction creates can only be performed after; one of a record that it
   deletes fails.
4. A read that fails only after the writes is told as such: the refusal says that they are stored.

In a batch each read is an entry of its own, and so is its refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from exchange.auth.principal import Principal
from exchange.errors import (
    ConflictError,
    ExchangeError,
    GoneError,
    NotFoundError,
    TooCostlyError,
    UnavailableError,
)
from exchange.fhir.bundle import in_entry
from exchange.fhir.interaction import Interaction
from exchange.runtime import quota
from exchange.services.interactions import Handler, Outcome
from exchange.services.records.prepare import LOG_TYPE

MOST_READ: Final = 32 * 1024 * 1024
"""Bytes that the reads of one transaction or batch release; they stay in memory until the answer."""

_DECIDING: Final = frozenset({"Consent", "Patient"})
"""Types of which a record that is written may change the decision on any read."""
_OF_A_RECORD: Final = frozenset({"read", "vread", "history-instance"})
_OF_THE_CURRENT: Final = frozenset({"read", "history-instance"})
_TOO_MUCH: Final = "the bundle reads too much at once; ask for the rest in another one"
_TEMPORARY: Final = 500


class WrittenPlaces:
    """The places that a transaction writes: those it `puts`, those it deletes, and all types it writes."""

    def __init__(self, writes: Iterable[Interaction]) -> None:
        writes = list(writes)
        self.puts = {one.target for one in writes if one.code == "update"}
        self.deletes = {one.target for one in writes if one.code == "delete"}
        self.types = {one.type for one in writes}

    def may_change(self, read: Interaction) -> bool:
        """Check whether a write may change the answer to `read`."""
        if not self.types or self.types & _DECIDING:
            return bool(self.types)
        if read.code in _OF_A_RECORD:
            return read.target in self.puts | self.deletes
        return read.code != "search-type" or read.type in self.types or read.type == LOG_TYPE


class EntryReads:
    """The reads of one Bundle; `exists` says whether there is a current record at a type and an id."""

    def __init__(
        self,
        principal: Principal,
        *,
        exists: Callable[[str, str], Awaitable[bool]],
        writes: Iterable[Interaction] = (),
    ) -> None:
        self._principal = principal
        self._exists = exists
        self._writes = WrittenPlaces(writes)
        self._left = MOST_READ
        self._found: dict[int, Outcome] = {}

    async def before(self, index: int, interaction: Interaction, handle: Handler) -> None:
        """Perform a read of a transaction before its writes.

        Raises:
            ExchangeError: it fails, or will when the writes have been made; the error names entry `index`.
        """
        writes = self._writes
        with in_entry(index):
            if interaction.code == "read" and interaction.target in writes.deletes:
                raise GoneError("the transaction deletes the record that this entry reads")
            if not writes.may_change(interaction):
                self._found[index] = await self.perform(interaction, handle)
                return
            try:
                with quota.current().temporarily():
                    found = await handle(self._principal, interaction, b"")
                if len(found.body) > self._left:
                    raise TooCostlyError(_TOO_MUCH)
            except (NotFoundError, GoneError):
                if not await self._comes(interaction):
                    raise

    async def after(self, index: int, interaction: Interaction, handle: Handler) -> Outcome:
        """Return the answer to a read of a transaction after its writes.

        Raises:
            UnavailableError, ConflictError: it fails now, and the writes stand.
        """
        if index in self._found:
            return self._found[index]
        with in_entry(index):
            try:
                return await self.perform(interaction, handle)
            except ExchangeError as why:
                if not self._writes.types:
                    raise
                message = f"all that the transaction writes is stored, but this entry can't be read: {why}"
                if why.status >= _TEMPORARY:
                    raise UnavailableError(message) from None
                raise ConflictError(message, tx_id=why.tx_id) from None

    async def perform(self, interaction: Interaction, handle: Handler) -> Outcome:
        """Perform a read after the check of its scope, and keep its bytes in the request's memory.

        Raises:
            TooCostlyError: the reads before have brought too much.
            ExchangeError: see the row's handler.
        """
        if self._left <= 0:
            raise TooCostlyError(_TOO_MUCH)
        reservation = quota.current()
        with reservation.temporarily():
            found = await handle(self._principal, interaction, b"")
        reservation.reserve(len(found.body))
        self._left -= len(found.body)
        return found

    async def _comes(self, read: Interaction) -> bool:
        """Return whether the transaction creates the record that `read` did not find."""
        if read.code not in _OF_THE_CURRENT or read.target not in self._writes.puts:
            return False
        return not await self._exists(read.type, read.id)
