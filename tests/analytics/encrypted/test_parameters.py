from __future__ import annotations

from typing import Any

import pytest
from tenseal import sealapi

from analytics.encrypted.parameters import (
    BFV_SETS,
    CKKS_SETS,
    SEAL_128_BIT_LIMIT,
)


@pytest.mark.parametrize("parameters", [*BFV_SETS.values(), *CKKS_SETS.values()], ids=lambda p: p.name)
def test_every_parameter_set_is_within_seals_table_for_128_bits(parameters: Any) -> None:
    limit = sealapi.CoeffModulus.MaxBitCount(8192, sealapi.SEC_LEVEL_TYPE.TC128)
    assert sum(parameters.primes) <= limit == SEAL_128_BIT_LIMIT[8192]
