"""A range that no patient's score can leave, computed from the leaves alone.

The score is an integer modulo t. If a patient's true score lay outside the range that the scale was
chosen for, it would wrap and come out as another, plausible score. So the range must hold for every
input, not only for those seen. The sum over trees of the largest leaf is such a bound, but a loose one:
the trees ask about the same features, and no patient reaches all the largest leaves at once. A tighter
range means a finer scale, so a branch-and-bound search over the features' codes tightens it; whenever
it stops, its result so far is still a bound.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.data.binning import Bins
from analytics.encrypted.compiler.ensemble import DecisionPath

Masks = npt.NDArray[np.uint64]
LeafGroup = Sequence[tuple[DecisionPath, float]]
"""Leaves of which at most one is reached. Where none is reached, the group counts as 0."""

SEARCH_LIMIT = 3000
"""Largest number of boxes examined per bound, about 0.2 seconds for 100 trees of depth 3."""

_WORK = 40_000_000
"""Leaves times features times boxes, so that the largest models compile in seconds too."""


@dataclass(frozen=True)
class _Boxes:
    masks: Masks  # (leaves, features): bit c is set where code c can reach the leaf; the top bit is missing
    values: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int64]
    full: Masks

    def bound(self, domain: Masks) -> float:
        """Return the sum over groups of the largest value that an input inside `domain` might give."""
        reachable = ((self.masks & domain) != 0).all(axis=1)
        return float(np.maximum.reduceat(np.where(reachable, self.values, -np.inf), self.starts).sum())

    def halves(self, domain: Masks) -> tuple[Masks, Masks] | None:
        """Cut the domain in two along the feature that the reachable leaves disagree about most."""
        reachable = ((self.masks & domain) != 0).all(axis=1)
        cut = reachable[:, None] & ((self.masks & domain) != domain)
        weight = (cut * np.abs(self.values)[:, None]).sum(axis=0)
        codes = [_codes(int(d)) for d in domain]
        open_features = [f for f in np.argsort(-weight) if len(codes[f]) > 1 and weight[f] > 0]
        if not open_features:
            return None
        feature = int(open_features[0])
        present = codes[feature]
        low = sum(1 << c for c in present[: len(present) // 2])
        left, right = domain.copy(), domain.copy()
        left[feature] = low
        right[feature] = int(domain[feature]) & ~low
        return left, right


def _codes(mask: int) -> list[int]:
    return [c for c in range(mask.bit_length()) if mask >> c & 1]


def _boxes(groups: Iterable[LeafGroup], bins: Bins, sign: float) -> _Boxes:
    sizes = [len(edges) + 1 for edges in bins.edges]
    full = [(1 << (n + m)) - 1 for n, m in zip(sizes, bins.missing, strict=True)]
    masks: list[list[int]] = []
    values: list[float] = []
    starts: list[int] = []
    for group in groups:
        starts.append(len(values))
        for path, value in group:
            box = list(full)
            for decision, left in path:
                f = decision.feature
                goes_left = (1 << (decision.edge + 1)) - 1 if decision.edge >= 0 else 0
                goes_left &= (1 << sizes[f]) - 1
                if decision.default_left and bins.missing[f]:
                    goes_left |= 1 << sizes[f]
                box[f] &= goes_left if left else full[f] & ~goes_left
            if all(box):
                masks.append(box)
                values.append(sign * value)
        # Reaching none of the group's leaves counts as 0, and is possible where the paths do not
        # cover every input; the entry keeps the bound sound there.
        if len(group) == 0 or not _covers(group):
            masks.append(list(full))
            values.append(0.0)
    return _Boxes(
        np.asarray(masks, np.uint64).reshape(len(values), len(full)),
        np.asarray(values, np.float64),
        np.asarray(starts, np.int64),
        np.asarray(full, np.uint64),
    )


def _covers(group: LeafGroup) -> bool:
    """Return whether the paths are all leaves of a binary tree: their weights 2^-length then sum to one."""
    return sum(2.0 ** -len(path) for path, _ in group) >= 1


def upper_bound(
    groups: Sequence[LeafGroup], bins: Bins, *, sign: float = 1.0, limit: int = SEARCH_LIMIT
) -> float:
    """Return a number that `sign * sum of the groups` can't exceed for any input.

    Best-first search: the box with the largest bound is cut in two, until the largest can't be cut
    (the bound is then exact) or `limit` boxes were examined, fewer for large models.
    """
    if not groups:
        return 0.0
    boxes = _boxes(groups, bins, sign)
    limit = min(limit, max(100, _WORK // boxes.masks.size))
    heap: list[tuple[float, int, Masks]] = [(-boxes.bound(boxes.full), 0, boxes.full)]
    examined = 1
    while examined < limit:
        parts = boxes.halves(heap[0][2])
        if parts is None:
            break
        heapq.heappop(heap)
        for part in parts:
            examined += 1
            heapq.heappush(heap, (-boxes.bound(part), examined, part))
    return -heap[0][0]


def interval(groups: Sequence[LeafGroup], bins: Bins, *, limit: int = SEARCH_LIMIT) -> tuple[float, float]:
    """Return (low, high), which the sum of the groups can't leave for any input."""
    return -upper_bound(groups, bins, sign=-1.0, limit=limit), upper_bound(groups, bins, limit=limit)
