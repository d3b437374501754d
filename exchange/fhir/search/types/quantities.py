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
from decimal import Decimal, InvalidOperation
from typing import Any

from exchange.fhir.search.algebra import JOIN, Alternatives, ValueFormError, any_of, both, joined
from exchange.fhir.search.types import numbers
from exchange.fhir.search.types.numbers import HIGHEST, LOWER, LOWEST, UPPER

CURRENCY = "urn:iso:std:iso:4217"
_INTEGERS = {"integer", "positiveInt", "unsignedInt"}
_WITHOUT_RANGES = {"decimal", "Money", *_INTEGERS}
_OPEN = "open"
_FURTHEST = 400
"""Powers of ten to either side beyond which no stored number lies; arithmetic there would overflow."""

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
    if datatype == "Range":
        low, high = (value.get(side, {}).get("value") for side in ("low", "high"))
        if low is not None or high is not None:
            yield from _ends(*(None if end is None else _place(end) for end in (low, high)))
    elif datatype == "SampledData":
        yield from _samples(value)
    elif not isinstance(value, dict):
        yield from numbers.texts(_place(value))
    elif "value" in value:
        at, comparator = _place(value["value"]), value.get("comparator")
        if comparator is None:
            yield from numbers.texts(at)
        elif comparator[0] == "<":
            yield from _ends(None, at if comparator == "<=" else at - (at % 2 == 0))
        else:
            yield from _ends(at if comparator == ">=" else at + (at % 2 == 0), None)


def _place(value: object) -> int:
    return numbers.place(numbers.decimal(value))


def _ends(low: int | None, high: int | None) -> Iterator[str]:
    for at, marks in ((low, LOWER), (high, UPPER)):
        if at is None:
            yield marks[0] + _OPEN
        else:
            yield from numbers.texts(at, marks)


def _samples(value: dict[str, Any]) -> Iterator[str]:
    """Yield the terms of the least and the greatest sample; `L` and `U` lie beyond the device's limits."""
    words = set(value.get("data", "").split()) - {"E"}
    origin, factor = numbers.decimal(value["origin"]["value"]), numbers.decimal(value.get("factor", 1))
    try:
        samples = [origin + factor * Decimal(word) for word in words - {"L", "U"}]
    except ArithmeticError:  # no number, or one out of range
        raise ValueError("samples are decimals, E, L or U") from None
    if not all(sample.is_finite() for sample in samples):
        raise ValueError("samples are finite")
    if samples:
        low = None if "L" in words else numbers.place(min(samples))
        high = None if "U" in words else numbers.place(max(samples))
        yield from _ends(low, high)


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
    """Return the look-ups of values of `datatypes` that compare with `parts`: number, system, code.

    `parts` may be the number alone. `many`: a record can have several values here. For a record with
    several ranges, `eq` and `ap` may take the lower end of one and the upper end of another.

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


def _compare(comparison: str, text: str, kinds: frozenset[str]) -> Alternatives:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueFormError("a number is a decimal such as 5.4 or 5.40e-3") from None
    if not value.is_finite() or "_" in text or abs(value.adjusted()) > _FURTHEST:
        raise ValueFormError("a number is a decimal such as 5.4 or 5.40e-3")
    if comparison in {"eq", "ap"}:
        return _near(comparison, value, kinds, exact="e" not in text.lower() and kinds <= _INTEGERS)
    at = numbers.bound(value)
    if comparison in {"gt", "ge", "sa"}:
        start, end, away = at + (comparison != "ge"), HIGHEST, comparison == "sa"
        side, beyond = (LOWER, []) if away else (UPPER, [UPPER[0] + _OPEN])
    elif comparison in {"lt", "le", "eb"}:
        start, end, away = LOWEST, at - (comparison != "le"), comparison == "eb"
        side, beyond = (UPPER, []) if away else (LOWER, [LOWER[0] + _OPEN])
    else:
        raise ValueFormError("ne is not supported; eq gt ge lt le sa eb ap are")
    found = numbers.cover(start, end)
    if not kinds <= _WITHOUT_RANGES:
        found += numbers.cover(start, end, side) + beyond
    return any_of(found)


def _near(comparison: str, value: Decimal, kinds: frozenset[str], *, exact: bool) -> Alternatives:
    """Compare by `eq` with the precision of `value`, or by `ap` with that or a tenth, whichever is wider."""
    exponent = value.as_tuple().exponent
    half = Decimal(5).scaleb(exponent - 1) if isinstance(exponent, int) else Decimal(0)
    if comparison == "ap":
        spread = max(half, abs(value) / 10)
        start, end = (numbers.place(edge) for edge in (value - spread, value + spread))
    elif exact:
        if value != value.to_integral_value():
            return []
        start = end = numbers.bound(value)
    else:
        start, above = numbers.place(value - half), numbers.place(value + half)
        end = above - (above % 2 == 0)  # an edge of more than ten digits includes all that begins like it
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
