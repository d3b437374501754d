"""The consortium's policy as the ledger holds it.

Fields are append-only: new ones have a default, old ones keep their name and meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from chaincode.access.model import Action
from chaincode.consent.model import PURPOSES

SCHEMA = 1
"""Version of every value in this module; a reader refuses a newer one."""


class PolicyRule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An access that needs no patient's consent.

    `relation` is `custodian` where the recipient holds the records itself, `member` for any member of
    the consortium. `subject` as in `chaincode.consent.model.Pair`. A rule with `override` permits what a
    consent denies, such as in an emergency; it names no classes.
    """

    id: str
    relation: Literal["custodian", "member"]
    subject: Literal["patient", "directory"]
    purposes: tuple[str, ...]
    actions: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    override: bool = False


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The members of the consortium, and the rules that permit without a patient's consent.

    `voters` are the members that decide on the next version; all of them where none is named. A member
    without a vote acts like any other: it holds records, asks, and endorses.
    """

    version: int
    members: tuple[str, ...]
    rules: tuple[PolicyRule, ...]
    schema: int = 1  # an absent schema is 1, whatever SCHEMA becomes
    voters: tuple[str, ...] = ()

    @property
    def deciding(self) -> tuple[str, ...]:
        """Return the members of which more than half adopt the next version."""
        return self.voters or self.members


class Admissions(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The members that have left, sorted, and when those that came back were admitted again.

    `again` maps an MSP id to the time of the last such admission, in ms since 1970 UTC.
    """

    left: tuple[str, ...] = ()
    again: Mapping[str, int] = msgspec.field(default_factory=dict)

    def followed_by(self, before: Policy, after: Policy, now: int) -> Admissions:
        """Return these after the policy `after` took the place of `before`, at `now`."""
        returned = set(self.left) & set(after.members)
        left = (set(self.left) | set(before.members)) - set(after.members)
        again = {**self.again, **dict.fromkeys(returned, now)}
        return Admissions(tuple(sorted(left)), dict(sorted(again.items())))


def understands_policy(policy: Policy) -> bool:
    """Return whether every rule of `policy` means something to this release."""
    return policy.schema <= SCHEMA and all(
        rule.purposes
        and PURPOSES.issuperset(rule.purposes)
        and _ACTIONS.issuperset(rule.actions)
        and "" not in rule.classes
        and not (rule.override and rule.classes)
        for rule in policy.rules
    )


_ACTIONS = frozenset(action.value for action in Action)
