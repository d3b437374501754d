"""Arguments and results of the policy contract: the published language of its calls.

Each call's argument is one JSON document of the struct named here, and so is its result.
"""

from __future__ import annotations

import msgspec

from chaincode.policy.model import Policy


class SetPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:found` and `policy:propose`."""

    policy: Policy


class ApprovePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:approve`: the SHA-256 of the proposed policy's canonical bytes."""

    digest: str


class WithdrawPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:withdraw`: the digest of the proposal that the caller approved."""

    digest: str


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy that waits for a majority; `approvals` are the voters that agree, sorted."""

    policy: Policy
    approvals: tuple[str, ...]


class ProposalState(msgspec.Struct, frozen=True):
    """Result of the calls that set a policy, and the `policy` event: the state of that policy's ballot."""

    digest: str
    version: int
    approvals: tuple[str, ...]
    adopted: bool


class ReadPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument of `policy:read`."""


class CurrentPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Result of `policy:read`: the policy in force, and the proposals that wait, by digest.

    `again` has the members that were admitted again after they had left, with the times in ms since 1970 UTC.
    """

    policy: Policy | None
    proposals: dict[str, Proposal]
    again: dict[str, int] = {}
