"""The state that a channel's own blocks build, and a read-only view of it for comparisons.

It lies in a temporary database that spills to disk, so that checking a long ledger needs little memory:
the tables of the embedded ledger for our chaincode, whose reader and whose replay thereby serve here too.
Fabric's own records about chaincodes are small and stay in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from fabric_protos.peer.lifecycle.chaincode_definition_pb2 import ChaincodeValidationInfo
from fabric_protos.peer.lifecycle.db_pb2 import StateData
from fabric_protos.peer.policy_pb2 import ApplicationPolicy

from exchange.ledger.embedded.block import BLOCK_LIMIT
from exchange.ledger.embedded.reader import LOG_PAGES, EmbeddedReader, entries_on_page
from exchange.ledger.embedded.storage import SCHEMA, Storage
from exchange.ledger.fabric.blocks.layout import ProposedCall, parse
from exchange.ledger.port import Checkpoint, LoggedEntry

LIFECYCLE = "_lifecycle"
_CACHE_KIB = 64 * 1024
_TABLES = (
    "CREATE TABLE ids (tx_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    (
        "CREATE TABLE events (block INTEGER, position INTEGER, place INTEGER,"
        " PRIMARY KEY (block, position)) STRICT"
    ),
    "CREATE UNIQUE INDEX events_by_place ON events (place)",
)

SystemKey = tuple[str, str, str | bytes]
"""Namespace, collection (empty for public state), and key (its hash in a collection)."""


class ChannelState:
    """State of one chaincode of a channel, with versions; close it, and it is gone."""

    def __init__(self, chaincode: str) -> None:
        self.chaincode = chaincode
        db = sqlite3.connect("", isolation_level=None)  # a file of SQLite's own, removed when it is closed
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        for statement in (*SCHEMA, *_TABLES):
            db.execute(statement)
        self.storage = Storage(db)
        self._db = db
        self._system: dict[SystemKey, tuple[bytes, int]] = {}
        self._policy: Any = None

    def close(self) -> None:
        """Close the database."""
        self.storage.close()

    # -- blocks -------------------------------------------------------------------

    def begin(self) -> None:
        """Start a block."""
        self._db.execute("BEGIN")

    def commit(self, headers: list[ProposedCall]) -> None:
        """End the block of these transactions."""
        self._db.executemany(
            "INSERT OR IGNORE INTO ids VALUES (?)", [(one.tx_id,) for one in headers if one.tx_id]
        )
        self._db.execute("COMMIT")

    def holds(self, tx_id: str) -> bool:
        """Return whether an earlier block holds a transaction of this id, valid or not."""
        return self._db.execute("SELECT 1 FROM ids WHERE tx_id = ?", (tx_id,)).fetchone() is not None

    # -- our chaincode --------------------------------------------------------------

    def write(self, place: int, writes: list[tuple[bytes, bytes]], position: int | None) -> None:
        """Apply the writes of the transaction at `place`; `position` numbers its event among its block's."""
        self._db.executemany(
            "INSERT INTO versions (place, key, value) VALUES (?, ?, ?)",
            [(place, key, value) for key, value in writes],
        )
        if position is not None:
            row = place // BLOCK_LIMIT, position, place
            self._db.execute("INSERT INTO events VALUES (?, ?, ?)", row)

    # -- Fabric's own records of chaincodes -------------------------------------------

    def system(self, key: SystemKey) -> tuple[bytes, int] | None:
        """Return a value of the channel's system chaincodes, and the place where it was written."""
        return self._system.get(key)

    def write_system(self, key: SystemKey, value: bytes | None, place: int) -> None:
        """Apply a write of a system chaincode; None deletes."""
        self._policy = None
        if value is None:
            self._system.pop(key, None)
        else:
            self._system[key] = value, place

    def endorsement_policy(self) -> Any:
        """Return Fabric's ApplicationPolicy of our chaincode; None while it is not committed.

        Raises:
            UnreadableError: the definition can't be read.
        """
        if self._policy is None:
            key = LIFECYCLE, "", f"namespaces/fields/{self.chaincode}/ValidationInfo"
            stored = self._system.get(key)
            if stored is not None:
                info = parse(ChaincodeValidationInfo, parse(StateData, stored[0]).Bytes)
                self._policy = parse(ApplicationPolicy, info.validation_parameter)
        return self._policy


class ChannelReader(EmbeddedReader):
    """The state that verified blocks built, as the checks of a node's databases ask for it.

    A place in the stream of events is a block and the event's number in it, as Fabric's clients count.
    `advance` reads and checks the blocks that came since.
    """

    def __init__(self, state: ChannelState, advance: Callable[[], None]) -> None:
        super().__init__(state.storage)
        self._state, self._advance = state, advance

    def catch_up(self) -> None:
        """Verify and see every block that the peer holds by now."""
        self._advance()

    def entries(self, after: Checkpoint | None) -> Iterator[LoggedEntry]:
        """Yield every log entry behind an event, in the order in which they were decided."""
        found = after and self._place(after.block, after.index)
        behind = -1 if found is None else found
        # Fabric orders a transaction's writes by key, and so its log pages by their numbers.
        written = self._state.storage.execute(
            "SELECT block, position, key, value FROM versions JOIN events USING (place)"
            " WHERE place > ? AND +key >= ? AND +key < ? ORDER BY seq",
            (behind, *LOG_PAGES),
        )
        for block, position, key, value in written:
            yield from entries_on_page(Checkpoint(block, position), key, value)

    def has_place(self, block: int, index: int) -> bool:
        """Return whether there is an event `index` in `block`."""
        return self._place(block, index) is not None

    def _place(self, block: int, index: int) -> int | None:
        found: tuple[int] | None = self._state.storage.execute(
            "SELECT place FROM events WHERE block = ? AND position = ?", (block, index)
        ).fetchone()
        return None if found is None else found[0]
