"""The notices with which a filed consent is answered: what it does beyond, or short of, what its author sees.

They hold no value of the consent. A consent with a notice is in force like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

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
IDENTIFIED = (
    "a denied person is told from others by the reference to this server, and by the identifiers that the"
    " Practitioner has now (NPI); whoever states neither is refused as well"
)


def notices_of(consent: CompiledConsent, *, overrides: bool) -> tuple[str, ...]:
    """Return the notices about an active consent.

    `overrides` says whether a rule of the policy opens what is denied in an emergency.
    """
    rules = list(_rules(consent.root))
    denials = [rule for rule in rules if rule.effect == "deny"]
    notices = []
    if _shuts_out(consent.root) or any(map(_shuts_out, consent.root.exceptions)):
        notices.append(EVERYBODY)
    if any(not rule.when.purposes or "BTG" in rule.when.purposes for rule in denials):
        notices.append(EMERGENCY_OVERRIDES if overrides else EMERGENCY_DENIED)
    persons = [actor.name for rule in denials for actor in rule.when.actors if actor.kind == "person"]
    if any(name not in consent.known_as for name in persons):
        notices.append(PERSON)
    elif persons:
        notices.append(IDENTIFIED)
    return tuple(notices)


def _rules(rule: NamedProvision) -> Iterator[NamedProvision]:
    yield rule
    for exception in rule.exceptions:
        yield from _rules(exception)


def _shuts_out(rule: NamedProvision) -> bool:
    return rule.effect == "deny" and not rule.when.actors
