"""The compiler from an ensemble to rows: the polynomial over F_t that is evaluated on ciphertext.

```
w_r   = weights[r] . x + offsets[r]                       x: the public bits, 0 or 1
score = constant + sum_r  w_r^2                           depth 1 and 2, see `quadratic`
score = constant + sum_r (w_r^2 - kappas[r])^2            depth 3 and 4, see `quartic`
```

The score is an integer modulo t, read in (-t/2, t/2], and the margin is `centre + score / scale`.

`scale` is as large as the range allows. The range is found by `bounds` from the leaves, for every input
that bits can express, never from data: a score outside it would wrap into another. `error` bounds
|margin - XGBoost's margin| the same way, over the rounding errors of the rows. `centre` and `scale` are
rounded, so that they disclose little to the client about the model's range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytics.data.binning import Bits, Floats
from analytics.encrypted.compiler.bounds import interval
from analytics.encrypted.compiler.ensemble import TreeEnsemble, leaves
from analytics.encrypted.compiler.quadratic import compile_quadratic
from analytics.encrypted.compiler.quartic import compile_quartic
from analytics.encrypted.field import Field, Ints
from analytics.errors import CapacityError

_FLOAT32 = 1e-6
"""XGBoost adds leaves in float32, one rounding a tree; relative to the largest margin."""


@dataclass(frozen=True)
class RowProgram:
    """Rows over F_t for one ensemble and one plaintext modulus: the evaluator's secret.

    Shapes: weights (rows, columns), offsets and kappas (rows,), all in [0, t). `low` and `high` bound the
    margin, `error` the difference from XGBoost's, in log-odds.
    """

    modulus: int
    squarings: int
    weights: Ints
    offsets: Ints
    kappas: Ints
    constant: int
    scale: float
    centre: float
    low: float
    high: float
    error: float

    def integers(self, bits: Bits) -> Ints:
        """Return the integer scores of rows of bits, in (-t/2, t/2], exactly as decrypted."""
        t = self.modulus
        w = (np.atleast_2d(bits) @ self.weights.T + self.offsets) % t
        value = w * w % t
        if self.squarings == 2:
            value = (value - self.kappas) % t
            value = value * value % t
        return Field(t).centred(value.sum(axis=1) + self.constant)

    def margins(self, bits: Bits) -> Floats:
        """Return the margins that a client computes from the integer scores."""
        out: Floats = self.integers(bits) / self.scale + self.centre
        return out


def compile_rows(ensemble: TreeEnsemble, modulus: int) -> RowProgram:
    """Compile an ensemble for plaintext modulus t, at the finest scale that its range allows.

    Raises:
        CapacityError: the leaf values span so wide a range that no useful scale is left.
    """
    groups = [list(leaves(tree)) for tree in ensemble.trees]
    low, high = (ensemble.base + x for x in interval(groups, ensemble.bins))
    centre = round((low + high) * 8) / 16
    half_range = max(high - centre, centre - low, 1e-3)
    field = Field(modulus)
    # The rounding errors take a part of the range that is known only once the rows exist.
    reserve = 16.0
    for _ in range(8):
        scale = _coarse((modulus / 2 - 1 - reserve) / half_range)
        if scale < 1:
            raise CapacityError("the leaf values span too wide a range for this plaintext modulus")
        program, spread = _compile(ensemble, field, scale, centre, (low, high))
        if half_range * scale + spread < modulus / 2:
            return program
        reserve = max(2 * reserve, 1.1 * spread)
    raise CapacityError("the rounding errors leave no room for the score in this plaintext modulus")


def _coarse(scale: float) -> float:
    """Round the scale down to a multiple of a thirty-second of its power of two."""
    if scale <= 0:
        return 0.0
    unit = 2.0 ** (math.floor(math.log2(scale)) - 5)
    return math.floor(scale / unit) * unit


def _compile(
    ensemble: TreeEnsemble, field: Field, scale: float, centre: float, margins: tuple[float, float]
) -> tuple[RowProgram, float]:
    shift = (ensemble.base - centre) * scale
    if ensemble.depth <= 2:
        weights, constant, errors, constant_error = compile_quadratic(ensemble, field, scale)
        offsets = kappas = np.zeros(len(weights), np.int64)
        squarings = 1
    else:
        weights, offsets, kappas, constant, errors, constant_error = compile_quartic(ensemble, field, scale)
        squarings = 2
    constant_error += round(shift) - shift
    below, above = (constant_error + x for x in interval(errors, ensemble.bins))
    spread = max(abs(below), abs(above))
    largest = max(map(abs, margins))
    program = RowProgram(
        modulus=field.modulus,
        squarings=squarings,
        weights=weights,
        offsets=offsets,
        kappas=kappas,
        constant=(constant + round(shift)) % field.modulus,
        scale=scale,
        centre=centre,
        low=margins[0],
        high=margins[1],
        error=spread / scale + _FLOAT32 * (1 + largest),
    )
    return program, spread
