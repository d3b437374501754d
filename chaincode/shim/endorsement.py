"""Key-level endorsement policies: the organisations that must endorse a change of one key."""

from __future__ import annotations

from collections.abc import Collection

from fabric_protos.common.policies_pb2 import SignaturePolicyEnvelope
from fabric_protos.msp.msp_principal_pb2 import MSPPrincipal, MSPRole

METADATA_KEY = "VALIDATION_PARAMETER"
"""The metadata entry under which Fabric stores a key's policy."""


def all_of(msp_ids: Collection[str]) -> bytes:
    """Return the policy that demands a peer of each of these organisations, for `Stub.require`.

    Raises:
        ValueError: no organisation is named; such a policy would let anyone write.
    """
    if not msp_ids:
        raise ValueError("a policy names at least one organisation")
    policy = SignaturePolicyEnvelope()
    policy.rule.n_out_of.n = len(set(msp_ids))
    for place, msp_id in enumerate(sorted(set(msp_ids))):
        principal = MSPRole(msp_identifier=msp_id, role=MSPRole.PEER)
        policy.identities.add(
            principal_classification=MSPPrincipal.ROLE,
            principal=principal.SerializeToString(deterministic=True),
        )
        policy.rule.n_out_of.rules.add(signed_by=place)
    encoded: bytes = policy.SerializeToString(deterministic=True)
    return encoded
