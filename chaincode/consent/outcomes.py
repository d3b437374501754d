"""Possible outcomes of a rule for each class of records, before any record is seen. Pure; no I/O.

1. Whether a record is of a class is known for each class. Every other condition on records may be met or
   not, each on its own. So the possible outcomes may hold more than any real record brings about; they
   never hold less.
2. A set of classes is an integer with one bit per class. A pair may hold hundreds of rules about as many
   classes, and each decision weighs all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from chaincode.consent.model import Provision


class PossibleOutcome(NamedTuple):
    """The bearing of one rule on a request, beside all other rules that apply."""

    permits: bool
    """True where the rule may permit a record that no rule is certain to deny."""

    denies: bool
    """True where the rule is certain to deny every record of some class."""


class _ByClass(NamedTuple):
    """The classes for which a rule may come to deny, to permit, or to say nothing."""

    denies: int
    permits: int
    abstains: int

    def certainly_denied(self) -> int:
        return self.denies & ~self.permits & ~self.abstains


def possible_outcomes(rules: Sequence[Provision], classes: Sequence[str]) -> list[PossibleOutcome]:
    """Return the possible outcome of each of `rules` for a request for records of `classes`.

    A request that names no class asks for all of them: each class that some rule names, and all others.
    """
    bits = {name: 1 << n for n, name in enumerate(dict.fromkeys(classes or _all_classes(rules)))}
    found = [_by_class(rule, bits) for rule in rules]
    denied = 0
    for possible in found:
        denied |= possible.certainly_denied()
    return [PossibleOutcome(one.permits & ~denied != 0, one.certainly_denied() != 0) for one in found]


def can_deny(rule: Provision) -> bool:
    """Return whether `rule` or an exception in it, at any depth, denies."""
    return rule.effect == "deny" or any(can_deny(exception) for exception in rule.exceptions)


def _all_classes(rules: Iterable[Provision]) -> list[str]:
    names: set[str] = set()
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        names.update(rule.when.classes)
        waiting.extend(rule.exceptions)
    return ["", *sorted(names)]  # the empty name stands for all classes that no rule names


def _by_class(rule: Provision, bits: Mapping[str, int]) -> _ByClass:
    when = rule.when
    every = (1 << len(bits)) - 1
    inside = every
    if when.classes:
        inside = 0
        for name in when.classes:
            inside |= bits.get(name, 0)
    settled, denies, permits, leaves = 0, 0, 0, every
    for exception in rule.exceptions:
        possible = _by_class(exception, bits)
        settled |= possible.certainly_denied()
        denies |= possible.denies
        permits |= possible.permits
        leaves &= possible.abstains
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
    if when.records or when.codes or when.labels or when.references or when.data_period is not None:
        abstains = every
    return _ByClass(denies & inside, permits & inside, (abstains & inside) | (every & ~inside))
