"""The evaluator's role for cohorts: the ensemble's polynomial on encrypted columns.

Levels are counted in primes left. With the last multiplication at level `last` (2 primes) an affine form
is multiplied by its coefficients one level above, and for trees of depth 3 and 4 two levels above:

```
level 4   inner affine forms: coefficients times decisions, rescaled
level 3   times b; products of two prefix decisions; outer affine forms;   relinearised, rescaled
level 2   times the prefix, summed over prefixes, relinearised once, rescaled
level 1   the answer
```

Ciphertexts can be added only at equal scales, and rescaling divides by a prime that is not exactly 2^40.
So each plaintext coefficient is encoded at the scale that makes its product land on the scale wanted.
"""

from __future__ import annotations

from collections import OrderedDict

from analytics.encrypted import seal
from analytics.encrypted.artefacts import Model, header
from analytics.encrypted.bounds import interval
from analytics.encrypted.ensemble import Ensemble, Literal, leaves
from analytics.encrypted.framing import Frame, Kind, unframe
from analytics.encrypted.polynomial import Linear, Polynomial, Prefix, Quadratic, polynomial
from analytics.encrypted.slots import (
    LARGEST_MARGIN,
    SLOT_SETS,
    Ckks,
    ColumnsHeader,
    MarginsHeader,
    SlotKeysHeader,
    ckks,
    slot_set,
)
from analytics.errors import CapacityError, MismatchError, UnfitCiphertextError, UnknownError

_MAX_KEYS = 64
_LAST = 2


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
        self._polynomial = _outermost(polynomial(read.ensemble))
        self._keys: OrderedDict[str, seal.RelinKeys] = OrderedDict()

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
        while len(self._keys) > _MAX_KEYS:
            self._keys.popitem(last=False)
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
        if query.keys not in self._keys:
            raise UnknownError("no evaluation keys of that digest are held; send them again")
        self._keys.move_to_end(query.keys)
        columns = [_column(self._ckks, section) for section in frame.sections]
        run = _Run(self._ckks, self._ensemble, self._keys[query.keys], columns)
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


def _outermost(given: Polynomial) -> Polynomial:
    """Products without a prefix become prefixes with a linear part: one multiplication, one level later."""
    out: Polynomial = {}
    for prefix, part in given.items():
        target = out.setdefault(prefix, Quadratic())
        target.linear.add(part.linear, 1.0)
        for literal, linear in part.products.items():
            if prefix:
                target.products[literal].add(linear, 1.0)
            else:
                out.setdefault((literal,), Quadratic()).linear.add(linear, 1.0)
    return out


class _Run:
    """One evaluation: the columns, and every decision at every level it was needed at so far."""

    def __init__(
        self, context: Ckks, ensemble: Ensemble, relin: seal.RelinKeys, columns: list[seal.Ciphertext]
    ) -> None:
        self.ckks, self.ensemble, self.relin, self.columns = context, ensemble, relin, columns
        self.evaluator = context.evaluator
        self._decisions: dict[tuple[Literal, int], seal.Ciphertext] = {}

    def evaluate(self, terms: Polynomial) -> seal.Ciphertext:
        target = self.ckks.scale * self.ckks.scale
        parts = [
            part
            for prefix, quadratic in terms.items()
            if prefix and (part := self._term(prefix, quadratic, target)) is not None
        ]
        parts += self._weighted(terms[()].linear, _LAST, target)
        total = self._sum(parts)
        self._add_constant(total, terms[()].linear.constant, target, _LAST)
        if total.size() == 3:
            self.evaluator.relinearize_inplace(total, self.relin)
        self.evaluator.rescale_to_next_inplace(total)
        return total

    def _term(self, prefix: Prefix, part: Quadratic, target: float) -> seal.Ciphertext | None:
        """prefix * (linear + products) at the last level, at scale `target`."""
        factor = self._prefix(prefix)
        wanted = target / factor.scale
        inner = [
            product
            for literal, linear in part.products.items()
            if (product := self._product(literal, linear, wanted)) is not None
        ]
        out: seal.Ciphertext | None = None
        if inner:
            out = self._sum(inner)
            self.evaluator.relinearize_inplace(out, self.relin)
            self.evaluator.rescale_to_next_inplace(out)
            out.scale = wanted
        linear = self._linear(part.linear, _LAST + 1, wanted)
        if linear is not None and out is not None:
            self.evaluator.add_inplace(out, linear)
        elif linear is not None:
            out = linear
        elif out is not None:
            self._add_constant(out, part.linear.constant, wanted, _LAST)
        elif part.linear.constant:
            out = seal.Ciphertext()
            self.evaluator.multiply_plain(factor, self.ckks.encode(part.linear.constant, wanted, _LAST), out)
            out.scale = target
            return out
        else:
            return None
        self.evaluator.multiply_inplace(out, factor)
        out.scale = target
        return out

    def _product(self, literal: Literal, linear: Linear, wanted: float) -> seal.Ciphertext | None:
        """literal * linear, one level above the last, at the scale that rescaling turns into `wanted`."""
        level = _LAST + 1
        scale = wanted * self.ckks.moduli[level - 1]
        decision = self._decision(literal, level)
        form = self._linear(linear, level + 1, scale / decision.scale)
        out = seal.Ciphertext()
        if form is not None:
            self.evaluator.multiply(form, decision, out)
        elif linear.constant:
            constant = self.ckks.encode(linear.constant, scale / decision.scale, level)
            self.evaluator.multiply_plain(decision, constant, out)
        else:
            return None
        out.scale = scale
        return out

    def _linear(self, form: Linear, level: int, wanted: float) -> seal.Ciphertext | None:
        """The affine form, computed at `level` and rescaled to the one below; None if it is a constant."""
        scale = wanted * self.ckks.moduli[level - 1]
        products = self._weighted(form, level, scale)
        if not products:
            return None
        out = self._sum(products)
        self.evaluator.rescale_to_next_inplace(out)
        out.scale = wanted
        self._add_constant(out, form.constant, wanted, level - 1)
        return out

    def _weighted(self, form: Linear, level: int, scale: float) -> list[seal.Ciphertext]:
        out = []
        for literal, x in form.terms.items():
            if x:
                decision = self._decision(literal, level)
                product = seal.Ciphertext()
                weight = self.ckks.encode(float(x), scale / decision.scale, level)
                self.evaluator.multiply_plain(decision, weight, product)
                product.scale = scale
                out.append(product)
        return out

    def _prefix(self, prefix: Prefix) -> seal.Ciphertext:
        if len(prefix) == 1:
            return self._decision(prefix[0], _LAST)
        out = seal.Ciphertext()
        first, second = (self._decision(literal, _LAST + 1) for literal in prefix)
        self.evaluator.multiply(first, second, out)
        self.evaluator.relinearize_inplace(out, self.relin)
        self.evaluator.rescale_to_next_inplace(out)
        return out

    def _decision(self, literal: Literal, level: int) -> seal.Ciphertext:
        """The bit of a decision, at a level: a column, or the sum of two, or one minus one."""
        key = (literal, level)
        if key not in self._decisions:
            form = self.ensemble.affine(literal)
            out: seal.Ciphertext | None = None
            for column, x in form.terms.items():
                part = self._at(self.columns[column], level)
                if x < 0:
                    self.evaluator.negate_inplace(part)
                if out is None:
                    out = part
                else:
                    self.evaluator.add_inplace(out, part)
            assert out is not None  # noqa: S101 - decisions with one outcome were resolved when reading
            self._add_constant(out, form.constant, self.ckks.scale, level)
            self._decisions[key] = out
        return self._decisions[key]

    def _at(self, column: seal.Ciphertext, level: int) -> seal.Ciphertext:
        out = seal.Ciphertext()
        self.evaluator.mod_switch_to(column, self.ckks.ids[level], out)
        return out

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
