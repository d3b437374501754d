"""The entries that each client may leave in the access log: a budget that refills, and one entry at its end.

A refused request costs its client nothing and the ledger an entry for ever, so refusals count `REFUSED_COSTS`
times; a client may owe a minute's budget for them. The first request beyond the budget is logged as one
attempt that says so; those after it leave nothing until the budget has refilled for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from exchange.errors import TooManyRequestsError

REFUSED_COSTS: Final = 20
"""Entries that one refused request counts as."""

_WINDOW = 60.0
_MOST_CLIENTS = 10_000
_RETRY_AFTER = 10


@dataclass(slots=True)
class _Account:
    left: float
    at: float
    ended: bool = False


class EntryAllowances:
    """The budgets of all clients: `per_minute` entries each, of which a minute's may be left at once.

    A client that is away for so long that others took its place begins anew.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._now = clock
        self._accounts: LRUCache[str, _Account] = LRUCache(_MOST_CLIENTS)

    def take(self, client_id: str, entries: int) -> bool:
        """Charge a client with `entries`; return False once, where its budget has come to its end.

        Raises:
            TooManyRequestsError: the end was logged before, and the budget has not refilled since.
        """
        account = self._account(client_id)
        if account.ended and account.left < self._most / 10:
            raise spent()
        if account.left < entries and account.left < self._most:  # one request is never too large by itself
            account.ended = True
            account.left = min(account.left, 0.0)
            return False
        account.ended = False
        account.left -= entries
        return True

    def note_refused(self, client_id: str, entries: int) -> None:
        """Charge a client with what `entries` cost beyond their number, since they were refusals."""
        account = self._account(client_id)
        account.left = max(-self._most, account.left - entries * (REFUSED_COSTS - 1))

    def _account(self, client_id: str) -> _Account:
        now = self._now()
        account = self._accounts.get(client_id)
        if account is None:
            account = self._accounts[client_id] = _Account(self._most, now)
        account.left = min(self._most, account.left + max(0.0, now - account.at) * self._most / _WINDOW)
        account.at = now
        return account


def spent() -> TooManyRequestsError:
    """Return the refusal of a client whose budget is used up."""
    return TooManyRequestsError(
        "the client has used up its budget of entries in the access log; ask less often, or for less",
        retry_after=_RETRY_AFTER,
    )
