"""Where the access log stands in the ledger's state, and how an entry is put together again.

A record's key is `access, pair, time, tx, n`: the time comes before the transaction id, so that walking a
pair's keys walks its log in the order of time. What the key says its value does not repeat: a third of each
entry, at every peer and in every block.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from chaincode.access.model import Record, RecordValue
from chaincode.encoding import composite_key, decode, prefix_range, split_composite_key
from chaincode.errors import BadArgumentError

ACCESS = "access"
"""The kind of a record's composite key, and the name of the event that announces records."""

_TIME_LIMIT = 10**13  # thirteen digits of milliseconds last until the year 2286


class Place(NamedTuple):
    """What a record's key says: its pair, its transaction's time in ms since 1970 UTC and id, its number."""

    pair: str
    time: int
    tx: str
    n: int


def record_key(pair: str, time: int, tx: str, n: int) -> str:
    """The key of one record.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    return composite_key(ACCESS, pair, _time_part(time), tx, f"{n:04d}")


def record_place(key: str) -> Place:
    """What `record_key` joined; `key` must be a record's."""
    _, (pair, time, tx, n) = split_composite_key(key)
    return Place(pair, int(time), tx, int(n))


def record_range(pair: str, since: int | None, until: int | None) -> tuple[str, str]:
    """Start (inclusive) and end (exclusive) of a pair's keys with `since <= time < until`.

    Raises:
        BadArgumentError: a time is out of bounds.
    """
    start, end = prefix_range(ACCESS, (pair,))
    if since is not None:
        start = composite_key(ACCESS, pair, _time_part(since))
    if until is not None:
        end = composite_key(ACCESS, pair, _time_part(until))
    return start, end


def read_record(place: Place, value: bytes) -> Record:
    """The record at `place`.

    Raises:
        BadArgumentError: the value is of a shape that this release does not know.
    """
    told = decode(value, RecordValue)
    return Record(pair=place.pair, time=place.time, tx=place.tx, n=place.n, **msgspec.structs.asdict(told))


def _time_part(time: int) -> str:
    if not 0 <= time < _TIME_LIMIT:
        raise BadArgumentError("a time is milliseconds since 1970, below the year 2286")
    return f"{time:013d}"
