"""Calls of the contracts: submitted again where they were voided, and ended where the ledger is too slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from chaincode.encoding import encode
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.errors import VoidedError
from exchange.ledger.port import Committed, Transactions

# Of a transaction that was voided because a key that it read had changed. Where consents change all the time,
# each with the pairs of a whole group, a large batch of accesses meets one again and again.
_TRIES = 20

R = TypeVar("R")


class LedgerChange(msgspec.Struct, frozen=True):
    """The committed transaction that made a change; `time` is in ms since 1970 UTC."""

    tx_id: str
    block: int
    time: int


class ContractCalls:
    """Calls of one channel's contracts.

    `timeout` is the most seconds that a transaction may take before the call ends in `UnavailableError`.
    The submitted transaction may still commit then, and nothing is released on it.
    """

    def __init__(self, transactions: Transactions, *, timeout: float) -> None:
        self._transactions, self._timeout = transactions, timeout

    async def _submit(self, function: str, args: msgspec.Struct) -> Committed:
        return await self._submit_encoded(function, encode(args))

    async def _submit_encoded(self, function: str, args: bytes) -> Committed:
        async with self._deadline():
            for _ in range(_TRIES - 1):
                try:
                    return await self._transactions.submit(function, args)
                except VoidedError:
                    continue  # nothing was written; the next try reads the present state
            return await self._transactions.submit(function, args)

    async def _evaluate(self, function: str, args: msgspec.Struct, kind: type[R]) -> R:
        async with self._deadline():
            return decode_result(await self._transactions.evaluate(function, encode(args)), kind)

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise UnavailableError("the ledger did not answer in time") from None


def decode_result(result: bytes, kind: type[R]) -> R:
    """Decode a contract's result.

    Raises:
        DamagedError: the result has another shape.
    """
    try:
        return msgspec.json.decode(result, type=kind)
    except msgspec.MsgspecError:
        raise DamagedError("the ledger's answer can't be read") from None
