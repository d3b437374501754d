"""Files the terms of one pair by itself: of one that was open before, without cover, or after a refusal.

Each request names the epoch of the pair that it follows, as it was read from the ledger. Of two requests that
follow the same epoch only one can commit. So once a request is committed, every one that was sent before it
is void, committed and replaced, or follows it: none of them can undo it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import structlog

from chaincode.consent.model import Terms
from chaincode.errors import ConflictError
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.ledger.errors import RefusedError
from exchange.services.consents.expected import DesiredConsents

_TRIES: Final = 5
_log = structlog.get_logger()


class PairFiling:
    """Brings single pairs to the terms that they should hold."""

    def __init__(self, ledger: LedgerClient) -> None:
        self._ledger = ledger

    async def file(
        self, desired: DesiredConsents, recipient: str, due: Collection[bytes] | None = None
    ) -> bool:
        """File the pair towards `recipient`; return whether it holds now all that is `due`.

        `due` are references of consents; without it, all that are expected there.

        Raises:
            UnavailableError: the ledger can't be reached, or changes the pair faster than it is read.
        """
        expected = desired.expected_terms(recipient)
        # Consents that end come first: one by one, they make room for the others.
        left = sorted(
            expected.keys() if due is None else expected.keys() & set(due),
            key=lambda reference: (expected[reference].status == "active", reference),
        )
        if not left or await self._takes(desired, recipient, left):
            return True
        while left:
            refused = [one for one in left if not await self._takes(desired, recipient, [one])]
            if len(refused) == len(left):
                return False
            left = refused
        return True

    async def _takes(self, desired: DesiredConsents, recipient: str, wanted: Sequence[bytes]) -> bool:
        name = desired.name(recipient)
        for _ in range(_TRIES):
            pair = await self._ledger.read_pair(name)
            if pair is None:
                _log.warning("consent.not_published", code="not-found", reason="the pair is not open")
                return False
            terms = desired.terms_after(recipient, pair.epoch)
            try:
                await self._file(name, [terms[one] for one in wanted], pair.epoch)
            except RefusedError as refused:
                if isinstance(refused.reason, ConflictError):
                    continue  # the pair has another epoch by now
                if len(wanted) == 1:  # a bound's name, no value
                    _log.warning(
                        "consent.not_published", code=refused.reason.code, reason=str(refused.reason)
                    )
                return False
            return True
        raise UnavailableError("a pair changes on the ledger faster than it can be filed")

    async def _file(self, name: str, terms: Sequence[Terms], epoch: int) -> None:
        await self._ledger.publish_terms([(name, one) for one in terms], after={name: epoch})
