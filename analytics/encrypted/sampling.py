"""Random polynomials from the operating system, and a public one that no party chooses."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

from analytics.encrypted.field import Ints

_BINOMIAL = 21
"""Coins on each side of a coefficient of noise, as in SEAL: a standard deviation of 3.24."""


def uniform(modulus: int, count: int) -> Ints:
    """Return numbers that are uniform below a modulus of at most 62 bits."""
    shift = np.uint64(64 - modulus.bit_length())
    found = np.empty(0, np.uint64)
    while len(found) < count:
        drawn = np.frombuffer(secrets.token_bytes(8 * count), np.uint64) >> shift
        found = np.concatenate([found, drawn[drawn < modulus]])
    return found[:count].astype(np.int64)


def ternary(count: int) -> Ints:
    """Return numbers that are uniform in -1, 0, 1."""
    found = np.empty(0, np.uint8)
    while len(found) < count:
        drawn = np.frombuffer(secrets.token_bytes(count), np.uint8)
        found = np.concatenate([found, drawn[drawn < 255]])
    return found[:count].astype(np.int64) % 3 - 1


def small_noise(count: int) -> Ints:
    """Return numbers with the centred binomial distribution of SEAL's noise."""
    coins = np.unpackbits(np.frombuffer(secrets.token_bytes(6 * count), np.uint8)).reshape(count, 48)
    heads: Ints = coins[:, :_BINOMIAL].sum(axis=1, dtype=np.int64)
    tails: Ints = coins[:, _BINOMIAL : 2 * _BINOMIAL].sum(axis=1, dtype=np.int64)
    return heads - tails


def public_uniform(label: str, modulus: int, count: int) -> Ints:
    """Return numbers below a modulus that follow from a label by SHAKE-256, the same for everyone.

    128 bits are reduced for each number, so they are uniform up to 2^-64.
    """
    stream = hashlib.shake_256(f"consentry {label} {modulus}".encode()).digest(16 * count)
    numbers = (int.from_bytes(stream[i : i + 16], "little") % modulus for i in range(0, 16 * count, 16))
    return np.fromiter(numbers, np.int64, count)


def times_small(wide: Ints, small: Ints, modulus: int) -> Ints:
    """Return the product of two polynomials modulo X^N + 1 and a modulus of at most 54 bits.

    The coefficients of `small` are -1, 0 or 1. The other polynomial is cut into limbs of 18 bits, so that
    every sum is below 2^31 and a Fourier transform in doubles finds it exactly.
    """
    ring = len(wide)
    transformed = np.fft.rfft(small, 2 * ring)
    total = np.zeros(ring, object)
    for shift in (36, 18, 0):
        limb = wide >> shift & (1 << 18) - 1
        product = np.rint(np.fft.irfft(np.fft.rfft(limb, 2 * ring) * transformed, 2 * ring))
        folded = (product[:ring] - product[ring:]).astype(np.int64)
        total = (total << 18) + folded.astype(object)
    return (total % modulus).astype(np.int64)
