"""Conditions of writes: entity tags, and searches that a write depends on, with the lock that they need.

1. An `If-Match` names a version by its entity tag.
2. An `If-None-Exist`, or a conditional reference, is a search under the caller's own permission: it matches
   what the caller may see, and is asked for on the ledger like any other search.
3. Two creates whose conditions match nothing must not both store: the lock of a type lets one go on at a
   time. The right to write is checked before, so that an unauthorised client can't block others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

import msgspec

from exchange.auth.principal import Principal
from exchange.errors import BadRequestError, PreconditionError
from exchange.fhir import r4, search
from exchange.fhir.bundle import identity_of
from exchange.fhir.interaction import parameters_of
from exchange.runtime import quota
from exchange.services.records.search import RecordSearch


def etag(version: int) -> str:
    """Return the weak entity tag of a version: 3 is `W/"3"`."""
    return f'W/"{version}"'


def parse_etag(text: str) -> int:
    """Return the version that an `If-Match` value names: `W/"3"` is 3.

    Raises:
        PreconditionError: it names no version of this server.
    """
    tag = text.strip().removeprefix("W/").strip('"')
    if not tag.isdecimal() or len(tag) > 9:
        raise PreconditionError("If-Match does not name a version of this record")
    return int(tag)


def expected_version(if_match: str) -> int | None:
    """Return the version that a write expects, None where it has no `If-Match`.

    Raises:
        PreconditionError: see `parse_etag`.
    """
    return parse_etag(if_match) if if_match else None


def version_number(text: str) -> int:
    """Return the version that the `vid` of an address names; 0, which no record has, if that is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


class Conditions:
    """The conditions of one custodian's writes; `base` is the FHIR base URL."""

    def __init__(self, *, base: str, searching: RecordSearch) -> None:
        self._base = base
        self._searching = searching
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def lock(self, principal: Principal, resource_types: Collection[str]) -> AsyncIterator[None]:
        """Lock these types against other conditional creates.

        A plain create or update needs no lock: it counts as made after the condition was evaluated. A patient
        locks out no other client, because a patient's conditions concern that patient's records.
        """
        async with AsyncExitStack() as locks:
            for resource_type in sorted(resource_types):  # in one order, so that there is no deadlock
                name = f"{resource_type} {principal.patient}"
                lock = self._locks.setdefault(name, asyncio.Lock())
                await locks.enter_async_context(lock)
            yield

    async def match(self, principal: Principal, resource_type: str, condition: str) -> str | None:
        """Return the one record that a condition such as `If-None-Exist` matches, as `Type/id`, or None.

        Raises:
            PreconditionError: it matches more than one.
            BadRequestError: the condition has no search parameter.
        """
        parameters = parameters_of(condition.lstrip("?"))
        query = search.parse(resource_type, parameters, lenient=False, base=self._base)
        if not query.clauses:
            raise BadRequestError("a condition needs at least one search parameter")
        query = msgspec.structs.replace(query, count=2)
        with quota.current().temporarily():
            found = await self._searching.search(principal, query, target=f"{resource_type}?{condition}")
        if len(found.resources) > 1:
            raise PreconditionError("the condition matches more than one record")
        if not found.resources:
            return None
        identity = identity_of(found.resources[0].body)
        return f"{identity.resource_type}/{identity.id}"

    async def resolve(self, principal: Principal, reference: str) -> str:
        """Return the record that the conditional `reference` (`Practitioner?identifier=...`) stands for.

        Raises:
            PreconditionError: it matches no record, or more than one, that `principal` may read.
            BadRequestError: it names no resource type.
        """
        resource_type, _, condition = reference.partition("?")
        check_reference_type(resource_type)
        found = await self.match(principal, resource_type, condition)
        if found is None:
            raise PreconditionError("a conditional reference matches no record")
        return found


def check_reference_type(resource_type: str) -> None:
    """Refuse a conditional reference to a type that R4 does not have.

    Raises:
        BadRequestError: it has no such type.
    """
    if resource_type not in r4.RESOURCE_TYPES:
        raise BadRequestError("a conditional reference names no resource type")
