"""The reach of each provision of a consent: one that could never decide is refused with its path.

A patient who wrote a provision meant something by it, so none is accepted that has no effect. A provision is
refused where

- it has nothing in common with the rule around it, and so never applies;
- it permits within a permission, or denies within a denial, what that does already;
- another beside it says as much, or denies all that it permits;
- it leaves nothing of the rule around it.

A permission within a permission widens it, as in IHE Privacy Consent on FHIR: for the other purposes or
labels that it names, with all other conditions of the rule around it (normal data for all, restricted data
for one). `widened` makes rules of it that stand side by side, each with the denials of the rule around it.

Source: IHE IT Infrastructure, Privacy Consent on FHIR, 3:5.8; https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product
from math import prod
from typing import TypeVar

import msgspec

from chaincode.consent.model import (
    Condition,
    Period,
    Provision,
)
from chaincode.consent.obligations import RecordFacts, meets
from exchange.consent.provisions import (
    NamedCondition,
    NamedEntity,
    NamedProvision,
    denies,
    is_certain,
)
from exchange.consent.reach.samples import labelled
from exchange.consent.spans import earliest, latest
from exchange.errors import Problem

T = TypeVar("T")
_LISTS = {
    "actor": "actors",
    "action": "actions",
    "purpose": "purposes",
    "class": "classes",
    "code": "codes",
    "data": "references",
}
_ONE_OF = frozenset({"actions", "purposes", "classes"})
"""Of these a request or a record has one, so that two lists have their common members in common."""
_MOST_COMBINED = 1000
_APART = "has nothing in common with the rule around it, so the provision would never apply"
_OTHERS = "names others than the rule around it: permit them in a provision or a consent of its own"
_DENIED_AUTHORS = ("Device/", "Patient/", "Practitioner/", "RelatedPerson/")


def check_reach(root: NamedProvision, members: Mapping[str, str] | None) -> Iterator[Problem]:
    """Yield the problems with the provisions of a consent, each with its path.

    `members` maps the names of organisations to MSP ids; where it is given, others are a problem.
    """
    known = root if members is None else with_members(root, members)
    if members is not None:
        yield from _strangers("Consent.provision", root, members)
    yield from _check("Consent.provision", known, _Place())


def widened(root: NamedProvision, days: AbstractSet[int]) -> NamedProvision:
    """Return a checked consent with each permission within a permission as a rule beside it.

    `days` are the times that stand for days of an unknown zone (`exchange.consent.spans`).
    """
    rules = _side_by_side(root, days)
    return rules[0] if len(rules) == 1 else NamedProvision("none", exceptions=rules)


def _side_by_side(rule: NamedProvision, days: AbstractSet[int]) -> tuple[NamedProvision, ...]:
    if rule.effect != "permit":
        parts = (part for exception in rule.exceptions for part in _side_by_side(exception, days))
        return (NamedProvision(rule.effect, rule.when, tuple(parts)),)
    denials = tuple(exception for exception in rule.exceptions if exception.effect == "deny")
    inner = tuple(part for denial in denials for part in _side_by_side(denial, days))
    rules = [NamedProvision("permit", rule.when, inner)]
    for exception in rule.exceptions:
        if exception.effect == "permit":
            when = _merged(rule.when, exception.when, days)
            rules += _side_by_side(NamedProvision("permit", when, (*exception.exceptions, *denials)), days)
    return tuple(rules)


def _merged(when: NamedCondition, inner: NamedCondition, days: AbstractSet[int]) -> NamedCondition:
    # The condition of a permission within one with the condition `when`.
    return NamedCondition(
        period=_common(when.period, inner.period, days),
        actors=inner.actors or when.actors,
        actions=_both(when.actions, inner.actions),
        purposes=inner.purposes or when.purposes,
        classes=_both(when.classes, inner.classes),
        codes=inner.codes or when.codes,
        labels=inner.labels or when.labels,
        data_period=_common(when.data_period, inner.data_period, frozenset()),
        references=inner.references or when.references,
    )


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(one) & set(other))) if one and other else one or other


def _common(one: Period | None, other: Period | None, days: AbstractSet[int]) -> Period | None:
    if one is None or other is None:
        return one or other
    starts = [start for start in (one.start, other.start) if start is not None]
    ends = [end for end in (one.end, other.end) if end is not None]
    return Period(
        max(starts, key=lambda start: latest(start, days), default=None),
        min(ends, key=lambda end: earliest(end, days), default=None),
    )


def _overlap(one: Period | None, other: Period | None) -> Period | None:
    return _common(one, other, frozenset())


# --- The checks -----------------------------------------------------------------------------------------


def with_members(rule: NamedProvision, members: Mapping[str, str]) -> NamedProvision:
    """Return `rule` with MSP ids for the names of organisations, so that two names of one are one actor."""
    actors = tuple(
        NamedEntity("organization", members.get(one.name, one.name)) if one.kind == "organization" else one
        for one in rule.when.actors
    )
    exceptions = tuple(with_members(exception, members) for exception in rule.exceptions)
    return NamedProvision(rule.effect, msgspec.structs.replace(rule.when, actors=actors), exceptions)


def _strangers(path: str, rule: NamedProvision, members: Mapping[str, str]) -> Iterator[Problem]:
    if any(one.kind == "organization" and one.name not in members for one in rule.when.actors):
        yield Problem(f"{path}.actor", "names an organization that is not known here", "not-found")
    for where, exception in _nested(path, rule):
        yield from _strangers(where, exception, members)


def _nested(path: str, rule: NamedProvision) -> Iterator[tuple[str, NamedProvision]]:
    for n, exception in enumerate(rule.exceptions):
        yield f"{path}.provision[{n}]", exception


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a rule: the rules around it, and those that decide beside it or beside one of these.

    `permissions` are those that a permission within them widens.
    """

    around: tuple[NamedProvision, ...] = ()
    denials: tuple[NamedProvision, ...] = ()
    permissions: tuple[NamedProvision, ...] = ()


def _check(path: str, rule: NamedProvision, place: _Place) -> Iterator[Problem]:
    if denies(rule):
        yield from _uncertain(path, rule.when)
    inside = (*place.around, rule)
    stated = list(_nested(path, rule))
    wider = {where: _widening(rule, one) for where, one in stated if _widens(rule, one)}
    rules = [wider.get(where, one) for where, one in stated]
    places = [inside, *((*place.around, one) for one in wider.values())]
    for n, (where, exception) in enumerate(stated):
        others = (*rules[:n], *rules[n + 1 :])
        denials = (*place.denials, *(one for one in others if one.effect == "deny"))
        if where in wider:
            here = _Place(place.around, denials, (*place.permissions, rule))
            problems = list(_wrongly_wider(where, rule.when, exception.when))
            problems = problems or list(_never_met(where, rules[n], [place.around]))
        else:
            here = _Place(inside, denials)
            problems = list(_never_met(where, exception, places))
        message = "" if problems else _idle(rules[n], rule, here, others, rules[:n])
        if message:
            problems = [Problem(where, message, "business-rule")]
        yield from problems or _check(where, rules[n], here)


def _widens(rule: NamedProvision, exception: NamedProvision) -> bool:
    return rule.effect == exception.effect == "permit"


def _widening(rule: NamedProvision, exception: NamedProvision) -> NamedProvision:
    return NamedProvision("permit", _merged(rule.when, exception.when, frozenset()), exception.exceptions)


def _uncertain(path: str, when: NamedCondition) -> Iterator[Problem]:
    # A requester or author may be the same human under another name, so a denied person must be certain:
    # also where a rule permits a person and denies a part of it again.
    if any(one.kind == "person" and not is_certain(one.name) for one in when.actors):
        message = (
            "a denial of a person names a Practitioner, Patient or RelatedPerson of this server; "
            "to deny all others at a place, name the Organization"
        )
        yield Problem(f"{path}.actor", message, "not-supported")
    authors = [one.name for one in when.references if one.kind == "authoredby"]
    if not all(name.startswith(_DENIED_AUTHORS) for name in authors):
        yield Problem(f"{path}.data", "a denial by author names people or devices alone", "not-supported")
    if any(one.kind == "related" and not one.name.startswith("Encounter/") for one in when.references):
        # Records of a plan or an episode need not refer to it, and would stay open.
        message = "a denial of related data names an Encounter, or each record by itself"
        yield Problem(f"{path}.data", message, "not-supported")


def _wrongly_wider(path: str, when: NamedCondition, inner: NamedCondition) -> Iterator[Problem]:
    """Yield the problems with a permission within one with the condition `when`."""
    for element in ("actor", "code", "data"):
        name = _LISTS[element]
        if not _subset(getattr(inner, name) or getattr(when, name), getattr(when, name)):
            yield Problem(f"{path}.{element}", _OTHERS, "business-rule")
            return
    apart = _apart(when, msgspec.structs.replace(inner, purposes=(), labels=()))
    if apart:
        yield Problem(f"{path}.{apart}", _APART, "business-rule")
    elif _subset(inner.purposes or when.purposes, when.purposes) and (
        not inner.labels or _within([_labels_alone(inner)], _labels_alone(when))
    ):
        message = (
            "permits only what the rule around it permits: name more purposes or labels, or leave it out"
        )
        yield Problem(path, message, "business-rule")


def _labels_alone(when: NamedCondition) -> NamedProvision:
    return NamedProvision("permit", NamedCondition(labels=when.labels))


def _never_met(
    path: str, exception: NamedProvision, places: Sequence[Sequence[NamedProvision]]
) -> Iterator[Problem]:
    """Yield a problem if an exception applies in none of `places`, each the rules around it."""
    found = [_all_apart((*place, exception)) for place in places]
    if all(found):
        yield Problem(f"{path}.{found[0]}", _APART, "business-rule")


def _idle(
    exception: NamedProvision,
    rule: NamedProvision,
    place: _Place,
    others: Sequence[NamedProvision],
    earlier: Sequence[NamedProvision],
) -> str:
    """Return why an exception of `rule` changes nothing, or everything around it; empty where it does not.

    `place` is its own; `others` are the exceptions beside it, `earlier` those before it.
    """
    whole = (*place.around, exception)
    alone = not exception.exceptions
    if exception.effect == rule.effect == "deny" and not permits(exception):
        if not any(_permits_there((*place.around, one), exception) for one in others):
            return "denies only what the rule around it denies"
    elif exception.effect == "permit" and not denies(exception):
        same = [
            one for one in (*others, *place.permissions) if not _is_twin(exception, one) or one in earlier
        ]
        if any(_within(whole, one) for one in same):
            return "permits what another provision beside it permits or denies"
    if any(
        _within(whole, one) and (one in earlier or not _is_twin(exception, one))
        for one in place.denials
        if all(_all_apart((*whole, inner)) for inner in one.exceptions)
    ):
        return "says no more than a denial beside it"
    if alone and rule.effect not in {exception.effect, "none"} and _within((*place.around, rule), exception):
        return "leaves nothing of the rule around it: say what the consent means in one of them"
    return ""


def _permits_there(rules: Sequence[NamedProvision], denial: NamedProvision) -> bool:
    """Return whether the last of `rules`, or an exception in it, permits what a denial beside it is about."""
    if _all_apart((*rules, denial)):
        return False
    both = (record for record in _labelled((*rules, denial)) if _meet((denial,), record))
    return (rules[-1].effect == "permit" and any(_meet(rules, record) for record in both)) or any(
        _permits_there((*rules, exception), denial) for exception in rules[-1].exceptions
    )


def _is_twin(one: NamedProvision, other: NamedProvision) -> bool:
    # Of two that say the same, the first is no more idle than the second.
    return (
        one.effect == other.effect
        and not (one.exceptions or other.exceptions)
        and _within((one,), other)
        and _within((other,), one)
    )


def permits(rule: NamedProvision) -> bool:
    """Return whether `rule` or any exception in it permits."""
    return rule.effect == "permit" or any(permits(exception) for exception in rule.exceptions)


# --- Conditions compared ----------------------------------------------------------------------------------


def _apart(one: NamedCondition, other: NamedCondition) -> str:
    """Return the element by which two conditions are never met at once; empty where there is none."""
    pairs = list(product(one.actors, other.actors))
    if pairs and all(map(_are_others, pairs)):
        return "actor"
    pairs = list(product(one.references, other.references))
    if pairs and all(first.kind == second.kind == "instance" and first != second for first, second in pairs):
        return "data"
    for element in ("action", "purpose", "class"):
        listed = [set(getattr(when, _LISTS[element])) for when in (one, other)]
        if all(listed) and listed[0].isdisjoint(listed[1]):
            return element
    if _never_both(one.period, other.period):
        return "period"
    return "dataPeriod" if _never_both(one.data_period, other.data_period) else ""


def _all_apart(rules: Sequence[NamedProvision]) -> str:
    """Return an element by which rules within one another never apply at once; empty where there is none."""
    for one, other in combinations([rule.when for rule in rules], 2):
        if apart := _apart(one, other):
            return apart
    actors = [rule.when.actors for rule in rules if rule.when.actors]
    if prod(map(len, actors)) <= _MOST_COMBINED and not any(
        not any(map(_are_others, combinations(chosen, 2))) for chosen in product(*actors)
    ):
        return "actor"
    if not any(rule.when.labels for rule in rules):
        return ""
    return "" if any(_meet(rules, record) for record in _labelled(rules)) else "securityLabel"


def _are_others(pair: tuple[NamedEntity, NamedEntity]) -> bool:
    one, other = pair
    if one.kind != other.kind or one.name.casefold() == other.name.casefold():
        return False  # a person has a role and is of an organisation
    return one.kind != "role" or one.name.rpartition("|")[0] == other.name.rpartition("|")[0]


def _never_both(one: Period | None, other: Period | None) -> bool:
    if one is None or other is None:
        return False
    return any(
        first.end is not None and second.start is not None and first.end <= second.start
        for first, second in ((one, other), (other, one))
    )


def _within(inner: Sequence[NamedProvision], outer: NamedProvision) -> bool:
    """Return whether all that meets the last of `inner`, and those around it, meets `outer`."""
    conditions = [one.when for one in inner]
    when = outer.when
    for name in _LISTS.values():
        listed = [set(getattr(one, name)) for one in conditions if getattr(one, name)]
        if name in _ONE_OF and listed:
            listed.append(set.intersection(*listed))
        if getattr(when, name) and not any(_subset(some, getattr(when, name)) for some in listed):
            return False
    for one, other in (("period", when.period), ("data_period", when.data_period)):
        if not _inside(reduce(_overlap, (getattr(each, one) for each in conditions)), other):
            return False
    return not when.labels or all(
        _meet((outer,), record) for record in _labelled((*inner, outer)) if _meet(inner, record)
    )


def _subset(inner: Iterable[T], outer: Iterable[T]) -> bool:
    some, all_of_it = set(inner), set(outer)
    return not all_of_it or (bool(some) and some <= all_of_it)


def _inside(inner: Period | None, outer: Period | None) -> bool:
    if outer is None:
        return True
    if inner is None:
        return False
    return (outer.start is None or (inner.start is not None and inner.start >= outer.start)) and (
        outer.end is None or (inner.end is not None and inner.end <= outer.end)
    )


def _meet(rules: Sequence[NamedProvision], record: RecordFacts) -> bool:
    """Return whether a record's labels meet those of all `rules`, as far as the last of them asks for."""
    found = [meets(Provision(one.effect, Condition(labels=one.when.labels)), record) for one in rules]
    surely = rules[-1].effect == "permit"
    return all(sure if surely else possible for sure, possible in found)


def _labelled(rules: Iterable[NamedProvision]) -> Iterator[RecordFacts]:
    return labelled(rule.when.labels for rule in rules)
