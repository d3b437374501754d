"""The port that contracts are written against; Fabric's shim and the embedded ledger both fit it.

One `Ledger` stands for one transaction. Its rules are Fabric's:

1. Reads see the state as committed before this transaction; a transaction does not see its own writes.
2. Writes are collected until the contract returns; a contract that raises has written nothing.
3. Every key that was read is checked again at commit; if its value changed, the transaction is void.
4. Nothing here reads a clock or draws a random number: two endorsers must agree byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from chaincode.caller import Caller


class StateEntry(msgspec.Struct, frozen=True):
    """One key of the state with its value."""

    key: str
    value: bytes


class StatePage(msgspec.Struct, frozen=True):
    """Some entries in key order; `bookmark` continues after them and is empty at the end."""

    entries: Sequence[StateEntry]
    bookmark: str = ""


class Ledger(Protocol):
    """The state of one channel, as one transaction sees it. Times are milliseconds since 1970 UTC."""

    @property
    def tx_id(self) -> str:
        """Return the transaction's id, 64 hexadecimal digits."""

    @property
    def timestamp(self) -> int:
        """Return the time that the proposal carries; endorsers bound it against their clocks."""

    @property
    def caller(self) -> Caller:
        """Return the signer of the proposal."""

    @property
    def transient(self) -> Mapping[str, bytes]:
        """Return the data that endorsers may see and no block holds."""

    async def get(self, key: str) -> bytes | None:
        """Return the committed value of `key`."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the committed values of `keys`, in their order, in one round trip where the peer can."""

    def put(self, key: str, value: bytes) -> None:
        """Write `value` when this transaction commits."""

    async def range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        """Return up to `limit` entries with `start <= key < end`."""

    def emit(self, name: str, payload: bytes) -> None:
        """Set the transaction's one event."""
