"""The release of records under obligations: the second half of a decision, made where the record is open.

The ledger never sees a record. It hands the conditions on records back as obligations: trees of provisions
in which all conditions on the request are settled. They are applied as follows.

1. Any tree that denies the record refuses it. Otherwise any tree that permits it releases it. Otherwise it
   is refused.
2. A tree is a rule and its exceptions. Where a rule applies, an exception that denies decides; otherwise
   one that permits; otherwise the rule's own effect.
3. An unknown fact never opens a record. A record meets a condition surely, possibly, or not. A rule that
   denies applies where the record possibly meets its condition and those of all rules around it. A rule
   that permits applies only where the record surely does.

| condition | surely | possibly |
| --- | --- | --- |
| `classes` | the record, with all records in it, is of listed types | one of them is, or is unknown |
| `codes` | every primary concept has a listed code | one stands anywhere in it in any spelling, or might |
| `labels` | all its labels are covered | one of its labels is touched |
| `data_period` | all of its time lies inside | part of it does, or it has no known time |
| `references` | it is, depends on, or was written by a named record | the same, or it might |
| `actors` | never: the request left it open | always |

4. A record that is a consent, or speaks of one, goes to others than the patient and the custodian only where
   a rule that names the class Consent permits it (`admits_by_class`).

A confidentiality in a list covers a record that is at or below the highest listed and has no label beside
it that is not listed; from R on it covers sensitivities too, since R says that data may be stigmatising. A
sensitivity in a list covers a record that has no label but listed ones and is at most R. So `permit R` covers
normal records too. A list touches a record when it names, or might name, one of its labels, or when its
confidentiality is at or above the lowest listed; a sensitivity without a confidentiality counts as R there.
So `deny R` touches very restricted ones. A rule that permits asks first whether the list covers, a rule that
denies first whether it touches.

Nothing here reads a clock, a store or the network.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from chaincode.consent.model import (
    CONFIDENTIALITY,
    CONFIDENTIALITY_SYSTEM,
    Effect,
    Period,
    Provision,
    Reference,
)

UNKNOWN = ""
"""Among `links` and `authors`: one more that can't be determined."""

CONSENT = "Consent"
"""The class of consents: to others than the patient and the custodian, only a rule that names it permits."""

_PARTS = re.compile(r"[^|:=+,;<>(){}\[\]#\"']+")
"""The parts of a code that says more than one: an expression of SNOMED CT, or a system's name before it."""
_CONFIDENTIAL = CONFIDENTIALITY_SYSTEM + "|"
_RANK = {_CONFIDENTIAL + code: rank for rank, code in enumerate(CONFIDENTIALITY)}
_NORMAL = _RANK[_CONFIDENTIAL + "N"]
_RESTRICTED = _RANK[_CONFIDENTIAL + "R"]
_UNHEARD_OF = len(CONFIDENTIALITY)  # an unknown confidentiality code is above all known ones


class RecordFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about one record that decide whether it may be released.

    `classes` are its resource type and those of the records in it. `codes` has one set per primary
    concept: the codes (`system|code`) that stand for it. `mentions` are the codes found anywhere in it,
    `labels` its security labels; in both, a part that was not stated is empty, and `|` is a concept given
    in words alone. `sensitivities` are those of the labels that say why a record is sensitive. `period` is
    its clinical time, None if unknown. `own`, `links` (its references) and `authors` are digests salted for
    the pair; `UNKNOWN` among them says that there is one that can't be determined.
    """

    classes: frozenset[str]
    codes: tuple[frozenset[str], ...]
    mentions: frozenset[str]
    labels: frozenset[str]
    period: Period | None
    own: str
    links: frozenset[str]
    authors: frozenset[str]
    sensitivities: frozenset[str] = frozenset()


def admits(obligations: tuple[Provision, ...], facts: RecordFacts) -> bool:
    """Return whether a record may be released under the `obligations` of one permit.

    Without any, every record may be released; a `Denied` has no obligations to ask about.
    """
    opinions = {opinion(tree, facts) for tree in obligations}
    return "deny" not in opinions and ("permit" in opinions or not obligations)


def admits_by_class(named: str, obligations: tuple[Provision, ...], facts: RecordFacts) -> bool:
    """Return whether a record may be released where only rules that name the class `named` permit."""
    if not admits(obligations, facts):
        return False
    return any(
        tree is not None and opinion(tree, facts) == "permit"
        for tree in (_naming(rule, named) for rule in obligations)
    )


def names_class(rule: Provision, named: str) -> bool:
    """Return whether `rule` or an exception in it, at any depth, names the class `named`."""
    return named in rule.when.classes or any(names_class(exception, named) for exception in rule.exceptions)


def _naming(rule: Provision, named: str) -> Provision | None:
    # The parts of a rule that may permit by naming the class; `admits` has seen what denies.
    if named in rule.when.classes:
        return rule
    found = (_naming(exception, named) for exception in rule.exceptions)
    exceptions = tuple(one for one in found if one is not None)
    return msgspec.structs.replace(rule, effect="none", exceptions=exceptions) if exceptions else None


def opinion(rule: Provision, facts: RecordFacts) -> Effect:
    """Return the opinion of `rule` with its exceptions about a record; `none` where it has none."""
    surely, possibly = meets(rule, facts)
    if not possibly:
        return "none"
    exceptions = {opinion(exception, facts) for exception in rule.exceptions}
    if "deny" in exceptions:
        return "deny"
    applied = "permit" if "permit" in exceptions else rule.effect
    return "none" if applied == "permit" and not surely else applied


def meets(rule: Provision, facts: RecordFacts) -> tuple[bool, bool]:
    """Return whether a record meets the condition of `rule` surely, and whether it does at least possibly."""
    when = rule.when
    settled = not (when.actors or when.actions or when.purposes or when.period is not None)
    checks = [(settled and not when.records, True)]  # a digest that stands for itself is never surely met
    if when.classes:
        checks.append(_class(when.classes, facts.classes))
    if when.codes:
        checks.append(_code(when.codes, facts))
    if when.labels:
        checks.append(_label(when.labels, facts, rule.effect))
    if when.data_period is not None:
        checks.append(_time(when.data_period, facts.period))
    if when.references:
        checks.append(_reference(when.references, facts))
    return all(surely for surely, _ in checks), all(possibly for _, possibly in checks)


def _class(listed: tuple[str, ...], classes: frozenset[str]) -> tuple[bool, bool]:
    return bool(classes) and classes.issubset(listed), not classes or not classes.isdisjoint(listed)


def _code(listed: tuple[str, ...], facts: RecordFacts) -> tuple[bool, bool]:
    surely = bool(facts.codes) and all(not concept.isdisjoint(listed) for concept in facts.codes)
    if surely:
        return True, True
    stated = facts.mentions.union(*facts.codes)
    might = {form for code in stated for form in _forms(code)}
    return False, _might_be(might, tuple(map(_folded, listed)))


@lru_cache(maxsize=4096)
def _forms(code: str) -> frozenset[str]:
    """Return all that `system|code` might say: itself, and each part of an expression."""
    system, _, value = code.rpartition("|")
    parts = _PARTS.findall(value)
    several = parts if len(parts) > 1 else ()
    return frozenset(_folded(f"{system}|{one}") for one in (value, *several) if one == value or _plain(one))


@lru_cache(maxsize=4096)
def _folded(code: str) -> str:
    """Return `system|code` with its code in the spelling that all spellings of it share.

    Points, hyphens, spaces, zero-width characters, leading zeros, case, width and the script of digits are no
    difference. A code in letters of another script may be any code of its system.
    """
    system, _, value = code.rpartition("|")
    plain = _plain(value)
    if system and not plain.isascii():
        return f"{system}|"
    return f"{system}|{plain.lstrip('0') or plain or value}"


def _plain(value: str) -> str:
    letters = filter(str.isalnum, unicodedata.normalize("NFKC", value))
    return "".join(str(unicodedata.decimal(one, one)) for one in letters).casefold()


def _label(listed: tuple[str, ...], facts: RecordFacts, effect: Effect) -> tuple[bool, bool]:
    stated = [_rank(label) for label in facts.labels if label.startswith(_CONFIDENTIAL)]
    names = {label for label in facts.labels if not label.startswith(_CONFIDENTIAL)}
    levels = [_rank(label) for label in listed if label.startswith(_CONFIDENTIAL)]
    level, ceiling = max(stated, default=_NORMAL), max(levels, default=-1)
    others = names.difference(listed)
    by_level = level <= ceiling and (not others or (ceiling >= _RESTRICTED and others <= facts.sensitivities))
    covered = by_level or (bool(names) and not others and level <= max(_RESTRICTED, ceiling))
    least = max(level, _RESTRICTED) if facts.sensitivities and not stated else level
    touched = (bool(levels) and least >= min(levels)) or _might_be(names, listed)
    # Neither implies the other: `N` covers a moderate record, which is below it, and does not touch it.
    if effect == "permit":
        return covered, covered or touched
    if effect == "deny":
        return covered and touched, touched
    return covered and touched, covered or touched


def _rank(label: str) -> int:
    return _RANK.get(label, _UNHEARD_OF)


def _might_be(stated: Iterable[str], listed: tuple[str, ...]) -> bool:
    return any(code in listed or _incomplete_form_of(code, listed) for code in stated)


def _incomplete_form_of(code: str, listed: tuple[str, ...]) -> bool:
    # `|` stands for any code, `|code` for that code of any system, `system|` for any code of that system.
    if code.startswith("|"):
        return len(code) == 1 or any(one.endswith(code) for one in listed)
    return code.endswith("|") and any(one.startswith(code) for one in listed)


def _time(bounds: Period, period: Period | None) -> tuple[bool, bool]:
    if period is None:
        return False, True
    starts_inside = bounds.start is None or (period.start is not None and period.start >= bounds.start)
    ends_inside = bounds.end is None or (period.end is not None and period.end <= bounds.end)
    wholly_before = bounds.start is not None and period.end is not None and period.end <= bounds.start
    wholly_after = bounds.end is not None and period.start is not None and period.start >= bounds.end
    return starts_inside and ends_inside, not (wholly_before or wholly_after)


def _reference(listed: tuple[Reference, ...], facts: RecordFacts) -> tuple[bool, bool]:
    surely = any(_named(reference, facts) for reference in listed)
    meanings = {reference.meaning for reference in listed}
    might = ("dependents" in meanings and UNKNOWN in facts.links) or (
        "authoredby" in meanings and UNKNOWN in facts.authors
    )
    return surely, surely or might


def _named(reference: Reference, facts: RecordFacts) -> bool:
    if reference.meaning == "authoredby":
        return reference.digest in facts.authors
    if reference.digest == facts.own:
        return True
    return reference.meaning == "dependents" and reference.digest in facts.links
