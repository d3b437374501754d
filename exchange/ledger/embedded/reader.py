"""Looks into a ledger's file beside the node that has it open: its policy, and each access record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chaincode.access.log_keys import ACCESS, LogPosition, find_entry, log_page_key, read_log_page
from chaincode.caller import Caller
from chaincode.consent.model import Pair
from chaincode.encoding import encode, prefix_range
from chaincode.errors import BadArgumentError
from chaincode.policy.calls import CurrentPolicy, ReadPolicy
from chaincode.router import Router
from exchange.errors import DamagedError
from exchange.ledger.embedded.engine import Execution, View, run
from exchange.ledger.embedded.storage import Storage
from exchange.ledger.port import Checkpoint, Found

_PLACE_BITS = 16
_INDEX = (1 << _PLACE_BITS) - 1
_PAGE = 1_000

SHEETS = tuple(text.encode() for text in prefix_range(ACCESS))
"""Start (inclusive) and end (exclusive) of the keys of the access log's sheets."""


class LedgerReader:
    """Read-only access to what the ledger holds. Blocks; belongs to one thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def catch_up(self) -> None:
        """Nothing to do: every read sees what is committed."""

    def held_policy(self) -> CurrentPolicy:
        """The policy in force and the proposals that wait, as the contract reads them."""
        execution = Execution(
            View(self._storage),
            tx_id="",
            timestamp=0,
            caller=Caller(""),
            transient={},
        )
        self._storage.snapshot()
        try:
            found = run(Router(lambda: 0), execution, "policy:read", encode(ReadPolicy()))
        finally:
            self._storage.rollback()
        return msgspec.json.decode(found, type=CurrentPolicy)

    def record(self, place: LogPosition) -> tuple[bytes, int] | None:
        """The record at `place` and its block, or None."""
        try:
            found = self._storage.value(log_page_key(place).encode())
            record = None if found is None else find_entry(place, found[0])
        except BadArgumentError:
            return None  # no record can stand there
        return None if found is None or record is None else (record, found[1] >> _PLACE_BITS)

    def records(self, after: Checkpoint | None) -> Iterator[Found]:
        """Every record behind an event, in the order in which they were decided."""
        behind = -1 if after is None else (after.block << _PLACE_BITS) | after.index
        written = self._storage.execute(
            "SELECT place, key, value FROM versions WHERE place > ? AND +key >= ? AND +key < ? ORDER BY seq",
            (behind, *SHEETS),
        )
        for place, key, value in written:
            event = Checkpoint(place >> _PLACE_BITS, place & _INDEX)
            yield from on_ledger(event, key, value)

    def has_place(self, block: int, index: int) -> bool:
        """Whether there is a transaction `index` in `block`."""
        if not 0 <= index < 1 << _PLACE_BITS:
            return False
        place = (block << _PLACE_BITS) | index
        return any(self._storage.transactions(place, place + 1))

    def pairs(self) -> Iterator[tuple[str, Pair]]:
        """Every pair's pseudonym, and the pair as it stands."""
        at, end = (text.encode() for text in prefix_range("pair"))
        while page := self._storage.range(at, end, _PAGE):
            for key, value, _ in page:
                yield key.decode().strip("\0").rpartition("\0")[2], msgspec.json.decode(value, type=Pair)
            at = page[-1][0] + b"\0"


def on_ledger(event: Checkpoint, key: bytes, value: bytes) -> Iterator[Found]:
    """The records of a sheet that the transaction behind `event` wrote.

    Raises:
        DamagedError: it is no sheet.
    """
    try:
        records = read_log_page(key.decode(), value)
    except (BadArgumentError, ValueError):
        raise DamagedError(f"what block {event.block} says of accesses can't be read") from None
    for place, record in records:
        yield Found(event, place, record)


@contextmanager
def open_reader(path: Path) -> Iterator[LedgerReader]:
    """Open the ledger at `path` for reading.

    Raises:
        UnavailableError: there is no such file, or it can't be opened.
        DamagedError: it is no ledger's file.
    """
    storage = Storage.open(path, writable=False)
    try:
        yield LedgerReader(storage)
    finally:
        storage.close()
