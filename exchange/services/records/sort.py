"""Searches in another order than that of writing: all visible matches are opened, and put in order here.

The store holds tokens, which have no order, so sorting needs every visible match. The bound counts
visible matches alone, so that it discloses nothing of hidden ones. Each page searches and asks anew, like
any page of a search; a write between two pages may move their entries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from exchange.auth.principal import Principal
from exchange.errors import TooCostlyError
from exchange.fhir.bundle import FoundResource
from exchange.fhir.search import Query, sort_bodies
from exchange.services.records.search import FoundPage, RecordSearch

MOST_SORTED = 1_000
"""Visible matches that are put in order."""


def is_by_value(query: Query) -> bool:
    """Check whether the order asked for depends on the records' plain text."""
    keys = [key.parameter for key in query.sort]
    return bool(query.count) and query.summary != "count" and keys not in ([], ["_lastUpdated"])


async def search_in_order(
    searching: RecordSearch, principal: Principal, query: Query, *, target: str, shown: int, total: int | None
) -> FoundPage:
    """Return one page of the visible matches of `query` in the order of its `sort`, after `shown` ones.

    `more_after` of the answer is how many have been shown with it, if there are more; `total` is what the
    first page counted.

    Raises:
        TooCostlyError: more than `MOST_SORTED` visible matches, or see `RecordSearch.search`.
        ForbiddenError, UnavailableError: see `RecordSearch.search`.
    """
    everything = msgspec.structs.replace(query, count=MOST_SORTED, sort=())
    found = await searching.search(principal, everything, target=target)
    if found.more_after is not None:
        raise TooCostlyError(
            f"more than {MOST_SORTED} matches, or {searching.limits.page_bytes >> 20} MiB of them, "
            "can't be sorted; narrow the search, or sort by _lastUpdated",
            tx_id=found.tx_id,
        )
    resources = await asyncio.to_thread(_sorted, query, found.resources)
    end = shown + query.count
    return FoundPage(
        tuple(resources[shown:end]),
        end if end < len(resources) else None,
        len(resources) if total is None else total,
        found.tx_id,
    )


def _sorted(query: Query, resources: Sequence[FoundResource]) -> list[FoundResource]:
    by_body = {id(resource.body): resource for resource in resources}
    bodies = sort_bodies(query.resource_type, [resource.body for resource in resources], query.sort)
    return [by_body[id(body)] for body in bodies]
