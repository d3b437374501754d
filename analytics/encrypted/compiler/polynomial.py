"""The ensemble as a polynomial in its decisions, arranged so that few ciphertexts are multiplied.

For many patients at once every decision is a vector with one slot per patient. A leaf is its value times
a product of decisions a and of complements 1 - a, so the ensemble is a sum of monomials: products of at
most four different decisions with one coefficient each. Two decisions on one feature multiply to a third,
`[code <= 3] [code <= 5] = [code <= 3]`, so a monomial has at most one decision a feature. Monomials of
different trees are added up as numbers before anything is encrypted. Then the sum is factored:

    score = linear + sum over prefixes p of  p * (linear_p + sum over b of  b * linear_pb)

where p is one decision, or for monomials of degree four a product of two; b is one decision; and `linear`
is an affine form over decisions. The cost grows with the number of prefixes, of products b, and of
coefficients, in this order. The prefix that most of the monomials share is factored out first, then the one
that most of the rest share, and so on, and the same for b below it (greedy set cover).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container
from dataclasses import dataclass, field
from itertools import combinations

from analytics.encrypted.compiler.ensemble import Decision, DecisionPath, TreeEnsemble, leaves

Monomial = tuple[Decision, ...]
"""Decisions on different features, sorted; the empty one is the constant."""


@dataclass
class LinearForm:
    """`constant + sum of coefficient * decision`."""

    constant: float = 0.0
    terms: dict[Decision, float] = field(default_factory=lambda: defaultdict(float))


@dataclass
class QuadraticForm:
    """`linear + sum over b of b * products[b]`: the terms under one prefix."""

    linear: LinearForm = field(default_factory=LinearForm)
    products: dict[Decision, LinearForm] = field(default_factory=lambda: defaultdict(LinearForm))


@dataclass
class FactoredPolynomial:
    """The margin: an affine form, and a quadratic form for each prefix of one or two decisions."""

    linear: LinearForm
    prefixes: dict[Monomial, QuadraticForm]


def factor_ensemble(ensemble: TreeEnsemble) -> FactoredPolynomial:
    """Factor the ensemble's margin, base score included."""
    return _factored(monomials(ensemble))


def monomials(ensemble: TreeEnsemble) -> dict[Monomial, float]:
    """Return the margin's coefficients: `sum of coefficient * product of decisions`."""
    out: dict[Monomial, float] = defaultdict(float)
    out[()] = ensemble.base
    for tree in ensemble.trees:
        for path, value in leaves(tree):
            for monomial, x in _expanded(path, value).items():
                out[monomial] += x
    return {monomial: x for monomial, x in sorted(out.items()) if x}


def _expanded(path: DecisionPath, value: float) -> dict[Monomial, float]:
    """Multiply out value * product over the path of a decision or its complement."""
    out: dict[Monomial, float] = {(): value}
    for decision, left in path:
        grown: dict[Monomial, float] = defaultdict(float)
        for monomial, x in out.items():
            grown[_times(monomial, decision)] += x if left else -x
            if not left:
                grown[monomial] += x
        out = grown
    return out


def _times(monomial: Monomial, decision: Decision) -> Monomial:
    others = [known for known in monomial if known.feature != decision.feature]
    for known in monomial:
        if known.feature == decision.feature:
            # Both must hold: a present code must pass the smaller edge, a missing one both defaults.
            edge = min(known.edge, decision.edge)
            decision = Decision(decision.feature, edge, known.default_left and decision.default_left)
    return tuple(sorted([*others, decision]))


def _factored(given: dict[Monomial, float]) -> FactoredPolynomial:
    out = FactoredPolynomial(LinearForm(), {})
    by_degree: dict[int, list[Monomial]] = defaultdict(list)
    for monomial in given:
        by_degree[len(monomial)].append(monomial)
    # The longest first: shorter monomials then find places that exist already.
    for degree in (4, 3):
        left = {m for m in by_degree[degree] if not _put_in_place(out, m, given[m])}
        while left:
            prefix = _most_shared(left, degree - 2)
            chosen = {m for m in left if set(prefix) <= set(m)}
            left -= chosen
            _cover(out.prefixes.setdefault(prefix, QuadraticForm()), prefix, chosen, given)
    pairs = {m for m in by_degree[2] if not _put_in_place(out, m, given[m])}
    while pairs:
        known = {m for m in pairs if any((decision,) in out.prefixes for decision in m)}
        prefix = _most_shared(known or pairs, 1, among=out.prefixes if known else None)
        chosen = {m for m in pairs if prefix[0] in m}
        pairs -= chosen
        target = out.prefixes.setdefault(prefix, QuadraticForm())
        for monomial in sorted(chosen):
            (last,) = _without(monomial, prefix)
            target.linear.terms[last] += given[monomial]
    for monomial in by_degree[1]:
        out.linear.terms[monomial[0]] += given[monomial]
    out.linear.constant += given.get((), 0.0)
    return out


def _cover(
    target: QuadraticForm, prefix: Monomial, chosen: set[Monomial], given: dict[Monomial, float]
) -> None:
    """Put monomials with this prefix and two decisions more under it, in few products."""
    rest = {_without(monomial, prefix): given[monomial] for monomial in chosen}
    left = set(rest)
    while left:
        shared = _most_shared(left, 1)
        for monomial in sorted(m for m in left if shared[0] in m):
            left.discard(monomial)
            (last,) = _without(monomial, shared)
            target.products[shared[0]].terms[last] += rest[monomial]


def _most_shared(
    monomials: set[Monomial], size: int, *, among: Container[Monomial] | None = None
) -> Monomial:
    """Return the product of `size` decisions that most of the monomials contain; of equals, the first."""
    counts = Counter(
        part
        for monomial in monomials
        for part in combinations(monomial, size)
        if among is None or part in among
    )
    return min(counts, key=lambda part: (-counts[part], part))


def _without(monomial: Monomial, part: Monomial) -> Monomial:
    return tuple(decision for decision in monomial if decision not in part)


def _put_in_place(out: FactoredPolynomial, parts: Monomial, x: float) -> bool:
    """Add the coefficient as the constant of a product that is computed anyway, at no cost."""
    for last in parts:
        rest = tuple(sorted(p for p in parts if p != last))
        known = out.prefixes.get(rest)
        if known is not None and last in known.products:
            known.products[last].constant += x
            return True
    return False
