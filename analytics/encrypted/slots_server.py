"""The evaluator's role for cohorts: the ensemble's polynomial on encrypted columns.

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
coefficient is encoded at the scale that makes its whole product land on the scale of the sum. That is
possible because coefficients are known numbers: 2^20 and more of scale is precise enough for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from cachetools import LRUCache

from analytics.encrypted import seal
from analytics.encrypted.artefacts import Model, header
from analytics.encrypted.bounds import interval
from analytics.encrypted.ensemble import Ensemble, Literal, leaves
from analytics.encrypted.framing import Frame, Kind, unframe
from analytics.encrypted.polynomial import Linear, Monomial, Polynomial, Quadratic, polynomial
from analytics.encrypted.slots import (
    LARGEST_MARGIN,
    SLOT_SETS,
    Ckks,
    ColumnsHeader,
    SlotKeysHeader,
    ckks,
    slot_set,
)
from analytics.errors import CapacityError, MismatchError, UnfitCiphertextError, UnknownError

_MAX_KEYS = 64
_LAST = 2
_NOTHING = 2.0**-18
"""Stands for a coefficient that cancelled to exactly 0, which SEAL refuses to multiply by; see `_Run`."""


class SlotEvaluator:
    """Scores COLUMNS with one model; keeps the relinearisation keys of the latest 64 clients."""

    def __init__(self, model: bytes) -> None:
        """Read a MODEL.

        Raises:
            ArtefactError: it is not one.
            CapacityError: its margins may leave the range that CKKS is set up for.
        """
        read = Model.read(model)
        self.model = read.digest
        self._ensemble = read.ensemble
        self._set = slot_set(read.ensemble.depth)
        self._ckks = ckks(self._set)
        groups = [list(leaves(tree)) for tree in read.ensemble.trees]
        low, high = (read.ensemble.base + x for x in interval(groups, read.ensemble.bins))
        if max(-low, high) > LARGEST_MARGIN:
            raise CapacityError(f"the model's margins may exceed {LARGEST_MARGIN}")
        if read.ensemble.depth == 0:
            raise CapacityError("the model does not depend on any feature")
        self._polynomial = polynomial(read.ensemble)
        self._keys: LRUCache[str, seal.RelinKeys] = LRUCache(_MAX_KEYS)

    def add_keys(self, data: bytes) -> str:
        """Check and keep a client's KEYS; their digest.

        Raises:
            ArtefactError: they are not keys for this model's parameters.
        """
        frame = unframe(data, Kind.KEYS, sections=(1,))
        if SLOT_SETS.get(header(frame, SlotKeysHeader).set) != self._set:
            raise MismatchError("the keys are for other parameters")
        keys = seal.load(seal.RelinKeys(), self._ckks.context, frame.sections[0])
        if keys.size() != 1 or not keys.has_key(2):
            raise UnfitCiphertextError("these are no relinearisation keys")
        self._keys[frame.digest] = keys
        return frame.digest

    def score(self, data: bytes) -> bytes:
        """The MARGINS for COLUMNS.

        Raises:
            UnknownError: the keys are not here.
            ArtefactError: the query can't be used.
        """
        frame = unframe(data, Kind.COLUMNS, sections=(self._ensemble.bins.width,))
        query = header(frame, ColumnsHeader)
        if query.model != self.model or query.set != self._set.name:
            raise MismatchError("the query is for another model or other parameters")
        held = self._keys.get(query.keys)
        if held is None:
            raise UnknownError("no evaluation keys of that digest are held; send them again")
        run = _Run(self._ckks, self._ensemble, held, frame.sections)
        try:
            answer = run.evaluate(self._polynomial)
        except (RuntimeError, ValueError) as error:
            raise UnfitCiphertextError("SEAL refuses to compute on this query") from error
        given = {"model": self.model, "query": frame.digest}
        return Frame(Kind.MARGINS, given, (seal.dump(answer),)).data


def _column(context: Ckks, data: bytes) -> seal.Ciphertext:
    out = seal.load(seal.Ciphertext(), context.context, data)
    if out.size() != 2 or out.parms_id() != context.ids[context.top] or out.scale != context.scale:
        raise UnfitCiphertextError("a column has the wrong size, level or scale")
    return out


class _Run:
    """One evaluation: the columns, and every decision at every level it was needed at so far.

    Reading a column takes as long as ten additions, so those that the model does not ask about are left.
    That tells a client no more than its margins do: they do not change with such a column.
    """

    def __init__(
        self, context: Ckks, ensemble: Ensemble, relin: seal.RelinKeys, columns: Sequence[bytes]
    ) -> None:
        self.ckks, self.ensemble, self.relin = context, ensemble, relin
        self.evaluator = context.evaluator
        self._sections = columns
        self._columns: dict[int, seal.Ciphertext] = {}
        self._decisions: dict[tuple[Literal, int], seal.Ciphertext] = {}

    def evaluate(self, terms: Polynomial) -> seal.Ciphertext:
        outer = terms.linear
        parts = [self._term(prefix, part) for prefix, part in terms.prefixes.items()]
        parts += self._weighted(outer, _LAST, self.ckks.target)
        total = self._sum(parts)
        self._add_constant(total, outer.constant, self.ckks.target, _LAST)
        if total.size() == 3:
            self.evaluator.relinearize_inplace(total, self.relin)
        self.evaluator.rescale_to_next_inplace(total)
        return total

    def _term(self, prefix: Monomial, part: Quadratic) -> seal.Ciphertext:
        """prefix * (linear + products) at the last level, at the target scale."""
        factor = self._prefix(prefix)
        wanted = self.ckks.target / factor.scale
        inner = self._inner(part, wanted)
        if inner is None:
            inner = seal.Ciphertext()
            constant = self.ckks.encode(part.linear.constant or _NOTHING, wanted, _LAST)
            self.evaluator.multiply_plain(factor, constant, inner)
        else:
            self._add_constant(inner, part.linear.constant, wanted, _LAST)
            self.evaluator.multiply_inplace(inner, factor)
        inner.scale = self.ckks.target
        return inner

    def _inner(self, part: Quadratic, wanted: float) -> seal.Ciphertext | None:
        """linear + products without the constant, at the last level; None where that is nothing."""
        parts = self._weighted(part.linear, _LAST, wanted)
        if part.products:
            parts.append(self._products(part, wanted))
        return self._sum(parts) if parts else None

    def _products(self, part: Quadratic, wanted: float) -> seal.Ciphertext:
        """The sum of products, from the first level to the last."""
        level = self.ckks.top
        scale = wanted * self.ckks.moduli[level - 1]
        out = self._sum(
            [self._product(literal, form, level, scale) for literal, form in part.products.items()]
        )
        # In this order: relinearising takes longer the more primes there are.
        self.evaluator.rescale_to_next_inplace(out)
        if out.size() == 3:
            self.evaluator.relinearize_inplace(out, self.relin)
        out.scale = wanted
        return out

    def _product(self, literal: Literal, form: Linear, level: int, scale: float) -> seal.Ciphertext:
        """literal * form, at a scale."""
        decision = self._decision(literal, level)
        remaining = scale / decision.scale
        parts = self._weighted(form, level, remaining)
        if parts:
            out = self._sum(parts)
            self._add_constant(out, form.constant, remaining, level)
            self.evaluator.multiply_inplace(out, decision)
        else:
            out = seal.Ciphertext()
            constant = self.ckks.encode(form.constant or _NOTHING, remaining, level)
            self.evaluator.multiply_plain(decision, constant, out)
        out.scale = scale
        return out

    def _weighted(self, form: Linear, level: int, scale: float) -> list[seal.Ciphertext]:
        out = []
        for literal, x in form.terms.items():
            decision = self._decision(literal, level)
            product = seal.Ciphertext()
            weight = self.ckks.encode(float(x) or _NOTHING, scale / decision.scale, level)
            self.evaluator.multiply_plain(decision, weight, product)
            product.scale = scale
            out.append(product)
        return out

    def _prefix(self, prefix: Monomial) -> seal.Ciphertext:
        if len(prefix) == 1:
            return self._decision(prefix[0], _LAST)
        out = seal.Ciphertext()
        first, second = (self._decision(literal, _LAST + 1) for literal in prefix)
        self.evaluator.multiply(first, second, out)
        self.evaluator.relinearize_inplace(out, self.relin)
        self.evaluator.rescale_to_next_inplace(out)
        return out

    def _decision(self, literal: Literal, level: int) -> seal.Ciphertext:
        """The bit of a decision, at a level. It may be a column itself: not to be changed."""
        key = (literal, level)
        if key not in self._decisions:
            if level == self.ckks.top:
                self._decisions[key] = self._affine(literal)
            else:
                out = seal.Ciphertext()
                above = self._decision(literal, self.ckks.top)
                self.evaluator.mod_switch_to(above, self.ckks.ids[level], out)
                self._decisions[key] = out
        return self._decisions[key]

    def _affine(self, literal: Literal) -> seal.Ciphertext:
        """A column, or the sum of two, or one minus one."""
        form = self.ensemble.affine(literal)
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
