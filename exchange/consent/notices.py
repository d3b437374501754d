"""The notices with which a filed consent is answered: what it does beyond, or short of, what its author sees.

They hold no value of the consent. A consent with a notice is in force like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from exchange.consent.compile import CompiledConsent
from exchange.consent.provisions import NamedProvision

EVERYBODY = (
    "this denies everybody, this hospital's own staff included; the patient's own access to records, consents"
    " and log stays, and so does the officer's to the log"
)
EMERGENCY_DENIED = "this denies in an emergency (BTG) too"
EMERGENCY_OVERRIDES = "in an emergency (BTG) a rule of the consortium overrides this denial"
PERSON = (
    "a denied person is told from others by the reference to this server; whoever states another kind of name"
    " (a login, a number, a relative reference of another organization) is refused as well"
)
LEFT = "an organization that is named is no member of the consortium now, and is permitted nothing"


def notices_of(
    consent: CompiledConsent, *, members: Mapping[str, str], current: Collection[str], overrides: bool
) -> tuple[str, ...]:
    """Return the notices about an active consent.

    `members` maps the names of organisations to MSP ids, `current` are the members by the policy in force,
    `overrides` says whether a rule of the policy opens what is denied in an emergency.
    """
    rules = list(_rules(consent.root))
    denials = [rule for rule in rules if rule.effect == "deny"]
    notices = []
    if _shuts_out(consent.root) or any(map(_shuts_out, consent.root.exceptions)):
        notices.append(EVERYBODY)
    if any(not rule.when.purposes or "BTG" in rule.when.purposes for rule in denials):
        notices.append(EMERGENCY_OVERRIDES if overrides else EMERGENCY_DENIED)
    if any(actor.kind == "person" for rule in denials for actor in rule.when.actors):
        notices.append(PERSON)
    named = [
        actor.name
        for rule in rules
        if rule.effect == "permit"
        for actor in rule.when.actors
        if actor.kind == "organization"
    ]
    if any(members.get(name) not in current for name in named):
        notices.append(LEFT)
    return tuple(notices)


def _rules(rule: NamedProvision) -> Iterator[NamedProvision]:
    yield rule
    for exception in rule.exceptions:
        yield from _rules(exception)


def _shuts_out(rule: NamedProvision) -> bool:
    return rule.effect == "deny" and not rule.when.actors
