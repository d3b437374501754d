"""The arithmetic of a BFV score: rows, squares, sum, the sanitised result, and mask.

Which operations run depends on the layout and the parameter set alone, so the time discloses nothing about
the patient or the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.encrypted import seal
from analytics.encrypted.bfv.packing import SlotLayout
from analytics.encrypted.bfv.sanitising import sanitise
from analytics.encrypted.compiler.row_program import RowProgram
from analytics.encrypted.field import Ints
from analytics.encrypted.parameters import BfvParameters


@dataclass(frozen=True)
class EvaluationKeys:
    """One client's evaluation keys, expanded; `size` is their memory in bytes.

    `zero` is the zero key, where answers are sanitised.
    """

    relin: seal.RelinKeys
    galois: seal.GaloisKeys
    zero: seal.Ciphertext | None
    steps: frozenset[int]
    parameters: BfvParameters
    size: int


class EncodedProgram:
    """A program with its plaintexts encoded for one layout: everything that does not depend on a query."""

    def __init__(self, program: RowProgram, layout: SlotLayout, parameters: BfvParameters) -> None:
        bfv = seal.bfv_context(parameters)
        self.layout, self.program = layout, program
        rows = layout.rows - layout.cancelling
        self.offsets, self.kappas = [], []
        self.diagonals: list[list[seal.Plaintext]] = []
        for shard in range(layout.shards):
            part = slice(shard * rows, (shard + 1) * rows)
            weights, offsets, kappas = (
                _pad(a[part], layout.rows) for a in (program.weights, program.offsets, program.kappas)
            )
            if layout.cancelling:
                weights[rows:] = np.asarray([[1], [_cancelling_root(program)]])
            self.diagonals.append([_ntt(bfv, layout.diagonal(weights, j)) for j in range(layout.diagonals)])
            self.offsets.append(bfv.encode(layout.per_row(offsets)))
            self.kappas.append(bfv.encode(layout.per_row(-kappas % program.modulus)))


def _cancelling_root(program: RowProgram) -> int:
    """Return z with z^2 = -1, or z^4 = -1 for two squarings: the squares of w and z w cancel."""
    t, order = program.modulus, 4 * program.squarings
    roots = (pow(g, (t - 1) // order, t) for g in range(2, t))
    return next(z for z in roots if pow(z, order // 2, t) == t - 1)


def _pad(array: Ints, rows: int) -> Ints:
    out = np.zeros((rows, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def _ntt(bfv: seal.BfvContext, slots: Ints) -> seal.Plaintext:
    out = seal.Plaintext()
    bfv.evaluator.transform_to_ntt(bfv.encode(slots), bfv.ids[bfv.top], out)
    return out


def evaluate(
    bfv: seal.BfvContext, encoded: EncodedProgram, keys: EvaluationKeys, ciphertext: seal.Ciphertext
) -> seal.Ciphertext:
    """Compute rows, squares, the sum over shards, and mask: the answer at the last level."""
    babies = _babies(bfv, encoded.layout, keys, ciphertext)
    total: seal.Ciphertext | None = None
    for shard in range(encoded.layout.shards):
        linear = _rows(bfv, encoded, keys, babies, shard)
        squared = _squares(bfv, encoded, keys, linear, shard)
        if total is None:
            total = squared
        else:
            bfv.evaluator.add_inplace(total, squared)
    assert total is not None  # noqa: S101 - a layout has at least one shard
    return _finish(bfv, encoded, keys, total)


def _babies(
    bfv: seal.BfvContext, layout: SlotLayout, keys: EvaluationKeys, ciphertext: seal.Ciphertext
) -> list[seal.Ciphertext]:
    out = []
    for step in range(layout.babies):
        rotated, transformed = seal.Ciphertext(), seal.Ciphertext()
        if step:
            bfv.evaluator.rotate_rows(ciphertext, step, keys.galois, rotated)
        bfv.evaluator.transform_to_ntt(rotated if step else ciphertext, transformed)
        out.append(transformed)
    return out


def _rows(
    bfv: seal.BfvContext,
    encoded: EncodedProgram,
    keys: EvaluationKeys,
    babies: list[seal.Ciphertext],
    shard: int,
) -> seal.Ciphertext:
    """Compute `weights @ x + offsets` of one shard, in every block."""
    evaluator, layout = bfv.evaluator, encoded.layout
    folds = (*layout.folds, *((0,) if layout.wide else ()))
    # A single squaring needs fewer primes than the query has, and a rotation costs time for each.
    single = bfv.parameters.single
    few = bfv.ids[single.primes if encoded.program.squarings == 1 else bfv.top]
    late = single.late if encoded.program.squarings == 1 else 0
    total: seal.Ciphertext | None = None
    product = seal.Ciphertext()
    for start in range(0, layout.diagonals, layout.babies):
        giant = seal.Ciphertext()
        for j in range(start, min(start + layout.babies, layout.diagonals)):
            plaintext = encoded.diagonals[shard][j]
            if j == start:
                evaluator.multiply_plain(babies[0], plaintext, giant)
            else:
                evaluator.multiply_plain(babies[j - start], plaintext, product)
                evaluator.add_inplace(giant, product)
        evaluator.transform_from_ntt_inplace(giant)
        if late > len(folds):
            evaluator.mod_switch_to_inplace(giant, few)
        if start:
            evaluator.rotate_rows_inplace(giant, start, keys.galois)
        if total is None:
            total = giant
        else:
            evaluator.add_inplace(total, giant)
    assert total is not None  # noqa: S101 - a layout has at least one diagonal
    rotated = seal.Ciphertext()
    for left, step in zip(range(len(folds), 0, -1), folds, strict=True):
        if left == late:
            evaluator.mod_switch_to_inplace(total, few)
        if step:
            evaluator.rotate_rows(total, step, keys.galois, rotated)
        else:
            evaluator.rotate_columns(total, keys.galois, rotated)
        evaluator.add_inplace(total, rotated)
    evaluator.mod_switch_to_inplace(total, few)
    evaluator.add_plain_inplace(total, encoded.offsets[shard])
    return total


def _squares(
    bfv: seal.BfvContext, encoded: EncodedProgram, keys: EvaluationKeys, value: seal.Ciphertext, shard: int
) -> seal.Ciphertext:
    """Compute w^2 or (w^2 - kappa)^2; relinearised only once, after the shards are added."""
    evaluator = bfv.evaluator
    evaluator.square_inplace(value)
    if encoded.program.squarings == 2:
        before_second = bfv.parameters.levels[0]
        evaluator.relinearize_inplace(value, keys.relin)
        evaluator.add_plain_inplace(value, encoded.kappas[shard])
        evaluator.mod_switch_to_inplace(value, bfv.ids[before_second])
        evaluator.square_inplace(value)
    return value


def _finish(
    bfv: seal.BfvContext, encoded: EncodedProgram, keys: EvaluationKeys, value: seal.Ciphertext
) -> seal.Ciphertext:
    evaluator, parameters = bfv.evaluator, bfv.parameters
    last = parameters.levels[1]
    if value.coeff_modulus_size() > last:
        evaluator.mod_switch_to_inplace(value, bfv.ids[last])
    evaluator.relinearize_inplace(value, keys.relin)
    if keys.zero is not None:
        sanitise(bfv, keys.zero, value)
    evaluator.mod_switch_to_inplace(value, bfv.ids[1])
    mask = encoded.layout.mask(encoded.program.constant, parameters.plain_modulus)
    evaluator.add_plain_inplace(value, bfv.encode(mask))
    return value
