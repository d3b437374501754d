"""Checks of one block against its hashes and signature: shared by opening and by full verification."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchange.ledger.embedded import block
from exchange.ledger.embedded.storage import LATEST, Block, Storage, Version, WritingTransaction


class LedgerFinding(msgspec.Struct, frozen=True):
    """The first fault: its table, its row, and the difference there."""

    table: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.row}: {self.what}"


class MismatchError(Exception):
    """A row differs from the block that it belongs to."""

    def __init__(self, table: str, row: str, what: str) -> None:
        self.finding = LedgerFinding(table, row, what)
        super().__init__(str(self.finding))


def check_header(
    row: Block, number: int, previous: bytes, key: Ed25519PublicKey, *, signature: bool = True
) -> block.Header:
    """Check that a header is the next in the chain and signed with `key`, and return it.

    Without `signature` the caller has to check the signature of a later block.

    Raises:
        MismatchError: naming the block.
    """
    where = f"block {number}"
    if row.number != number:
        raise MismatchError("blocks", where, "is missing, or has another number")
    header = read_header(row)
    if header.format != block.FORMAT:
        raise MismatchError("blocks", where, f"has format {header.format}")
    if header.signer != key.public_bytes_raw():
        raise MismatchError("blocks", where, "names another signer")
    if signature:
        check_signature(row, key)
    if header.number != number:
        raise MismatchError("blocks", where, f"its header says {header.number}")
    if header.previous != previous:
        raise MismatchError("blocks", where, "does not follow the block before it")
    return header


def check_signature(row: Block, key: Ed25519PublicKey) -> None:
    """Check that the block's header is signed with `key`.

    Raises:
        MismatchError: naming the block.
    """
    try:
        block.check_signature(key, row.signature, row.header)
    except InvalidSignature:
        raise MismatchError("blocks", f"block {row.number}", "its signature does not hold") from None


def read_header(row: Block) -> block.Header:
    """Return the header of a row of `blocks`."""
    if type(row.header) is not bytes or type(row.signature) is not bytes:
        raise MismatchError("blocks", f"block {row.number}", "its header or signature is not bytes")
    try:
        return block.decode_header(row.header)
    except block.BlockFormatError:
        raise MismatchError("blocks", f"block {row.number}", "its header is not readable") from None


def check_transactions(
    header: block.Header, rows: Sequence[tuple[int, bytes]], creator: bytes
) -> list[block.Transaction]:
    """Check that `rows` are those of the block's data hash, and return their transactions.

    Raises:
        MismatchError: naming the block, and the transaction where it can be determined.
    """
    first = header.number * block.BLOCK_LIMIT
    for index in range(header.count):
        if index == len(rows) or rows[index][0] != first + index:
            raise MismatchError("transactions", name_of(first + index), "is missing")
        if type(rows[index][1]) is not bytes:
            raise MismatchError("transactions", name_of(first + index), "its body is not bytes")
    rows = rows[: header.count]
    if block.data_hash(body for _, body in rows) != header.data:
        raise MismatchError("transactions", _culprit(rows, creator), "does not give the block's data hash")
    transactions = []
    for place, body in rows:
        try:
            transaction = block.decode_transaction(body)
        except block.BlockFormatError:
            raise MismatchError("transactions", name_of(place), "is not readable") from None
        if transaction.tx_id != block.transaction_id(transaction.call.nonce, creator):
            raise MismatchError("transactions", name_of(place), "does not have the id that its nonce gives")
        if transaction.call.time != header.time or transaction.code != block.VALID:
            raise MismatchError("transactions", name_of(place), "does not fit its block")
        transactions.append(transaction)
    return transactions


def _culprit(rows: Sequence[tuple[int, bytes]], creator: bytes) -> str:
    """Name the transaction that spoils a block's data hash, or the block where none shows it."""
    if len(rows) == 1:
        return name_of(rows[0][0])
    for place, body in rows:
        try:
            transaction = block.decode_transaction(body)
        except block.BlockFormatError:
            return name_of(place)
        if (
            transaction.tx_id != block.transaction_id(transaction.call.nonce, creator)
            or block.encode(transaction) != body
        ):
            return name_of(place)
    return f"block {rows[0][0] // block.BLOCK_LIMIT}"


def check_versions(place: int, seq: int, transaction: block.Transaction, rows: Sequence[Version]) -> None:
    """Check that `rows` are exactly the writes of the transaction at `place`, numbered from `seq` on.

    Raises:
        MismatchError: naming the row and its key.
    """
    writes = transaction.effect.writes
    if _same(place, seq, writes, rows):
        return
    # All rows are compared at once above; one row at a time only where that fails.
    for n, (key, digest) in enumerate(writes):
        row = f"{seq + n} (key {printable(key)}, {name_of(place)})"
        if n == len(rows) or rows[n][0] != seq + n:
            raise MismatchError("versions", row, "is missing")
        _, found_place, found_key, value = rows[n]
        if found_key != key:
            raise MismatchError("versions", row, "has another key")
        if found_place != place:
            raise MismatchError("versions", row, "says that another transaction wrote it")
        if type(value) is not bytes or sha256(value).digest() != digest:
            raise MismatchError("versions", row, "its value is not the one that the block says was written")


def _same(place: int, seq: int, writes: tuple[tuple[bytes, bytes], ...], rows: Sequence[Version]) -> bool:
    if not rows:
        return not writes
    seqs, places, keys, values = zip(*rows, strict=True)
    try:
        digests = [sha256(value).digest() for value in values]
    except TypeError:  # a value of another type than bytes
        return False
    return (
        writes == tuple(zip(keys, digests, strict=True))
        and seqs == tuple(range(seq, seq + len(rows)))
        and places == (place,) * len(rows)
    )


def check_tip(storage: Storage, key: Ed25519PublicKey) -> block.Header | None:
    """Check the newest block and its writes, and return its header: the cheap check on opening.

    Raises:
        MismatchError: naming the row.
    """
    row = storage.tip()
    if row is None:
        for table in ("transactions", "versions"):
            if storage.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():  # noqa: S608  # two fixed names
                raise MismatchError("blocks", "block 0", "is missing")
        return None
    before = storage.block(row.number - 1) if row.number else None
    if row.number and before is None:
        raise MismatchError("blocks", f"block {row.number - 1}", "is missing")
    previous = block.block_hash(before.header) if before else block.GENESIS
    header = check_header(row, row.number, previous, key)
    first = row.number * block.BLOCK_LIMIT
    bodies = list(storage.transactions(first, LATEST))
    transactions = check_transactions(header, bodies, block.creator(header.msp_id, header.signer))
    if len(bodies) != header.count:
        raise MismatchError("transactions", name_of(bodies[header.count][0]), "belongs to no block")
    total = sum(len(one.effect.writes) for one in transactions)
    rows = storage.newest_versions(total)
    start = rows[0][0] if rows else 1
    offset = 0
    for (place, body), transaction in zip(bodies, transactions, strict=True):
        size, writer = len(transaction.effect.writes), WritingTransaction.of(body)
        written = [storage.restored(row, writer) for row in rows[offset : offset + size]]
        check_versions(place, start + offset, transaction, written)
        offset += size
    return header


def printable(key: bytes) -> str:
    """Return a composite key as `kind~part~part`, for messages."""
    return key.decode(errors="replace").strip("\0").replace("\0", "~")


def name_of(place: int) -> str:
    """Return a transaction's place in words, for messages."""
    return f"block {place // block.BLOCK_LIMIT}, transaction {place % block.BLOCK_LIMIT}"
