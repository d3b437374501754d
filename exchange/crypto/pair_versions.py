"""The version of a consent in one pair: it counts the pair's own changes, and only its salt tells the rest.

A pair's terms are made anew whenever it is filed, also as cover for others. Their version is made of two
numbers. The upper one is the pair's count: the epoch that the filing follows, and one more. The lower one is
the version of the stored Consent, under a pad that is new for each count. So a version grows with each filing
whether the consent has changed or not, two pairs of one consent share nothing, and the holder of the salt
reads from any version, also one in an old entry of the log, which version of the Consent it stands for.

Versions below 2**20 are those of releases that wrote the Consent's own version.
"""

from __future__ import annotations

import hmac
from typing import Final

_BITS: Final = 20
_MASK: Final = (1 << _BITS) - 1

VERSIONS: Final = 1 << _BITS
"""Versions of a Consent that are told apart."""

COUNT_LIMIT: Final = 2**32 - 1
"""The highest count of a pair: its versions are integers that every reader of JSON reads exactly."""


def pair_version(version: int, *, terms_id: str, count: int, salt: bytes) -> int:
    """Return the version in the pair of `salt`, filed with `count`, of terms that a Consent's `version` has.

    Raises:
        ValueError: the count is not 1 to `COUNT_LIMIT`.
    """
    if not 1 <= count <= COUNT_LIMIT:
        raise ValueError(f"a pair's count is 1 to {COUNT_LIMIT}")
    return count << _BITS | (version & _MASK) ^ _pad(salt, terms_id, count)


def consent_version(number: int, *, terms_id: str, salt: bytes) -> int:
    """Return the version of the Consent that stands behind `number` in the pair of `salt`, modulo 2**20."""
    count = number >> _BITS
    return (number & _MASK) ^ _pad(salt, terms_id, count) if count else number


def _pad(salt: bytes, terms_id: str, count: int) -> int:
    digest = hmac.digest(salt, f"consentry/version/1\0{terms_id}\0{count}".encode(), "sha256")
    return int.from_bytes(digest[:4]) & _MASK
