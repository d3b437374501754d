"""Numbers in order: decimals as terms, and ranges as unions of equality look-ups.

Numbers are a tree by sign, power of ten, and the first 2, 4, 7 and 10 significant digits, so that a number
costs as many terms as it has digits: `80` two, `72.5` three, `128.37` four. A node is named by its digits
(`+1:72`). A number has `~node` for each node on its way, and ends with `=node` at the first node that has
all of its digits. Beyond ten digits it has no such end, and counts as more than its ten and less than
the next; where that matters, the opened record decides (`exact_numbers`).

Ranges have the same for each end: `<` and `[` for the lower, `>` and `]` for the upper, `<open` and `>open`
where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

DIGITS = 10
_LEVELS = (2, 4, 7, DIGITS)
_LEAST, _MOST = -9, 15
"""Powers of ten that have nodes; smaller numbers are `tiny`, greater ones `huge`."""
_UNIT = 10 ** (DIGITS - 1)
_DECADE = 2 * 9 * _UNIT
_TINY, _FIRST = 1, 2
_HUGE = _FIRST + (_MOST - _LEAST + 1) * _DECADE + 1
LOWEST, HIGHEST = -_HUGE, _HUGE

Marks = tuple[str, str]
"""The mark of a node on the way, and of the one that ends it."""
POINT: Marks = ("~", "=")
LOWER: Marks = ("<", "[")
UPPER: Marks = (">", "]")


def decimal(value: object) -> Decimal:
    """Return a number from JSON in full precision.

    Raises:
        TypeError: `value` is no number.
        ValueError: `value` is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError("not a number")
    found = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not found.is_finite():
        raise ValueError("not a finite number")
    return found


def place(value: Decimal) -> int:
    """Return the place of `value` in the order of all numbers of ten digits and the gaps between them.

    Zero has place 0; a number of ten digits has an even place, the gap above it the odd one after. A number
    too small or too great for the nodes counts as a gap too.
    """
    if not value:
        return 0
    sign, digits, _ = value.as_tuple()
    power = value.adjusted()
    if power < _LEAST:
        found = _TINY
    elif power > _MOST:
        found = _HUGE
    else:
        text = "".join(map(str, digits))
        mantissa = int(text[:DIGITS].ljust(DIGITS, "0"))
        gap = any(digits[DIGITS:])
        found = _FIRST + (power - _LEAST) * _DECADE + 2 * (mantissa - _UNIT) + gap
    return -found if sign else found


def texts(at: int, marks: Marks = POINT) -> Iterator[str]:
    """Yield the terms of the number at a place."""
    way, ending = marks
    if at == 0:
        yield ending + "0"
        return
    sign, size = ("-", -at) if at < 0 else ("+", at)
    if size in {_TINY, _HUGE}:
        yield f"{way}{sign}{'tiny' if size == _TINY else 'huge'}"
        return
    decade, rest = divmod(size - _FIRST, _DECADE)
    node = f"{sign}{decade + _LEAST}"
    digits = str(rest // 2 + _UNIT)
    significant = DIGITS + 1 if rest % 2 else len(digits.rstrip("0"))
    if rest == 0:
        yield ending + node
        return
    yield way + node
    for level in _LEVELS:
        if significant <= level:
            yield f"{ending}{node}:{digits[:level]}"
            return
        yield f"{way}{node}:{digits[:level]}"


def cover(start: int, end: int, marks: Marks = POINT) -> list[str]:
    """Return the terms of all numbers with places from `start` to `end`, both included."""
    found = [marks[1] + "0"] if start <= 0 <= end else []
    return found + _Side("+", max(start, 1), end, marks).found + _Side("-", max(-end, 1), -start, marks).found


class _Side:
    """The terms of the positive (or negative) numbers with places (or their negatives) in a range."""

    def __init__(self, sign: str, start: int, end: int, marks: Marks) -> None:
        self._start, self._end = start, end
        self._way, self._ending = marks
        self.found = [
            f"{self._way}{sign}{name}"
            for name, at in (("tiny", _TINY), ("huge", _HUGE))
            if start <= at <= end
        ]
        for power in range(_LEAST, _MOST + 1):
            self._visit(f"{sign}{power}", _FIRST + (power - _LEAST) * _DECADE, _DECADE, 0)

    def _visit(self, node: str, first: int, width: int, level: int, *, ends_above: bool = False) -> None:
        """Visit the places of `node`, from `first` on; `ends_above`: a node above names the number there."""
        last = first + width - 1
        if last < self._start or first > self._end:
            return
        if self._start <= first and not ends_above:
            self.found.append(self._ending + node)
        if self._start <= first + 1 and last <= self._end:
            self.found.append(self._way + node)
        elif level < len(_LEVELS):
            power = node.partition(":")[0]
            step = 2 * 10 ** (DIGITS - _LEVELS[level])
            overlapping = first + max(self._start - first, 0) // step * step
            for place_ in range(overlapping, min(last, self._end) + 1, step):
                digits = str((place_ - _FIRST) % _DECADE // 2 + _UNIT)[: _LEVELS[level]]
                self._visit(f"{power}:{digits}", place_, step, level + 1, ends_above=place_ == first)
