"""Persons who act for a patient: a token in the name of a RelatedPerson, as its record allows.

The record says for whom, and from when until when. It is read with the person's own right, as an access that
is logged, when a token is first used and when the record changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from cachetools import LRUCache

from exchange.auth.principal import Principal
from exchange.consent.spans import earliest, latest, validity
from exchange.crypto.references import References
from exchange.errors import GoneError, NotFoundError, UnauthenticatedError
from exchange.fhir.references import literal
from exchange.runtime.quota import Quota, Reservation
from exchange.services.records.read import RecordReader
from exchange.store.engine.database import Database
from exchange.store.records import documents

_MOST = 10_000
_NEVER = 2**62
_ENDED = "the access token's person no longer acts for the patient"


@dataclass(frozen=True, slots=True)
class _Mandate:
    """A version of a RelatedPerson, and the times between which the person acts, in ms since 1970 UTC."""

    version: int
    start: int
    end: int


class Proxies:
    """Checks, for the gateway with the FHIR base URL `base`, that persons may act for patients.

    `zone` is that of the days in their periods, None where it is not known.
    """

    def __init__(
        self,
        *,
        base: str,
        references: References,
        records: Database,
        reading: RecordReader,
        quota: Quota,
        zone: ZoneInfo | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._zone = zone
        self._base = base
        self._references = references
        self._records = records
        self._reading = reading
        self._quota = quota
        self._clock = clock
        self._known: LRUCache[tuple[str, str], _Mandate] = LRUCache(_MOST)

    async def check(self, principal: Principal) -> None:
        """Check that `principal` acts for the patient now.

        Raises:
            UnauthenticatedError: the record is gone, inactive, another patient's, or out of its period.
            UnavailableError: the ledger can't be reached.
        """
        reference = self._references.record(*principal.user.split("/"))
        rows = await self._records.read(lambda c: documents.current(c, [reference], bodies=False))
        name = principal.user, principal.patient
        mandate = self._known.get(name)
        if reference not in rows or rows[reference].deleted:
            raise UnauthenticatedError(_ENDED)
        if mandate is None or mandate.version != rows[reference].version:
            mandate = self._known[name] = await self._read(principal)
        if not mandate.start <= self._clock() * 1000 < mandate.end:
            raise UnauthenticatedError(_ENDED)

    async def _read(self, principal: Principal) -> _Mandate:
        kind, logical_id = principal.user.split("/")
        try:
            with Reservation(self._quota):
                found = await self._reading.read(principal, kind, logical_id)
        except (NotFoundError, GoneError):
            raise UnauthenticatedError(_ENDED) from None
        person = msgspec.json.decode(found.body)
        named = literal(str(person.get("patient", {}).get("reference", "")), self._base)
        if person.get("active") is False or named != f"Patient/{principal.patient}":
            raise UnauthenticatedError(_ENDED)
        return _mandate(found.version, person.get("period") or {}, self._zone)


def _mandate(version: int, period: dict[str, Any], zone: ZoneInfo | None) -> _Mandate:
    try:
        held, days = validity(period, zone)
    except ValueError:
        raise UnauthenticatedError(_ENDED) from None
    start = latest(held.start, days) if held is not None and held.start is not None else 0
    end = earliest(held.end, days) if held is not None and held.end is not None else _NEVER
    return _Mandate(version, start, end)
