"""Where consent and policy stand in the ledger's state, and how a stored value is read back."""

from __future__ import annotations

from functools import lru_cache

from chaincode.consent.calls import PairVersion, Proposal
from chaincode.consent.model import SCHEMA, Pair, Policy
from chaincode.encoding import composite_key, decode, prefix_range
from chaincode.errors import ConflictError
from chaincode.ledger import Ledger

POLICY_KEY = composite_key("policy", "consortium")

_EPOCHS = 10**10 - 1  # more than a pair can have
_PAIRS_KEPT = 2048  # decoded pairs: a hospital's busy hour, a few megabytes


def pair_key(pair: str) -> str:
    """The one key that every decision about `pair` reads and every change of its terms writes."""
    return composite_key("pair", pair)


def version_key(pair: str, epoch: int) -> str:
    """Where the state of `pair` at `epoch` stays; keys come in the order of falling epochs."""
    return composite_key("past", pair, f"{_EPOCHS - epoch:010d}")


def history_range(pair: str) -> tuple[str, str]:
    """Start (inclusive) and end (exclusive) of the keys of a pair's states, the newest first."""
    return prefix_range("past", (pair,))


def proposal_key(digest: str) -> str:
    """Where a proposed policy collects its approvals."""
    return composite_key("proposal", digest)


@lru_cache(maxsize=_PAIRS_KEPT)
def decode_pair(value: bytes) -> Pair:
    """The pair that `value` holds. The same bytes give the same (immutable) pair without reading twice.

    Raises:
        BadArgumentError: the value is of a shape that this release does not know.
        ConflictError: a newer release wrote it.
    """
    pair = decode(value, Pair)
    _refuse_newer(pair.schema)
    return pair


def decode_version(value: bytes) -> PairVersion:
    """The state of a pair that `value` holds; errors as for `decode_pair`."""
    version = decode(value, PairVersion)
    _refuse_newer(version.pair.schema)
    return version


@lru_cache(maxsize=8)
def decode_policy(value: bytes) -> Policy:
    """The policy that `value` holds; errors as for `decode_pair`."""
    policy = decode(value, Policy)
    _refuse_newer(policy.schema)
    return policy


async def read_policy(ledger: Ledger) -> Policy | None:
    """The policy in force; None before the consortium is founded."""
    value = await ledger.get(POLICY_KEY)
    return None if value is None else decode_policy(value)


async def read_proposal(ledger: Ledger, digest: str) -> Proposal | None:
    """The proposal with this digest; None where nobody made it."""
    value = await ledger.get(proposal_key(digest))
    return None if value is None else decode(value, Proposal)


def _refuse_newer(schema: int) -> None:
    if schema > SCHEMA:
        raise ConflictError(f"written by a newer release (schema {schema}); this one reads {SCHEMA}")
