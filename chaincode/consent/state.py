"""Keys of the pairs and their history in the ledger's state, and how their values are read.

A key names the custodian beside the pair: whatever name another member uses, it is another key, which
decides on none of the custodian's patients.
"""

from __future__ import annotations

from functools import lru_cache

from chaincode.consent.calls import PairVersion
from chaincode.consent.model import SCHEMA, Pair
from chaincode.encoding import composite_key, decode, prefix_range, split_composite_key
from chaincode.errors import ConflictError

PAIR_KIND = "pair"
"""The kind of a pair's composite key."""

HISTORY = "past"
"""The kind of the composite key of one state of a pair."""

_EPOCHS = 10**10 - 1  # more than a pair can have
_PAIRS_CACHED = 2048  # decoded pairs: a hospital's busy hour, a few megabytes


def pair_key(pair: str, custodian: str) -> str:
    """Return the one key that every decision about a pair reads and every change of its terms writes."""
    return composite_key(PAIR_KIND, pair, custodian)


def version_key(pair: str, custodian: str, epoch: int) -> str:
    """Return the key of the state of a pair at `epoch`; keys come in the order of falling epochs."""
    return composite_key(HISTORY, pair, custodian, f"{_EPOCHS - epoch:010d}")


def history_range(pair: str, custodian: str) -> tuple[str, str]:
    """Return start (inclusive) and end (exclusive) of the keys of a pair's states, the newest first."""
    return prefix_range(HISTORY, (pair, custodian))


def named_pair(key: str) -> str | None:
    """Return the name of the pair with this key; None for a key that the first contracts wrote."""
    _, parts = split_composite_key(key)
    return parts[0] if len(parts) == len(("pair", "custodian")) else None


@lru_cache(maxsize=_PAIRS_CACHED)
def decode_pair(value: bytes) -> Pair:
    """Return the pair that `value` holds. The same bytes give the same (immutable) pair.

    Raises:
        BadArgumentError: the value is of a shape that this release does not know.
        ConflictError: a newer release wrote it.
    """
    pair = decode(value, Pair)
    _refuse_newer(pair.schema)
    return pair


def decode_version(value: bytes) -> PairVersion:
    """Return the state of a pair that `value` holds; errors as for `decode_pair`."""
    version = decode(value, PairVersion)
    _refuse_newer(version.pair.schema)
    return version


def _refuse_newer(schema: int) -> None:
    if schema > SCHEMA:
        raise ConflictError(f"written by a newer release (schema {schema}); this one reads {SCHEMA}")
