from __future__ import annotations

from typing import Any

import pytest
from tenseal import sealapi

from analytics.encrypted.parameters import (
    BFV_SETS,
    CKKS_SETS,
    LIMIT_128_BITS,
)


@pytest.mark.parametrize("parameters", [*BFV_SETS.values(), *CKKS_SETS.values()], ids=lambda p: p.name)
def test_every_parameter_set_is_within_the_newest_table_for_128_bits(parameters: Any) -> None:
    assert sum(parameters.primes) <= LIMIT_128_BITS[8192] == 214
    assert sealapi.CoeffModulus.MaxBitCount(8192, sealapi.SEC_LEVEL_TYPE.TC128) >= 214
