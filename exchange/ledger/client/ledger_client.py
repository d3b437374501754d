"""The client of all contracts on one channel of the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator

from exchange.ledger.client.access import AccessCalls
from exchange.ledger.client.consent import ConsentCalls
from exchange.ledger.client.policy import PolicyCalls
from exchange.ledger.port import Checkpoint, LedgerEvent, Transactions


class LedgerClient(AccessCalls, ConsentCalls, PolicyCalls):
    """Typed calls on a channel of the ledger.

    `timeout` is the most seconds that a transaction may last, and that a call may queue for one, before
    the call ends in `UnavailableError`. `in_flight` is the most transactions of `authorize` at once. `node`
    is the fingerprint of the gateway, which every pair that it opens names.

    Every method raises the errors of `exchange.ledger.port.Transactions`.
    """

    def __init__(
        self, transactions: Transactions, *, in_flight: int = 1, timeout: float = 15.0, node: str = ""
    ) -> None:
        super().__init__(transactions, in_flight=in_flight, timeout=timeout)
        self._node = node

    @property
    def msp_id(self) -> str:
        """The organisation of this gateway."""
        return self._transactions.msp_id

    def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        """Yield every event after `after`, in order, and then as they come."""
        return self._transactions.events(after)

    def trouble(self) -> str | None:
        """Return why no transaction can commit now, as far as that is known; None if one can."""
        return self._transactions.trouble()

    def doubt(self) -> str | None:
        """Return what somebody should look at although transactions commit; None if there is nothing."""
        return self._transactions.doubt()

    async def close(self) -> None:
        """Finish the submitted transactions and close the ledger."""
        await self._group.close()
        await self._events.close()
        await self._transactions.close()
