"""Numbers and quantities of an opened record as spans with exact ends, and R4's comparisons of them.

Terms tell ten digits apart (`numbers`); here every digit counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from exchange.fhir.search.algebra import ValueFormError
from exchange.fhir.search.types import numbers

End = tuple[Decimal, int]
"""An end of a span: a number, with 1 for just above it and -1 for just below it."""
Span = tuple[End, End]

_LOWEST: Final[End] = (Decimal("-Infinity"), 0)
_HIGHEST: Final[End] = (Decimal("Infinity"), 0)
_FURTHEST: Final = 400
"""Powers of ten to either side beyond which no stored number lies; arithmetic there would overflow."""
_A_NUMBER: Final = "a number is a decimal such as 5.4 or 5.40e-3"


def number(text: str) -> Decimal:
    """Return the number that a search compares with.

    Raises:
        ValueFormError: it is none.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueFormError(_A_NUMBER) from None
    if not value.is_finite() or "_" in text or abs(value.adjusted()) > _FURTHEST:
        raise ValueFormError(_A_NUMBER)
    return value


def half_a_digit(value: Decimal) -> Decimal:
    """Return half a unit of the last digit of `value`, its implicit precision."""
    exponent = value.as_tuple().exponent
    return Decimal(5).scaleb(exponent - 1) if isinstance(exponent, int) else Decimal(0)


def spans(datatype: str, value: Any) -> Iterator[Span]:
    """Yield the span of one value of a record, or none if it has no number.

    Raises:
        ValueError: it is no number.
    """
    if datatype == "Range":
        low, high = (value.get(side, {}).get("value") for side in ("low", "high"))
        if low is not None or high is not None:
            yield (
                _LOWEST if low is None else (numbers.decimal(low), 0),
                _HIGHEST if high is None else (numbers.decimal(high), 0),
            )
    elif datatype == "SampledData":
        yield from _samples(value)
    elif not isinstance(value, dict):
        at = (numbers.decimal(value), 0)
        yield at, at
    elif "value" in value:
        yield _compared(numbers.decimal(value["value"]), value.get("comparator"))


def _compared(value: Decimal, comparator: str | None) -> Span:
    if comparator is None:
        return (value, 0), (value, 0)
    if comparator[0] == "<":
        return _LOWEST, (value, 0 if comparator == "<=" else -1)
    return (value, 0 if comparator == ">=" else 1), _HIGHEST


def _samples(value: dict[str, Any]) -> Iterator[Span]:
    """Yield the span from the least to the greatest sample; `L` and `U` lie beyond the device's limits."""
    words = set(value.get("data", "").split()) - {"E"}
    origin, factor = numbers.decimal(value["origin"]["value"]), numbers.decimal(value.get("factor", 1))
    try:
        samples = [origin + factor * Decimal(word) for word in words - {"L", "U"}]
    except ArithmeticError:  # no number, or one out of range
        raise ValueError("samples are decimals, E, L or U") from None
    if not all(sample.is_finite() for sample in samples):
        raise ValueError("samples are finite")
    if samples:
        low = _LOWEST if "L" in words else (min(samples), 0)
        high = _HIGHEST if "U" in words else (max(samples), 0)
        yield low, high


def compares(comparison: str, wanted: Decimal, span: Span, *, whole: bool) -> bool:
    """Check whether `span` compares with `wanted`; `whole` numbers are equal only to themselves."""
    low, high = span
    at: End = (wanted, 0)
    if comparison == "eq":
        if whole:
            return low == high == at
        half = half_a_digit(wanted)
        return (wanted - half, 0) <= low and high < (wanted + half, 0)
    if comparison == "ap":
        spread = max(half_a_digit(wanted), abs(wanted) / 10)
        return low <= (wanted + spread, 0) and high >= (wanted - spread, 0)
    return {
        "gt": high > at,
        "ge": high >= at,
        "sa": low > at,
        "lt": low < at,
        "le": low <= at,
        "eb": high < at,
    }[comparison]
