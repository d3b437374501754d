"""The note of what was released on one permitted entry, and its salted root.

The root is what stands on the ledger: it commits to the entry's position and to the note, and tells nothing
to a reader without the salt. The note itself is sealed beside the entry. It has the kinds and number of the
records, a digest over all of them, and names the first ones.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

import msgspec

MOST_NAMED: Final = 20
"""Records that a note names; its digest covers the others too."""

_ROOT = b"consentry/release/1\0"
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class ReleasedRecord(NamedTuple):
    """A version that was released: its reference (`Type/id`), and its content digest in the store.

    One that is not `named` is counted alone, such as an entry of the log.
    """

    reference: str
    version: int
    digest: bytes
    named: bool = True


class ReleaseNote(msgspec.Struct, frozen=True, array_like=True):
    """The number of records that were released by kind, a digest over all, and the references of the first.

    `failed` says that the answer was not sent although it was permitted; then nothing was released.
    """

    failed: bool
    kinds: dict[str, int]
    digest: bytes
    named: tuple[str, ...]

    def encoded(self) -> bytes:
        """Return the one encoding of this note."""
        return _encode(self)

    def root(self, salt: bytes, tx: str, n: int) -> str:
        """Return the root for the entry `n` of `tx`, 64 hexadecimal digits; `salt` is its pair's."""
        position = bytes.fromhex(tx) + n.to_bytes(4, "big")
        return hmac.digest(salt, _ROOT + position + self.encoded(), "sha256").hex()


def release_note(records: Collection[ReleasedRecord], *, failed: bool) -> ReleaseNote:
    """Return the note of `records`; with `failed`, of an answer that was not sent."""
    if failed or not records:
        return ReleaseNote(failed=failed, kinds={}, digest=b"", named=())
    ordered = sorted(records)
    kinds = Counter(record.reference.partition("/")[0] for record in ordered)
    digest = hashlib.sha256(_encode([record[:3] for record in ordered])).digest()
    named = [f"{one.reference}/_history/{one.version}" for one in ordered if one.named]
    return ReleaseNote(failed=False, kinds=dict(kinds), digest=digest, named=tuple(named[:MOST_NAMED]))


def decode_note(data: bytes) -> ReleaseNote:
    """Return the note that `data` encodes."""
    return msgspec.msgpack.decode(data, type=ReleaseNote)
