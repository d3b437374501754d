"""The ensemble as a polynomial in its decisions, arranged so that few ciphertexts are multiplied.

For many patients at once every decision is a vector with one slot a patient, and the score is

    score = sum over prefixes p of  p * (linear_p + sum over b of  b * linear_pb)

where p is a product of at most two decisions, b one decision, and `linear` an affine form over decisions.
A tree of depth 2 is `r + b (l - r)` with l and r of depth 1, so it is linear_1 + b * linear_1b. A tree of
depth 3 with root a is `R + a (L - R)`, prefixes 1 and a. A tree of depth 4 adds the prefixes s1, a*s1, s2
and a*s2 of the decisions below the root. Terms of different trees with the same prefix and the same b are
added as numbers before anything is encrypted, so the multiplications are per distinct decision and not
per tree. Depth 2 takes two levels, depths 3 and 4 take three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from analytics.encrypted.ensemble import Ensemble, Literal, Node, Split, depth

Prefix = tuple[Literal, ...]


@dataclass
class Linear:
    """`constant + sum of coefficient * decision`."""

    constant: float = 0.0
    terms: dict[Literal, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: Linear, factor: float) -> None:
        """Add `factor * other`."""
        self.constant += factor * other.constant
        for literal, x in other.terms.items():
            self.terms[literal] += factor * x


@dataclass
class Quadratic:
    """`linear + sum over b of b * products[b]`: what trees of depth 2 under one prefix add up to."""

    linear: Linear = field(default_factory=Linear)
    products: dict[Literal, Linear] = field(default_factory=lambda: defaultdict(Linear))


Polynomial = dict[Prefix, Quadratic]
"""Prefixes of zero, one or two decisions, sorted, each with its quadratic."""


def polynomial(ensemble: Ensemble) -> Polynomial:
    """The ensemble's margin as a polynomial, base score included."""
    out: Polynomial = defaultdict(Quadratic)
    out[()].linear.constant += ensemble.base
    for tree in ensemble.trees:
        _tree(tree, out)
    return dict(sorted(out.items()))


def _tree(node: Node, out: Polynomial) -> None:
    for prefix, factor, part in _prefixes(node, depth(node) - 2):
        _shallow(part, out[prefix], factor)


def _prefixes(node: Node, levels: int) -> Iterable[tuple[Prefix, float, Node]]:
    """The node as a sum of `factor * prefix * part` with parts of depth at most 2."""
    if levels <= 0 or not isinstance(node, Split):
        yield (), 1.0, node
        return
    for prefix, factor, part in _prefixes(node.right, levels - 1):
        yield prefix, factor, part
        yield _times(node.literal, prefix), -factor, part
    for prefix, factor, part in _prefixes(node.left, levels - 1):
        yield _times(node.literal, prefix), factor, part


def _times(literal: Literal, prefix: Prefix) -> Prefix:
    return tuple(sorted({literal, *prefix}))


def _shallow(node: Node, out: Quadratic, factor: float) -> None:
    """Add `factor` times a tree of depth at most 2."""
    if not isinstance(node, Split):
        out.linear.constant += factor * node
        return
    left, right = _linear(node.left), _linear(node.right)
    out.linear.add(right, factor)
    out.products[node.literal].add(left, factor)
    out.products[node.literal].add(right, -factor)


def _linear(node: Node) -> Linear:
    out = Linear()
    if not isinstance(node, Split):
        out.constant = node
        return out
    if isinstance(node.left, Split) or isinstance(node.right, Split):
        raise TypeError("a part is deeper than two decisions")
    out.constant = node.right
    out.terms[node.literal] += node.left - node.right
    return out
