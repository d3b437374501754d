"""A client that crafts its keys and its query so that single rows of the model stand in the answer.

Honest key switching turns a polynomial under another key into a ciphertext under the client's. The keys
here leave the polynomial as it is: their first halves are zero, and the second ones hold the special prime
where an honest key hides it. With bits in the second polynomial of the query, where none belong, the
evaluator computes the rows in the second polynomial of the answer, and no mask is ever added to that.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from analytics.encrypted import seal
from analytics.encrypted.artefacts import ModelOffer
from analytics.encrypted.framing import ArtefactKind, Frame, unframe
from analytics.encrypted.parameters import BfvParameters, bfv_parameters


def crafted_keys(offer: ModelOffer, name: str, patients: int, zero: bytes | None) -> Frame:
    """Return KEYS that switch nothing; `zero` is the third section, if the set has one."""
    parameters = bfv_parameters(name)
    steps = list(offer.layout(name, patients).steps)
    elements = [(seal.galois_element(step, parameters.ring) - 1) // 2 for step in steps]
    context = seal.bfv_context(parameters).context
    kinds = ((seal.RelinKeys(), [0]), (seal.GaloisKeys(), elements))
    sections = [
        seal.dump(seal.load(kind, context, _switching_keys(parameters, places))) for kind, places in kinds
    ]
    if zero is not None:
        sections.append(zero)
    return Frame(ArtefactKind.KEYS, {"set": name, "steps": steps}, tuple(sections))


def crafted_query(offer: ModelOffer, name: str, patients: int, keys: Frame, bits: np.ndarray) -> Frame:
    """Return a QUERY whose second polynomial encodes bits, and whose first one is zero."""
    bfv = seal.bfv_context(bfv_parameters(name))
    slots = offer.layout(name, patients).place(bits)
    plaintext = bfv.encode(slots)
    coefficients = np.zeros(bfv.parameters.ring, object)
    for i in range(plaintext.coeff_count()):
        coefficients[i] = int(plaintext[i])
    product = int(np.prod(np.asarray(bfv.moduli, object)))
    scaled = coefficients * product // bfv.parameters.plain_modulus
    parts = np.zeros((2, bfv.top, bfv.parameters.ring), np.uint64)
    parts[1] = np.stack([(scaled % q).astype(np.uint64) for q in bfv.moduli])
    header = {"model": offer.model, "set": name, "keys": keys.digest, "patients": patients}
    return Frame(ArtefactKind.QUERY, header, (seal.dump(bfv.ciphertext_of(parts)),))


def polynomials(name: str, answer: bytes) -> np.ndarray:
    """Return both polynomials of an ANSWER, modulo the one prime that is left."""
    bfv = seal.bfv_context(bfv_parameters(name))
    section = unframe(answer, ArtefactKind.ANSWER, sections=(1,)).sections[0]
    ciphertext = bfv.ciphertext(section, primes=1)
    ring = bfv.parameters.ring
    return np.asarray([[ciphertext[part * ring + i] for i in range(ring)] for part in (0, 1)], object)


def slots_of(name: str, polynomial: np.ndarray) -> np.ndarray:
    """Return the slots of a polynomial that is read as if it were no ciphertext at all."""
    bfv = seal.bfv_context(bfv_parameters(name))
    t, q = bfv.parameters.plain_modulus, bfv.moduli[0]
    rounded = (polynomial % q * t + q // 2) // q % t
    return bfv.decode(bfv.polynomial(rounded.astype(np.int64))) % t


def _switching_keys(parameters: BfvParameters, places: list[int]) -> bytes:
    context: Any = seal.bfv_context(parameters).context
    moduli = [m.value() for m in context.key_context_data().parms().coeff_modulus()]
    identity = struct.pack("<4Q", *context.key_parms_id())
    limbs, ring = len(moduli), parameters.ring
    halves = []
    for i in range(limbs - 1):
        numbers = np.zeros((2, limbs, ring), "<u8")
        numbers[1, i] = moduli[-1] % moduli[i]
        fields = struct.pack("<32sBQQQdQ", identity, 1, 2, ring, limbs, 1.0, 1)
        array = seal._seal_object(struct.pack("<Q", numbers.size) + numbers.tobytes())
        halves.append(seal._seal_object(fields + array))
    key = struct.pack("<Q", len(halves)) + b"".join(halves)
    wanted = set(places)
    listed = (key if place in wanted else struct.pack("<Q", 0) for place in range(max(wanted) + 1))
    return seal._seal_object(identity + struct.pack("<Q", max(wanted) + 1) + b"".join(listed))
