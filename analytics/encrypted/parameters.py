"""The named parameter sets: what each costs, what it is for, and why it is safe.

All use BFV with a ring of degree 8192 and keep the coefficient modulus, special prime included, within
218 bits: the limit for 128-bit security of the table that SEAL enforces (Homomorphic Encryption Standard,
Albrecht et al. 2018, ternary secret). `security_bits` says what the table gives.

| set     | coefficient modulus | plaintext | for                                         |
| ------- | ------------------- | --------- | ------------------------------------------- |
| fast    | 60, 60 + 60         | 17 bits   | the default                                 |
| precise | 49, 49, 49 + 60     | 20 bits   | an eighth of the quantisation error         |
| private | 54, 54, 54 + 56     | 17 bits   | an answer whose noise tells nothing (below) |

The noise grows with the weights and not with the patient, so the worst case is a model whose weights
are dense and uniform in F_t, on columns at their widest. `floor` is the margin in bits that must be left
there; a test measures it.

**Flooding.** The noise of a BFV result depends on the weights, and the holder of the secret key can read
it. In `private` the evaluator adds an encryption of zero under the client's public key, which makes the
ciphertext's second polynomial fresh, and then uniform noise of `flood_bits` bits to every coefficient
of the first. Answers of two models with the same score then differ by a statistical distance of at most
N * 2^(noise bits + 1 - flood bits). The noise there is below 2^40 (measured on the worst case, and tested),
so that is 2^-30 an answer: a million queries under one key together stay below one in a thousand.
In `fast` and `precise` a client that decrypts below the interface could learn something about the
weights from the noise, over many queries: the limits on queries are the protection there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RING: Final = 8192
SEAL_128_BIT_LIMIT: Final = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}
"""Largest coefficient modulus in bits per ring degree, 128-bit classical security, ternary secret."""


@dataclass(frozen=True)
class Single:
    """What of a parameter set is different where there is one squaring: half of its modulus is not needed.

    `primes` are kept for the squaring. The last `late` rotations before it are made with so few already
    (more than there are folds: all but those of the query itself), which halves their time; their noise
    is then no longer drowned. `floor` is the least noise margin, in bits: with two, the noise of a
    coefficient would have to be four times the largest of 8192 to spoil an answer, and the answer's
    check would show that.
    """

    primes: int
    late: int
    floor: int


@dataclass(frozen=True)
class ParameterSet:
    """One choice of BFV parameters.

    `primes` are the bit sizes of the coefficient modulus; the last is the special prime that only keys
    use. `levels` are the primes kept for the second squaring, and after the last squaring for
    relinearising and flooding; the mask is added at one prime. `only` is for models of one squaring.
    `flood_bits` is 0 where the answer is not flooded. `floor` is the least noise margin, in bits, in the
    worst case.
    """

    name: str
    primes: tuple[int, ...]
    plain_modulus: int
    levels: tuple[int, int]
    only: Single
    floor: int
    flood_bits: int = 0
    ring: int = RING

    @property
    def security_bits(self) -> int:
        """128 where the modulus is within SEAL's table for this ring, 0 where it is not."""
        return 128 if sum(self.primes) <= SEAL_128_BIT_LIMIT[self.ring] else 0

    @property
    def slots(self) -> int:
        """Slots in one of the two batch rows."""
        return self.ring // 2


FAST = ParameterSet("fast", (60, 60, 60), 114689, (1, 1), Single(1, late=2, floor=2), floor=5)
PRECISE = ParameterSet("precise", (49, 49, 49, 60), 1032193, (3, 1), Single(2, late=16, floor=12), floor=12)
PRIVATE = ParameterSet(
    "private", (54, 54, 54, 56), 114689, (3, 2), Single(2, late=4, floor=6), floor=6, flood_bits=84
)

SETS: Final = {p.name: p for p in (FAST, PRECISE, PRIVATE)}
