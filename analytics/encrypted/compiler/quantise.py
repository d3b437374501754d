"""Rounding of leaf values to integers that the algebra can carry, so that errors cancel out.

Each leaf value must become an integer, and with quartic rows one from a subset of the integers. Any single
rounding is off by about one unit; a hundred roundings drawn independently add up to ten. So the choice
among the candidates near a value is made one leaf after another, each time for the candidate that leaves the
smallest total error over a fixed sample of inputs (noise shaping, as in sigma-delta converters). The
sample is drawn from the public bins with a fixed seed: no patient's data is used, and the same model
always compiles to the same rows. The stated bound does not rest on the sample; `bounds` finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from analytics.encrypted.compiler.ensemble import Decision, DecisionPath, TreeEnsemble

Candidate = TypeVar("Candidate")
_SAMPLE = 512
_SEED = 20180101
_MISSING_SHARE = 0.05
_PULL = 1e-3
"""Weight of one candidate's own error against the error over the sample; it decides between equals."""


class ErrorShaper:
    """The total rounding error over the sample; `pick` chooses the candidate that makes it smallest."""

    def __init__(self, ensemble: TreeEnsemble) -> None:
        bins = ensemble.bins
        rng = np.random.default_rng(_SEED)
        codes = np.column_stack(
            [rng.integers(0, len(edges) + 1, _SAMPLE).astype(np.float64) for edges in bins.edges]
        )
        absent = rng.random(codes.shape) < _MISSING_SHARE
        codes[absent & np.asarray(bins.missing)] = np.nan
        self._codes = codes
        self._error = np.zeros(_SAMPLE)
        self._truth: dict[Decision, npt.NDArray[np.float64]] = {}

    def reached(self, path: Iterable[tuple[Decision, bool]]) -> npt.NDArray[np.float64]:
        """Return 1 for every sample input that satisfies all these decisions, 0 for the others."""
        out = np.ones(_SAMPLE)
        for decision, left in path:
            truth = self._left(decision)
            out *= truth if left else 1 - truth
        return out

    def _left(self, decision: Decision) -> npt.NDArray[np.float64]:
        if decision not in self._truth:
            code = self._codes[:, decision.feature]
            with np.errstate(invalid="ignore"):
                left = np.where(np.isnan(code), decision.default_left, code <= decision.edge)
            self._truth[decision] = left.astype(np.float64)
        return self._truth[decision]

    def pick(
        self,
        candidates: Sequence[tuple[Candidate, tuple[float, ...]]],
        indicators: Sequence[npt.NDArray[np.float64]],
    ) -> Candidate:
        """Choose among (candidate, its error on each indicator's inputs) and add its error to the total."""
        if not candidates:
            raise ValueError("no candidates")
        best: tuple[float, Candidate, npt.NDArray[np.float64]] | None = None
        for candidate, errors in candidates:
            total = self._error + sum(e * i for e, i in zip(errors, indicators, strict=True))
            cost = float(total @ total) + _PULL * sum(e * e for e in errors)
            if best is None or cost < best[0]:
                best = (cost, candidate, total)
        assert best is not None  # noqa: S101 - the sequence is not empty
        self._error = best[2]
        return best[1]


def by_frequency(paths: Iterable[DecisionPath], shaper: ErrorShaper) -> list[DecisionPath]:
    """Sort paths from the most to the least often reached, so that rare choices correct common ones."""
    indexed = list(paths)
    weight = {path: float(shaper.reached(path).mean()) for path in indexed}
    return sorted(indexed, key=lambda path: -weight[path])
