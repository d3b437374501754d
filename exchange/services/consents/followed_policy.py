"""The parts of the policy in force that decide which pairs have a use, as of the last reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from exchange.ledger.client import LedgerClient

POLICY_SECONDS: Final = 10.0
"""Seconds after which the policy is read again, in case no event announced a change."""


class FollowedPolicy:
    """Reads the policy now and then, and after an event that announced a change.

    `permits` says whether the policy itself permits members something of patients, `overrides` whether it
    opens what is denied in an emergency; `members` may have pairs, and `again` has the times (ms since 1970
    UTC) at which some of them were admitted again.
    """

    def __init__(self, ledger: LedgerClient, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._read_at = float("-inf")
        self._announced = 0
        self._lock = asyncio.Lock()
        self.permits = False
        self.overrides = False
        self.members: frozenset[str] = frozenset()
        self.again: Mapping[str, int] = {}

    def changed(self) -> None:
        """Have the policy read before the next request."""
        self._announced += 1
        self._read_at = float("-inf")

    async def follow(self) -> bool:
        """Read the policy if it is time to; return whether it differs from the one before.

        Raises:
            UnavailableError: the ledger can't be reached.
        """
        if self._clock() - self._read_at < POLICY_SECONDS:
            return False
        async with self._lock:
            if self._clock() - self._read_at < POLICY_SECONDS:  # the task before this one has read it
                return False
            return await self._read()

    async def _read(self) -> bool:
        now, announced = self._clock(), self._announced
        current = await self._ledger.read_policy()
        policy = current.policy
        before = self.permits, self.members, self.again
        self.again = current.again
        self.members = frozenset(() if policy is None else policy.members)
        self.permits = policy is not None and any(
            rule.relation == "member" and rule.subject == "patient" for rule in policy.rules
        )
        self.overrides = policy is not None and any(
            rule.override and rule.subject == "patient" and "BTG" in rule.purposes for rule in policy.rules
        )
        if announced == self._announced:  # otherwise the answer may be outdated
            self._read_at = now
        return (self.permits, self.members, self.again) != before
