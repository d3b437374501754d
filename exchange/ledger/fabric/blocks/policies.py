"""Evaluation of the channel's signature policies, by Fabric's rules.

A signature policy counts distinct members, each of them once. An implicit policy asks the policies of the
same name one level down, of which any, a majority or all must be satisfied by the same signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fabric_protos.common.policies_pb2 import ImplicitMetaPolicy, Policy, SignaturePolicyEnvelope
from fabric_protos.msp.msp_principal_pb2 import MSPPrincipal, MSPRole, OrganizationUnit
from google.protobuf.message import DecodeError

from exchange.ledger.fabric.blocks.errors import UnreadableError
from exchange.ledger.fabric.blocks.members import MspMember, MspRole

Signers = Sequence[MspMember]
"""Members with a valid signature, each once."""

_ROLES = {
    MSPRole.MEMBER: MspRole.MEMBER,
    MSPRole.ADMIN: MspRole.ADMIN,
    MSPRole.CLIENT: MspRole.CLIENT,
    MSPRole.PEER: MspRole.PEER,
    MSPRole.ORDERER: MspRole.ORDERER,
}


def satisfied(group: Any, name: str, signers: Signers) -> bool:
    """Return whether `signers` satisfy the policy `name` of a group; a missing one never is.

    Raises:
        UnreadableError: the policy is of a kind that is not known here.
    """
    if name not in group.policies:
        return False
    policy = group.policies[name].policy
    try:
        if policy.type == Policy.SIGNATURE:
            return signed(SignaturePolicyEnvelope.FromString(policy.value), signers)
        if policy.type == Policy.IMPLICIT_META:
            return _implied(group, ImplicitMetaPolicy.FromString(policy.value), signers)
    except DecodeError:
        pass
    raise UnreadableError(f"the policy {name} is of a kind that is not known here")


def _implied(group: Any, policy: Any, signers: Signers) -> bool:
    below = list(group.groups.values())
    match policy.rule:
        case ImplicitMetaPolicy.ANY:
            needed = 1
        case ImplicitMetaPolicy.ALL:
            needed = len(below)
        case ImplicitMetaPolicy.MAJORITY:
            needed = len(below) // 2 + 1
        case _:
            raise UnreadableError("an implicit policy has a rule that is not known here")
    return sum(satisfied(one, policy.sub_policy, signers) for one in below) >= (needed if below else 0)


def signed(envelope: Any, signers: Signers) -> bool:
    """Return whether `signers` satisfy a signature policy.

    Raises:
        UnreadableError: it names a principal of a kind that is not known here.
    """
    matches = [_principal(principal) for principal in envelope.identities]
    return _counted(envelope.rule, matches, signers, [False] * len(signers))


def _counted(
    rule: Any, matches: Sequence[Callable[[MspMember], bool]], signers: Signers, used: list[bool]
) -> bool:
    """Return whether `rule` is satisfied; marks the signers that it counted as used, as Fabric does."""
    if rule.WhichOneof("Type") == "n_out_of":
        satisfied_rules = 0
        for inner in rule.n_out_of.rules:
            taken = list(used)
            if _counted(inner, matches, signers, taken):
                satisfied_rules += 1
                used[:] = taken
        return satisfied_rules >= int(rule.n_out_of.n)
    if rule.WhichOneof("Type") != "signed_by" or not 0 <= rule.signed_by < len(matches):
        raise UnreadableError("a signature policy can't be read")
    for n, signer in enumerate(signers):
        if not used[n] and matches[rule.signed_by](signer):
            used[n] = True
            return True
    return False


def _principal(principal: Any) -> Callable[[MspMember], bool]:
    kind, data = principal.principal_classification, principal.principal
    if kind == MSPPrincipal.ROLE and (asked := MSPRole.FromString(data)).role in _ROLES:
        role = _ROLES[asked.role]
        return lambda member: member.msp_id == asked.msp_identifier and role in member.roles
    if kind == MSPPrincipal.ORGANIZATION_UNIT:
        unit = OrganizationUnit.FromString(data)
        name = unit.organizational_unit_identifier
        return lambda member: member.msp_id == unit.msp_identifier and name in member.units
    if kind == MSPPrincipal.IDENTITY:
        return lambda member: member.serialized == data
    raise UnreadableError("a signature policy names a principal of a kind that is not known here")
