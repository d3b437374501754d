"""How large consent may grow, so that one pair can't slow down everybody's decisions.

Every bound refuses by name. They sit far above what FHIR consents hold in practice.

Consents that are over stay in their pair, or an older version could come back. They stay as what is left
of them without their provisions, and room for them is set aside: `HELD` of them at their largest, beside
active consents of `TERMS` bytes, are less than `VALUE`. So whatever a pair holds, a consent in it can be
ended. Where a pair has no place for one more consent, it has none for any version of it, ever: the number
that is held never falls.
"""

from __future__ import annotations

from collections.abc import Iterable

from chaincode.consent.model import Policy, Provision, Terms
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError
from chaincode.shapes import DIGEST, MSP_ID, OPAQUE, require

CONSENTS = 100
"""Active consents in one pair."""

HELD = 200
"""Consents in one pair, those that are over included."""

DEPTH = 12
"""Provisions within provisions."""

PROVISIONS = 500
"""Provisions in the active consents of one pair together."""

TERMS = 28 * 1024
"""Bytes of the active consents of one pair together, as stored."""

VALUE = 64 * 1024
"""Bytes of one pair or policy as stored."""

VERSION = 2**53 - 1
"""The highest version of a consent: the largest integer that every reader of JSON reads exactly."""

CREDENTIALS = 20
"""Commitments to a patient's public keys in one pair."""

MEMBERS = 100
"""Organisations in a consortium."""

RULES = 200
"""Rules in a policy."""


def check_terms(terms: Terms) -> None:
    """Refuse terms that are badly named, too deep or too many for any pair.

    Raises:
        BadArgumentError: naming the bound.
    """
    require(OPAQUE, terms.id, "terms.id")
    if not 1 <= terms.version <= VERSION:
        raise BadArgumentError(f"terms.version is 1 to {VERSION}")
    nodes, depth = _measure(terms.root)
    if depth > DEPTH:
        raise BadArgumentError(f"provisions are nested deeper than {DEPTH}")
    if nodes > PROVISIONS:
        raise BadArgumentError(f"a consent has more than {PROVISIONS} provisions")


def check_active(consents: Iterable[Terms]) -> None:
    """Refuse more active consents than one pair may hold; each is within the bounds of `check_terms`.

    Raises:
        BadArgumentError: naming the bound.
    """
    active = [terms for terms in consents if terms.status == "active"]
    if len(active) > CONSENTS:
        raise BadArgumentError(f"a pair has more than {CONSENTS} active consents")
    if sum(_measure(terms.root)[0] for terms in active) > PROVISIONS:
        raise BadArgumentError(f"a pair has more than {PROVISIONS} provisions")
    if sum(len(encode(terms)) + 1 for terms in active) > TERMS:  # a comma follows each
        raise BadArgumentError(f"the active consents of a pair are larger than {TERMS} bytes")


def check_held(held: int) -> None:
    """Refuse a pair with `held` consents, active or over, when that is too many.

    Raises:
        BadArgumentError: naming the bound.
    """
    if held > HELD:
        raise BadArgumentError(f"a pair has more than {HELD} consents, those that are over included")


def check_credentials(credentials: tuple[str, ...]) -> None:
    """Refuse commitments that are too many or none.

    Raises:
        BadArgumentError: naming the bound.
    """
    if len(credentials) > CREDENTIALS:
        raise BadArgumentError(f"a pair has more than {CREDENTIALS} credentials")
    for commitment in credentials:
        require(DIGEST, commitment, "credentials")


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
    if len(set(policy.voters)) != len(policy.voters):
        raise BadArgumentError("a voter is named twice")
    if not set(policy.voters) <= set(policy.members):
        raise BadArgumentError("a voter is no member")
    if len(policy.rules) > RULES:
        raise BadArgumentError(f"a policy has more than {RULES} rules")
    if len({rule.id for rule in policy.rules}) != len(policy.rules):
        raise BadArgumentError("a rule's id is used twice")
    value = encode(policy)
    if len(value) > VALUE:
        raise BadArgumentError(f"a policy is larger than {VALUE} bytes")
    return value


def _measure(root: Provision) -> tuple[int, int]:
    """How many provisions there are in `root`, and how deep; of a giant, enough to refuse it."""
    nodes, depth = 0, 0
    level: list[Provision] = [root]
    while level and nodes <= PROVISIONS and depth <= DEPTH:
        depth += 1
        nodes += len(level)
        level = [child for node in level for child in node.exceptions]
    return nodes, depth
