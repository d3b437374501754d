"""Answers that disclose a few numbers of bounded length, whatever keys and query a client sends.

A result on ciphertext is two polynomials, and both depend on the rows of the model. A client that made
everything as the protocol has it learns from them the scores and some noise. One that crafts its evaluation
keys, its query or the key that answers are randomised with could read single rows there. Nothing that the
evaluator can check without the secret key tells crafted keys from honest ones. So an answer is made such
that it has no room:

- *The first polynomial* is replaced by uniform numbers, in all coefficients but the three of `kept`. These
  determine the sums over each batch row of slots, which are the scores. To each of the three, uniform noise
  of `flood_bits` bits is added. Of any number modulo q that leaves at most log2(q) - `flood_bits` bits.
- *The second polynomial* gets a sample a u + e of RLWE, with u and e fresh. The polynomial `a` is public and
  follows from a hash (`sampling.public_uniform`). No client chooses it, so there is none with a trapdoor.
- *The client's part* is b = -(a s + e'), the zero key: b u is added to the first polynomial, and without it
  the holder of s could not decrypt. Nothing has to be known about b. It changes the three coefficients
  alone.

So an answer is a function of three numbers of log2(q) - `flood_bits` bits and of a sample of RLWE whose
secret u enters them: with 34 bits each, a client that tells models apart with crafted keys solves RLWE of
this ring for a modulus of 108 bits with a hint of 102 bits on its secret. Without a hint that takes 2^256
steps by the table that `parameters` names; guessing the hint costs 102 bits of them. For honest keys and
queries the noise of the rows is drowned besides: then an answer tells the scores and nothing else.

A wrong answer shows: the noise fills 2^-17 of the room between two plaintext values, so a coefficient that
is not an answer passes `read_scores` with a chance of 2^-15, and all three with 2^-45.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any, Final

import numpy as np
from tenseal import sealapi

from analytics.encrypted import sampling, seal
from analytics.encrypted.field import Ints
from analytics.encrypted.parameters import BfvParameters
from analytics.errors import GarbledAnswerError, UnfitCiphertextError

_GAP_BITS: Final = 15


def kept(ring: int) -> tuple[int, int, int]:
    """Return the coefficients that stay: the trace to the subring in which a batch row is one number."""
    return 0, ring // 4, 3 * ring // 4


def zero_key(bfv: seal.BfvContext, decryptor: sealapi.Decryptor) -> bytes:
    """Return the client's zero key: one residue of 8 bytes for each prime and coefficient."""
    parts = []
    secret = _secret(bfv, decryptor)
    noise = sampling.small_noise(bfv.parameters.ring)
    for modulus, common in zip(_moduli(bfv), _common(bfv.parameters), strict=True):
        product = sampling.times_small(common, secret, modulus)
        parts.append(-(product + noise) % modulus)
    return np.concatenate(parts).astype("<u8").tobytes()


def zero_key_bytes(parameters: BfvParameters) -> int:
    """Return the length of a zero key, in bytes; 0 for a set whose answers are not sanitised."""
    return 8 * parameters.levels[1] * parameters.ring if parameters.flood_bits else 0


def read_zero_key(bfv: seal.BfvContext, data: bytes) -> seal.Ciphertext:
    """Return a client's zero key together with the public polynomial.

    Raises:
        UnfitCiphertextError: it has another length, or a residue is out of range.
    """
    if len(data) != zero_key_bytes(bfv.parameters):
        raise UnfitCiphertextError("the zero key has another length")
    given = np.frombuffer(data, "<u8").reshape(-1, bfv.parameters.ring)
    return bfv.ciphertext_of(np.stack([given, np.stack(_common(bfv.parameters)).astype(np.uint64)]))


def sanitise(bfv: seal.BfvContext, zero: seal.Ciphertext, value: seal.Ciphertext) -> None:
    """Replace a result in place by one that discloses three flooded coefficients and nothing else."""
    ring, moduli = bfv.parameters.ring, _moduli(bfv)
    fresh = seal.Ciphertext()
    factor = bfv.polynomial(sampling.ternary(ring) % bfv.parameters.plain_modulus)
    bfv.evaluator.multiply_plain(zero, factor, fresh)
    bfv.evaluator.add_inplace(value, fresh)
    first = np.stack([sampling.uniform(modulus, ring) for modulus in moduli])
    for place in kept(ring):
        flood = secrets.randbits(bfv.parameters.flood_bits) - (1 << bfv.parameters.flood_bits - 1)
        first[:, place] = [flood % modulus for modulus in moduli]
    noise = sampling.small_noise(ring)
    second = np.stack([noise % modulus for modulus in moduli])
    bfv.evaluator.add_inplace(value, bfv.ciphertext_of(np.stack([first, second]).astype(np.uint64)))


def read_slots(bfv: seal.BfvContext, decryptor: sealapi.Decryptor, answer: seal.Ciphertext) -> Ints:
    """Return slot values whose sums over each batch row are those of the answer.

    Raises:
        GarbledAnswerError: the noise is larger than an answer's.
    """
    parameters = bfv.parameters
    plaintext, scaled, larger = seal.Plaintext(), seal.Plaintext(), seal.Ciphertext()
    decryptor.decrypt(answer, plaintext)
    bfv.evaluator.multiply_plain(answer, bfv.polynomial(np.asarray([1 << _GAP_BITS])), larger)
    decryptor.decrypt(larger, scaled)
    values = np.zeros(parameters.ring, np.int64)
    for place in kept(parameters.ring):
        values[place] = _coefficient(plaintext, place)
        if (values[place] << _GAP_BITS) % parameters.plain_modulus != _coefficient(scaled, place):
            raise GarbledAnswerError("the answer fails its check; no score can be read from it")
    return bfv.decode(bfv.polynomial(values))


def _coefficient(plaintext: Any, place: int) -> int:
    return int(plaintext[place]) if place < plaintext.coeff_count() else 0


def _moduli(bfv: seal.BfvContext) -> list[int]:
    return bfv.moduli[: bfv.parameters.levels[1]]


@lru_cache(maxsize=2)
def _common(parameters: BfvParameters) -> tuple[Ints, ...]:
    """Return the public polynomial modulo each prime."""
    label = f"zero key of {parameters.name}"
    moduli = _moduli(seal.bfv_context(parameters))
    return tuple(sampling.public_uniform(label, modulus, parameters.ring) for modulus in moduli)


def _secret(bfv: seal.BfvContext, decryptor: sealapi.Decryptor) -> Ints:
    """Return the coefficients of the secret key: the decryption of a ciphertext that is a multiple of it."""
    ring, t, moduli = bfv.parameters.ring, bfv.parameters.plain_modulus, _moduli(bfv)
    product = 1
    for modulus in moduli:
        product *= modulus
    parts = np.zeros((2, len(moduli), ring), np.uint64)
    parts[1, :, 0] = [product // t % modulus for modulus in moduli]
    found = seal.Plaintext()
    decryptor.decrypt(bfv.ciphertext_of(parts), found)
    values = np.asarray([_coefficient(found, i) for i in range(ring)], np.int64)
    return np.where(values == t - 1, -1, values)
