"""The short form of keys that name the time and the id of the transaction that wrote them.

Most keys on a ledger are such: log pages, the index keys of pairs, roots of releases. The transaction stands
in the same file, so its id need not stand in the key; and the part before the time, the *stem*, is one of a
few.
A timed key is

    ff | number of the stem (4 bytes) | time in ms since 1970 (6 bytes) | the part behind the id

No key begins with ff, for keys are UTF-8. Timed keys of one stem are in the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MARK: Final = b"\xff"
"""The first byte of a timed key."""

MOST_STEMS: Final = (1 << 32) - 1
"""Stems have numbers below this."""

_STEM_BYTES, _TIME_BYTES, _DIGITS = 4, 6, 13
_TAIL: Final = 1 + _STEM_BYTES + _TIME_BYTES
_TIMED: Final = re.compile(rb"\0([0-9]{13})\0([0-9a-f]{64})\0")


class TimedKey(NamedTuple):
    """The parts of a key: its stem, the time and id of a transaction, and the rest behind them."""

    stem: bytes
    time: int
    tx_id: bytes
    rest: bytes

    def stored(self, number: int) -> bytes:
        """Return the stored form, in which the stem has this number."""
        return _beginning(number, self.time) + self.rest


def split(key: bytes) -> TimedKey | None:
    """Return the parts of `key`; None where it names no transaction."""
    found = _TIMED.search(key)
    if found is None:
        return None
    time, tx_id = found.groups()
    return TimedKey(key[: found.start() + 1], int(time), bytes.fromhex(tx_id.decode()), key[found.end() :])


def number_of(stored: bytes) -> int:
    """Return the number of a stored key's stem."""
    return int.from_bytes(stored[1 : 1 + _STEM_BYTES], "big")


def moment(stored: bytes) -> bytes:
    """Return the part of a stored key that is the same for all keys of its stem and time."""
    return stored[:_TAIL]


def restore(stored: bytes, stem: bytes, tx_id: bytes) -> bytes:
    """Return the key that is stored so, by the transaction `tx_id`."""
    time = int.from_bytes(stored[1 + _STEM_BYTES : _TAIL], "big")
    return b"%b%013d\0%b\0%b" % (stem, time, tx_id.hex().encode(), stored[_TAIL:])


def cuts(key: bytes) -> Iterator[int]:
    """Yield each length at which a beginning of `key` may be a stem."""
    return (found.end() for found in re.finditer(b"\0", key))


def stored_bounds(number: int, stem: bytes, start: bytes, end: bytes) -> tuple[bytes, bytes]:
    """Return start (inclusive) and end (exclusive) of stored keys of a stem.

    All its keys with `start <= key < end` are among them, and some others may be.
    """
    first = _time(start, stem, b"0")
    last = _time(end, stem, b"9")
    return _beginning(number, 0 if first is None else first), (
        _beginning(number + 1, 0) if last is None else _beginning(number, last + 1)
    )


def _time(bound: bytes, stem: bytes, digit: bytes) -> int | None:
    if not bound.startswith(stem):
        return None
    digits = bound[len(stem) : len(stem) + _DIGITS].split(b"\0")[0].ljust(_DIGITS, digit)
    return int(digits) if digits.isdigit() else None


def _beginning(number: int, time: int) -> bytes:
    return MARK + number.to_bytes(_STEM_BYTES, "big") + time.to_bytes(_TIME_BYTES, "big")
