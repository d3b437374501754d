from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.encrypted import sampling

MODULI = st.integers(2, (1 << 54) - 1)


@given(st.data(), MODULI, st.integers(0, 5))
def test_products_of_polynomials_are_those_of_the_definition(
    data: st.DataObject, modulus: int, log: int
) -> None:
    ring = 1 << log
    wide = data.draw(st.lists(st.integers(0, modulus - 1), min_size=ring, max_size=ring))
    small = data.draw(st.lists(st.integers(-1, 1), min_size=ring, max_size=ring))
    expected = [0] * ring
    for i, x in enumerate(wide):
        for j, y in enumerate(small):
            expected[(i + j) % ring] += x * y if i + j < ring else -x * y
    found = sampling.times_small(np.asarray(wide), np.asarray(small), modulus)
    assert found.tolist() == [x % modulus for x in expected]


def test_the_largest_product_is_exact() -> None:
    modulus, ring = (1 << 54) - 33, 8192
    wide = np.full(ring, modulus - 1)
    found = sampling.times_small(wide, np.ones(ring, np.int64), modulus)
    assert found.tolist() == [(modulus - 1) * (2 * i + 2 - ring) % modulus for i in range(ring)]


@given(st.integers(1, (1 << 62) - 1), st.integers(1, 50))
def test_uniform_numbers_are_below_their_modulus(modulus: int, count: int) -> None:
    found = sampling.uniform(modulus, count)
    assert len(found) == count
    assert ((found >= 0) & (found < modulus)).all()


def test_each_distribution_has_its_range_and_spread() -> None:
    count = 1 << 16
    ternary = sampling.ternary(count)
    assert set(ternary.tolist()) == {-1, 0, 1}
    assert all(abs((ternary == value).mean() - 1 / 3) < 0.02 for value in (-1, 0, 1))
    noise = sampling.small_noise(count)
    assert abs(noise).max() <= 21
    assert abs(noise.mean()) < 0.15
    assert abs(noise.std() - 10.5**0.5) < 0.15
    assert abs(sampling.uniform(3 << 60, count).mean() / (3 << 59) - 1) < 0.03


def test_the_public_polynomial_is_the_same_in_every_release() -> None:
    numbers = sampling.public_uniform("test", (1 << 54) - 33, 8192)
    assert numbers.max() < (1 << 54) - 33
    digest = hashlib.sha256(numbers.astype("<u8").tobytes()).hexdigest()
    assert digest == "2e8ecfe3c5f63af1abf10f08def80b82372fb29d8149c22225234e65a07ef2eb"
