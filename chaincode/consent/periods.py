"""The end of a decision by the clock: the next instant at which a period of the terms begins or ends.

A revocation voids a decision by Fabric's version check; the passing of time does not touch any key. So a
permission says until when it holds, and a gateway that acts on it stops then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chaincode.consent.model import Pair, Provision


def next_boundary(pairs: Iterable[Pair], now: int) -> int | None:
    """Return the first instant after `now` at which a period in the active terms of `pairs` begins or ends.

    In ms since 1970 UTC; None where there is none. It may be that of a provision without any bearing on the
    request: a new decision too early is harmless, one too late is not.
    """
    later = (
        boundary
        for pair in pairs
        for terms in pair.consents
        if terms.status == "active"
        for boundary in _boundaries(terms.root)
        if boundary > now
    )
    return min(later, default=None)


def _boundaries(rule: Provision) -> Iterator[int]:
    period = rule.when.period
    if period is not None:
        if period.start is not None:
            yield period.start
        if period.end is not None:
            yield period.end
    for exception in rule.exceptions:
        yield from _boundaries(exception)
