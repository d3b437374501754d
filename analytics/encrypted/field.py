"""Arithmetic in the field of integers modulo a prime, with tables of square and fourth roots.

The plaintext space of BFV with batching is F_t per slot. The compiler hides leaf values in the weights of
linear forms that are squared once or twice, so it needs square and fourth roots.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Field:
    """F_t for an odd prime t below 2^31, with tables of square and fourth roots (16 bytes times t)."""

    def __init__(self, modulus: int) -> None:
        self.modulus = modulus

    @cached_property
    def _squares(self) -> Ints:
        root = np.full(self.modulus, -1, np.int64)
        values = np.arange(self.modulus, dtype=np.int64)
        root[values * values % self.modulus] = values
        return root

    @cached_property
    def _fourths(self) -> Ints:
        root = np.full(self.modulus, -1, np.int64)
        values = np.arange(self.modulus, dtype=np.int64)
        square = values * values % self.modulus
        root[square * square % self.modulus] = values
        return root

    def inverse(self, x: int) -> int:
        """Return 1/x.

        Raises:
            ValueError: x is 0 modulo t.
        """
        return pow(x % self.modulus, -1, self.modulus)

    def sqrt(self, x: int) -> int | None:
        """Return some r with r^2 = x, or None where x is no square."""
        root = int(self._squares[x % self.modulus])
        return None if root < 0 else root

    def fourth_root(self, x: int) -> int | None:
        """Return some r with r^4 = x, or None where x is no fourth power."""
        root = int(self._fourths[x % self.modulus])
        return None if root < 0 else root

    def centred(self, x: Ints) -> Ints:
        """Return the representatives in (-t/2, t/2]."""
        reduced: Ints = np.mod(x, self.modulus)
        return np.where(reduced > self.modulus // 2, reduced - self.modulus, reduced)
