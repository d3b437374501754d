"""Keys of the policy and its proposals in the ledger's state, and how their values are read."""

from __future__ import annotations

from functools import lru_cache

from chaincode.encoding import composite_key, decode, prefix_range, split_composite_key
from chaincode.errors import ConflictError
from chaincode.ledger import Ledger
from chaincode.policy.calls import Proposal
from chaincode.policy.model import SCHEMA, Admissions, Policy

POLICY_KEY = composite_key("policy", "consortium")
ADMISSIONS_KEY = composite_key("policy", "admissions")
"""The key of the members that left, and of those that were admitted again."""


_PROPOSALS_SHOWN = 100


def proposal_key(digest: str) -> str:
    """Return the key under which a proposed policy collects its approvals."""
    return composite_key("proposal", digest)


@lru_cache(maxsize=8)
def decode_policy(value: bytes) -> Policy:
    """Return the policy that `value` holds. The same bytes give the same (immutable) policy.

    Raises:
        BadArgumentError: the value is of a shape that this release does not know.
        ConflictError: a newer release wrote it.
    """
    policy = decode(value, Policy)
    if policy.schema > SCHEMA:
        raise ConflictError(f"written by a newer release (schema {policy.schema}); this one reads {SCHEMA}")
    return policy


@lru_cache(maxsize=8)
def decode_admissions(value: bytes | None) -> Admissions:
    """Return the members that left or came back, by the value of `ADMISSIONS_KEY`.

    Raises:
        BadArgumentError: the value is of a shape that this release does not know.
    """
    return Admissions() if value is None else decode(value, Admissions)


async def read_policy(ledger: Ledger) -> Policy | None:
    """Return the policy in force; None before the consortium is founded."""
    value = await ledger.get(POLICY_KEY)
    return None if value is None else decode_policy(value)


async def read_proposal(ledger: Ledger, digest: str) -> Proposal | None:
    """Return the proposal with this digest; None where it was never made."""
    value = await ledger.get(proposal_key(digest))
    return None if value is None else decode(value, Proposal)


async def read_proposals(ledger: Ledger, version: int) -> dict[str, Proposal]:
    """Return the proposals of `version` that a voter approves, by digest; not many more than a page."""
    start, end = prefix_range("proposal")
    waiting: dict[str, Proposal] = {}
    bookmark = ""
    while len(waiting) < _PROPOSALS_SHOWN:
        page = await ledger.range(start, end, limit=_PROPOSALS_SHOWN, bookmark=bookmark)
        for entry in page.entries:
            proposal = decode(entry.value, Proposal)
            if proposal.policy.version == version and proposal.approvals:
                waiting[split_composite_key(entry.key)[1][0]] = proposal
        bookmark = page.bookmark
        if not bookmark:
            break
    return waiting
