"""How large consent may grow, so that one pair can't slow down everybody's decisions.

Every bound refuses by name. They sit far above what FHIR consents hold in practice.
"""

from __future__ import annotations

from chaincode.consent.model import Pair, Policy, Provision, Terms
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError
from chaincode.shapes import DIGEST, MSP_ID, OPAQUE, require

CONSENTS = 100
"""Consents in one pair, inactive ones included: they must stay, or an old version could come back."""

DEPTH = 12
"""Provisions within provisions."""

NODES = 500
"""Provisions in one consent."""

VALUE = 64 * 1024
"""Bytes of one pair or policy as stored."""

CREDENTIALS = 20
"""Commitments to a patient's public keys in one pair."""

MEMBERS = 100
"""Organisations in a consortium."""

RULES = 200
"""Rules in a policy."""


def check_terms(terms: Terms) -> None:
    """Refuse terms that are too deep or too many.

    Raises:
        BadArgumentError: naming the bound.
    """
    require(OPAQUE, terms.id, "terms.id")
    if terms.version < 1:
        raise BadArgumentError("terms.version starts at 1")
    nodes, depth = 0, 0
    level: list[Provision] = [terms.root]
    while level:
        depth += 1
        nodes += len(level)
        if depth > DEPTH:
            raise BadArgumentError(f"provisions are nested deeper than {DEPTH}")
        if nodes > NODES:
            raise BadArgumentError(f"a consent has more than {NODES} provisions")
        level = [child for node in level for child in node.exceptions]


def encode_pair(pair: Pair) -> bytes:
    """The pair's canonical bytes, when the pair keeps to the bounds.

    Raises:
        BadArgumentError: naming the bound.
    """
    if len(pair.consents) > CONSENTS:
        raise BadArgumentError(f"a pair has more than {CONSENTS} consents")
    if len(pair.credentials) > CREDENTIALS:
        raise BadArgumentError(f"a pair has more than {CREDENTIALS} credentials")
    for commitment in pair.credentials:
        require(DIGEST, commitment, "credentials")
    return _within(encode(pair), "a pair")


def encode_policy(policy: Policy) -> bytes:
    """The policy's canonical bytes, when the policy keeps to the bounds and names no member twice.

    Raises:
        BadArgumentError: naming the bound.
    """
    if not policy.members or len(policy.members) > MEMBERS:
        raise BadArgumentError(f"a consortium has 1 to {MEMBERS} members")
    if len(set(policy.members)) != len(policy.members):
        raise BadArgumentError("a member is named twice")
    for member in policy.members:
        require(MSP_ID, member, "members")
    if len(policy.rules) > RULES:
        raise BadArgumentError(f"a policy has more than {RULES} rules")
    if len({rule.id for rule in policy.rules}) != len(policy.rules):
        raise BadArgumentError("a rule's id is used twice")
    return _within(encode(policy), "a policy")


def _within(value: bytes, what: str) -> bytes:
    if len(value) > VALUE:
        raise BadArgumentError(f"{what} is larger than {VALUE} bytes")
    return value
