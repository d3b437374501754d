"""Where consent and policy stand in the ledger's state, and how a stored value is read back."""

from __future__ import annotations

from functools import lru_cache

from chaincode.consent.calls import Proposal
from chaincode.consent.model import SCHEMA, Pair, Policy
from chaincode.encoding import composite_key, decode
from chaincode.errors import ConflictError
from chaincode.ledger import Ledger

POLICY_KEY = composite_key("policy", "consortium")

_PAIRS_KEPT = 2048  # decoded pairs: a hospital's busy hour, a few megabytes


def pair_key(pair: str) -> str:
    """The one key that every decision about `pair` reads and every change of its terms writes."""
    return composite_key("pair", pair)


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
