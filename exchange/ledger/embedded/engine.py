"""The engine that runs the real contracts on stored state, one transaction at a time, by Fabric's rules.

A transaction reads the state committed before it and never its own writes; its writes are collected until
the contract returns. Contracts are coroutines because a Fabric peer answers over a stream; here every
answer is at hand, so a coroutine is driven to its end by one `send`.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from hashlib import sha256
from typing import Any

from cachetools import LRUCache

from chaincode.caller import Caller
from chaincode.errors import BadArgumentError
from chaincode.ledger import StateEntry, StatePage
from chaincode.router import Router
from exchange.ledger.embedded.block import (
    NEVER,
    Announcement,
    Effect,
)
from exchange.ledger.embedded.storage import LATEST, Storage

_CACHE_SIZE = 4096  # values of recently read keys: pairs and the policy


class View:
    """State as it was before place `before`, with a cache of recently read values."""

    def __init__(self, storage: Storage, before: int = LATEST) -> None:
        self._storage = storage
        self._cache: LRUCache[bytes, tuple[bytes, int]] = LRUCache(_CACHE_SIZE)
        self.before = before

    def value(self, key: bytes) -> tuple[bytes, int] | None:
        """Return the value of `key` and the place where it was written."""
        found = self._cache.get(key)
        if found is not None:
            return found
        found = self._storage.value(key, self.before)
        if found is not None:
            self._cache[key] = found
        return found

    def range(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes, int]]:
        """Return up to `limit` of (key, value, place)."""
        return self._storage.range(start, end, limit, self.before)

    def forget(self, keys: Sequence[bytes]) -> None:
        """Forget these keys, which were written, so that they are read anew."""
        for key in keys:
            self._cache.pop(key, None)

    def forget_all(self) -> None:
        """Forget every key, because a block was dropped."""
        self._cache.clear()


class Execution:
    """One running transaction; it fits `chaincode.ledger.Ledger`."""

    __slots__ = ("_caller", "_reads", "_timestamp", "_transient", "_tx_id", "_view", "event", "writes")

    def __init__(
        self, view: View, *, tx_id: str, timestamp: int, caller: Caller, transient: Mapping[str, bytes]
    ) -> None:
        self._view = view
        self._tx_id, self._timestamp, self._caller, self._transient = tx_id, timestamp, caller, transient
        self._reads: dict[bytes, int] = {}
        self.writes: dict[bytes, bytes] = {}
        self.event: tuple[str, bytes] | None = None

    @property
    def tx_id(self) -> str:
        """The transaction's id."""
        return self._tx_id

    @property
    def timestamp(self) -> int:
        """The transaction's time."""
        return self._timestamp

    @property
    def caller(self) -> Caller:
        """The node's organisation."""
        return self._caller

    @property
    def transient(self) -> Mapping[str, bytes]:
        """The data that the client handed over beside the arguments."""
        return self._transient

    async def get(self, key: str) -> bytes | None:
        """Return the committed value of `key`."""
        return self._get(key.encode())

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the committed values of `keys`."""
        return [self._get(key.encode()) for key in keys]

    def _get(self, key: bytes) -> bytes | None:
        found = self._view.value(key)
        if found is None:
            self._reads[key] = NEVER
            return None
        self._reads[key] = found[1]
        return found[0]

    def put(self, key: str, value: bytes) -> None:
        """Write `value` when the transaction commits."""
        if not key or not value:
            raise BadArgumentError("an empty key or value")
        self.writes[key.encode()] = value

    async def range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        """Return up to `limit` entries; the bookmark is the next page's first key, as in Fabric."""
        found = self._view.range((bookmark or start).encode(), end.encode(), limit + 1)
        for key, _, place in found[:limit]:
            self._reads[key] = place
        return StatePage(
            entries=[StateEntry(key.decode(), value) for key, value, _ in found[:limit]],
            bookmark=found[limit][0].decode() if len(found) > limit else "",
        )

    def emit(self, name: str, payload: bytes) -> None:
        """Set the transaction's one event."""
        self.event = name, payload

    @property
    def reads(self) -> dict[bytes, int]:
        """The place of the last write of each key that was read; `NEVER` for a key without a value."""
        return self._reads

    def effect(self, result: bytes) -> Effect:
        """Return the effect of this transaction, as its block records it."""
        return Effect(
            result=sha256(result).digest(),
            reads=tuple(self._reads.items()),
            writes=tuple((key, sha256(value).digest()) for key, value in self.writes.items()),
            event=self._announcement(),
        )

    def _announcement(self) -> Announcement | None:
        if self.event is None:
            return None
        name, payload = self.event
        return Announcement(name, payload or None)


def run(router: Router, execution: Execution, function: str, args: bytes) -> bytes:
    """Run a call and return the contract's result; `execution` then holds the writes.

    Raises:
        ContractError: the contract refused.
    """
    return drive(router.invoke(execution, function, args))


def drive(coroutine: Coroutine[Any, Any, bytes]) -> bytes:
    """Run to its end a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: bytes = done.value
        return result
    coroutine.close()
    raise RuntimeError("a contract waited for something that is not the ledger")
