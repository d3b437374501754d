"""The place of every bit and every row in the 8192 slots: one pass of rotations evaluates all rows.

A ciphertext has two batch rows of N/2 slots that rotate together. They are cut into blocks of `width`
slots. Slot i of a block computes row i, so `rows` slots of each block do work. The columns are spread
over the blocks of a patient: block b handles the `diagonals` m columns from b*m on, cyclically, and holds
at slot i the column (i + b*m) mod D. Then

    sum over j < m of  weights[i, (i + b*m + j) mod D] * rotate(x, j)[i]

is block b's share of w_i, because rotating by j brings column i + b*m + j to slot i. This is the diagonal
method of Halevi and Shoup, with the number of diagonals divided by the number of blocks. The rotations
are split baby-step giant-step (j = giant * babies + baby), which leaves about 2 sqrt(m) of them. Adding
the blocks' shares takes log2(blocks) rotations more. Cost grows as the square root of columns x rows / N.

One patient uses all blocks of both batch rows. Several patients (a power of two) share the blocks: fewer
blocks for each, more diagonals, but one cost for all.

**The answer.** Slots i < rows of a patient's first block hold that patient's terms of the sum. The
evaluator adds random numbers that sum to the program's constant over those slots, so the client learns
the sum and nothing else. All other slots are made uniform. The slots behind the rows hold zeros by
construction; they are masked in four groups, each with a weighted sum of zero, by public weights that look
random. A ciphertext that was altered, met the wrong keys or ran out of noise margin decrypts to other
values everywhere, and the four sums show it: the chance that an alteration passes is t^-4, below 2^-67.
(The weights must be irregular: changing one coefficient of a polynomial adds powers of a root of unity to
the slots, and those sum to zero over any evenly spaced set.) The check finds faults and crude alterations.
An attacker who can replace ciphertexts at will and knows BFV is kept out by the connection.

**Sanitised answers** (`sanitising`) disclose the sums over whole batch rows. Every block has every term, so
such a sum is the score times the number of blocks, and the mask fixes it alone.

**Timing.** The layout follows from padded sizes that the client knows, and every diagonal is evaluated. One
without any weight gets a weight in the last slot of each block, which is spare. Where answers are sanitised
no slot is: there two rows more have weights everywhere, and their squares cancel.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analytics.encrypted.field import Ints
from analytics.encrypted.parameters import BfvParameters
from analytics.errors import CapacityError, GarbledAnswerError

CHECKS = 4
MAX_SANITISED = 2
"""Patients in a ciphertext whose answer is sanitised: one for each batch row."""
_TAIL = 8
_ROW_STEP = 32
"""Rows are padded to a multiple of this before the layout is chosen, so that it discloses less."""

# Relative costs on the reference machine, in units of one rotation.
_MULTIPLY, _TRANSFORM, _SHARD = 0.09, 0.12, 0.5


@dataclass(frozen=True)
class SlotLayout:
    """A placement of `shards` times `rows` rows of `columns` columns for `patients` patients.

    The last `cancelling` rows of each shard are those of a sanitised answer, otherwise 0.
    """

    half: int
    rows: int
    columns: int
    patients: int
    split: int
    diagonals: int
    babies: int
    shards: int
    cancelling: int = 0

    @property
    def wide(self) -> bool:
        """Return whether one patient has both batch rows."""
        return self.patients == 1

    @property
    def _per_row(self) -> int:
        return 1 if self.wide else self.patients // 2

    @property
    def width(self) -> int:
        """Return the number of slots in a block."""
        return self.half // (self.split * self._per_row)

    @property
    def giants(self) -> int:
        """Return the number of giant steps; the last may be incomplete."""
        return math.ceil(self.diagonals / self.babies)

    @property
    def folds(self) -> tuple[int, ...]:
        """Return the rotations that add up a patient's blocks within a batch row."""
        return tuple(self.width << k for k in range(self.split.bit_length() - 1))

    @property
    def steps(self) -> tuple[int, ...]:
        """Return every rotation that the evaluator makes; 0 stands for swapping the batch rows."""
        baby = range(1, self.babies)
        giant = range(self.babies, self.diagonals, self.babies)
        return tuple(sorted({*baby, *giant, *self.folds, *((0,) if self.wide else ())}))

    @cached_property
    def _position(self) -> tuple[Ints, Ints, Ints]:
        """Return each slot's index in its block, its patient, and its block's number among the patient's."""
        slot = np.arange(2 * self.half, dtype=np.int64)
        batch_row, within = slot // self.half, slot % self.half
        block, index = within // self.width, within % self.width
        if self.wide:
            return index, np.zeros_like(slot), batch_row * self.split + block
        return index, batch_row * self._per_row + block // self.split, block % self.split

    @cached_property
    def _slots(self) -> tuple[Ints, ...]:
        """Return, for each patient, the slots that sum to the score, or to `_copies` times the score."""
        index, patient, block = self._position
        terms = (index < self.rows) & (block == 0) if not self.cancelling else index >= 0
        return tuple(np.flatnonzero(terms & (patient == p)) for p in range(self.patients))

    @property
    def _copies(self) -> int:
        """Return how often a term occurs in the slots of its patient: in all blocks, or in the first."""
        return self.split * (2 if self.wide else 1) if self.cancelling else 1

    @cached_property
    def _checks(self) -> tuple[tuple[Ints, Ints], ...]:
        """Return slots and weights of each check; the last weight of each is 1."""
        if self.cancelling:
            return ()
        index, _, _ = self._position
        tail = np.flatnonzero((index >= self.rows) & (index < self.width - 1))
        shuffled = tail[np.argsort(_irregular(len(tail), 0), kind="stable")]
        out = []
        for k in range(CHECKS):
            slots = shuffled[k::CHECKS]
            weights = 1 + _irregular(len(slots), k + 1) % 65521
            weights[-1] = 1
            out.append((slots, weights))
        return tuple(out)

    def place(self, bits: Ints) -> Ints:
        """Return the slot values for up to `patients` rows of bits; absent patients are all zero."""
        if bits.ndim != 2 or bits.shape[1] != self.columns or not 1 <= len(bits) <= self.patients:
            raise ValueError(f"expected 1 to {self.patients} rows of {self.columns} bits, got {bits.shape}")
        index, patient, block = self._position
        padded = np.zeros((self.patients, self.columns), np.int64)
        padded[: len(bits)] = bits
        out: Ints = padded[patient, (index + block * self.diagonals) % self.columns]
        return out

    def diagonal(self, weights: Ints, j: int) -> Ints:
        """Return the slot values of a shard's diagonal j, rotated for its giant step; never all zero."""
        index, _, block = self._position
        offset = block * self.diagonals + j
        # The last block may reach past the last column; those places belong to columns already counted.
        works = (index < self.rows) & (offset < self.columns)
        out = np.zeros(2 * self.half, np.int64)
        out[works] = weights[index[works], (index[works] + offset[works]) % self.columns]
        if not out.any():
            out[self.width - 1] = 1
        giant = j // self.babies * self.babies
        rolled: Ints = np.roll(out.reshape(2, self.half), giant, axis=1).reshape(-1)
        return rolled

    def per_row(self, values: Ints) -> Ints:
        """Return slot values with a row's value in every block."""
        index, _, _ = self._position
        out = np.zeros(2 * self.half, np.int64)
        out[index < self.rows] = values[index[index < self.rows]]
        return out

    def mask(self, constant: int, modulus: int) -> Ints:
        """Return uniform slot values, but for the sums that the client expects."""
        raw = np.frombuffer(os.urandom(16 * self.half), np.uint64)
        out = (raw % np.uint64(modulus)).astype(np.int64)
        for slots in self._slots:
            out[slots[-1]] = (self._copies * constant - int(out[slots[:-1]].sum())) % modulus
        for slots, weights in self._checks:
            out[slots[-1]] = -int(out[slots[:-1]] @ weights[:-1]) % modulus
        return out

    def collect(self, slots: Ints, modulus: int) -> list[int]:
        """Return the patients' integer scores from decrypted slots, in (-t/2, t/2].

        Raises:
            GarbledAnswerError: the built-in check does not hold.
        """
        if any(int(slots[check] @ weights) % modulus for check, weights in self._checks):
            raise GarbledAnswerError("the answer fails its check; no score can be read from it")
        share = pow(self._copies, -1, modulus)
        sums = (int(slots[terms].sum()) * share % modulus for terms in self._slots)
        return [s - modulus if s > modulus // 2 else s for s in sums]


def _irregular(count: int, stream: int) -> Ints:
    """Return fixed numbers in [0, 2^32) without a pattern, the same in every release."""
    raw = hashlib.shake_256(b"consentry layout check" + bytes([stream])).digest(4 * count)
    return np.frombuffer(raw, "<u4").astype(np.int64)


def padded_rows(rows: int) -> int:
    """Return the row count that is made public for a program with this many rows."""
    return max(_ROW_STEP, math.ceil(rows / _ROW_STEP) * _ROW_STEP)


def plan_layout(rows: int, columns: int, parameters: BfvParameters, *, patients: int = 1) -> SlotLayout:
    """Return the cheapest layout for a padded number of rows; the same on every machine.

    Raises:
        CapacityError: no layout holds that many columns, or the set has no room for so many patients.
        ValueError: `patients` is not a power of two.
    """
    if patients < 1 or patients & (patients - 1):
        raise ValueError("the number of patients in a ciphertext is a power of two")
    if parameters.flood_bits and patients > MAX_SANITISED:
        raise CapacityError(f"{parameters.name} holds at most {MAX_SANITISED} patients in a ciphertext")
    best: tuple[float, SlotLayout] | None = None
    cancelling = 2 if parameters.flood_bits else 0
    half = parameters.slots
    per_row = max(1, patients // 2)
    copies = 2 if patients == 1 else 1
    split = 1
    while split * per_row <= half // 32:
        width = half // (split * per_row)
        diagonals = math.ceil(columns / (copies * split))
        room = width - max(diagonals, _TAIL) - cancelling
        if room >= min(rows, _ROW_STEP):
            shards = math.ceil(rows / room)
            each = math.ceil(rows / shards) + cancelling
            for babies in range(1, diagonals + 1):
                layout = SlotLayout(
                    half, each, columns, patients, split, diagonals, babies, shards, cancelling
                )
                cost = _cost(layout)
                if best is None or cost < best[0]:
                    best = (cost, layout)
        split *= 2
    if best is None:
        raise CapacityError(f"{columns} columns for {patients} patients do not fit {2 * half} slots")
    return best[1]


def _cost(layout: SlotLayout) -> float:
    giants = layout.giants
    rotations = layout.babies - 1
    rotations += layout.shards * (giants - 1 + len(layout.folds) + layout.wide)
    transforms = layout.babies + layout.shards * giants
    multiplications = layout.shards * layout.diagonals
    return rotations + _TRANSFORM * transforms + _MULTIPLY * multiplications + _SHARD * layout.shards
