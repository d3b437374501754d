"""Ciphertexts in SEAL's own form without compression, and such as no library writes."""

from __future__ import annotations

import struct

import numpy as np

from analytics.encrypted import seal
from analytics.encrypted.parameters import FAST


def unpacked(section: bytes) -> bytes:
    """Return a ciphertext of the set `fast` as SEAL writes it without compression, by way of its numbers."""
    ciphertext = seal.load(seal.Ciphertext(), seal.bfv_context(FAST).context, section)
    primes = ciphertext.coeff_modulus_size()
    numbers = [ciphertext[i] for i in range(2 * primes * FAST.ring)]
    return _ciphertext(np.asarray(numbers, "<u8"), parts=2, primes=primes)


def seeded_of_no_parts(primes: int) -> bytes:
    """Return a ciphertext that says it has no parts, and brings one with the seed of another."""
    seed = seal._seal_object(bytes([1]) + bytes(64))
    return _ciphertext(np.ones(primes * FAST.ring, "<u8"), parts=0, primes=primes, more=seed)


def _ciphertext(numbers: np.ndarray, *, parts: int, primes: int, more: bytes = b"") -> bytes:
    body = seal._seal_object(struct.pack("<Q", len(numbers)) + numbers.tobytes())
    identity = struct.pack("<4Q", *seal.bfv_context(FAST).ids[primes])
    fields = struct.pack("<32sBQQQdQ", identity, 0, parts, FAST.ring, primes, 1.0, 1)
    return seal._seal_object(fields + body + more)


def crafted(section: bytes) -> list[bytes]:
    """Return a ciphertext with each field of SEAL's own header at odd values, cut, and too long."""
    plain = unpacked(section)
    out = []
    for place, width in ((48, 1), (49, 8), (57, 8), (65, 8), (73, 8), (81, 8), (89, 8)):
        for value in (0, 1, 2, 3, 7, 1 << 20, (1 << 8 * width) - 1):
            fields = bytearray(plain)
            fields[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
            out.append(bytes(fields))
    out += [plain[:cut] for cut in (16, 40, 97, 200, len(plain) - 1)]
    return [*out, plain + bytes(8), *(seeded_of_no_parts(primes) for primes in (1, 2))]
