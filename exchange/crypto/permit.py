"""The Permit, without which no document is opened.

A `Permit` is the proof that a committed ledger transaction allowed one principal to see records of certain
subjects. `exchange.crypto` opens no document without one, so a code path that skipped the ledger can't
disclose. Only `exchange.ledger.client` can make one: it gets the issuer below when it is imported,
and the issuer is handed out once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from chaincode.consent.model import Provision

LIFETIME = 30.0
"""Most seconds after commit in which a permit opens documents; the next request asks the ledger again."""


class Permit:
    """A committed permission: the subjects of records that may be opened, each with its obligations.

    `tx_id` is the transaction that decided and logged, `recipient` the MSP id of the requesting
    organisation. `obligations` maps each permitted subject (its 16-byte store token) to the provisions
    that each of its records must still pass. `denials` maps it to provisions of which only the denials count,
    by the subject in whose pair they stand: its own, or that of another record of the same patient.
    """

    __slots__ = ("_expires", "denials", "obligations", "recipient", "tx_id")

    tx_id: str
    recipient: str
    obligations: Mapping[bytes, tuple[Provision, ...]]
    denials: Mapping[bytes, Denials]

    def __init__(self) -> None:
        raise TypeError("a Permit comes from the ledger client alone")

    @property
    def fresh(self) -> bool:
        """Return whether the permit still opens documents: its terms have not ended by the clock."""
        return time.monotonic() <= self._expires

    def covers(self, subjects: tuple[bytes, ...]) -> bool:
        """Return whether all `subjects` are permitted and the permit is still fresh; False without any."""
        if not subjects or not self.fresh:
            return False
        return self.obligations.keys() >= set(subjects)

    _expires: float


Denials = Mapping[bytes, tuple[Provision, ...]]
"""Provisions of which only the denials count, by the subject in whose pair they stand."""

Issuer = Callable[
    [str, str, Mapping[bytes, tuple[Provision, ...]], Mapping[bytes, Denials], int | None], Permit
]


def _issue(
    tx_id: str,
    recipient: str,
    obligations: Mapping[bytes, tuple[Provision, ...]],
    denials: Mapping[bytes, Denials],
    until: int | None,
) -> Permit:
    # `until` is the end of the terms that the permit rests on, in ms since 1970 UTC.
    permit = object.__new__(Permit)
    permit.tx_id = tx_id
    permit.recipient = recipient
    permit.obligations = dict(obligations)
    permit.denials = dict(denials)
    lifetime = LIFETIME if until is None else min(LIFETIME, until / 1000 - time.time())
    permit._expires = time.monotonic() + lifetime
    return permit


_permit_issuer: list[Issuer] = [_issue]


def take_issuer() -> Issuer:
    """Hand out the means to make permits, once; a second call fails."""
    if not _permit_issuer:
        raise RuntimeError("the permit issuer has been taken")
    return _permit_issuer.pop()
