"""One page of a range of keys, with a limit and a bookmark that a caller gave."""

from __future__ import annotations

from chaincode.errors import BadArgumentError
from chaincode.ledger import Ledger, StatePage


async def read_page(
    ledger: Ledger, bounds: tuple[str, str], *, limit: int, most: int, bookmark: str
) -> StatePage:
    """Return up to `limit` entries within `bounds` (inclusive, exclusive), from the last page's bookmark.

    Raises:
        BadArgumentError: the limit is not 1 to `most`, or the bookmark is from elsewhere.
    """
    if not 1 <= limit <= most:
        raise BadArgumentError(f"limit is 1 to {most}")
    start, end = bounds
    # A peer starts wherever a bookmark says, so one from another range would be served.
    if bookmark and not start <= bookmark < end:
        raise BadArgumentError("the bookmark is not from this range")
    return await ledger.range(start, end, limit=limit, bookmark=bookmark)
