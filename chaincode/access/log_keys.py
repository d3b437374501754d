"""Keys of the access log in the ledger's state, and the decoding of its entries.

The entries of a transaction are stored in log pages of up to 16, in the order of their numbers, under the
transaction's time and id: keys in the order of time cost a peer's database little, at any
size. An entry does not repeat the parts of its page's key. So that the log of one pair can be read in
the order of time, each entry also writes an index key under its pair and custodian, which names the
entry's position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chaincode.access.model import LogEntry, LogEntryValue
from chaincode.encoding import composite_key, decode, encode, prefix_range, split_composite_key
from chaincode.errors import BadArgumentError

ACCESS = "access"
"""The kind of a log page's composite key, and the name of the event that announces entries."""

INDEX = "trail"
"""The kind of an index key."""

RELEASES = "released"
"""The kind of the keys under which the roots of releases stand."""

INDEX_VALUE = b"1"
"""The value of every index key: the key holds everything, and a peer treats an empty value as none."""

_PAGE = 16  # entries: a longer page costs more to read, a shorter one more keys for the database to sort
_TIME_LIMIT = 10**13  # thirteen digits of milliseconds last until the year 2286


class LogPosition(NamedTuple):
    """The position of an entry: its transaction's time in ms since 1970 UTC and id, its number in that."""

    time: int
    tx: str
    n: int


def log_page_key(position: LogPosition) -> str:
    """Return the key of the log page that holds the entry at `position`.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    return composite_key(ACCESS, _time_part(position.time), position.tx, f"{position.n // _PAGE:02d}")


def write_log_pages(time: int, tx: str, entries: Sequence[LogEntryValue]) -> list[tuple[str, bytes]]:
    """Return key and value of each log page of a transaction's entries.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    starts = range(0, len(entries), _PAGE)
    return [(log_page_key(LogPosition(time, tx, n)), encode(entries[n : n + _PAGE])) for n in starts]


def read_log_page(key: str, value: bytes) -> list[tuple[LogPosition, bytes]]:
    """Return the encoded entries of a log page, each with its position; `key` must be a log page's.

    Raises:
        BadArgumentError: the value is not a log page.
    """
    _, (time, tx, number) = split_composite_key(key)
    first = int(number) * _PAGE
    return [(LogPosition(int(time), tx, first + n), one) for n, one in enumerate(_split(value))]


def find_entry(position: LogPosition, value: bytes | None) -> bytes | None:
    """Return the encoded entry at `position` from the value of its log page; None where there is none.

    Raises:
        BadArgumentError: the value is not a log page.
    """
    entries = [] if value is None else _split(value)
    n = position.n % _PAGE
    return entries[n] if n < len(entries) else None


def read_entry(position: LogPosition, value: bytes) -> LogEntry:
    """Decode the entry at `position`.

    Raises:
        BadArgumentError: the value is of a shape that this release does not know.
    """
    stored = decode(value, LogEntryValue)
    return LogEntry(time=position.time, tx=position.tx, n=position.n, **msgspec.structs.asdict(stored))


def index_key(pair: str, custodian: str, position: LogPosition) -> str:
    """Return the index key that an entry at `position` writes under its pair and custodian.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    return composite_key(INDEX, pair, custodian, _time_part(position.time), position.tx, f"{position.n:04d}")


def indexed_position(key: str) -> LogPosition:
    """Return the position that an index key names."""
    _, (_, _, time, tx, n) = split_composite_key(key)
    return LogPosition(int(time), tx, int(n))


def index_range(pair: str, custodian: str, since: int | None, until: int | None) -> tuple[str, str]:
    """Return start (inclusive) and end (exclusive) of a pair's index keys with `since <= time < until`.

    Raises:
        BadArgumentError: a time is out of bounds.
    """
    start, end = prefix_range(INDEX, (pair, custodian))
    if since is not None:
        start = composite_key(INDEX, pair, custodian, _time_part(since))
    if until is not None:
        end = composite_key(INDEX, pair, custodian, _time_part(until))
    return start, end


def releases_key(custodian: str, time: int, tx: str) -> str:
    """Return the key of the roots that `custodian` wrote in one transaction.

    Raises:
        BadArgumentError: the time is out of bounds.
    """
    return composite_key(RELEASES, custodian, _time_part(time), tx)


def releases_range(custodian: str) -> tuple[str, str]:
    """Return start (inclusive) and end (exclusive) of the keys of a custodian's roots of releases."""
    return prefix_range(RELEASES, (custodian,))


def _split(value: bytes) -> list[bytes]:
    return [bytes(entry) for entry in decode(value, list[msgspec.Raw])]


def _time_part(time: int) -> str:
    if not 0 <= time < _TIME_LIMIT:
        raise BadArgumentError("a time is milliseconds since 1970, below the year 2286")
    return f"{time:013d}"
