"""The identifiers of the practitioners whom a consent names, so that it means them at every hospital.

They are those of the Practitioner as it stands when the consent is filed. Other Practitioners of this server
with one of these identifiers are the same person, and are named with it. The records are read as accesses of
this node's own, which are logged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exchange.auth.person_identifiers import identifiers_in
from exchange.auth.principal import Principal
from exchange.consent.compile import CompiledConsent
from exchange.consent.provisions import NamedEntity, NamedProvision
from exchange.errors import GoneError, NotFoundError
from exchange.fhir import search
from exchange.runtime.quota import Quota, Reservation
from exchange.services.records.read import RecordReader
from exchange.services.records.search import RecordSearch

Identified = Mapping[str, Sequence[str]]
"""Identifiers by the reference of a Practitioner."""


class NamedPractitioners:
    """Finds the identifiers of practitioners in the records of the gateway `msp_id`."""

    def __init__(self, *, msp_id: str, reading: RecordReader, searching: RecordSearch, quota: Quota) -> None:
        self._reader = Principal.for_operator(msp_id, "consentry-consents")
        self._reading = reading
        self._searching = searching
        self._quota = quota

    async def identified(
        self, consent: CompiledConsent, named: Sequence[str], new: Identified
    ) -> CompiledConsent:
        """Return `consent` with the identifiers of the practitioners `named` in it, as references.

        `new` has those of Practitioners that are about to be stored with it.

        Raises:
            UnavailableError: store or ledger can't be reached.
            TooCostlyError: too many Practitioners have one of the identifiers.
        """
        known: dict[str, tuple[str, ...]] = {}
        twins: dict[str, list[str]] = {}
        for name in named:
            own = new[name] if name in new else await self._read(name)
            if own:
                same = {name: own, **{other: held for other, held in new.items() if set(held) & set(own)}}
                same |= await self._of_same(own, new)
                known |= {other: tuple(held) for other, held in same.items()}
                twins[name] = sorted(same)
        if not known:
            return consent
        return msgspec.structs.replace(consent, known_as=known, root=_with_twins(consent.root, twins))

    async def _read(self, name: str) -> tuple[str, ...]:
        kind, _, logical_id = name.partition("/")
        try:
            with Reservation(self._quota):
                found = await self._reading.read(self._reader, kind, logical_id)
        except (NotFoundError, GoneError):
            return ()
        return _identifiers(msgspec.json.decode(found.body))

    async def _of_same(self, own: Sequence[str], new: Identified) -> dict[str, tuple[str, ...]]:
        same: dict[str, tuple[str, ...]] = {}
        for identifier in own:
            parameters = [("identifier", identifier.partition("|")[2])]
            query = search.parse("Practitioner", parameters, lenient=False, exact=True)
            with Reservation(self._quota):
                page = await self._searching.search(self._reader, query, target="Practitioner?identifier")
            for found in page.resources:
                resource = msgspec.json.decode(found.body)
                name = f"Practitioner/{resource['id']}"
                held = _identifiers(resource)
                if identifier in held and name not in new:
                    same[name] = held
        return same


def _identifiers(resource: dict[str, Any]) -> tuple[str, ...]:
    return identifiers_in(resource.get("identifier", ()))


def _with_twins(rule: NamedProvision, twins: Mapping[str, Sequence[str]]) -> NamedProvision:
    names = {
        NamedEntity("person", twin)
        for actor in rule.when.actors
        if actor.kind == "person"
        for twin in twins.get(actor.name, ())
    }
    actors = tuple(sorted({*rule.when.actors, *names}, key=lambda one: (one.kind, one.name)))
    return msgspec.structs.replace(
        rule,
        when=msgspec.structs.replace(rule.when, actors=actors),
        exceptions=tuple(_with_twins(exception, twins) for exception in rule.exceptions),
    )
