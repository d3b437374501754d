"""Looks into a ledger's file beside the node that has it open: the access records, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaincode.encoding import composite_key, prefix_range
from exchange.ledger.embedded.storage import Storage

_PLACE_BITS = 16


class LedgerReader:
    """Read-only access to the records of the access log. Blocks; belongs to one thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def record(self, pair: str, time: int, tx: str, n: int) -> bytes | None:
        """The canonical JSON of one record, or None; `time` is in milliseconds since 1970 UTC."""
        key = composite_key("access", pair, f"{time:013d}", tx, f"{n:04d}").encode()
        found = self._storage.value(key)
        return None if found is None else found[0]

    def count_records(self, block: int) -> int:
        """How many records the blocks up to and including `block` hold."""
        start, end = prefix_range("access")
        found: tuple[int] = self._storage.execute(
            "SELECT count(*) FROM versions WHERE key >= ? AND key < ? AND place < ?",
            (start.encode(), end.encode(), (block + 1) << _PLACE_BITS),
        ).fetchone()
        return found[0]


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
