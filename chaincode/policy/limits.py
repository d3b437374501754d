"""Bounds of a policy, which every decision reads. Each of them refuses by name."""

from __future__ import annotations

from chaincode.encoding import encode
from chaincode.errors import BadArgumentError
from chaincode.identifiers import MSP_ID, require
from chaincode.policy.model import Policy

MEMBERS = 100
"""Organisations in a consortium."""

RULES = 200
"""Rules in a policy."""

VALUE = 64 * 1024
"""Bytes of a policy as stored."""


def encode_policy(policy: Policy) -> bytes:
    """Return the policy's canonical bytes if the policy is within the bounds and names no member twice.

    Raises:
        BadArgumentError: naming the bound.
    """
    if not policy.members or len(policy.members) > MEMBERS:
        raise BadArgumentError(f"a consortium has 1 to {MEMBERS} members")
    if len(set(policy.members)) != len(policy.members):
        raise BadArgumentError("a member is named twice")
    for member in policy.members:
        require(MSP_ID, member, "members")
    if len(set(policy.voters)) != len(policy.voters):
        raise BadArgumentError("a voter is named twice")
    if not set(policy.voters) <= set(policy.members):
        raise BadArgumentError("a voter is not a member")
    if len(policy.rules) > RULES:
        raise BadArgumentError(f"a policy has more than {RULES} rules")
    if len({rule.id for rule in policy.rules}) != len(policy.rules):
        raise BadArgumentError("a rule's id is used twice")
    if any(rule.override and rule.classes for rule in policy.rules):
        raise BadArgumentError("a rule that overrides denials names no classes")
    value = encode(policy)
    if len(value) > VALUE:
        raise BadArgumentError(f"a policy is larger than {VALUE} bytes")
    return value
