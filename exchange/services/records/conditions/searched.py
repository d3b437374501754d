"""Conditions of writes that are searches, with the lock that they need.

1. An `If-None-Exist`, or a conditional reference, is a search under the caller's own permission: it matches
   what the caller may see, and is asked for on the ledger like any other search.
2. Two creates whose conditions match nothing must not both store: the lock of a type lets one go on at a
   time. The right to write is checked before, so that an unauthorised client can't block others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from exchange.auth.principal import Principal
from exchange.errors import BadRequestError, PreconditionError
from exchange.fhir import r4
from exchange.fhir.bundle import identity_of
from exchange.fhir.interaction import parameters_of
from exchange.fhir.search import Query
from exchange.runtime import quota
from exchange.services.records.plan import plan
from exchange.services.records.search import RecordSearch


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
            BadRequestError: the condition has no search parameter, or one without a value.
        """
        parameters = parameters_of(condition.lstrip("?"))
        if not all(value.strip() for _, value in parameters):
            raise BadRequestError("a parameter of a condition has a value")
        query = await plan(resource_type, parameters, base=self._base, exact=True)
        if not query.clauses:
            raise BadRequestError("a condition needs at least one search parameter")
        # Parameters of the answer change no condition: two records say that there is more than one.
        query = Query(
            resource_type=resource_type,
            clauses=query.clauses,
            last_updated=query.last_updated,
            patients=query.patients,
            count=2,
        )
        with quota.current().temporarily():
            found = await self._searching.search(principal, query, target=f"{resource_type}?{condition}")
        if len(found.resources) > 1:
            raise PreconditionError("the condition matches more than one record")
        if not found.resources:
            return None
        found.resources[0].give()  # that it is there is told
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
