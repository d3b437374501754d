"""The bounds of one page of records."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.runtime.quota import PAGE_LIMIT


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """The bounds of searches and histories.

    A page scans `scanned` candidates at most, in chunks of `chunk`, asks the ledger for `asked` subjects at
    most, and ends where its records come to more than `page_bytes`; only records that may be seen count. A
    search that counts all matches, or sorts them by a value, scans `whole` candidates at most.
    """

    scanned: int = 20_000
    whole: int = 50_000
    chunk: int = 200
    asked: int = 2_000
    page_bytes: int = PAGE_LIMIT
