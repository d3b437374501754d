"""Groups of subjects that are filed together, so that a change of one does not show which it was.

A group is a range of store tokens: all that begin with the same bits. Tokens are keyed hashes, so it is a
random choice of subjects, and needs no table. A range is parted in two where each half has enough subjects
with a pair towards another organisation, so a group changes only by being parted, and by new subjects.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from exchange.store.records.documents import TOKEN_BYTES
from exchange.store.records.subjects import pairs

_BITS = 8 * TOKEN_BYTES
_MOST = 4  # times the least: more than that only a range with uneven halves has


def group_of(connection: Connection, token: bytes, others: Sequence[str], least: int) -> set[bytes]:
    """Return the subjects of the group of `token`: those with an open pair towards one of `others`."""
    place = int.from_bytes(token)
    bits = 0
    while bits < _BITS:
        own, sibling = place >> _BITS - bits - 1, (place >> _BITS - bits - 1) ^ 1
        if any(len(_within(connection, half, bits + 1, others, least)) < least for half in (own, sibling)):
            break
        bits += 1
    return _within(connection, place >> _BITS - bits, bits, others, _MOST * least)


def _within(connection: Connection, start: int, bits: int, others: Sequence[str], limit: int) -> set[bytes]:
    first = start << _BITS - bits
    last = first + (1 << _BITS - bits) - 1
    statement = select(pairs.c.subject).where(
        pairs.c.recipient.in_(list(others)),
        pairs.c.opened,
        pairs.c.subject.between(first.to_bytes(TOKEN_BYTES), last.to_bytes(TOKEN_BYTES)),
    )
    return set(connection.execute(statement.distinct().limit(limit)).scalars())
