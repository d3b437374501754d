"""The named parameter sets of BFV and CKKS: their cost, their purpose, and why they are secure.

All use a ring of degree 8192 and keep the coefficient modulus, special prime included, within 214 bits: the
limit for 128-bit security (classical, ternary secret) of the newest table, Table 5.2 of Bossuat et al.,
"Security Guidelines for Implementing Homomorphic Encryption" (IACR Communications in Cryptology 1(4), 2025).
SEAL itself enforces the table of 2018 (Albrecht et al., Homomorphic Encryption Standard), which allows 218.
`security_bits` returns the newest table's value.

**BFV**, for exact scores of one patient or a few:

| set     | coefficient modulus | plaintext | purpose                                             |
| ------- | ------------------- | --------- | --------------------------------------------------- |
| fast    | 60, 60 + 60         | 17 bits   | the default                                         |
| precise | 49, 49, 49 + 60     | 20 bits   | an eighth of the quantisation error                 |
| private | 54, 54, 51 + 55     | 17 bits   | an answer that tells the scores and no more          |

The noise grows with the weights and not with the patient, so the worst case is a model whose weights
are dense and uniform in F_t, on columns at their widest. `floor` is the margin in bits that must be left
there; a test measures it.

**Flooding.** The noise of a BFV result depends on the weights, and the holder of the secret key can read
it. In `private` an answer is replaced by three coefficients with uniform noise of `flood_bits` bits, and
the rest is made fresh; `bfv.sanitising` says how, and what a client with crafted keys learns at most. Answers
of two models with the same score then differ by a statistical distance of at most
3 * 2^(noise bits + 1 - flood bits). The noise there is below 2^44 (measured on the worst case, and tested),
so the distance is 2^-27 an answer: 100,000 answers under one key together stay below one in a thousand.
In `fast` and `precise` a client that decrypts below the interface could learn something about the
weights from the noise, over many queries: the limits on queries are the protection there.

**CKKS**, for cohorts, with one slot per patient (4096 slots) and one ciphertext per column:

| for depth | coefficient modulus | rescalings |
| --------- | ------------------- | ---------- |
| 1, 2      | 54, 46 + 54         | 1          |
| 3, 4      | 60, 44, 42 + 60     | 2          |

Bits are encrypted at scale 2^36. Coefficients are scaled so that products need no rescaling of their own;
see `ckks.server`. Margins of up to +-30 fit; a model with a wider range is refused. CKKS is approximate:
margins differ from plaintext by about 1e-5. The bits are exact zeros and ones up to that noise, so no
comparison is approximated. A CKKS decryption holds noise that depends on the secret key (Li and Micciancio
2021). So margins that leave the client are rounded to `DECIMALS`, well above the noise, and never go back to
the evaluator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analytics.errors import ArtefactMismatchError

RING: Final = 8192
LIMIT_128_BITS: Final = {1024: 26, 2048: 53, 4096: 106, 8192: 214, 16384: 430, 32768: 868}
"""Largest coefficient modulus in bits per ring degree, 128-bit classical security, ternary secret."""


@dataclass(frozen=True)
class SingleSquaring:
    """The settings that differ for models of one squaring, which do not need half of the modulus.

    `primes` remain for the squaring. The last `late` rotations before it are made with so few already
    (more than there are folds: all but those of the query itself), which halves their time; their noise
    is then no longer drowned. `floor` is the least noise margin, in bits: with two, the noise of a
    coefficient would have to be four times the largest of 8192 to spoil an answer, and the answer's
    check would show that.
    """

    primes: int
    late: int
    floor: int


@dataclass(frozen=True)
class BfvParameters:
    """One choice of BFV parameters.

    `primes` are the bit sizes of the coefficient modulus; the last is the special prime that only keys
    use. `levels` are the primes left for the second squaring, and after the last squaring for
    relinearising and flooding; the mask is added at one prime. `single` is for models of one squaring.
    `flood_bits` is 0 where the answer is not sanitised. `floor` is the least noise margin, in bits, in the
    worst case.
    """

    name: str
    primes: tuple[int, ...]
    plain_modulus: int
    levels: tuple[int, int]
    single: SingleSquaring
    floor: int
    flood_bits: int = 0
    ring: int = RING

    @property
    def security_bits(self) -> int:
        """Return 128 where the modulus is within the newest table for this ring, 0 where it is not."""
        return 128 if sum(self.primes) <= LIMIT_128_BITS[self.ring] else 0

    @property
    def slots(self) -> int:
        """Return the number of slots in one of the two batch rows."""
        return self.ring // 2


FAST = BfvParameters("fast", (60, 60, 60), 114689, (1, 1), SingleSquaring(1, late=2, floor=2), floor=5)
PRECISE = BfvParameters(
    "precise", (49, 49, 49, 60), 1032193, (3, 1), SingleSquaring(2, late=16, floor=12), floor=12
)
PRIVATE = BfvParameters(
    "private", (54, 54, 51, 55), 114689, (3, 2), SingleSquaring(2, late=4, floor=16), floor=16, flood_bits=74
)

BFV_SETS: Final = {p.name: p for p in (FAST, PRECISE, PRIVATE)}


def bfv_parameters(name: str) -> BfvParameters:
    """Return the BFV parameter set of that name.

    Raises:
        ArtefactMismatchError: there is none.
    """
    if name not in BFV_SETS:
        raise ArtefactMismatchError(f"unknown parameter set; known are {', '.join(BFV_SETS)}")
    return BFV_SETS[name]


SLOTS: Final = RING // 2
SCALE_BITS: Final = 36
TARGET_BITS: Final = 92
"""Scale of the sum of all terms before the last rescaling; it leaves coefficients 2^20 at least."""
LARGEST_MARGIN: Final = 30.0
DECIMALS: Final = 4
"""Margins are rounded to this many decimals on the client before they leave it."""


@dataclass(frozen=True)
class CkksParameters:
    """One choice of CKKS parameters; the last prime is the special one that only keys use."""

    name: str
    primes: tuple[int, ...]


SHALLOW: Final = CkksParameters("cohort-2", (54, 46, 54))
DEEP: Final = CkksParameters("cohort-4v2", (60, 44, 42, 60))
CKKS_SETS: Final = {p.name: p for p in (SHALLOW, DEEP)}


def ckks_parameters(depth: int) -> CkksParameters:
    """Return the CKKS parameters for an ensemble of this depth."""
    return SHALLOW if depth <= 2 else DEEP
