"""Date parameters: intervals of time as terms, and comparisons as unions of equality look-ups.

Time is a tree: year, month, day, five minutes, second, millisecond; years outside 1900 to 2049 hang below
a century and an era, so that an open comparison stays a bounded union. A node is named by the prefix of
its first moment (`2024-05-17`). A value has a term for each node on its way down:

- `~node` it lies within the node; `=node` it is the node, and the way ends. A day costs three terms
  (year, month, day), a second five.
- where its two ends part, each goes on alone: `<node` and `>node` for a node that its first or last moment
  lies in, `[node` and `]node` where that moment is the node's own first or last, and the way ends.
- `<open` and `>open` for an end that is not known.

So each way is as short as the value's precision allows, and each comparison of R4 asks for one end only,
but for those named in `lookups`. Down to the level of months, `~` `<` `>` stand beside the ending term and
are not replaced by it: such values are rare, and the long unions of years get shorter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from exchange.fhir.search.algebra import Alternatives, ValueFormError, any_of, both
from exchange.fhir.search.types import intervals
from exchange.fhir.search.types.intervals import EARLIEST, LATEST

PAST, FUTURE = "past", "future"
FIRST_YEAR, LAST_YEAR = 1900, 2049
_OPEN = "open"
_COARSE = 7
"""Names of this length or less are months, years, centuries and eras."""
_EXACT = 23
_SPANS = {"Period", "Timing"}
_CACHE_SIZE = 2_000
"""Number of values with cached terms, about 1 KiB each."""


def texts(datatype: str, value: Any) -> tuple[str, ...]:
    """Return the terms of one value.

    Raises:
        ValueError: the value is no date of this datatype.
    """
    if datatype == "Period":
        return _of_period(value.get("start"), value.get("end"))
    if datatype == "Timing":
        ends = intervals.covered(datatype, value)
        return () if ends is None else tuple(_between(*ends))
    return _of_moment(datatype, value)


# One time is recorded many times: by the results of a panel, by an encounter and all of its parts.
@lru_cache(maxsize=_CACHE_SIZE)
def _of_moment(datatype: str, value: str) -> tuple[str, ...]:
    ends = intervals.covered(datatype, value)
    return () if ends is None else tuple(_between(*ends))


@lru_cache(maxsize=_CACHE_SIZE)
def _of_period(start: str | None, end: str | None) -> tuple[str, ...]:
    ends = intervals.covered("Period", {"start": start, "end": end})
    return () if ends is None else tuple(_between(*ends))


def _between(first: str | None, last: str | None) -> Iterator[str]:
    ways = [_way(end) if end is not None else () for end in (first, last)]
    shared = 0
    if first is not None and last is not None:
        for node, other in zip(*ways, strict=False):
            if node != other:
                break
            if _start(node) == first and _end(node) == last:
                yield "=" + node
                if len(node) <= _COARSE:
                    yield "~" + node
                return
            yield "~" + node
            shared += 1
    yield from _descend("<", "[", first, ways[0][shared:], at_end=False)
    yield from _descend(">", "]", last, ways[1][shared:], at_end=True)


def _descend(
    mark: str, ending: str, moment: str | None, way: Iterable[str], *, at_end: bool
) -> Iterator[str]:
    if moment is None:
        yield mark + _OPEN
    for node in way:
        arrived = moment == (_end(node) if at_end else _start(node))
        if not arrived or len(node) <= _COARSE:
            yield mark + node
        if arrived:
            yield ending + node
            return


def _way(moment: str) -> tuple[str, ...]:
    """Return the nodes that `moment` lies in, from the top."""
    nodes = (moment[:4], moment[:7], moment[:10], _five_minutes(moment), moment[:19], moment)
    if FIRST_YEAR <= int(moment[:4]) <= LAST_YEAR:
        return nodes
    return (PAST if int(moment[:4]) < FIRST_YEAR else FUTURE, "c" + moment[:2], *nodes)


def _five_minutes(moment: str) -> str:
    return moment[:15] + ("0" if moment[15] < "5" else "5")


_STARTS = {4: EARLIEST[4:], 7: EARLIEST[7:], 10: EARLIEST[10:], 16: ":00.000", 19: ".000", 23: ""}
_ENDS = {4: LATEST[4:], 10: LATEST[10:], 19: ".999", 23: ""}


def _start(node: str) -> str:
    if not node[0].isdigit():
        if node == PAST:
            return EARLIEST
        year = LAST_YEAR + 1 if node in {FUTURE, f"c{LAST_YEAR // 100}"} else max(int(node[1:]) * 100, 1)
        return f"{year:04d}{EARLIEST[4:]}"
    return node + _STARTS[len(node)]


def _end(node: str) -> str:
    if not node[0].isdigit():
        if node == FUTURE:
            return LATEST
        return (f"{FIRST_YEAR - 1}" if node == PAST else f"{node[1:]}99") + LATEST[4:]
    if len(node) == 7:
        return intervals.interval(node)[1]
    if len(node) == 16:
        return f"{node[:15]}{'4' if node[15] == '0' else '9'}:59.999"
    return node + _ENDS[len(node)]


def _below(node: str) -> Iterator[str]:
    if not node:
        yield from (PAST, *(str(year) for year in range(FIRST_YEAR, LAST_YEAR + 1)), FUTURE)
    elif node == PAST:
        yield from (f"c{century:02d}" for century in range(FIRST_YEAR // 100))
    elif node == FUTURE:
        yield from (f"c{century:02d}" for century in range(LAST_YEAR // 100, 100))
    elif node[0] == "c":
        yield from (f"{year:04d}" for year in range(int(_start(node)[:4]), int(_end(node)[:4]) + 1))
    elif len(node) == 4:
        yield from (f"{node}-{month:02d}" for month in range(1, 13))
    elif len(node) == 7:
        yield from (f"{node}-{day:02d}" for day in range(1, int(_end(node)[8:10]) + 1))
    elif len(node) == 10:
        yield from (f"{node}T{hour:02d}:{minute:02d}" for hour in range(24) for minute in range(0, 60, 5))
    elif len(node) == 16:
        first = int(node[14:])
        yield from (
            f"{node[:14]}{minute:02d}:{second:02d}"
            for minute in range(first, first + 5)
            for second in range(60)
        )
    elif len(node) == 19:
        yield from (f"{node}.{millisecond:03d}" for millisecond in range(1000))


class _Cover:
    """The terms of all values with their first (or, `at_end`, last) moment between two moments.

    `undivided` and `divided` name the kinds of values, and so of terms, that can occur.
    """

    def __init__(self, start: str, end: str, *, at_end: bool, undivided: bool, divided: bool) -> None:
        self._start, self._end, self._at_end = start, end, at_end
        way, ending = (">", "]") if at_end else ("<", "[")
        self._ways = ("~",) * undivided + (way,) * divided
        self._endings = ("=",) * undivided + (ending,) * divided
        self.found: list[str] = []
        if divided and (end == LATEST if at_end else start == EARLIEST):
            self.found.append(way + _OPEN)
        self._visit("")

    def _visit(self, parent: str) -> None:
        for node in _below(parent):
            start, end = _start(node), _end(node)
            if end < self._start or start > self._end:
                continue
            inside = self._start <= start and end <= self._end
            if inside and len(node) < _EXACT:
                self.found += [mark + node for mark in self._ways]
            if inside and len(node) <= _COARSE:
                continue
            if self._start <= (end if self._at_end else start) <= self._end:
                self.found += [mark + node for mark in self._endings]
            if not inside:
                self._visit(node)


def lookups(comparison: str, text: str, datatypes: Iterable[str]) -> Alternatives:
    """Return the look-ups of values of `datatypes` that compare with `text` by `comparison` (R4's prefix).

    - `eq` the value lies within `text`;
    - `gt` `lt` it ends after, or starts before, all of `text`;
    - `ge` `le` it ends no sooner than `text` starts, or starts no later than `text` ends: R4's range above
      a value is "the specified value and up";
    - `sa` `eb` it starts after, or ends before, all of `text`;
    - `ap` it has a moment in common with `intervals.around(text)`.

    Two comparisons need both ends of a period at once: `eq` to the minute, and `ap`. For a record with
    several periods under one parameter they may take the start of one and the end of another.

    Raises:
        ValueFormError: the text is no date, or the comparison is `ne`.
    """
    try:
        first, last = intervals.interval(text)
    except ValueError:
        raise ValueFormError("a date is YYYY[-MM[-DD[Thh:mm[:ss[.fff]][Z|+hh:mm]]]]") from None
    spans = not _SPANS.isdisjoint(datatypes)
    if comparison == "ap":
        return _overlap(*intervals.around(text), spans=spans)
    if comparison == "eq":
        return _within(first, last, spans=spans)
    if comparison == "ge":
        return _ends(first, LATEST, at_end=True, divided=spans)
    if comparison == "le":
        return _ends(EARLIEST, last, at_end=False, divided=spans)
    if comparison in {"gt", "sa"}:
        after = intervals.shifted(last, milliseconds=1)
        return _ends(after, LATEST, at_end=comparison == "gt", divided=spans) if after else []
    if comparison in {"lt", "eb"}:
        before = intervals.shifted(first, milliseconds=-1)
        return _ends(EARLIEST, before, at_end=comparison == "eb", divided=spans) if before else []
    raise ValueFormError("ne is not supported; eq gt ge lt le sa eb ap are")


def _ends(start: str, end: str, *, at_end: bool, undivided: bool = True, divided: bool) -> Alternatives:
    return any_of(_Cover(start, end, at_end=at_end, undivided=undivided, divided=divided).found)


def _within(first: str, last: str, *, spans: bool) -> Alternatives:
    """Find values between `first` and `last`, the ends of a year, month, day, minute, second or less.

    All but a minute are nodes. Within a minute lie the values of its seconds, and those from one to another.
    """
    for node in _way(first):
        if _start(node) == first and _end(node) == last:
            return any_of(mark + node for mark in ("~", "=") if len(node) < _EXACT or mark == "=")
    undivided = any_of(f"{mark}{first[:17]}{second:02d}" for second in range(60) for mark in ("~", "="))
    if not spans:
        return undivided
    return undivided + both(
        _ends(first, last, at_end=False, undivided=False, divided=True),
        _ends(first, last, at_end=True, undivided=False, divided=True),
    )


def _overlap(first: str, last: str, *, spans: bool) -> Alternatives:
    """Find values that have a moment in common with the time from `first` to `last`."""
    around = [
        "=" + node for node in (*_way(first), *_way(last)) if _start(node) <= first and last <= _end(node)
    ]
    found = [
        *_ends(first, last, at_end=False, divided=spans),
        *_ends(first, last, at_end=True, divided=spans),
        *any_of(around),
    ]
    if not spans:
        return found
    return found + both(
        _ends(EARLIEST, first, at_end=False, undivided=False, divided=True),
        _ends(last, LATEST, at_end=True, undivided=False, divided=True),
    )
