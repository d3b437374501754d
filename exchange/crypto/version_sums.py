"""The commitment to everything that is stored of one subject: a sum of keyed marks, and its salted root.

Each stored version adds a mark: an HMAC under the subject's secret over its row's number, reference, version,
time and content digest. The sum of the marks, in whatever order, commits to all of them at once, so that a
write costs a constant however much is stored before it. The entry of each write carries the salted
root of the sum on the ledger. Without the secret no mark can be made, no guess tested against a
root, and no row taken back without a difference.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from exchange.crypto.keys import SubjectKeys

_MARK = b"consentry/mark/1\0"
_ROOT = b"consentry/root/1\0"
_BYTES = 32
_MODULUS = 1 << (8 * _BYTES)


class WrittenVersion(NamedTuple):
    """The part of one stored version that a mark commits to: its row's number, and its identity."""

    sequence: int
    reference: bytes
    version: int
    written: int
    deleted: bool
    digest: bytes


class WrittenSum(NamedTuple):
    """The number of a subject's stored versions, and the sum of their marks."""

    versions: int
    total: int

    def add(self, keys: SubjectKeys, one: WrittenVersion) -> WrittenSum:
        """Return the sum with one more version."""
        return WrittenSum(self.versions + 1, (self.total + _mark(keys, one)) % _MODULUS)

    def total_bytes(self) -> bytes:
        """Return the sum of the marks as the store keeps it: 32 bytes."""
        return self.total.to_bytes(_BYTES, "big")

    def root(self, salt: bytes) -> str:
        """Return the root as entries carry it, 64 hexadecimal digits, salted for the custodian's own pair."""
        data = _ROOT + self.versions.to_bytes(8, "big") + self.total_bytes()
        return hmac.digest(salt, data, "sha256").hex()


NOTHING: Final = WrittenSum(0, 0)
"""The sum of a subject of which nothing is stored."""


def _mark(keys: SubjectKeys, one: WrittenVersion) -> int:
    fixed = b"".join(
        (
            one.sequence.to_bytes(8, "big"),
            one.reference,
            one.version.to_bytes(8, "big"),
            one.written.to_bytes(8, "big"),
            b"\1" if one.deleted else b"\0",
            one.digest,
        )
    )
    return int.from_bytes(hmac.digest(keys.secret, _MARK + fixed, "sha256"), "big")
