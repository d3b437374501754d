"""Depth 3 and 4: one quartic polynomial per pair of sibling leaves, or per leaf.

**Sibling leaves below two decisions (depth 3).** Let s be 0, 1 or 2: how many of the two decisions above
go the pair's way. Let c be the third decision. With a free parameter g put

    u = s + g c - (1 + g)/2          h = (u^2 - (1 + g^2)/4)^2 - g^2/4

For s = 0 and s = 1, u is one of +-(1 + g)/2 and +-(1 - g)/2, whose squares are (1 + g^2)/4 +- g/2: h is 0.
For s = 2 it is

    h = 2 (2 + g)(1 + g)  where c holds          h = 2 (2 - g)(1 - g)  where it does not

so one row carries both leaf values A and B: their ratio fixes g, a root of

    (A - B) g^2 - 3 (A + B) g + 2 (A - B) = 0

and their size fixes a factor rho. The factor must be inside the squares, w = sigma u with sigma^4 = rho, so
the discriminant must be a square and rho a fourth power in F_t. One in a few integer pairs near the
wanted values qualifies, and `quantise` picks among those. A leaf whose sibling is a split is a pair with
B = 0.

**A leaf below four decisions (depth 4).** s counts them, u = s - 3/2, and ((u^2 - 5/4)^2 - 1)/24 is 1 at
s = 4 and 0 below. The leaves of a tree sum to one, so one leaf of each tree is dropped: its value is
subtracted from all the others and added to the constant.

Both kinds are `(w^2 - kappa)^2` summed over rows, so a program mixes them freely, and equal pairs and
leaves of different trees are merged into one row before rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analytics.encrypted.compiler.bounds import LeafGroup
from analytics.encrypted.compiler.ensemble import (
    AffineForm,
    Branch,
    Decision,
    DecisionPath,
    Node,
    TreeEnsemble,
    leaves,
)
from analytics.encrypted.compiler.quantise import ErrorShaper, by_frequency
from analytics.encrypted.field import Field, Ints

_ENOUGH = 6
"""The search for a row stops at this many qualifying candidates; more add little accuracy."""
_WIDEST = 400


@dataclass
class _Pair:
    """Values of two sibling leaves, or of one leaf, in units of 1/scale; `owner` is the tree it came from.

    A one-sided pair is a leaf whose sibling is a split: the other value must stay exactly 0.
    """

    top: DecisionPath
    last: Decision
    true: float = 0.0
    false: float = 0.0
    sides: frozenset[bool] = frozenset()
    owner: int = 0


class _Root(NamedTuple):
    """A qualifying choice: the fourth root, the parameter g, and the two integers of the leaves."""

    sigma: int
    g: int
    true: int
    false: int


class QuarticRows(NamedTuple):
    """Rows of `sum((weights @ x + offsets)^2 - kappas)^2 + constant`, and the rounding errors."""

    weights: Ints
    offsets: Ints
    kappas: Ints
    constant: int
    errors: list[LeafGroup]
    constant_error: float


def compile_quartic(ensemble: TreeEnsemble, field: Field, scale: float) -> QuarticRows:
    """Turn an ensemble of depth at most 4 into quartic rows; errors are in integer units."""
    pairs, singles, constant = _gather(ensemble, scale)
    out = _Builder(ensemble, field)
    shaper = ErrorShaper(ensemble)
    groups: dict[int, list[tuple[DecisionPath, float]]] = {}
    named: dict[DecisionPath, _Pair | tuple[DecisionPath, float, int]] = {
        (*pair.top, Branch(pair.last, left=True)): pair for pair in pairs
    }
    named |= {single[0]: single for single in singles}
    for path in by_frequency(named, shaper):
        entry = named[path]
        if isinstance(entry, _Pair):
            errors = out.pair(entry, shaper)
            owner = entry.owner
        else:
            errors = out.leaf(entry[0], entry[1], shaper)
            owner = entry[2]
        groups.setdefault(owner, []).extend(errors)
    rounded_constant = round(constant)
    return QuarticRows(
        *out.arrays(), rounded_constant + out.constant, list(groups.values()), rounded_constant - constant
    )


def _gather(
    ensemble: TreeEnsemble, scale: float
) -> tuple[list[_Pair], list[tuple[DecisionPath, float, int]], float]:
    pairs: dict[tuple[frozenset[Branch], Decision], _Pair] = {}
    singles: dict[frozenset[Branch], tuple[DecisionPath, float, int]] = {}
    constant = 0.0
    fresh = itertools.count(len(ensemble.trees))
    for tree, node in enumerate(ensemble.trees):
        found = [(path, value * scale) for path, value in leaves(node)]
        dropped = _dropped(node) * scale
        constant += dropped
        for path, value in found:
            if len(path) == 4:
                if value == dropped:
                    continue
                _, total, owner = singles.get(frozenset(path), (path, 0.0, tree))
                singles[frozenset(path)] = (path, total + value - dropped, owner)
            elif path:
                _add(pairs, path, value - dropped, tree)
    for pair in pairs.values():
        if pair.owner < 0:
            pair.owner = next(fresh)
    return list(pairs.values()), list(singles.values()), constant


def _dropped(node: Node) -> float:
    """Return the leaf value for the constant: of a leaf with four decisions, or of a lone leaf."""
    found = [value for path, value in leaves(node) if len(path) in {0, 4}]
    return found[0] if found else 0.0


def _add(
    pairs: dict[tuple[frozenset[Branch], Decision], _Pair], path: DecisionPath, value: float, tree: int
) -> None:
    *top, last = path
    key = (frozenset(top), last.decision)
    pair = pairs.setdefault(key, _Pair(tuple(top), last.decision, owner=tree))
    if last.left:
        pair.true += value
    else:
        pair.false += value
    # Errors of one tree's rows exclude each other. A pair put together from single leaves of two
    # trees belongs to neither, so it is made a group of its own (a negative owner until then).
    if pair.owner != tree and last.left not in pair.sides and len(pair.sides) == 1:
        pair.owner = -1
    pair.sides |= {last.left}


class _Builder:
    def __init__(self, ensemble: TreeEnsemble, field: Field) -> None:
        self.ensemble, self.field = ensemble, field
        self.constant = 0
        self.rows: list[tuple[Ints, int, int]] = []

    def arrays(self) -> tuple[Ints, Ints, Ints]:
        width = self.ensemble.bins.width
        weights = np.asarray([row[0] for row in self.rows], np.int64).reshape(len(self.rows), width)
        return (
            weights,
            np.asarray([row[1] for row in self.rows], np.int64),
            np.asarray([row[2] for row in self.rows], np.int64),
        )

    def pair(self, pair: _Pair, shaper: ErrorShaper) -> list[tuple[DecisionPath, float]]:
        wanted = (pair.true, pair.false)
        true = (*pair.top, Branch(pair.last, left=True))
        false = (*pair.top, Branch(pair.last, left=False))
        found = [
            (root, (root.true - wanted[0], root.false - wanted[1]))
            for root in itertools.islice(self._pair_roots(pair), _ENOUGH)
        ]
        root = shaper.pick(found, [shaper.reached(true), shaper.reached(false)])
        if root.sigma:
            self._pair_row(pair, root)
        errors = ((true, root.true - wanted[0]), (false, root.false - wanted[1]))
        return [(path, error) for path, error in errors if path[-1].left in pair.sides]

    def _pair_roots(self, pair: _Pair) -> Iterator[_Root]:
        a, b = round(pair.true), round(pair.false)
        for radius in range(_WIDEST):
            for i, j in _ring(radius, pair.sides):
                root = self._solve(a + i, b + j)
                if root is not None:
                    yield root

    def _solve(self, a: int, b: int) -> _Root | None:
        field, t = self.field, self.field.modulus
        if a % t == 0 and b % t == 0:
            return _Root(0, 0, a, b)
        for g in _parameters(a, b, field):
            at_true, at_false = 2 * (2 + g) * (1 + g) % t, 2 * (2 - g) * (1 - g) % t
            if at_false:
                rho = b * field.inverse(at_false) % t
            elif at_true:
                rho = a * field.inverse(at_true) % t
            else:
                continue
            sigma = field.fourth_root(rho)
            if sigma and (rho * at_true - a) % t == 0 and (rho * at_false - b) % t == 0:
                return _Root(sigma, g, a, b)
        return None

    def _pair_row(self, pair: _Pair, root: _Root) -> None:
        t, half = self.field.modulus, self.field.inverse(2)
        quarter = half * half % t
        sigma, g = root.sigma, root.g
        parts = [(sigma, self.ensemble.branch(branch)) for branch in pair.top]
        parts += [(sigma, AffineForm(1, {}))] * (2 - len(pair.top))
        parts.append((sigma * g % t, self.ensemble.affine(pair.last)))
        square = sigma * sigma % t
        self._row(parts, -sigma * (1 + g) * half, square * (1 + g * g) * quarter)
        self.constant -= square * square * g * g * quarter % t

    def leaf(self, path: DecisionPath, value: float, shaper: ErrorShaper) -> list[tuple[DecisionPath, float]]:
        t = self.field.modulus
        part = self.field.inverse(24)
        found: list[tuple[tuple[int, int], tuple[float]]] = []
        for radius in range(_WIDEST):
            for n in sorted({round(value) - radius, round(value) + radius}):
                sigma = self.field.fourth_root(n * part)
                if sigma is not None:
                    found.append(((sigma, n), (n - value,)))
            if len(found) >= _ENOUGH:
                break
        sigma, n = shaper.pick(found, [shaper.reached(path)])
        if sigma:
            half = self.field.inverse(2)
            square = sigma * sigma % t
            parts = [(sigma, self.ensemble.branch(branch)) for branch in path]
            self._row(parts, -3 * sigma * half, square * 5 * half * half)
            self.constant -= square * square % t
        return [(path, n - value)]

    def _row(self, parts: list[tuple[int, AffineForm]], offset: int, kappa: int) -> None:
        t = self.field.modulus
        weights = np.zeros(self.ensemble.bins.width, np.int64)
        for factor, form in parts:
            offset += factor * form.constant
            for column, x in form.terms.items():
                weights[column] = (weights[column] + factor * x) % t
        self.rows.append((weights, offset % t, kappa % t))


def _ring(radius: int, sides: frozenset[bool]) -> Iterator[tuple[int, int]]:
    """Yield integer offsets at this distance from the wanted pair; a side that must stay 0 does not move."""
    for i, j in itertools.product(range(-radius, radius + 1), repeat=2):
        if max(abs(i), abs(j)) == radius and (i == 0 or True in sides) and (j == 0 or False in sides):
            yield i, j


def _parameters(a: int, b: int, field: Field) -> list[int]:
    """Return the values of g for which the two leaf values have the ratio a : b."""
    t = field.modulus
    lead, middle = (a - b) % t, -3 * (a + b) % t
    if lead == 0:
        return [0]
    if (a % t == 0) or (b % t == 0):
        # The quadratic's roots are those of (2 +- g)(1 +- g) = 0, known without a square root.
        sign = 1 if b % t == 0 else -1
        return [sign % t, 2 * sign % t]
    root = field.sqrt(middle * middle - 8 * lead * lead)
    if root is None:
        return []
    half = field.inverse(2 * lead)
    return sorted({(root - middle) * half % t, (-root - middle) * half % t})
