"""A reader of a ledger's file beside the node that has it open: its policy, its log and its pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chaincode.access.log_keys import (
    ACCESS,
    LogPosition,
    find_entry,
    log_page_key,
    read_log_page,
    releases_range,
)
from chaincode.caller import Caller
from chaincode.consent.model import Pair
from chaincode.consent.state import PAIR_KIND, named_pair
from chaincode.encoding import encode, prefix_range
from chaincode.errors import BadArgumentError
from chaincode.policy.calls import CurrentPolicy, ReadPolicy
from chaincode.router import Router
from exchange.errors import DamagedError
from exchange.ledger.embedded.engine import Execution, View, run
from exchange.ledger.embedded.storage import Storage
from exchange.ledger.port import Checkpoint, LoggedEntry

_PLACE_BITS = 16
_INDEX = (1 << _PLACE_BITS) - 1
_PAGE = 1_000

LOG_PAGES = tuple(text.encode() for text in prefix_range(ACCESS))
"""Start (inclusive) and end (exclusive) of the keys of the log pages."""


class EmbeddedReader:
    """Read-only access to the ledger's state. Blocks; belongs to one thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def catch_up(self) -> None:
        """Do nothing: every read sees the committed state."""

    def current_policy(self) -> CurrentPolicy:
        """Return the policy in force and the proposals that wait, as the contract reads them."""
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

    def entry(self, position: LogPosition) -> tuple[bytes, int] | None:
        """Return the encoded entry at `position` and its block, or None."""
        try:
            found = self._storage.value(log_page_key(position).encode())
            entry = None if found is None else find_entry(position, found[0])
        except BadArgumentError:
            return None  # no entry can be there
        return None if found is None or entry is None else (entry, found[1] >> _PLACE_BITS)

    def entries(self, after: Checkpoint | None) -> Iterator[LoggedEntry]:
        """Yield every log entry behind an event, in the order in which they were decided."""
        behind = -1 if after is None else (after.block << _PLACE_BITS) | after.index
        for place, key, value in self._storage.written_behind(behind, *LOG_PAGES):
            event = Checkpoint(place >> _PLACE_BITS, place & _INDEX)
            yield from entries_on_page(event, key, value)

    def has_place(self, block: int, index: int) -> bool:
        """Return whether there is a transaction `index` in `block`."""
        if not 0 <= index < 1 << _PLACE_BITS:
            return False
        place = (block << _PLACE_BITS) | index
        return any(self._storage.transactions(place, place + 1))

    def release_roots(self, custodian: str) -> Iterator[str]:
        """Yield every root of a release that `custodian` has noted."""
        at, end = (text.encode() for text in releases_range(custodian))
        while page := self._storage.range(at, end, _PAGE):
            for _, value, _ in page:
                yield from msgspec.json.decode(value, type=list[str])
            at = page[-1][0] + b"\0"

    def pairs(self) -> Iterator[tuple[str, Pair]]:
        """Yield every pair's pseudonym with the pair in its present state."""
        at, end = (text.encode() for text in prefix_range(PAIR_KIND))
        while page := self._storage.range(at, end, _PAGE):
            for key, value, _ in page:
                name = named_pair(key.decode())
                if name is not None:
                    yield name, msgspec.json.decode(value, type=Pair)
            at = page[-1][0] + b"\0"


def entries_on_page(event: Checkpoint, key: bytes, value: bytes) -> Iterator[LoggedEntry]:
    """Yield the entries of a log page that the transaction behind `event` wrote.

    Raises:
        DamagedError: the value is not a log page.
    """
    try:
        entries = read_log_page(key.decode(), value)
    except (BadArgumentError, ValueError):
        raise DamagedError(f"a page of the access log in block {event.block} can't be read") from None
    for position, entry in entries:
        yield LoggedEntry(event, position, entry)


@contextmanager
def open_reader(path: Path) -> Iterator[EmbeddedReader]:
    """Open the ledger at `path` for reading.

    Raises:
        UnavailableError: there is no such file, or it can't be opened.
        DamagedError: it is not a ledger's file.
    """
    storage = Storage.open(path, writable=False)
    try:
        yield EmbeddedReader(storage)
    finally:
        storage.close()
