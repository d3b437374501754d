"""The planning of a search: on the event loop where that takes no time, otherwise in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from exchange.fhir import search
from exchange.fhir.search import Query


async def plan(
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    *,
    lenient: bool = False,
    exact: bool = False,
    base: str,
) -> Query:
    """Return the query that the `parameters` of a search ask for, as `exchange.fhir.search.parse` does.

    Raises:
        BadRequestError, TooCostlyError: see there.
    """
    work = partial(search.parse, resource_type, parameters, lenient=lenient, base=base, exact=exact)
    return work() if search.is_light(resource_type, parameters) else await asyncio.to_thread(work)
