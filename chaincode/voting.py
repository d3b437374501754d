"""Votes of the member organisations on a proposed value: its digest, its ballot and the quorum.

1. A vote is for exactly the canonical bytes of one digest.
2. Each voter approves at most once. An approval can be withdrawn until the value is adopted.
3. The value is adopted as soon as more than half of the voters approve it.

Nothing here reads or writes the ledger: a contract stores the approvals and refuses a caller without a vote.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple


def digest(value: bytes) -> str:
    """Return the SHA-256 of a value's canonical bytes in hexadecimal, the name that is voted on."""
    return sha256(value).hexdigest()


class Ballot(NamedTuple):
    """The approvals of one proposed value. `voters` decide; `approvals` are those that agree, sorted."""

    voters: tuple[str, ...]
    approvals: tuple[str, ...] = ()

    def approve(self, voter: str) -> Ballot:
        """Return the ballot with the approval of `voter`; idempotent."""
        return self._replace(approvals=tuple(sorted({*self.approvals, voter})))

    def withdraw(self, voter: str) -> Ballot:
        """Return the ballot without the approval of `voter`; idempotent."""
        return self._replace(approvals=tuple(name for name in self.approvals if name != voter))

    def has_quorum(self) -> bool:
        """Return whether more than half of the voters approve."""
        return 2 * len(self.approvals) > len(self.voters)
