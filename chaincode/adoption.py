"""The version of the contracts that a ledger has adopted: from there on they can replay every transaction.

Contracts may change the keys and bounds of their values. A transaction that earlier contracts made can't be
run again by today's, so the ledger says from where on it can: the version stands in the state, written by
the transaction that founds the consortium, or by `contracts:adopt` on a ledger of before. Nothing lowers it.
"""

from __future__ import annotations

import msgspec

from chaincode.encoding import composite_key, decode, encode
from chaincode.errors import BadArgumentError, ConflictError, ForbiddenError, NotFoundError
from chaincode.ledger import Ledger
from chaincode.policy.state import read_policy

VERSION = 5
"""The version of these contracts; ledgers that name none were written by the first."""

VERSION_KEY = composite_key("contracts", "version")
"""The key of the adopted version."""

VERSION_VALUE = encode(VERSION)
"""The value that adopts these contracts."""


class AdoptContracts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `contracts:adopt`."""

    version: int


class ReadContracts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `contracts:read`."""


class AdoptedContracts(msgspec.Struct, frozen=True):
    """Result of both calls: the adopted version, 1 where the ledger names none."""

    version: int


def adopted_version(value: bytes | None) -> int:
    """Return the version that the value of `VERSION_KEY` names.

    Raises:
        BadArgumentError: it is no version.
    """
    return 1 if value is None else decode(value, int)


async def adopt(ledger: Ledger, args: AdoptContracts) -> AdoptedContracts:
    """Adopt these contracts, on a ledger that earlier ones wrote.

    Raises:
        NotFoundError: the consortium is not founded.
        ForbiddenError: the caller is not a member.
        BadArgumentError: the version is not that of these contracts.
        ConflictError: it is adopted already, or a newer one is.
    """
    policy = await read_policy(ledger)
    if policy is None:
        raise NotFoundError("the consortium is not founded")
    if ledger.caller.msp_id not in policy.members:
        raise ForbiddenError("only members adopt contracts")
    if args.version != VERSION:
        raise BadArgumentError(f"these are the contracts of version {VERSION}")
    if adopted_version(await ledger.get(VERSION_KEY)) >= VERSION:
        raise ConflictError("the ledger has adopted these contracts, or newer ones")
    ledger.put(VERSION_KEY, VERSION_VALUE)
    return AdoptedContracts(VERSION)


async def read(ledger: Ledger, _: ReadContracts) -> AdoptedContracts:
    """Return the version that the ledger has adopted."""
    return AdoptedContracts(adopted_version(await ledger.get(VERSION_KEY)))
