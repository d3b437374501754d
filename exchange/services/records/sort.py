"""Searches in another order than that of writing: every visible match is opened, and the page of them kept.

The store holds tokens, which have no order, so sorting looks through all candidates, `RecordLimits.whole` at
most. It keeps the matches up to the end of the page, in number and in bytes: a page costs as much time as
there are matches, and as much memory as it lies deep. Each page searches and asks anew, like any page
of a search; a write between two pages may move their entries.
"""

from __future__ import annotations

from collections.abc import Sequence

from exchange.auth.principal import Principal
from exchange.errors import TooCostlyError
from exchange.fhir.bundle import FoundResource
from exchange.fhir.search import Query, SortValues, sort_by_values, sort_values
from exchange.runtime.offload import offload
from exchange.services.records.limits import RecordLimits
from exchange.services.records.search import FoundPage, RecordSearch, Visible

_BYTES_A_RECORD = 100
"""Bytes that take as long to read as one record takes to be put in order."""


def is_by_value(query: Query) -> bool:
    """Check whether the order asked for depends on the records' plain text."""
    keys = [key.parameter for key in query.sort]
    return bool(query.count) and query.summary != "count" and keys not in ([], ["_lastUpdated"])


async def search_in_order(
    searching: RecordSearch, principal: Principal, query: Query, *, target: str, shown: int, total: int | None
) -> FoundPage:
    """Return one page of the visible matches of `query` in the order of its `sort`, after `shown` ones.

    `more_after` of the answer is how many have been shown with it, if there are more; `total` is what the
    first page counted. The page may be short where its records are large.

    Raises:
        TooCostlyError: more candidates than `RecordLimits.whole`, or more bytes up to the page's end than a
            page may have; or see `RecordSearch.search`.
        ForbiddenError, UnavailableError: see `RecordSearch.search`.
    """
    gathering = InOrder(query, searching.limits, shown=shown, total=total)
    return await searching.gather(principal, query, gathering, target=target)


class InOrder:
    """The first records in the order of a search's `sort`, as many as are shown up to the end of a page."""

    def __init__(self, query: Query, limits: RecordLimits, *, shown: int, total: int | None) -> None:
        self.most = limits.whole
        self.is_full = False  # True where the page lies too deep, and nothing more helps
        self.next_size = limits.chunk
        self.size = 0
        self._query = query
        self._limits = limits
        self._shown = shown
        self._total = total
        self._end = shown + query.count
        self._seen = 0
        self._first: list[tuple[SortValues, FoundResource]] = []

    async def add(self, visible: Sequence[Visible]) -> None:
        """Add the records that were opened, and drop those that lie beyond the page."""
        self._seen += len(visible)
        size = sum(len(resource.body) for _, resource in visible)
        await offload(lambda: self._keep([resource for _, resource in visible]), size=self._effort(size))

    async def found(self, tx_id: str, *, stopped_at: int | None) -> FoundPage:
        """Return the page, whose records were all examined unless `stopped_at` says that there are more."""
        await offload(self._cut, size=self._effort(0))
        if self.is_full:
            raise TooCostlyError(
                f"the records before this page have more than {self._limits.page_bytes >> 21} MiB; "
                "narrow the search, or sort by _lastUpdated alone",
                tx_id=tx_id,
            )
        if stopped_at is not None:
            raise TooCostlyError(
                f"a search with _sort examines {self.most} records at most; narrow it, "
                "or sort by _lastUpdated alone",
                tx_id=tx_id,
            )
        resources = tuple(resource for _, resource in self._first[self._shown :])
        return FoundPage(
            resources,
            self._end if self._end < self._seen else None,
            self._seen if self._total is None else self._total,
            tx_id,
        )

    def _effort(self, size: int) -> int:
        return size + _BYTES_A_RECORD * len(self._first)

    def _keep(self, resources: Sequence[FoundResource]) -> None:
        for resource in resources:
            values = sort_values(self._query.resource_type, resource.body, self._query.sort)
            self._first.append((values, resource))
            self.size += _size(values, resource)
        if len(self._first) > 2 * self._end + self.next_size or self.size > self._limits.page_bytes:
            self._cut()

    def _cut(self) -> None:
        """Drop the records beyond the page's end, and let it end earlier where it has too many bytes.

        Of `page_bytes` half are kept at most, so that many records come before the next cut.
        """
        self._first = sort_by_values(self._first, self._query.sort)[: self._end]
        size, most = 0, self._limits.page_bytes // 2
        for at, one in enumerate(self._first):
            if at and size + _size(*one) > most:
                self._end = at
                self.is_full = self.is_full or at <= self._shown
                del self._first[at:]
                break
            size += _size(*one)
        self.size = size


def _size(values: SortValues, resource: FoundResource) -> int:
    return len(resource.body) + sum(len(value) for value in values if value)
