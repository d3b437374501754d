"""Number and quantity parameters: points and ranges with their units (search.html#number, #quantity).

A stored number is exact; the precision that counts is the search value's, and only for `eq`: `5.4` finds
5.35 up to, not including, 5.45, and on integers only the integer itself. (R4's example for `1e2` gives it
two digits; by the rule beside it, and in later versions, it has one: 50 to 150.)

A unit is a term of its own: `u` with the code or the printed unit, `s` with system and code. It is looked
up together with the number. Where one record has several quantities of different units, that could
pair a number with the unit of another, so such numbers are stored joined with their units instead.
Units are compared as they are written; nothing is converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from exchange.fhir.search.algebra import JOIN, Alternatives, ValueFormError, any_of, both, joined
from exchange.fhir.search.types import exact_numbers, numbers
from exchange.fhir.search.types.numbers import HIGHEST, LOWER, LOWEST, UPPER

CURRENCY = "urn:iso:std:iso:4217"
_INTEGERS = {"integer", "positiveInt", "unsignedInt"}
_WITHOUT_RANGES = {"decimal", "Money", *_INTEGERS}
_OPEN = "open"

Units = frozenset[str]


def texts(values: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Yield the terms of all quantities (datatype and value) that one record has in one index.

    Raises:
        ValueError: a quantity is no number.
    """
    found = [(list(_number(datatype, value)), _units(datatype, value)) for datatype, value in values]
    alike = len({units for _, units in found}) == 1
    for terms, units in found:
        yield from terms
        if alike:
            yield from units
        else:
            yield from (unit + JOIN + term for unit in units for term in terms)


def _number(datatype: str, value: Any) -> Iterator[str]:
    for low, high in exact_numbers.spans(datatype, value):
        if low == high and not _is_range(datatype, value):
            yield from numbers.texts(numbers.place(low[0]))
            continue
        for (number, beside), marks in ((low, LOWER), (high, UPPER)):
            if number.is_infinite():
                yield marks[0] + _OPEN
            else:
                at = numbers.place(number)
                yield from numbers.texts(at + beside * (at % 2 == 0), marks)


def _is_range(datatype: str, value: Any) -> bool:
    return datatype in {"Range", "SampledData"} or (isinstance(value, dict) and "comparator" in value)


def _units(datatype: str, value: Any) -> Units:
    if not isinstance(value, dict):
        return frozenset()
    if datatype == "Range":
        return _units("", value.get("low", {})) | _units("", value.get("high", {}))
    if datatype == "SampledData":
        return _units("", value.get("origin", {}))
    code, system = value.get("code"), value.get("system")
    if datatype == "Money":
        code, system = value.get("currency"), CURRENCY
    found = {"u" + text for text in (code, value.get("unit")) if text}
    if code and system:
        found.add(f"s{system}{JOIN}{code}")
    return frozenset(found)


def lookups(comparison: str, parts: Sequence[str], datatypes: Iterable[str], *, many: bool) -> Alternatives:
    """Return the look-ups of values of `datatypes` that may compare with `parts`: number, system, code.

    `parts` may be the number alone. `many`: a record can have several values here. A record that the
    look-ups find is compared by `meets` once it is open: ten digits of the ends are looked up, and for a
    record with several ranges the lower end of one and the upper end of another may be found together.

    Raises:
        ValueFormError: the form is not a number, or a quantity.
    """
    kinds = frozenset(datatypes)
    if len(parts) not in {1, 3} or (len(parts) == 3 and not parts[2]):
        raise ValueFormError("a quantity is number, number|system|code or number||code")
    found = _compare(comparison, parts[0], kinds)
    if len(parts) == 1:
        return found
    unit = f"s{parts[1]}{JOIN}{parts[2]}" if parts[1] else "u" + parts[2]
    alike = both(found, any_of([unit]))
    return alike + joined([unit], found) if many else alike


def meets(comparison: str, parts: Sequence[str], datatypes: Iterable[str], datatype: str, value: Any) -> bool:
    """Check whether one value of an opened record compares with `parts`, all digits counted.

    `datatypes` are those that the index has; `value` is of `datatype`.

    Raises:
        ValueFormError: see `lookups`.
    """
    wanted = exact_numbers.number(parts[0])
    if len(parts) == 3:
        unit = f"s{parts[1]}{JOIN}{parts[2]}" if parts[1] else "u" + parts[2]
        if unit not in _units(datatype, value):
            return False
    whole = _is_whole(parts[0], frozenset(datatypes))
    try:
        found = list(exact_numbers.spans(datatype, value))
    except ValueError:  # well-formed, and still no number
        return False
    return any(exact_numbers.compares(comparison, wanted, span, whole=whole) for span in found)


def _is_whole(text: str, kinds: frozenset[str]) -> bool:
    return "e" not in text.lower() and kinds <= _INTEGERS


def _compare(comparison: str, text: str, kinds: frozenset[str]) -> Alternatives:
    value = exact_numbers.number(text)
    if comparison in {"eq", "ap"}:
        return _near(comparison, value, kinds, whole=_is_whole(text, kinds))
    at = numbers.place(value)
    if comparison in {"gt", "ge", "sa"}:
        start, end, away = at - at % 2, HIGHEST, comparison == "sa"
        side, beyond = (LOWER, []) if away else (UPPER, [UPPER[0] + _OPEN])
    elif comparison in {"lt", "le", "eb"}:
        start, end, away = LOWEST, at + at % 2, comparison == "eb"
        side, beyond = (UPPER, []) if away else (LOWER, [LOWER[0] + _OPEN])
    else:
        raise ValueFormError("ne is not supported; eq gt ge lt le sa eb ap are")
    found = numbers.cover(start, end)
    if not kinds <= _WITHOUT_RANGES:
        found += numbers.cover(start, end, side) + beyond
    return any_of(found)


def _near(comparison: str, value: Decimal, kinds: frozenset[str], *, whole: bool) -> Alternatives:
    """Compare by `eq` with the precision of `value`, or by `ap` with that or a tenth, whichever is wider."""
    spread = exact_numbers.half_a_digit(value)
    if comparison == "ap":
        spread = max(spread, abs(value) / 10)
    elif whole:
        if value != value.to_integral_value():
            return []
        spread = Decimal(0)
    # From number to number of ten digits: an index made of floats has put what lies between to one of them.
    start, end = numbers.place(value - spread), numbers.place(value + spread)
    start, end = start - start % 2, end + end % 2
    found = any_of(numbers.cover(start, end))
    if kinds <= _WITHOUT_RANGES:
        return found
    if comparison == "eq":
        return found + both(
            any_of(numbers.cover(start, end, LOWER)), any_of(numbers.cover(start, end, UPPER))
        )
    return found + both(
        any_of([*numbers.cover(LOWEST, end, LOWER), LOWER[0] + _OPEN]),
        any_of([*numbers.cover(start, HIGHEST, UPPER), UPPER[0] + _OPEN]),
    )
