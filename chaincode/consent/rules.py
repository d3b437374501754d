"""Who may see what: the decision on one request, from the terms of one pair and the consortium's policy.

The rules, in the order in which they are applied:

1.  Nothing is permitted without a policy, and nothing by a policy that is not understood.
2.  A request whose purpose or action is unknown is refused.
3.  Only members of the consortium ask or hold; only the custodian of a pair decides on it, and only for
    the recipient it stands for. A pair that is not open permits nothing.
4.  A pair is understood as a whole or not at all: one provision of an active consent that is not
    understood refuses every request.
5.  An inactive consent has no effect.
6.  A consent is a rule with exceptions, which may have exceptions. A rule applies where its own condition
    and those of all the rules around it are met. Where it applies, an exception that denies decides;
    otherwise one that permits; otherwise its own effect, `none` being no opinion.
7.  A rule of the policy that matches the request is one more rule, and permits.
8.  All of them are combined by deny-overrides: any that denies refuses; otherwise any that permits
    permits; otherwise the request is refused. Order never matters, saying a thing twice never matters,
    and adding a rule that denies never widens.
9.  What the request leaves open never helps it. Where it names no person or no role, a rule that denies
    some person or role applies, and a rule that permits one does not. Where it gives a person's name that
    leaves open whether another name is that person's too, the same goes for all names but the one given;
    and where it gives a role of one code system, for the roles of all others.
10. Conditions on records can't be decided here. What they leave open goes back as obligations, to be
    checked on each record (`chaincode.consent.obligations`). If, whatever the records, none of the
    classes asked for could ever be permitted, the request is refused now.

`decide` does no I/O, reads no clock, raises nothing, and gives equal values for equal values, so every
endorser comes to the same answer. It does not look whether the transaction's time is honest; the
endorsers do before they run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

from chaincode.access.model import CONSENT_ACTION, Action, Decision, Reason, Request
from chaincode.consent.limits import DEPTH
from chaincode.consent.model import (
    ACTIONS,
    ALWAYS,
    CONFIDENTIALITY,
    CONFIDENTIALITY_SYSTEM,
    PURPOSES,
    SCHEMA,
    Actor,
    Condition,
    Pair,
    Period,
    Policy,
    PolicyRule,
    Provision,
)


def decide(  # noqa: PLR0911 - one refusal a line, as the rules are numbered
    policy: Policy | None, pair: Pair | None, request: Request, *, now: int, caller: str
) -> Decision:
    """The answer to `request`, in terms of values alone.

    `now` is the transaction's time in milliseconds since 1970 UTC, `caller` the MSP id of the gateway that
    submits. `policy` and `pair` are None where the ledger holds none.
    """
    if policy is None:
        return _refused(Reason.NO_POLICY)
    if not understands_policy(policy):
        return _refused(Reason.UNREADABLE)
    action = _CONSENT_ACTION.get(request.action)
    if action is None or request.purpose not in PURPOSES or "" in request.classes:
        return _refused(Reason.UNKNOWN_CODE)
    if request.recipient not in policy.members:
        return _refused(Reason.NOT_A_MEMBER)
    if pair is None:
        return _refused(Reason.PAIR_NOT_OPEN)
    if pair.custodian != caller or pair.recipient != request.recipient:
        return _refused(Reason.WRONG_PARTY)
    if pair.custodian not in policy.members:
        return _refused(Reason.NOT_A_MEMBER, epoch=pair.epoch)
    if not understands_pair(pair):
        return _refused(Reason.UNREADABLE, epoch=pair.epoch)
    return _combined(list(_voices(policy, pair, request, action, now)), request, pair.epoch)


# --- What is understood ---------------------------------------------------------------------------------


def understands_policy(policy: Policy) -> bool:
    """Whether every rule of `policy` means something to this release."""
    return policy.schema <= SCHEMA and all(
        rule.purposes
        and PURPOSES.issuperset(rule.purposes)
        and _ACTIONS_ASKED.issuperset(rule.actions)
        and "" not in rule.classes
        for rule in policy.rules
    )


def understands_pair(pair: Pair) -> bool:
    """Whether everything that an active consent in `pair` says means something to this release."""
    return pair.schema <= SCHEMA and all(
        terms.status == "inactive" or _understands_rule(terms.root, DEPTH) for terms in pair.consents
    )


def _understands_rule(rule: Provision, depth: int) -> bool:
    if depth == 0 or not _understands_condition(rule.when):
        return False
    for exception in rule.exceptions:
        if exception.effect == "none" or not _understands_rule(exception, depth - 1):
            return False
    return True


def _understands_condition(when: Condition) -> bool:
    return not (
        (when.period is not None and not _is_period(when.period))
        or (when.actors and not all(map(_is_actor, when.actors)))
        or (when.actions and not ACTIONS.issuperset(when.actions))
        or (when.purposes and not PURPOSES.issuperset(when.purposes))
        or (when.classes and "" in when.classes)
        or (when.codes and not all(map(_is_coding, when.codes)))
        or (when.labels and not all(map(_is_label, when.labels)))
        or (when.data_period is not None and not _is_period(when.data_period))
        or (when.references and not all(reference.digest for reference in when.references))
    )


def _is_period(period: Period) -> bool:
    if period.start is None or period.end is None:
        return period.start is not None or period.end is not None
    return period.start < period.end


def _is_actor(actor: Actor) -> bool:
    return _is_coding(actor.id) if actor.kind == "role" else actor.id != ""


def _is_coding(code: str) -> bool:
    system, _, value = code.rpartition("|")
    return system != "" and value != ""


def _is_label(label: str) -> bool:
    system, _, code = label.rpartition("|")
    return system != "" and (code in CONFIDENTIALITY if system == CONFIDENTIALITY_SYSTEM else code != "")


# --- Who has a say --------------------------------------------------------------------------------------


class _Voice(NamedTuple):
    """One consent or one rule of the policy: what is left of it after what the request settles."""

    reason: Literal[Reason.CONSENT, Reason.POLICY]
    name: str
    version: int
    rule: Provision


def _voices(policy: Policy, pair: Pair, request: Request, action: str, now: int) -> Iterator[_Voice]:
    for terms in pair.consents:
        if terms.status == "active":
            rule = _settled(terms.root, request, action, now)
            if rule is not None:
                yield _Voice(Reason.CONSENT, terms.id, terms.version, rule)
    for known in policy.rules:
        if _matches(known, pair, request):
            rule = Provision("permit", Condition(classes=known.classes)) if known.classes else _PERMIT
            yield _Voice(Reason.POLICY, known.id, policy.version, rule)


def _matches(rule: PolicyRule, pair: Pair, request: Request) -> bool:
    return (
        rule.subject == pair.subject
        and (rule.relation == "member" or pair.custodian == pair.recipient)
        and request.purpose in rule.purposes
        and (not rule.actions or request.action in rule.actions)
    )


def _settled(rule: Provision, request: Request, action: str, now: int) -> Provision | None:
    """`rule` without what the request settles; None where it can't have an opinion on any record.

    A rule that depends on a person or role which the request does not name keeps those actors.
    """
    when = rule.when
    if (
        (when.purposes and request.purpose not in when.purposes)
        or (when.actions and action not in when.actions)
        or (when.period is not None and not _holds(when.period, now))
    ):
        return None
    open_actors: tuple[Actor, ...] = ()
    if when.actors:
        met = [_is_asked_by(actor, request) for actor in when.actors]
        if True not in met:
            open_actors = tuple(
                actor for actor, is_met in zip(when.actors, met, strict=True) if is_met is None
            )
            if not open_actors:
                return None
    when = _about_records(when, open_actors)
    if rule.exceptions:
        return _with_exceptions(rule, when, request, action, now)
    return _settled_leaf(rule, when)


def _settled_leaf(rule: Provision, when: Condition) -> Provision | None:
    if rule.effect == "none" or (rule.effect == "permit" and when.actors):
        return None
    if when.actors:
        # It might be about who asks, and then it denies: to the record that is the same as if it were.
        when = msgspec.structs.replace(when, actors=())
    if when == ALWAYS and rule.effect == "permit":
        return _PERMIT
    return rule if when is rule.when and not rule.exceptions else Provision(rule.effect, when)


def _with_exceptions(
    rule: Provision, when: Condition, request: Request, action: str, now: int
) -> Provision | None:
    exceptions: list[Provision] = []
    for exception in rule.exceptions:
        settled = _settled(exception, request, action, now)
        if settled is None or (settled.effect == rule.effect == "permit" and not settled.exceptions):
            continue  # a permit within a permit says what is said already
        exceptions.append(settled)
    return Provision(rule.effect, when, tuple(exceptions)) if exceptions else _settled_leaf(rule, when)


def _about_records(when: Condition, open_actors: tuple[Actor, ...]) -> Condition:
    if not (when.actors or when.purposes or when.actions or when.period is not None):
        return when
    left = Condition(
        actors=open_actors,
        classes=when.classes,
        codes=when.codes,
        labels=when.labels,
        data_period=when.data_period,
        references=when.references,
    )
    return ALWAYS if left == ALWAYS else left


def _holds(period: Period, now: int) -> bool:
    return (period.start is None or period.start <= now) and (period.end is None or now < period.end)


def _is_asked_by(actor: Actor, request: Request) -> bool | None:
    """Whether `actor` is who asks; None where the request does not say."""
    if actor.kind == "organization":
        return actor.id == request.recipient
    if actor.kind == "role":
        if actor.id == request.role:
            return True
        # One code in another case might be the same code, and another system might have a code for the same.
        apart = _system(actor.id) == _system(request.role) and actor.id.lower() != request.role.lower()
        return False if apart else None
    if not request.person:
        return None
    return actor.id == request.person or (None if request.person_open else False)


def _system(coding: str) -> str:
    return coding.rpartition("|")[0]


# --- What they come to ----------------------------------------------------------------------------------


def _combined(voices: list[_Voice], request: Request, epoch: int) -> Decision:
    """The decision that `voices` come to, by deny-overrides.

    A record of a class other than those asked for is still checked in full by the obligations.
    """
    names = request.classes or _classes_in(voices)
    places = {name: 1 << n for n, name in enumerate(dict.fromkeys(names))}
    outlooks = [(voice, _outlook(voice.rule, places)) for voice in voices]
    refusers = [voice for voice, seen in outlooks if _surely_denied(seen)]
    refused = 0
    for _, seen in outlooks:
        refused |= _surely_denied(seen)
    speakers = [voice for voice, seen in outlooks if seen.permits & ~refused]
    if speakers:
        basis = min(speakers, key=_weight)
        return Decision(
            outcome="permit",
            reason=basis.reason,
            basis=basis.name,
            basis_version=basis.version,
            epoch=epoch,
            obligations=_obligations(voices),
        )
    if refusers:
        basis = min(refusers, key=_weight)
        return _refused(Reason.REFUSED, basis.name, basis.version, epoch=epoch)
    return _refused(Reason.NO_CONSENT, epoch=epoch)


def _obligations(voices: list[_Voice]) -> tuple[Provision, ...]:
    """What is left to check on each record; empty only here, where one permits all and none can deny."""
    rules = [voice.rule for voice in voices]
    if any(rule is _PERMIT for rule in rules):
        rules = [rule for rule in rules if _can_deny(rule)]
        return (_PERMIT, *rules) if rules else ()
    return tuple(rules)


def _weight(voice: _Voice) -> tuple[bool, bool, str, int]:
    # What a decision is said to rest on: rather on what says it of every record than of some, rather on
    # the patient's word than on the policy, and then the first by name, so that order never matters.
    return (voice.rule.when != ALWAYS, voice.reason is Reason.POLICY, voice.name, voice.version)


def _classes_in(voices: list[_Voice]) -> list[str]:
    # A request that names no class asks for all of them: those that are treated apart, and all others.
    names: set[str] = set()
    rules = [voice.rule for voice in voices]
    while rules:
        rule = rules.pop()
        names.update(rule.when.classes)
        rules.extend(rule.exceptions)
    return ["", *sorted(names)]


class _Outlook(NamedTuple):
    """For which classes a rule may come to deny, to permit, or to say nothing; each class is one bit.

    Bits, because a pair may hold hundreds of rules about as many classes, and each has to be weighed.
    """

    denies: int
    permits: int
    abstains: int


def _outlook(rule: Provision, places: Mapping[str, int]) -> _Outlook:
    """All that `rule` may come to say about records of each class in `places`.

    Conditions other than on classes may be met or not, each on its own, so the outlook may hold more than
    any real record brings about; it never holds less.
    """
    when = rule.when
    every = (1 << len(places)) - 1
    inside = every
    if when.classes:
        inside = 0
        for name in when.classes:
            inside |= places.get(name, 0)
    settled, denies, permits, leaves = 0, 0, 0, every
    for exception in rule.exceptions:
        seen = _outlook(exception, places)
        settled |= _surely_denied(seen)
        denies |= seen.denies
        permits |= seen.permits
        leaves &= seen.abstains
    permits &= ~settled
    leaves &= ~settled
    abstains = 0
    if rule.effect == "deny":
        denies |= leaves
    elif rule.effect == "permit":
        permits |= leaves
    else:
        abstains = leaves
    if when.actors:
        permits, abstains = 0, abstains | permits
    if when.codes or when.labels or when.references or when.data_period is not None:
        abstains = every
    return _Outlook(denies & inside, permits & inside, (abstains & inside) | (every & ~inside))


def _surely_denied(seen: _Outlook) -> int:
    return seen.denies & ~seen.permits & ~seen.abstains


def _can_deny(rule: Provision) -> bool:
    return rule.effect == "deny" or any(_can_deny(exception) for exception in rule.exceptions)


def _refused(reason: Reason, basis: str = "", version: int = 0, *, epoch: int = 0) -> Decision:
    return Decision(outcome="deny", reason=reason, basis=basis, basis_version=version, epoch=epoch)


_PERMIT = Provision("permit")
_CONSENT_ACTION = {asked.value: meant for asked, meant in CONSENT_ACTION.items()}
_ACTIONS_ASKED = frozenset(asked.value for asked in Action)
