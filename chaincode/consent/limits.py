"""Bounds of a pair's terms, so that one pair can't slow down the decisions of others.

Every bound refuses by name. They are far above the sizes of FHIR consents in practice.

Consents that have ended stay in their pair, or an older version could come back. They stay without their
provisions, and space is reserved for them: `ALL_CONSENTS` of them at their largest, beside active consents
of `TERMS` bytes, are less than `VALUE`. So a consent can be ended whatever else its pair holds. Where a pair
has no place for one more consent, it has none for any version of it, ever: the number of consents in a pair
never falls.
"""

from __future__ import annotations

from collections.abc import Iterable

from chaincode.consent.model import DEPTH, Provision, Terms
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError
from chaincode.identifiers import DIGEST, OPAQUE, require
from chaincode.roles import check_role

ACTIVE_CONSENTS = 100
"""Active consents in one pair."""

ALL_CONSENTS = 200
"""Consents in one pair, those that have ended included."""

PROVISIONS = 500
"""Provisions in the active consents of one pair together."""

TERMS = 28 * 1024
"""Bytes of the active consents of one pair together, as stored."""

VALUE = 64 * 1024
"""Bytes of one pair as stored."""

VERSION = 2**53 - 1
"""The highest version of a consent: the largest integer that every reader of JSON reads exactly."""

CREDENTIALS = 20
"""Commitments to a patient's public keys in one pair."""


def check_terms(terms: Terms) -> None:
    """Refuse terms that are badly named, too deep or too many for any pair, or tell more than they should.

    Conditions on records, and roles that are not known ones, are given as digests.

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
    _check_hidden(terms.root)


def check_active(consents: Iterable[Terms]) -> None:
    """Refuse more active consents than one pair may hold; each is within the bounds of `check_terms`.

    Raises:
        BadArgumentError: naming the bound.
    """
    active = [terms for terms in consents if terms.status == "active"]
    if len(active) > ACTIVE_CONSENTS:
        raise BadArgumentError(f"a pair has more than {ACTIVE_CONSENTS} active consents")
    if sum(_measure(terms.root)[0] for terms in active) > PROVISIONS:
        raise BadArgumentError(f"a pair has more than {PROVISIONS} provisions")
    if sum(len(encode(terms)) + 1 for terms in active) > TERMS:  # a comma follows each
        raise BadArgumentError(f"the active consents of a pair are larger than {TERMS} bytes")


def check_count(consents: int) -> None:
    """Refuse a pair with `consents` consents, active or ended, if these are too many.

    Raises:
        BadArgumentError: naming the bound.
    """
    if consents > ALL_CONSENTS:
        raise BadArgumentError(
            f"a pair has more than {ALL_CONSENTS} consents, those that have ended included"
        )


def check_credentials(credentials: tuple[str, ...]) -> None:
    """Refuse commitments that are too many or not digests.

    Raises:
        BadArgumentError: naming the bound.
    """
    if len(credentials) > CREDENTIALS:
        raise BadArgumentError(f"a pair has more than {CREDENTIALS} credentials")
    for commitment in credentials:
        require(DIGEST, commitment, "credentials")


def _check_hidden(rule: Provision) -> None:
    when = rule.when
    if when.codes or when.labels or when.references or when.data_period is not None:
        raise BadArgumentError("a condition on records is given as its digest")
    if when.records:
        require(OPAQUE, when.records, "records")
    for actor in when.actors:
        if actor.kind == "role":
            check_role(actor.id)
    for exception in rule.exceptions:
        _check_hidden(exception)


def _measure(root: Provision) -> tuple[int, int]:
    """Return the number of provisions in `root` and their depth; of a giant, enough to refuse it."""
    nodes, depth = 0, 0
    level: list[Provision] = [root]
    while level and nodes <= PROVISIONS and depth <= DEPTH:
        depth += 1
        nodes += len(level)
        level = [child for node in level for child in node.exceptions]
    return nodes, depth
