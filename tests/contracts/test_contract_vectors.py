"""The frozen bytes: values that are stored, signed or compared between organisations never change unseen."""

from __future__ import annotations

import runpy
from pathlib import Path

import msgspec
import pytest

from chaincode.access.model import LogEntryValue
from chaincode.adoption import VERSION_KEY
from chaincode.consent.calls import PairVersion
from chaincode.consent.model import Pair
from chaincode.encoding import encode
from chaincode.policy.model import Policy
from chaincode.policy.state import ADMISSIONS_KEY
from chaincode.router import FUNCTIONS

HERE = Path(__file__).parent / "vectors"
MAKE = runpy.run_path(str(HERE / "make.py"))
MADE: dict[str, str] = MAKE["vectors"]()
CALLS = msgspec.json.decode((HERE / "calls.json").read_text())


@pytest.mark.parametrize("name", MADE)
def test_the_bytes_are_those_that_were_frozen(name: str) -> None:
    assert (HERE / name).read_text() == MADE[name], "run make.py, and mind old ledgers"


def test_every_function_has_a_vector() -> None:
    assert {call["function"] for call in CALLS} == set(FUNCTIONS)


def test_frozen_calls_replay_to_the_same_bytes() -> None:
    # From the recorded arguments alone, so that no change of a struct can change both sides.
    ledger = MAKE["Ledger"]()
    for call in CALLS:
        if call["function"] == "contracts:adopt":
            del ledger.state[VERSION_KEY]
        assert ledger.call(call["function"], call["args"].encode(), call["caller"]) == call


def test_stored_values_read_back_to_the_same_bytes() -> None:
    kinds = {"pair": Pair, "past": PairVersion, "access": list[LogEntryValue], "policy": Policy}
    seen = set()
    for call in CALLS:
        for key, value in call["writes"].items():
            kind = key.strip("\0").split("\0")[0]
            if kind in kinds and key != ADMISSIONS_KEY:
                seen.add(kind)
                assert encode(msgspec.json.decode(value, type=kinds[kind])) == value.encode()
    assert seen == set(kinds)


def test_stored_values_are_canonical_json() -> None:
    for call in CALLS:
        for value in [call["args"], call["result"], *call["writes"].values()]:
            plain = msgspec.json.decode(value)
            assert encode(plain) == value.encode()
