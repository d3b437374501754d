"""Pages of a sorted search, for any chunks, sizes and bounds: the order of all, cut where the page ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import TooCostlyError
from exchange.fhir.bundle import FoundResource
from exchange.fhir.search import Query, Sort, sort_by_values, sort_values
from exchange.services.records.limits import RecordLimits
from exchange.services.records.search import FoundPage
from exchange.services.records.sort import InOrder

KEYS = (Sort("date", descending=True), Sort("status", descending=False))
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"note": st.text("x", max_size=400)},
        optional={
            "effectiveDateTime": st.sampled_from(["2020", "2020-02", "2021-01-01", "2022"]),
            "status": st.sampled_from(["final", "amended"]),
        },
    ),
    max_size=60,
)


async def page_of(bodies: Sequence[bytes], limits: RecordLimits, count: int, shown: int) -> FoundPage:
    """Return the page after `shown` records, fed with `bodies` in chunks."""
    query = Query(resource_type="Observation", count=count, sort=KEYS)
    gathering = InOrder(query, limits, shown=shown, total=None)
    most = 100 + max(map(len, bodies), default=0)
    for start in range(0, len(bodies), limits.chunk):
        if gathering.is_full:
            break
        chunk = bodies[start : start + limits.chunk]
        await gathering.add([(start + at, FoundResource(body)) for at, body in enumerate(chunk)])
        assert gathering.size <= limits.page_bytes + most * (len(chunk) + 1)
    return await gathering.found("tx", stopped_at=None)


@given(RECORDS, st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 900, 5_000, 10**6]))
def test_the_pages_together_are_all_records_in_order(
    records: list[dict[str, str]], count: int, chunk: int, page_bytes: int
):
    bodies = [msgspec.json.encode(one | {"id": str(at)}) for at, one in enumerate(records)]
    valued = [(sort_values("Observation", body, KEYS), body) for body in bodies]
    expected = [body for _, body in sort_by_values(valued, KEYS)]
    limits = RecordLimits(chunk=chunk, page_bytes=page_bytes)
    seen: list[bytes] = []
    while True:
        try:
            page = asyncio.run(page_of(bodies, limits, count, len(seen)))
        except TooCostlyError:
            held = expected[: len(seen) + 1]
            assert seen, "the first page is never too deep"
            assert sum(map(len, held)) + 100 * len(held) > page_bytes // 2
            break
        assert page.total == len(bodies)
        assert len(page.resources) <= count
        seen += [one.body for one in page.resources]
        assert seen == expected[: len(seen)]
        if page.more_after is None:
            assert seen == expected
            break
        assert page.resources
        assert page.more_after == len(seen)
