"""The arithmetic of a cohort's scores: the ensemble's factored polynomial on encrypted columns.

Levels are counted in primes left. Trees of depth 3 and 4 start with three:

```
level 3   sum over b of b * (coefficients times decisions); products of two prefix decisions
          rescaled, relinearised
level 2   plus coefficients times decisions; times the prefix, summed over prefixes; plus the terms
          without prefix
          relinearised once, rescaled
level 1   the answer
```

Trees of depth 1 and 2 have no b, so they start at level 2.

Rescaling is the costliest of the operations that are done per term, so no term has one of its own: a
coefficient is encoded at the scale that makes its product land on the scale of the sum. That is
possible because coefficients are known numbers: 2^20 and more of scale is precise enough for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from analytics.encrypted import seal
from analytics.encrypted.compiler.ensemble import Decision, TreeEnsemble
from analytics.encrypted.compiler.polynomial import FactoredPolynomial, LinearForm, Monomial, QuadraticForm
from analytics.errors import UnfitCiphertextError

_LAST = 2
_ZERO = 2.0**-18
"""Stands for a coefficient that cancelled to exactly 0, which SEAL refuses to multiply by."""


def _column(context: seal.CkksContext, data: bytes) -> seal.Ciphertext:
    out = seal.load(seal.Ciphertext(), context.context, data)
    if out.size() != 2 or out.parms_id() != context.ids[context.top] or out.scale != context.scale:
        raise UnfitCiphertextError("a column has the wrong size, level or scale")
    return out


class PolynomialEvaluation:
    """One evaluation: the columns, and every decision at every level at which it was needed so far.

    Reading a column costs as much as ten additions, so columns that the model does not use are not read.
    The time discloses no more to a client than its margins do, which do not change with such a column.
    """

    def __init__(
        self,
        context: seal.CkksContext,
        ensemble: TreeEnsemble,
        relin: seal.RelinKeys,
        columns: Sequence[bytes],
    ) -> None:
        self.ckks, self.ensemble, self.relin = context, ensemble, relin
        self.evaluator = context.evaluator
        self._sections = columns
        self._columns: dict[int, seal.Ciphertext] = {}
        self._bits: dict[tuple[Decision, int], seal.Ciphertext] = {}

    def evaluate(self, polynomial: FactoredPolynomial) -> seal.Ciphertext:
        """Return the encrypted margins at the last level.

        Raises:
            UnfitCiphertextError: a column has the wrong size, level or scale.
        """
        outer = polynomial.linear
        parts = [self._term(prefix, part) for prefix, part in polynomial.prefixes.items()]
        parts += self._weighted(outer, _LAST, self.ckks.target)
        total = self._sum(parts)
        self._add_constant(total, outer.constant, self.ckks.target, _LAST)
        if total.size() == 3:
            self.evaluator.relinearize_inplace(total, self.relin)
        self.evaluator.rescale_to_next_inplace(total)
        return total

    def _term(self, prefix: Monomial, part: QuadraticForm) -> seal.Ciphertext:
        """Compute prefix * (linear + products) at the last level, at the target scale."""
        factor = self._prefix(prefix)
        wanted = self.ckks.target / factor.scale
        inner = self._inner(part, wanted)
        if inner is None:
            inner = seal.Ciphertext()
            constant = self.ckks.encode(part.linear.constant or _ZERO, wanted, _LAST)
            self.evaluator.multiply_plain(factor, constant, inner)
        else:
            self._add_constant(inner, part.linear.constant, wanted, _LAST)
            self.evaluator.multiply_inplace(inner, factor)
        inner.scale = self.ckks.target
        return inner

    def _inner(self, part: QuadraticForm, wanted: float) -> seal.Ciphertext | None:
        """Compute linear + products without the constant, at the last level; None where both are empty."""
        parts = self._weighted(part.linear, _LAST, wanted)
        if part.products:
            parts.append(self._products(part, wanted))
        return self._sum(parts) if parts else None

    def _products(self, part: QuadraticForm, wanted: float) -> seal.Ciphertext:
        """Compute the sum of products, from the first level to the last."""
        level = self.ckks.top
        scale = wanted * self.ckks.moduli[level - 1]
        out = self._sum(
            [self._product(decision, form, level, scale) for decision, form in part.products.items()]
        )
        # In this order: relinearising costs more the more primes there are.
        self.evaluator.rescale_to_next_inplace(out)
        if out.size() == 3:
            self.evaluator.relinearize_inplace(out, self.relin)
        out.scale = wanted
        return out

    def _product(self, decision: Decision, form: LinearForm, level: int, scale: float) -> seal.Ciphertext:
        """Compute decision * form, at a scale."""
        bit = self._bit(decision, level)
        remaining = scale / bit.scale
        parts = self._weighted(form, level, remaining)
        if parts:
            out = self._sum(parts)
            self._add_constant(out, form.constant, remaining, level)
            self.evaluator.multiply_inplace(out, bit)
        else:
            out = seal.Ciphertext()
            constant = self.ckks.encode(form.constant or _ZERO, remaining, level)
            self.evaluator.multiply_plain(bit, constant, out)
        out.scale = scale
        return out

    def _weighted(self, form: LinearForm, level: int, scale: float) -> list[seal.Ciphertext]:
        out = []
        for decision, x in form.terms.items():
            bit = self._bit(decision, level)
            product = seal.Ciphertext()
            weight = self.ckks.encode(float(x) or _ZERO, scale / bit.scale, level)
            self.evaluator.multiply_plain(bit, weight, product)
            product.scale = scale
            out.append(product)
        return out

    def _prefix(self, prefix: Monomial) -> seal.Ciphertext:
        if len(prefix) == 1:
            return self._bit(prefix[0], _LAST)
        out = seal.Ciphertext()
        first, second = (self._bit(decision, _LAST + 1) for decision in prefix)
        self.evaluator.multiply(first, second, out)
        self.evaluator.relinearize_inplace(out, self.relin)
        self.evaluator.rescale_to_next_inplace(out)
        return out

    def _bit(self, decision: Decision, level: int) -> seal.Ciphertext:
        """Return a decision's encrypted bit at a level. It may be a column: never change it in place."""
        key = (decision, level)
        if key not in self._bits:
            if level == self.ckks.top:
                self._bits[key] = self._affine(decision)
            else:
                out = seal.Ciphertext()
                above = self._bit(decision, self.ckks.top)
                self.evaluator.mod_switch_to(above, self.ckks.ids[level], out)
                self._bits[key] = out
        return self._bits[key]

    def _affine(self, decision: Decision) -> seal.Ciphertext:
        """Return a column, the sum of two columns, or one minus a column."""
        form = self.ensemble.affine(decision)
        columns = [self._column(j) for j in form.terms]
        if form.constant:
            out = seal.Ciphertext()
            self.evaluator.negate(columns[0], out)
            self._add_constant(out, form.constant, self.ckks.scale, self.ckks.top)
            return out
        if len(columns) == 2:
            out = seal.Ciphertext()
            self.evaluator.add(*columns, out)
            return out
        return columns[0]

    def _column(self, index: int) -> seal.Ciphertext:
        if index not in self._columns:
            self._columns[index] = _column(self.ckks, self._sections[index])
        return self._columns[index]

    def _add_constant(self, value: seal.Ciphertext, constant: float, scale: float, level: int) -> None:
        if constant:
            self.evaluator.add_plain_inplace(value, self.ckks.encode(float(constant), scale, level))

    def _sum(self, parts: list[seal.Ciphertext]) -> seal.Ciphertext:
        # Adding a short ciphertext to a long one is in place; the other way round makes a copy.
        ordered = sorted(parts, key=lambda part: -part.size())
        total = ordered[0]
        for part in ordered[1:]:
            self.evaluator.add_inplace(total, part)
        return total
