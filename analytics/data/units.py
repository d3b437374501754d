"""Units as records write them, and conversion of quantities between them, amounts of substance included.

UCUM codes are parsed by `ucumvert` (a full UCUM grammar) into `pint` quantities. Laboratories report some
substances by mass and some by amount. The two differ by the molar mass, which a unit alone does not give,
so the caller names it.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from ucumvert import PintUcumRegistry


class UnitError(ValueError):
    """The quantity's unit is no UCUM code, or measures another kind of quantity."""


_WRITTEN = {
    "bpm": "/min",
    "beats/min": "/min",
    "beats/minute": "/min",
    "beats per minute": "/min",
    "per minute": "/min",
    "/minute": "/min",
    "1/minute": "/min",
    "mmhg": "mm[Hg]",
    "mm hg": "mm[Hg]",
    "kg/m^2": "kg/m2",
    "kg/m²": "kg/m2",
    "kg/m**2": "kg/m2",
    "kg/sqm": "kg/m2",
    "in": "[in_i]",
    "inch": "[in_i]",
    "inches": "[in_i]",
    "centimeter": "cm",
    "centimeters": "cm",
    "centimetre": "cm",
    "centimetres": "cm",
    "percent": "%",
}
"""Units as people write them (lower case, single spaces), where that is no UCUM code."""
_ANNOTATION = re.compile(r"\{[^}]*\}")


def ucum_unit(code: str, written: str) -> str:
    """Return the UCUM unit of a quantity with a UCUM `code` and a `written` unit, of which one may be empty.

    Raises:
        UnitError: there is none, or the two mean different units.
    """
    by_text = _WRITTEN.get(" ".join(written.split()).lower(), written)
    if not code:
        if not by_text:
            raise UnitError("the quantity has no unit")
        return by_text
    if by_text and by_text != code and _is_unit(by_text) and not _means_the_same(by_text, code):
        raise UnitError("the quantity's code and its written unit differ")
    return code


def is_amount(unit: str) -> bool:
    """Return whether a unit counts amounts of substance: mmol/mol does, % does not."""
    return "mol" in _ANNOTATION.sub("", unit)


@lru_cache(maxsize=512)
def _is_unit(code: str) -> bool:
    registry = _registry()
    try:
        registry.from_ucum(code)
    except Exception:  # noqa: BLE001 - parser and registry raise a dozen kinds
        return False
    return True


def _means_the_same(one: str, other: str) -> bool:
    try:
        return is_amount(one) is is_amount(other) and math.isclose(conversion_factor(one, other), 1)
    except UnitError:
        return False


@lru_cache(maxsize=1)
def _registry() -> Any:
    # Reading the UCUM grammar costs about a second, so it is done once, when first needed.
    return PintUcumRegistry()


@lru_cache(maxsize=512)
def conversion_factor(source: str, target: str, molar_mass: float | None = None) -> float:
    """Return the factor that turns a number in UCUM unit `source` into one in unit `target`.

    `molar_mass` (g/mol) allows conversion between mass and amount of substance.

    Raises:
        UnitError: a code is not UCUM, or the units measure different kinds of quantities.
    """
    if source == target:
        return 1.0
    registry = _registry()  # a failure here is the installation's, and no unit's
    # Parser and registry raise a dozen kinds of errors; all of them mean the same to the caller.
    try:
        given, wanted = registry.from_ucum(source), registry.from_ucum(target)
        if molar_mass is not None and not given.is_compatible_with(wanted):
            per_mole = molar_mass * registry.from_ucum("g/mol")
            by_amount = given * per_mole
            given = by_amount if by_amount.is_compatible_with(wanted) else given / per_mole
        value = float((given / wanted).to("dimensionless").magnitude)
    except Exception as error:
        raise UnitError("the unit can't be converted") from error
    if not math.isfinite(value) or value <= 0:
        raise UnitError("the unit can't be converted")
    return value
