"""The blocks of the embedded ledger, byte by byte: the format that is hashed and signed.

Transactions and headers are MessagePack arrays in the order of the fields below (msgspec writes every
value in its shortest form, so one value has one encoding). Digests are SHA-256.

- transaction id = SHA-256(nonce, creator), creator = MSP id, NUL, the node's raw Ed25519 public key:
  Fabric's rule, so ids are known before the contract runs;
- data hash = SHA-256 over the transactions' digests in order;
- block hash = SHA-256(header); each header carries the hash of the one before (32 zero bytes first);
- signature = Ed25519 over a domain prefix and the header.

A transaction carries the digest of each value that it wrote; the values are stored once, in the table of
versions. Frozen by `tests/contracts/vectors`.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = 1
"""Version of all formats in this module."""

VALID = 0
"""The validation code of a transaction that took effect, as Fabric numbers it."""

NEVER = -1
"""In place of a version, where a transaction read a key without a value."""

GENESIS = bytes(32)
"""The hash that the first block names as the one before it."""

BLOCK_LIMIT = 1 << 16
"""Transactions in one block; a version is `block * BLOCK_LIMIT + index`."""

NONCE_BYTES = 24
_SIGNED = b"consentry embedded block v1\0"


class Call(msgspec.Struct, frozen=True, array_like=True):
    """One call of a contract: all that its answer depends on, except the state.

    `transient` says that transient data was given, which no block holds.
    """

    nonce: bytes
    caller: str
    function: str
    args: bytes
    time: int
    transient: bool


class Announcement(msgspec.Struct, frozen=True, array_like=True):
    """The transaction's event. `payload` is None where there is none: its writes say everything."""

    name: str
    payload: bytes | None


class Effect(msgspec.Struct, frozen=True, array_like=True):
    """The effect of a call: `reads` are (key, version), `writes` (key, digest of the value), in order."""

    result: bytes
    reads: tuple[tuple[bytes, int], ...]
    writes: tuple[tuple[bytes, bytes], ...]
    event: Announcement | None


class Transaction(msgspec.Struct, frozen=True, array_like=True):
    """One transaction as its block holds it."""

    tx_id: bytes
    call: Call
    effect: Effect
    code: int = VALID


class Header(msgspec.Struct, frozen=True, array_like=True):
    """One block's header; `time` is that of its transactions, in milliseconds since 1970 UTC."""

    format: int
    msp_id: str
    signer: bytes
    number: int
    previous: bytes
    data: bytes
    count: Annotated[int, msgspec.Meta(ge=1, le=BLOCK_LIMIT)]
    time: int


_BODY_HEAD = b"\x94\xc4\x20"  # an array of four values, the first of which are 32 bytes
_encoder = msgspec.msgpack.Encoder()
_transactions = msgspec.msgpack.Decoder(Transaction)
_headers = msgspec.msgpack.Decoder(Header)


def encode(value: Transaction | Header) -> bytes:
    """Return the one encoding of a transaction or a header."""
    return _encoder.encode(value)


class BlockFormatError(ValueError):
    """These bytes are not a transaction, or not a header."""


def decode_transaction(body: bytes) -> Transaction:
    """Read a transaction; `BlockFormatError` where the bytes are none."""
    try:
        return _transactions.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise BlockFormatError(f"not a transaction: {why}") from None


def decode_header(header: bytes) -> Header:
    """Read a header; `BlockFormatError` where the bytes are none."""
    try:
        return _headers.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise BlockFormatError(f"not a header: {why}") from None


def creator(msp_id: str, public_key: bytes) -> bytes:
    """Return the submitter's identity, as it goes into transaction ids."""
    return msp_id.encode() + b"\0" + public_key


def transaction_id(nonce: bytes, by: bytes) -> bytes:
    """Return the id of the transaction that `by` submits with this nonce."""
    return sha256(nonce + by).digest()


def transaction_id_of(body: bytes) -> bytes:
    """Return the id of the transaction with this body; `BlockFormatError` where the bytes are none."""
    if not body.startswith(_BODY_HEAD):
        raise BlockFormatError("not a transaction")
    return body[len(_BODY_HEAD) : len(_BODY_HEAD) + 32]


def data_hash(bodies: Iterable[bytes]) -> bytes:
    """Return one digest over all of a block's transactions."""
    return sha256(b"".join(sha256(body).digest() for body in bodies)).digest()


def block_hash(header: bytes) -> bytes:
    """Return the hash by which the next block names this one."""
    return sha256(header).digest()


def sign(key: Ed25519PrivateKey, header: bytes) -> bytes:
    """Return the node's signature over a header."""
    return key.sign(_SIGNED + header)


def check_signature(key: Ed25519PublicKey, signature: bytes, header: bytes) -> None:
    """Check the signature; raise `cryptography.exceptions.InvalidSignature` where it does not hold."""
    key.verify(signature, _SIGNED + header)
