"""When a decision stops holding by itself: at the next instant at which a period of the terms turns.

A revocation voids a decision by Fabric's version check; the passing of time does not touch any key. So a
permission says until when it holds, and whoever acts on it stops then.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaincode.consent.model import Pair, Provision


def next_turn(pair: Pair, now: int) -> int | None:
    """The first instant after `now` (ms since 1970 UTC) at which a period in the active terms begins or ends.

    None where there is none. It may be that of a provision which has no bearing on the request: a decision
    is made anew rather too early than too late.
    """
    turns = (
        turn
        for terms in pair.consents
        if terms.status == "active"
        for turn in _turns(terms.root)
        if turn > now
    )
    return min(turns, default=None)


def _turns(rule: Provision) -> Iterator[int]:
    period = rule.when.period
    if period is not None:
        if period.start is not None:
            yield period.start
        if period.end is not None:
            yield period.end
    for exception in rule.exceptions:
        yield from _turns(exception)
