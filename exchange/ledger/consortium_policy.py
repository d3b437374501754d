"""The consortium's policy as people decide on it: the first one, the next one, and their differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from chaincode.consent.model import PURPOSES
from chaincode.policy.model import Policy, PolicyRule
from exchange.errors import BadRequestError
from exchange.fhir.compartment import DIRECTORY_TYPES

_CARE = ("ETREAT", "HOPERAT", "HPAYMT", "TREAT")


def founding_policy(members: Iterable[str], *, voters: Iterable[str] = ()) -> Policy:
    """Return the founding policy of a channel; a majority of the voters can change it on the ledger.

    Voters are all members where none is named. A hospital may use its own records for treatment, payment
    and operations, in an emergency (break-glass), and for a patient's own requests. A denial binds in an
    emergency too, until a rule with `override` is adopted. Records of types that name no patient
    (organisations, practitioners, locations, terms) every member may read for any purpose. Other records that
    name no patient may still be about one, in words or by a group: they serve the hospital's own care alone
    (`docs/adr/0017-the-directory.md`).
    """
    return Policy(
        version=1,
        members=tuple(sorted(members)),
        voters=tuple(sorted(voters)),
        rules=(
            PolicyRule(
                id="own-care",
                relation="custodian",
                subject="patient",
                purposes=_CARE,
            ),
            PolicyRule(id="own-emergency", relation="custodian", subject="patient", purposes=("BTG",)),
            PolicyRule(id="patient-request", relation="custodian", subject="patient", purposes=("PATRQT",)),
            PolicyRule(id="own-unassigned", relation="custodian", subject="directory", purposes=_CARE),
            PolicyRule(
                id="directory",
                relation="member",
                subject="directory",
                purposes=tuple(sorted(PURPOSES)),
                classes=tuple(sorted(DIRECTORY_TYPES)),
            ),
        ),
    )


def next_policy(
    current: Policy,
    *,
    admit: Sequence[str] = (),
    remove: Sequence[str] = (),
    rules: Sequence[PolicyRule] | None = None,
) -> Policy:
    """Return the version after `current`, with members (MSP ids) admitted and removed, and other `rules`.

    An admitted member has a vote where every member has one. The same change gives the same policy in each
    organisation, so that two organisations that propose it approve the same bytes.

    Raises:
        BadRequestError: an admitted organisation is a member already, a removed one is not, no voter would
            be left, or nothing would change.
    """
    known = set(current.members)
    for member in admit:
        if member in known:
            raise BadRequestError(f"{member} is a member already")
    for member in remove:
        if member not in known:
            raise BadRequestError(f"{member} is no member; they are {', '.join(current.members)}")
    left = (known | set(admit)) - set(remove)
    voters = set(current.voters) - set(remove)
    if not left or (current.voters and not voters):
        raise BadRequestError("nobody would be left to decide on the next version")
    following = msgspec.structs.replace(
        current,
        version=current.version + 1,
        members=tuple(sorted(left)),
        voters=tuple(sorted(voters)),
        rules=current.rules if rules is None else tuple(rules),
    )
    if not any(True for _ in differences(current, following)):
        raise BadRequestError("that changes nothing; give --admit, --remove or --rules")
    return following


def differences(current: Policy, proposed: Policy) -> Iterator[str]:
    """Yield the changes of `proposed`, a line each: `+` comes, `-` goes; a rule that changes does both."""
    yield from _listed("member", current.members, proposed.members)
    if current.voters or proposed.voters:
        yield from _listed("vote of", current.deciding, proposed.deciding)
    rules = {rule.id: rule for rule in current.rules}
    wanted = {rule.id: rule for rule in proposed.rules}
    for name in [*rules, *(name for name in wanted if name not in rules)]:
        before, after = rules.get(name), wanted.get(name)
        if before is not None and after is not None and _about(before) == _about(after):
            yield from _changed(before, after)
            continue
        if before is not None:
            yield f"- rule {describe(before)}"
        if after is not None:
            yield f"+ rule {describe(after)}"


def describe(rule: PolicyRule, *, most: int | None = None) -> str:
    """Return one line about the accesses that `rule` permits without consent; of long lists `most` codes."""
    users = "the custodian" if rule.relation == "custodian" else "any member"
    records = "patients' records" if rule.subject == "patient" else "records that name no patient"
    limits = [f" {word} {_some(codes, most)}" for word, codes in _lists(rule) if codes]
    override = ", even where a consent denies it" if rule.override else ""
    return f"{rule.id}: {users} may use {records}{''.join(limits)}{override}"


def _about(rule: PolicyRule) -> tuple[str, str, bool]:
    return rule.relation, rule.subject, rule.override


def _lists(rule: PolicyRule) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("for", rule.purposes), ("to", rule.actions), ("of type", rule.classes)


def _changed(before: PolicyRule, after: PolicyRule) -> Iterator[str]:
    for (word, old), (_, new) in zip(_lists(before), _lists(after), strict=True):
        name = f"rule {before.id}: {word}"
        if set(old) == set(new):
            continue
        if not old or not new:  # an empty list limits nothing
            yield f"- {name} {_some(old)}"
            yield f"+ {name} {_some(new)}"
        else:
            yield from _listed(name, old, new)


def _listed(kind: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    gone = [name for name in before if name not in after]
    come = [name for name in after if name not in before]
    yield from (f"- {kind} {name}" for name in gone)
    yield from (f"+ {kind} {name}" for name in come)


def _some(codes: Sequence[str], most: int | None = None) -> str:
    if not codes:
        return "anything"
    if most is None or len(codes) <= most:
        return ", ".join(codes)
    return f"{', '.join(codes[:most])} and {len(codes) - most} more"
