"""The ensemble as a polynomial in its decisions, arranged so that few ciphertexts are multiplied.

For many patients at once every decision is a vector with one slot a patient. A leaf is its value times a
product of decisions a and of complements 1 - a, so the ensemble is a sum of monomials: products of at
most four different decisions with one coefficient each. Two decisions on one feature multiply to a third,
`[code <= 3] [code <= 5] = [code <= 3]`, so a monomial has at most one decision a feature. Monomials of
different trees are added up as numbers before anything is encrypted. Then the sum is factored:

    score = linear + sum over prefixes p of  p * (linear_p + sum over b of  b * linear_pb)

where p is one decision, or for monomials of degree four a product of two; b is one decision; and `linear`
is an affine form over decisions. The decisions of a monomial are sorted by how often they occur, so that
the frequent ones become prefixes and are shared. What costs time is the number of prefixes, of products
b, and of coefficients, in this order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from analytics.encrypted.ensemble import Ensemble, Literal, Path, leaves

Monomial = tuple[Literal, ...]
"""Decisions on different features, sorted; the empty one is the constant."""


@dataclass
class Linear:
    """`constant + sum of coefficient * decision`."""

    constant: float = 0.0
    terms: dict[Literal, float] = field(default_factory=lambda: defaultdict(float))


@dataclass
class Quadratic:
    """`linear + sum over b of b * products[b]`: everything under one prefix."""

    linear: Linear = field(default_factory=Linear)
    products: dict[Literal, Linear] = field(default_factory=lambda: defaultdict(Linear))


@dataclass
class Polynomial:
    """The margin: an affine form, and prefixes of one or two decisions with what they are multiplied by."""

    linear: Linear
    prefixes: dict[Monomial, Quadratic]


def polynomial(ensemble: Ensemble) -> Polynomial:
    """The ensemble's margin as a factored polynomial, base score included."""
    return _factored(monomials(ensemble))


def monomials(ensemble: Ensemble) -> dict[Monomial, float]:
    """The margin's coefficients: `sum of coefficient * product of decisions`."""
    out: dict[Monomial, float] = defaultdict(float)
    out[()] = ensemble.base
    for tree in ensemble.trees:
        for path, value in leaves(tree):
            for monomial, x in _expanded(path, value).items():
                out[monomial] += x
    return {monomial: x for monomial, x in sorted(out.items()) if x}


def _expanded(path: Path, value: float) -> dict[Monomial, float]:
    """value * product over the path of a decision or its complement, multiplied out."""
    out: dict[Monomial, float] = {(): value}
    for literal, left in path:
        grown: dict[Monomial, float] = defaultdict(float)
        for monomial, x in out.items():
            grown[_times(monomial, literal)] += x if left else -x
            if not left:
                grown[monomial] += x
        out = grown
    return out


def _times(monomial: Monomial, literal: Literal) -> Monomial:
    others = [known for known in monomial if known.feature != literal.feature]
    for known in monomial:
        if known.feature == literal.feature:
            # Both must hold: a present code must pass the smaller edge, a missing one both defaults.
            edge = min(known.edge, literal.edge)
            literal = Literal(literal.feature, edge, known.default_left and literal.default_left)
    return tuple(sorted([*others, literal]))


def _factored(given: dict[Monomial, float]) -> Polynomial:
    uses = Counter(literal for monomial in given if len(monomial) > 2 for literal in monomial)
    uses.update(literal for monomial in given if len(monomial) == 2 for literal in monomial)
    out = Polynomial(Linear(), {})
    # The longest first: shorter monomials then find places that exist already.
    for monomial in sorted(given, key=lambda m: (-len(m), m)):
        _put(out, sorted(monomial, key=lambda literal: (-uses[literal], literal)), given[monomial])
    return out


def _put(out: Polynomial, parts: list[Literal], x: float) -> None:
    if len(parts) < 2:
        if parts:
            out.linear.terms[parts[0]] += x
        else:
            out.linear.constant += x
        return
    if _put_in_place(out, parts, x):
        return
    split = max(1, len(parts) - 2)
    target = out.prefixes.setdefault(tuple(sorted(parts[:split])), Quadratic())
    if len(parts) == 2:
        target.linear.terms[parts[1]] += x
    else:
        target.products[parts[-2]].terms[parts[-1]] += x


def _put_in_place(out: Polynomial, parts: list[Literal], x: float) -> bool:
    """Add the coefficient as the constant of a product that is computed anyway, which costs nothing."""
    for last in parts:
        rest = tuple(sorted(p for p in parts if p != last))
        known = out.prefixes.get(rest)
        if known is not None and last in known.products:
            known.products[last].constant += x
            return True
    return False
