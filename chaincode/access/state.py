"""Where the access log stands in the ledger's state, and how an entry is put together again.

The records of a transaction stand in sheets of up to 16, in the order of their numbers, under the
transaction's time and id: keys that come in the order of time cost a peer's database little, however much it
holds. What the sheet's key says, a record does not repeat. So that a pair's log can be walked in the order
of time, each record leaves a mark under its pair, whose key names the record's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chaincode.access.model import Record, RecordValue
from chaincode.encoding import composite_key, decode, encode, prefix_range, split_composite_key
from chaincode.errors import BadArgumentError

ACCESS = "access"
"""The kind of a sheet's composite key, and the name of the event that announces records."""

TRAIL = "trail"
"""The kind of a mark's composite key."""

MARK = b"1"
"""A mark's value: its key says everything, and a peer takes an empty value for none."""

_SHEET = 16  # records; what one more costs to read, against keys that the database need not sort
_TIME_LIMIT = 10**13  # thirteen digits of milliseconds last until the year 2286


class Place(NamedTuple):
    """Where a record stands: its transaction's time in ms since 1970 UTC and id, its number in that."""

    time: int
    tx: str
    n: int


def sheet_key(place: Place) -> str:
    """The key of the sheet that holds the record at `place`.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    return composite_key(ACCESS, _time_part(place.time), place.tx, f"{place.n // _SHEET:02d}")


def write_sheets(time: int, tx: str, records: Sequence[RecordValue]) -> list[tuple[str, bytes]]:
    """Key and value of each sheet of a transaction's records.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    starts = range(0, len(records), _SHEET)
    return [(sheet_key(Place(time, tx, n)), encode(records[n : n + _SHEET])) for n in starts]


def read_sheet(key: str, value: bytes) -> list[tuple[Place, bytes]]:
    """The records of a sheet, each with its place; `key` must be a sheet's.

    Raises:
        BadArgumentError: the value is no sheet.
    """
    _, (time, tx, number) = split_composite_key(key)
    first = int(number) * _SHEET
    return [(Place(int(time), tx, first + n), one) for n, one in enumerate(_split(value))]


def on_sheet(place: Place, value: bytes | None) -> bytes | None:
    """The record at `place`, of its sheet's value; None where there is none.

    Raises:
        BadArgumentError: the value is no sheet.
    """
    records = [] if value is None else _split(value)
    n = place.n % _SHEET
    return records[n] if n < len(records) else None


def read_record(place: Place, value: bytes) -> Record:
    """The record at `place`.

    Raises:
        BadArgumentError: the value is of a shape that this release does not know.
    """
    told = decode(value, RecordValue)
    return Record(time=place.time, tx=place.tx, n=place.n, **msgspec.structs.asdict(told))


def mark_key(pair: str, place: Place) -> str:
    """The key of the mark that a record at `place` leaves under its pair.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    return composite_key(TRAIL, pair, _time_part(place.time), place.tx, f"{place.n:04d}")


def marked_place(key: str) -> Place:
    """The place that a mark's key names; `key` must be a mark's."""
    _, (_, time, tx, n) = split_composite_key(key)
    return Place(int(time), tx, int(n))


def mark_range(pair: str, since: int | None, until: int | None) -> tuple[str, str]:
    """Start (inclusive) and end (exclusive) of a pair's marks with `since <= time < until`.

    Raises:
        BadArgumentError: a time is out of bounds.
    """
    start, end = prefix_range(TRAIL, (pair,))
    if since is not None:
        start = composite_key(TRAIL, pair, _time_part(since))
    if until is not None:
        end = composite_key(TRAIL, pair, _time_part(until))
    return start, end


def _split(value: bytes) -> list[bytes]:
    return [bytes(record) for record in decode(value, list[msgspec.Raw])]


def _time_part(time: int) -> str:
    if not 0 <= time < _TIME_LIMIT:
        raise BadArgumentError("a time is milliseconds since 1970, below the year 2286")
    return f"{time:013d}"
