"""Searches in another order than that of writing: all that may be seen is opened, and put in order here.

The store holds tokens, which have no order, so sorting takes every visible match. There is a bound, and it
is one of visible matches, so that it tells nothing of hidden ones. Each page looks and asks anew, like any
page of a search; what was written between two pages may move what is on them.
"""

from __future__ import annotations

import asyncio

import msgspec

from exchange.auth.principal import Principal
from exchange.errors import TooCostlyError
from exchange.fhir.search import Query, ordered
from exchange.services.records.search import MOST_BYTES, Found, Searching

MOST_SORTED = 1_000
"""Visible matches that are put in order."""


def is_by_value(query: Query) -> bool:
    """Whether the order asked for is one that only the records' plain text tells."""
    keys = [key.parameter for key in query.sort]
    return bool(query.count) and query.summary != "count" and keys not in ([], ["_lastUpdated"])


async def search_in_order(
    searching: Searching, principal: Principal, query: Query, *, target: str, shown: int, total: int | None
) -> Found:
    """One page of the visible matches of `query` in the order of its `sort`, after the `shown` first ones.

    `more_after` of the answer is how many have been shown with it, if there are more; `total` is what the
    first page counted.

    Raises:
        TooCostlyError: more than `MOST_SORTED` visible matches, or see `Searching.search`.
        ForbiddenError, UnavailableError: see `Searching.search`.
    """
    whole = msgspec.structs.replace(query, count=MOST_SORTED, sort=())
    found = await searching.search(principal, whole, target=target)
    if found.more_after is not None:
        raise TooCostlyError(
            f"more than {MOST_SORTED} matches, or {MOST_BYTES >> 20} MiB of them, can't be sorted; "
            "narrow the search, or sort by _lastUpdated",
            tx_id=found.tx_id,
        )
    bodies = await asyncio.to_thread(ordered, query.resource_type, found.bodies, query.sort)
    page, end = bodies[shown : shown + query.count], shown + query.count
    return Found(
        tuple(page),
        end if end < len(bodies) else None,
        len(bodies) if total is None else total,
        found.tx_id,
    )
