"""Conversion of measured quantities between UCUM units, amounts of substance included.

UCUM codes are parsed by `ucumvert` (a full UCUM grammar) into `pint` quantities. Laboratories report some
substances by mass and some by amount. The two differ by the molar mass, which a unit alone does not give,
so the caller names it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from ucumvert import PintUcumRegistry


class UnitError(ValueError):
    """The quantity's unit is no UCUM code, or measures another kind of quantity."""


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
