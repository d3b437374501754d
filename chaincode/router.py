"""The table of the contracts' functions by name; the Fabric shim and the embedded ledger both call here.

A call is a name like `access:authorize` and one JSON document; the answer is canonical JSON. Before any
contract runs, the clock guard compares the proposal's time, which its sender chose, with this
endorser's clock. The guard can only refuse: the clock's value reaches no contract and no result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import msgspec

from chaincode import adoption
from chaincode.access import contract as access
from chaincode.access.calls import Authorize, NoteReleases, ReadPairLog, Record
from chaincode.adoption import AdoptContracts, ReadContracts
from chaincode.consent import contract as consent
from chaincode.consent.calls import (
    OpenPairs,
    PublishTerms,
    ReadHistory,
    ReadOpeners,
    ReadPair,
    RetirePairs,
)
from chaincode.encoding import decode, encode
from chaincode.errors import ClockError, NotFoundError
from chaincode.ledger import Ledger
from chaincode.policy import contract as policy
from chaincode.policy.calls import ApprovePolicy, ReadPolicy, SetPolicy, WithdrawPolicy

CLOCK_TOLERANCE = 5 * 60 * 1000
"""Milliseconds that a proposal's time may differ from the endorser's clock."""

A = TypeVar("A")
_Run = Callable[[Ledger, Any], Awaitable[msgspec.Struct]]


class ContractFunction(NamedTuple):
    """A contract function and the struct that its argument is decoded into."""

    run: _Run
    args: type[msgspec.Struct]


def _function(args: type[A], run: Callable[[Ledger, A], Awaitable[msgspec.Struct]]) -> ContractFunction:
    # Here the types of `args` and `run` are checked against each other; the table below forgets them.
    return ContractFunction(run, args)  # type: ignore[arg-type]  # A is a Struct wherever this is called


FUNCTIONS: Mapping[str, ContractFunction] = MappingProxyType(
    {
        "access:authorize": _function(Authorize, access.authorize),
        "access:record": _function(Record, access.record),
        "access:release": _function(NoteReleases, access.note_releases),
        "access:trail": _function(ReadPairLog, access.read_pair_log),
        "consent:file": _function(PublishTerms, consent.publish_terms),
        "consent:history": _function(ReadHistory, consent.history),
        "consent:open": _function(OpenPairs, consent.open_pairs),
        "consent:openers": _function(ReadOpeners, consent.read_openers),
        "consent:read": _function(ReadPair, consent.read),
        "consent:retire": _function(RetirePairs, consent.retire),
        "contracts:adopt": _function(AdoptContracts, adoption.adopt),
        "contracts:read": _function(ReadContracts, adoption.read),
        "policy:approve": _function(ApprovePolicy, policy.approve),
        "policy:found": _function(SetPolicy, policy.found),
        "policy:propose": _function(SetPolicy, policy.propose),
        "policy:read": _function(ReadPolicy, policy.read),
        "policy:withdraw": _function(WithdrawPolicy, policy.withdraw),
    }
)
"""Every function of the channel's chaincode."""


class Router:
    """The runner of calls. `clock` gives this endorser's time in milliseconds since 1970 UTC."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    async def invoke(self, ledger: Ledger, function: str, args: bytes) -> bytes:
        """Run one call in the transaction that `ledger` stands for.

        Raises:
            ContractError: the call is refused (see `chaincode.errors`); nothing is to be written.
        """
        entry = FUNCTIONS.get(function)
        if entry is None:
            raise NotFoundError("no such function")
        if abs(ledger.timestamp - self._clock()) > CLOCK_TOLERANCE:
            raise ClockError("the proposal's time is more than five minutes from the endorser's clock")
        return encode(await entry.run(ledger, decode(args, entry.args)))
