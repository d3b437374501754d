"""The decision on one request, from the terms of one pair and the consortium's policy.

The rules, in the order in which they are applied:

1.  Nothing is permitted without a policy, and nothing by a policy that is not understood.
2.  A request with an unknown purpose or action is refused.
3.  Only members of the consortium ask or hold; only the custodian of a pair decides on it, and only for
    the pair's recipient. A pair that is not open, or was retired, permits nothing.
4.  A pair is understood completely or not at all: one provision of an active consent that is not
    understood refuses every request.
5.  An inactive consent has no effect.
6.  A consent is a rule with exceptions, which may have exceptions. A rule applies where its own condition
    and those of all the rules around it are met. Where it applies, an exception that denies decides;
    otherwise one that permits; otherwise its own effect, `none` being no opinion.
7.  A rule of the policy that matches the request is one more rule, and permits. Where one of them overrides,
    or a patient or an officer asks by a right of their own, the rules of the policy are the only ones.
8.  All of them are combined by deny-overrides: any that denies refuses; otherwise any that permits
    permits; otherwise the request is refused. Order never matters, repetition never matters, and an
    additional rule that denies never widens.
9.  Anything that the request leaves open never helps it. Where it names no person or no role, a rule that
    denies some person or role applies, and a rule that permits one does not. Where it gives a person's
    name and leaves open whether another name is that person's too, the same goes for all other names; and
    where it gives a role of one code system, for the roles of all other systems.
    A person is known by any shared identifier, and is another than one with a different identifier of the
    same kind.
10. The terms of linked pairs, and terms that only deny, refuse what they deny, and permit nothing. A linked
    pair that is not there refuses every request.
11. Conditions on records can't be decided here. They go back as obligations, to be checked on each record
    (`chaincode.consent.obligations`). If none of the classes asked for could ever be permitted, whatever
    the records, the request is refused now (`chaincode.consent.outcomes`).

`decide` does no I/O, reads no clock, raises nothing, and gives equal values for equal values, so every
endorser comes to the same answer. It does not check whether the transaction's time is honest; the
endorsers do before they run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from chaincode.access.model import CONSENT_ACTION, AccessRequest, Action, Decision, Denied, Permitted, Reason
from chaincode.consent.model import (
    ALWAYS,
    PURPOSES,
    Actor,
    Condition,
    Pair,
    Period,
    Provision,
    Terms,
    understands_pair,
)
from chaincode.consent.obligations import CONSENT, names_class
from chaincode.consent.outcomes import can_deny, possible_outcomes
from chaincode.policy.model import Policy, PolicyRule, understands_policy
from chaincode.roles import is_another_role


def decide(  # noqa: PLR0911 - one refusal a line, as the rules are numbered
    policy: Policy | None,
    pair: Pair | None,
    request: AccessRequest,
    *,
    now: int,
    caller: str,
    linked: Sequence[Pair | None] = (),
    admitted: int = 0,
) -> Decision:
    """Return the decision on `request`, from values alone.

    `now` is the transaction's time in milliseconds since 1970 UTC, `caller` the MSP id of the gateway that
    submits. `policy`, `pair` and each of the `linked` pairs of the request are None where the ledger holds
    none. `admitted` is the time at which the recipient was admitted again after it had left, 0 for one that
    never left: a pair that was opened before is not open.
    """
    if policy is None:
        return Denied(reason=Reason.NO_POLICY)
    if not understands_policy(policy):
        return Denied(reason=Reason.UNREADABLE)
    action = CONSENT_ACTION.get(request.action)
    if action is None or request.purpose not in PURPOSES or "" in request.classes:
        return Denied(reason=Reason.UNKNOWN_CODE)
    if request.recipient not in policy.members:
        return Denied(reason=Reason.NOT_A_MEMBER)
    if pair is None or pair.retired or (pair.opened < admitted and pair.recipient != pair.custodian):
        return Denied(reason=Reason.PAIR_NOT_OPEN)
    if pair.custodian != caller or pair.recipient != request.recipient:
        return Denied(reason=Reason.WRONG_PARTY)
    joined = [one for one in linked if one is not None and _stands_beside(one, pair)]
    if len(joined) != len(request.linked):
        return Denied(reason=Reason.PAIR_NOT_OPEN, epoch=pair.epoch)
    if pair.custodian not in policy.members:
        return Denied(reason=Reason.NOT_A_MEMBER, epoch=pair.epoch)
    if request.right and not _has_right(pair, request):
        return Denied(reason=Reason.UNKNOWN_CODE, epoch=pair.epoch)
    if not (request.right or all(map(understands_pair, (pair, *joined)))):
        return Denied(reason=Reason.UNREADABLE, epoch=pair.epoch)
    matching = [known for known in policy.rules if _matches(known, pair, request)]
    overriding = [known for known in matching if known.override]
    applicable = list(_policy_rules(overriding or matching, policy.version))
    denials: list[list[_ApplicableRule]] = []
    if not (request.right or overriding):
        counted = [terms for terms in pair.consents if not terms.only_denies]
        applicable = [*_consent_rules(counted, request, action, now), *applicable]
        denials = _denials(pair, joined, request, action, now)
    return _combined(applicable, denials, request, pair.epoch)


def _stands_beside(linked: Pair, pair: Pair) -> bool:
    return (linked.custodian, linked.recipient, linked.subject) == (
        pair.custodian,
        pair.recipient,
        pair.subject,
    )


# --- The rules that apply to a request ------------------------------------------------------------------


class _ApplicableRule(NamedTuple):
    """One consent or one rule of the policy, without the conditions that the request settles."""

    reason: Literal[Reason.CONSENT, Reason.POLICY]
    name: str
    version: int
    rule: Provision


def _consent_rules(
    consents: Iterable[Terms], request: AccessRequest, action: str, now: int
) -> Iterator[_ApplicableRule]:
    for terms in consents:
        if terms.status == "active":
            rule = _settled(terms.root, request, action, now)
            if rule is not None:
                yield _ApplicableRule(Reason.CONSENT, terms.id, terms.version, rule)


def _policy_rules(rules: Iterable[PolicyRule], version: int) -> Iterator[_ApplicableRule]:
    for known in rules:
        rule = Provision("permit", Condition(classes=known.classes)) if known.classes else _PERMIT
        yield _ApplicableRule(Reason.POLICY, known.id, version, rule)


def _denials(
    pair: Pair, linked: Sequence[Pair], request: AccessRequest, action: str, now: int
) -> list[list[_ApplicableRule]]:
    """Return the rules of which only the denials count: the pair's own, then those of each linked pair."""
    only = [terms for terms in pair.consents if terms.only_denies]
    groups = [(only, request)]
    for names, beside in zip(request.linked, linked, strict=True):
        there = msgspec.structs.replace(
            request, role=names.role, person=names.person, known_as=names.known_as
        )
        groups.append((list(beside.consents), there))
    found = [
        [known for known in _consent_rules(consents, asked, action, now) if can_deny(known.rule)]
        for consents, asked in groups
    ]
    return found if any(found) else []


def _has_right(pair: Pair, request: AccessRequest) -> bool:
    """Return whether the request is one that `right` is about: at the custodian, and of that kind."""
    if pair.custodian != pair.recipient or request.action not in _OWN_ACTIONS:
        return False
    if request.right == "patient":
        return pair.subject == "patient" and request.purpose == "PATRQT"
    return request.action == Action.LOG


def _matches(rule: PolicyRule, pair: Pair, request: AccessRequest) -> bool:
    return (
        rule.subject == pair.subject
        and (rule.relation == "member" or pair.custodian == pair.recipient)
        and request.purpose in rule.purposes
        and (not rule.actions or request.action in rule.actions)
    )


def _settled(rule: Provision, request: AccessRequest, action: str, now: int) -> Provision | None:
    """Return `rule` without the conditions that the request settles; None if it can't apply to any record.

    A rule about a person or role that the request does not name keeps those actors.
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
        # It might be about the requester, and then it denies; a record is treated as if it were.
        when = msgspec.structs.replace(when, actors=())
    if when == ALWAYS and rule.effect == "permit":
        return _PERMIT
    return rule if when is rule.when and not rule.exceptions else Provision(rule.effect, when)


def _with_exceptions(
    rule: Provision, when: Condition, request: AccessRequest, action: str, now: int
) -> Provision | None:
    exceptions: list[Provision] = []
    for exception in rule.exceptions:
        settled = _settled(exception, request, action, now)
        if settled is None or (settled.effect == rule.effect == "permit" and not settled.exceptions):
            continue  # a permit within a permit adds nothing
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
        records=when.records,
    )
    return ALWAYS if left == ALWAYS else left


def _holds(period: Period, now: int) -> bool:
    return (period.start is None or period.start <= now) and (period.end is None or now < period.end)


def _is_asked_by(actor: Actor, request: AccessRequest) -> bool | None:
    """Return whether `actor` is the requester; None where the request does not say."""
    if actor.kind == "organization":
        return actor.id == request.recipient
    if actor.kind == "role":
        if actor.id == request.role:
            return True
        # The same code in another case may mean the same role, and so may a code of another system.
        return False if is_another_role(actor.id, request.role) else None
    return _is_person(actor, request)


def _is_person(actor: Actor, request: AccessRequest) -> bool | None:
    if actor.id == request.person or not set(actor.known_as).isdisjoint(request.known_as):
        return True
    if not _kinds(actor.known_as).isdisjoint(_kinds(request.known_as)):
        return False
    return None if request.person_open or not request.person else False


def _kinds(identifiers: Iterable[str]) -> set[str]:
    return {one.partition("|")[0] for one in identifiers}


# --- Their combination ----------------------------------------------------------------------------------


def _combined(
    applicable: list[_ApplicableRule],
    denials: list[list[_ApplicableRule]],
    request: AccessRequest,
    epoch: int,
) -> Decision:
    """Combine the applicable rules by deny-overrides; of `denials` only what they deny counts.

    A record of a class other than those asked for is still checked in full by the obligations.
    """
    every = [*applicable, *(known for group in denials for known in group)]
    outcomes = possible_outcomes([known.rule for known in every], request.classes)
    permitting = [known for known, may in zip(applicable, outcomes, strict=False) if may.permits]
    denying = [known for known, may in zip(every, outcomes, strict=True) if may.denies]
    if permitting:
        basis = min(permitting, key=_precedence)
        return Permitted(
            reason=basis.reason,
            basis=basis.name,
            basis_version=basis.version,
            epoch=epoch,
            obligations=_obligations(applicable),
            denials=tuple(tuple(known.rule for known in group) for group in denials),
        )
    if denying:
        basis = min(denying, key=_precedence)
        return Denied(reason=Reason.REFUSED, basis=basis.name, basis_version=basis.version, epoch=epoch)
    return Denied(reason=Reason.NO_CONSENT, epoch=epoch)


def _obligations(applicable: list[_ApplicableRule]) -> tuple[Provision, ...]:
    """Return the rules left to check on each record; none if one permits all and no other adds to it.

    One that denies does, and one that names consents, which are released by their class alone.
    """
    rules = [known.rule for known in applicable]
    if any(rule is _PERMIT for rule in rules):
        rules = [rule for rule in rules if can_deny(rule) or names_class(rule, CONSENT)]
        return (_PERMIT, *rules) if rules else ()
    return tuple(rules)


def _precedence(known: _ApplicableRule) -> tuple[bool, bool, str, int]:
    # The basis of a decision: a rule about every record before one about some, a consent before the policy,
    # and then the first by name, so that order never matters.
    return (known.rule.when != ALWAYS, known.reason is Reason.POLICY, known.name, known.version)


_PERMIT = Provision("permit")
_OWN_ACTIONS = frozenset({Action.READ, Action.SEARCH, Action.HISTORY, Action.EXPORT, Action.LOG})
