"""Depth 1 and 2: the ensemble is one quadratic form, and a form of rank r is r squares.

A leaf below two decisions is worth v * a * b, where a and b are 0 or 1. Sum all leaves of all trees over
the columns x of the public bits. Because x^2 = x for a bit, linear terms are squares too, and the score
becomes

    score = constant + x' M x          M symmetric over F_t

Lagrange's reduction diagonalises M by congruence: while M is not zero, take a diagonal entry m != 0 with
row u, and M - u u' / m has one rank less. Where the whole diagonal is zero but an entry m off it is not,
rows i and j together do the same with (u_i + u_j)(u_i + u_j)' / 2m. The result is

    x' M x = sum_r  lambda_r * (u_r . x)^2

A lambda that is a square in F_t goes into u_r. The others are all one fixed non-square g times a square;
write g = p^2 + q^2 (every element of F_t is a sum of two squares) and use

    g (x^2 + y^2) = (p x + q y)^2 + (q x - p y)^2

to turn each two of them into two squares, and one left over into (p x)^2 + (q x)^2. So the number of rows
is the rank of M plus at most one, at most the number of columns used, however many trees there are.
"""

from __future__ import annotations

import math

import numpy as np

from analytics.encrypted.compiler.bounds import LeafGroup
from analytics.encrypted.compiler.ensemble import AffineForm, DecisionPath, TreeEnsemble, leaves
from analytics.encrypted.compiler.quantise import ErrorShaper, by_frequency
from analytics.encrypted.field import Field, Ints


def compile_quadratic(
    ensemble: TreeEnsemble, field: Field, scale: float
) -> tuple[Ints, int, list[LeafGroup], float]:
    """Return the squares' weights, the constant, and the rounding errors as leaf groups plus a constant.

    The integer score of bits x is `constant + sum((weights @ x)^2)` modulo t, and it differs from
    `scale * (margin - base)` by the errors, in integer units.
    """
    totals: dict[frozenset[object], tuple[DecisionPath, float, int]] = {}
    for tree, node in enumerate(ensemble.trees):
        for path, value in leaves(node):
            key = frozenset(path)
            _, sum_, owner = totals.get(key, (path, 0.0, tree))
            totals[key] = (path, sum_ + value * scale, owner)
    values = {path: (value, owner) for path, value, owner in totals.values()}

    shaper = ErrorShaper(ensemble)
    linear: dict[int, int] = {}
    product: dict[tuple[int, int], int] = {}
    constant = 0
    groups: dict[int, list[tuple[DecisionPath, float]]] = {}
    for path in by_frequency(values, shaper):
        value, owner = values[path]
        near = {math.floor(value), math.ceil(value)}
        chosen = shaper.pick([(n, (n - value,)) for n in sorted(near)], [shaper.reached(path)])
        constant += _expand([ensemble.branch(branch) for branch in path], chosen, linear, product)
        groups.setdefault(owner, []).append((path, chosen - value))
    matrix = _matrix(ensemble.bins.width, linear, product, field)
    return as_squares(matrix, field), constant, list(groups.values()), 0.0


def _expand(
    forms: list[AffineForm], value: int, linear: dict[int, int], product: dict[tuple[int, int], int]
) -> int:
    """Add value * (product of at most two affine forms) to the polynomial; return its constant part."""
    left = forms[0] if forms else AffineForm(1, {})
    right = forms[1] if len(forms) > 1 else AffineForm(1, {})
    for i, x in left.terms.items():
        linear[i] = linear.get(i, 0) + value * x * right.constant
    for j, y in right.terms.items():
        linear[j] = linear.get(j, 0) + value * y * left.constant
    for i, x in left.terms.items():
        for j, y in right.terms.items():
            if i == j:
                linear[i] = linear.get(i, 0) + value * x * y
            else:
                key = (min(i, j), max(i, j))
                product[key] = product.get(key, 0) + value * x * y
    return value * left.constant * right.constant


def _matrix(width: int, linear: dict[int, int], product: dict[tuple[int, int], int], field: Field) -> Ints:
    t, half = field.modulus, field.inverse(2)
    matrix = np.zeros((width, width), np.int64)
    for i, x in linear.items():
        matrix[i, i] = x % t
    for (i, j), x in product.items():
        matrix[i, j] = matrix[j, i] = x * half % t
    return matrix


def as_squares(matrix: Ints, field: Field) -> Ints:
    """Return rows u_r with `x' matrix x = sum_r (u_r . x)^2` for every x over F_t."""
    rows: list[Ints] = []
    others: list[tuple[int, Ints]] = []
    for factor, row in _diagonal(matrix, field):
        root = field.sqrt(factor)
        if root is None:
            others.append((factor, row))
        else:
            rows.append(row * root % field.modulus)
    rows += _non_squares(others, field)
    return np.asarray(rows, np.int64).reshape(len(rows), len(matrix))


def _diagonal(matrix: Ints, field: Field) -> list[tuple[int, Ints]]:
    t = field.modulus
    rest = matrix % t
    out: list[tuple[int, Ints]] = []
    while rest.any():
        on_diagonal = np.flatnonzero(np.diag(rest))
        if len(on_diagonal):
            i = int(on_diagonal[0])
            factor, row = field.inverse(int(rest[i, i])), rest[i].copy()
        else:
            i, j = (int(index[0]) for index in np.nonzero(rest))
            factor, row = field.inverse(2 * int(rest[i, j])), (rest[i] + rest[j]) % t
        out.append((factor, row))
        rest = (rest - factor * (np.outer(row, row) % t)) % t
    return out


def _non_squares(terms: list[tuple[int, Ints]], field: Field) -> list[Ints]:
    if not terms:
        return []
    t = field.modulus
    base = terms[0][0]
    p = next(p for p in range(1, t) if field.sqrt(base - p * p) is not None)
    q = field.sqrt(base - p * p) or 0
    scaled: list[Ints] = []
    for factor, row in terms:
        root = field.sqrt(factor * field.inverse(base)) or 0
        scaled.append(row * root % t)
    out: list[Ints] = []
    for x, y in zip(scaled[0::2], scaled[1::2], strict=False):
        out += [(p * x + q * y) % t, (q * x - p * y) % t]
    if len(scaled) % 2:
        out += [p * scaled[-1] % t, q * scaled[-1] % t]
    return out
