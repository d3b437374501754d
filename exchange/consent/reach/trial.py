"""The provisions of a consent that change nothing, found by trying the consent without each of them.

Every opinion is compared in a small world made for the consent: each organisation, person, purpose, action,
class, label and span of time that it names, and one of each that it does not. So what several provisions say
together is seen, which comparing them two by two does not show (`exchange.consent.reach.structure`).

Not tried are consents that name roles, codes, references or times of records, or consents as a class; those
that are filed beside this one; and consents whose world is too large: the work is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import product
from typing import NamedTuple, TypeVar

import msgspec

from chaincode.consent.model import ACTIONS, PURPOSES, Condition, Effect, Period, Provision
from chaincode.consent.obligations import CONSENT, RecordFacts, opinion
from exchange.consent.provisions import NamedCondition, NamedProvision
from exchange.consent.reach.samples import few_labels, labelled
from exchange.consent.reach.structure import widened, with_members
from exchange.consent.rounding import round_times
from exchange.errors import Problem
from exchange.fhir.r4 import RESOURCE_TYPES

T = TypeVar("T")
_MOST_RULES = 20
_MOST_SETTLED = 20_000
_MOST_OPINIONS = 30_000
"""Provisions that are looked at, over all questions and over all records: some tenths of a second."""
_SILENT = Provision("none")


class _Question(NamedTuple):
    """A request that leaves nothing open, at a moment in milliseconds since 1970 UTC."""

    recipient: str
    person: str
    purpose: str
    action: str
    moment: int


def check_effects(
    root: NamedProvision, days: AbstractSet[int], members: Mapping[str, str] | None
) -> Iterator[Problem]:
    """Yield a problem for each provision without which every decision would be the same, with its path.

    `days` are the times that stand for days of an unknown zone (`exchange.consent.spans`), `members` as for
    `exchange.consent.reach.structure.check_reach`, whose checks the consent has passed.
    """
    root = with_members(root, members or {})
    rules = list(_rules_in(root))
    if not 1 < len(rules) <= _MOST_RULES or not all(_is_tried(rule.when) for rule in rules):
        return
    if not few_labels(rule.when.labels for rule in rules):
        return
    without = list(_without_each("Consent.provision", root))
    trees = [_filed(tree, days) for tree in (root, *(tree for _, tree in without))]
    questions = list(_questions(rules, trees))
    if len(questions) * len(trees) * len(rules) > _MOST_SETTLED:
        return
    world = _World(list(_records(rules)), _MOST_OPINIONS // len(rules))
    settled = [[world.settled(tree, question) for question in questions] for tree in trees]
    for (path, _), changed in zip(without, settled[1:], strict=True):
        differs = any(world.differ(*pair) for pair in set(zip(settled[0], changed, strict=True)))
        if world.left < 0:
            return
        if not differs:
            message = "changes nothing: the provisions around it and beside it say all of it"
            yield Problem(path, message, "business-rule")


def _is_tried(when: NamedCondition) -> bool:
    return not (
        when.codes
        or when.references
        or when.data_period is not None
        or CONSENT in when.classes
        or any(actor.kind not in {"organization", "person"} for actor in when.actors)
    )


def _rules_in(rule: NamedProvision) -> Iterator[NamedProvision]:
    yield rule
    for exception in rule.exceptions:
        yield from _rules_in(exception)


def _without_each(path: str, rule: NamedProvision) -> Iterator[tuple[str, NamedProvision]]:
    """Yield the path of each provision within `rule`, with `rule` as it is without that."""
    for n, exception in enumerate(rule.exceptions):
        before, after = rule.exceptions[:n], rule.exceptions[n + 1 :]
        where = f"{path}.provision[{n}]"
        yield where, msgspec.structs.replace(rule, exceptions=(*before, *after))
        for inner, changed in _without_each(where, exception):
            yield inner, msgspec.structs.replace(rule, exceptions=(*before, changed, *after))


def _filed(root: NamedProvision, days: AbstractSet[int]) -> NamedProvision:
    # At the beginning of time, because a provision is no less meant when its own time has passed.
    return round_times(widened(root, days), 0, days)


# --- The world ------------------------------------------------------------------------------------------


def _questions(rules: Sequence[NamedProvision], trees: Sequence[NamedProvision]) -> Iterator[_Question]:
    actors = {actor for rule in rules for actor in rule.when.actors}
    recipients, persons = (
        (*sorted(actor.name for actor in actors if actor.kind == kind), "")
        for kind in ("organization", "person")
    )
    purposes = _distinct(sorted(PURPOSES), [rule.when.purposes for rule in rules])
    actions = _distinct(sorted(ACTIONS), [rule.when.actions for rule in rules])
    moments = sorted({0, *(moment for tree in trees for moment in _moments(tree))})
    return map(_Question._make, product(recipients, persons, purposes, actions, moments))


def _distinct(candidates: Iterable[T], lists: Sequence[Sequence[T]]) -> list[T]:
    """Return one of the candidates that stand in the same `lists`, for each such group."""
    found = {tuple(one in some for some in lists): one for one in candidates}
    return list(found.values())


def _moments(tree: NamedProvision) -> Iterator[int]:
    for rule in _rules_in(tree):
        if rule.when.period is not None:
            yield from (end for end in (rule.when.period.start, rule.when.period.end) if end is not None)


def _records(rules: Sequence[NamedProvision]) -> Iterator[RecordFacts]:
    classes = _distinct(sorted(RESOURCE_TYPES - {CONSENT}), [rule.when.classes for rule in rules])
    for kind in classes:
        yield from labelled([rule.when.labels for rule in rules], kind)


# --- The opinions ---------------------------------------------------------------------------------------


class _World:
    """The opinions of settled rules, each known by a number, on each of `records`; `left` more are formed."""

    def __init__(self, records: Sequence[RecordFacts], left: int) -> None:
        self._records = records
        self.left = left
        self._numbers: dict[Provision, int] = {}
        self._rules: list[Provision] = []
        self._opinions: dict[tuple[int, int], Effect] = {}

    def settled(self, tree: NamedProvision, question: _Question) -> int:
        rule = _settled(tree, question) or _SILENT
        number = self._numbers.setdefault(rule, len(self._rules))
        if number == len(self._rules):
            self._rules.append(rule)
        return number

    def differ(self, one: int, other: int) -> bool:
        """Return whether two rules have different opinions on some record, as far as `left` reaches."""
        return one != other and any(
            self._opinion(one, n) != self._opinion(other, n) for n in range(len(self._records))
        )

    def _opinion(self, number: int, n: int) -> Effect:
        found = self._opinions.get((number, n))
        if found is None:
            self.left -= 1
            formed = "none" if self.left < 0 else opinion(self._rules[number], self._records[n])
            found = self._opinions[number, n] = formed
        return found


def _settled(rule: NamedProvision, question: _Question) -> Provision | None:
    """Return `rule` with its conditions on records alone; None where it does not apply to the question."""
    when = rule.when
    if (
        (when.purposes and question.purpose not in when.purposes)
        or (when.actions and question.action not in when.actions)
        or (when.actors and {actor.name for actor in when.actors}.isdisjoint(question[:2]))
        or (when.period is not None and not _holds(when.period, question.moment))
    ):
        return None
    exceptions = [_settled(exception, question) for exception in rule.exceptions]
    condition = Condition(classes=when.classes, labels=when.labels)
    return Provision(rule.effect, condition, tuple(one for one in exceptions if one is not None))


def _holds(period: Period, moment: int) -> bool:
    return (period.start is None or period.start <= moment) and (period.end is None or moment < period.end)
