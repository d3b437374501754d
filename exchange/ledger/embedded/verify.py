"""The verification of a ledger: every byte is compared with its blocks and signatures.

1. Each block follows the one before it, is signed with the node's key, and its transactions give its
   data hash.
2. Each row of the versions, in the order of writing, is the next write of a transaction, and there is no
   other row: so the state and the history of every key are those of the blocks.
3. SQLite's own check covers the rest of the file: the index agrees with the table, pages hang together.
4. With `replay`, each transaction is run again by the contracts on the state that it found, and must
   give the same result, reads, writes and event: the rules themselves gave every permit. This begins at
   the transaction that adopted these contracts; replay those before with the release that wrote them.

A file alone can't show that its newest blocks were cut away. Blocks that were pinned before, by number
and hash, are compared with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chaincode.router import CLOCK_TOLERANCE
from exchange.errors import DamagedError
from exchange.ledger.embedded import block
from exchange.ledger.embedded.block_checks import (
    LedgerFinding,
    MismatchError,
    check_header,
    check_signature,
    check_transactions,
    check_versions,
    name_of,
)
from exchange.ledger.embedded.replay import Replay
from exchange.ledger.embedded.storage import LATEST, UNREADABLE, Block, Storage, Version, WritingTransaction

Progress = Callable[[int, int], None]
"""Called now and then with the number of checked values, and of all values."""

_MAPPED_BYTES = 2**31 - 65536


class PinnedBlock(msgspec.Struct, frozen=True):
    """A block that was pinned before: its number, and its hash in hexadecimal."""

    block: int
    hash: str


class LedgerReport(msgspec.Struct, frozen=True):
    """The outcome of a verification; `finding` is the first fault, `tip` the newest sound block.

    `replayed` counts transactions that were run again; `unreplayable` those that could not be, because
    they were given transient data, which no block holds, or because earlier contracts made them. `first` is
    the block that everything rests on, where it is not signed. `ran_back` names the blocks that are older
    than the one before by more than blocks of a right clock can be: the clock was ahead before, or behind
    then.
    """

    blocks: int
    transactions: int
    values: int
    replayed: int
    unreplayable: int
    tip: PinnedBlock | None
    finding: LedgerFinding | None
    seconds: float
    first: PinnedBlock | None = None
    ran_back: tuple[int, ...] = ()

    @property
    def sound(self) -> bool:
        """True where no fault was found."""
        return self.finding is None


def verify(
    path: Path,
    public_key: Ed25519PublicKey,
    progress: Progress | None = None,
    *,
    pinned: tuple[PinnedBlock, ...] = (),
    replay: bool = False,
    every_signature: bool = True,
) -> LedgerReport:
    """Check the ledger at `path`, which a node may have open, against `public_key`. Blocks; CPU bound.

    The newest block's signature vouches for all blocks before it through their hashes. Without
    `every_signature` no other signature is checked, which costs most of the time where blocks are small; an
    altered older signature is not found then.

    Raises:
        UnavailableError: there is no such file, or it can't be opened.
    """
    started = time.perf_counter()
    run = _Run(public_key, progress, pinned, every_signature=every_signature)
    finding: LedgerFinding | None = None
    try:
        storage = Storage.open(path, writable=False)
    except DamagedError as why:
        finding = LedgerFinding("file", "header", str(why))
    else:
        try:
            storage.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            storage.snapshot()
            run.check(storage, Replay(storage) if replay else None)
        except MismatchError as wrong:
            finding = wrong.finding
        except UNREADABLE as why:
            finding = LedgerFinding("file", f"after block {run.blocks - 1}", f"can't be read: {why}")
        finally:
            storage.close()
    return LedgerReport(
        blocks=run.blocks,
        transactions=run.transactions,
        values=run.values,
        replayed=run.replayed,
        unreplayable=run.unreplayable,
        tip=run.tip,
        finding=finding,
        seconds=time.perf_counter() - started,
        ran_back=tuple(run.ran_back),
    )


class _Run:
    """One pass over a ledger, and how far it came."""

    def __init__(
        self,
        key: Ed25519PublicKey,
        progress: Progress | None,
        pinned: tuple[PinnedBlock, ...],
        *,
        every_signature: bool,
    ) -> None:
        self._key, self._progress = key, progress
        self._pinned = pinned
        self._every_signature = every_signature
        self.blocks = self.transactions = self.values = self.replayed = self.unreplayable = 0
        self.tip: PinnedBlock | None = None
        self.ran_back: list[int] = []
        self._time = 0

    def check(self, storage: Storage, replay: Replay | None) -> None:
        """Raise `MismatchError` at the first fault."""
        _check_schema(storage)
        (total,) = storage.execute("SELECT max(seq) FROM versions").fetchone()
        bodies = storage.transactions(-LATEST, LATEST)
        versions = storage.versions()
        previous, newest = block.GENESIS, None
        for row in storage.execute("SELECT number, header, signature FROM blocks ORDER BY number"):
            newest = Block(*row)
            header = check_header(newest, self.blocks, previous, self._key, signature=self._every_signature)
            rows = [one for _, one in zip(range(header.count), bodies, strict=False)]
            self._check_block(header, rows, storage, versions, replay)
            if self._time - header.time > CLOCK_TOLERANCE:
                self.ran_back.append(header.number)
            self._time = header.time
            previous = block.block_hash(row[1])
            self.tip = PinnedBlock(self.blocks, previous.hex())
            self.blocks += 1
            if any(one.block == self.tip.block and one != self.tip for one in self._pinned):
                raise MismatchError("blocks", f"block {self.tip.block}", "is not the block that was pinned")
            if self._progress and not self.blocks % 64:
                self._progress(self.values, total)
        if newest is not None and not self._every_signature:
            check_signature(newest, self._key)
        self._check_end(storage, bodies, versions)
        if self._progress:
            self._progress(self.values, self.values)

    def _check_block(
        self,
        header: block.Header,
        rows: list[tuple[int, bytes]],
        storage: Storage,
        versions: Iterator[Version],
        replay: Replay | None,
    ) -> None:
        creator = block.creator(header.msp_id, header.signer)
        for (place, body), transaction in zip(rows, check_transactions(header, rows, creator), strict=True):
            size = len(transaction.effect.writes)
            writer = WritingTransaction.of(body)
            written = [storage.restored(row, writer) for row in islice(versions, size)]
            check_versions(place, self.values + 1, transaction, written)
            self.values += size
            self.transactions += 1
            if replay is None:
                continue
            keys = (key for key, _ in transaction.effect.writes)
            if transaction.call.transient or not replay.reaches(place, keys):
                self.unreplayable += 1
            else:
                replay.check(place, transaction)
                self.replayed += 1

    def _check_end(
        self, storage: Storage, bodies: Iterator[tuple[int, bytes]], versions: Iterator[Version]
    ) -> None:
        for place, _ in bodies:
            raise MismatchError("transactions", name_of(place), "belongs to no block")
        stem = storage.unused_stem()
        if stem is not None:
            raise MismatchError("stems", str(stem), "belongs to no key")
        for seq, *_ in versions:
            raise MismatchError("versions", str(seq), "was written by no transaction")
        for number in sorted(one.block for one in self._pinned):
            if number >= self.blocks:
                raise MismatchError("blocks", f"block {number}", "was pinned and is missing")
        for (message,) in storage.execute("PRAGMA integrity_check(1)").fetchall():
            if message != "ok":
                raise MismatchError("file", "pages", message)


def _check_schema(storage: Storage) -> None:
    found = [sql for (sql,) in storage.execute("SELECT sql FROM sqlite_schema ORDER BY rowid")]
    if found != list(storage.schema):
        raise MismatchError("file", "schema", "the tables are not defined as this release defines them")
