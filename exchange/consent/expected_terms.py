"""The terms that one pair is expected to hold of all consents of its subject; pure functions.

1. A consent that is active for the recipient is expected with its terms.
2. A consent that is not active (any more), and of which the pair may hold a version, is expected as ended.
   The pair may hold one if it was ever requested on the ledger, with any result.
3. Any other consent is not expected: writing it there would only link the pairs of one patient.

The expected terms of a pair are measured, with the contract's own bounds, before a consent is stored.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from chaincode.consent.limits import ALL_CONSENTS, check_active, check_terms
from chaincode.consent.model import ALWAYS, Provision, Terms
from chaincode.errors import BadArgumentError
from exchange.consent.compile import CompiledConsent, PairContext, concerns, terms_for, terms_id, version_in
from exchange.errors import Problem, TooCostlyError

_SILENT = Provision("none")


def expected_terms(
    consents: Mapping[bytes, CompiledConsent], context: PairContext, requested: Container[bytes]
) -> dict[bytes, Terms]:
    """Return the terms that one pair is expected to hold, by the reference of their consent.

    `consents` are all of the subject, by reference; `requested` are those that were ever requested on the
    ledger for this pair.
    """
    expected = {}
    for reference, consent in consents.items():
        terms = _active(consent, context)
        if terms is not None:
            expected[reference] = terms
        elif reference in requested:
            expected[reference] = Terms(
                id=terms_id(consent, context),
                version=version_in(consent, context),
                status="inactive",
                attested=consent.attested,
                root=_SILENT,
            )
    return expected


def may_permit(terms: Iterable[Terms], recipient: str, now: int) -> bool:
    """Return whether `terms` could permit `recipient` anything, at `now` (ms since 1970 UTC) or later.

    In doubt the result is true; it is false for terms that are ended, expired or denied as one.
    """
    active = [one for one in terms if one.status == "active"]
    return not deny_all(active, recipient) and any(
        _permits(one.root, recipient, now) for one in active if not one.only_denies
    )


def deny_all(terms: Iterable[Terms], recipient: str) -> bool:
    """Return whether some of `terms` denies `recipient` all there is; in doubt the result is false."""
    return any(_denies_all(one.root, recipient) for one in terms if one.status == "active")


def check_bounds(
    consents: Mapping[bytes, CompiledConsent],
    changed: Iterable[bytes],
    contexts: Iterable[PairContext],
    *,
    added: bool,
) -> None:
    """Refuse consents of one subject that some pair could not hold, before they are stored.

    `consents` are all of them after the change, `changed` the references of new or changed ones, `contexts`
    one for each possible recipient, with the highest count. Ending a consent is never refused; their number
    counts if one is `added`.

    Raises:
        TooCostlyError: a bound is exceeded; the message names it.
    """
    if added and len(consents) > ALL_CONSENTS:
        raise _too_costly(f"a patient has more than {ALL_CONSENTS} consents, those that are over included")
    growing = [consents[reference] for reference in changed if consents[reference].status == "active"]
    for context in contexts:
        if not any(concerns(consent, context.recipient, context.members) for consent in growing):
            continue
        active = [terms for terms in (_active(consent, context) for consent in consents.values()) if terms]
        try:
            for terms in active:
                check_terms(terms)
            check_active(active)
        except BadArgumentError as bound:
            raise _too_costly(str(bound)) from None


def _too_costly(bound: str) -> TooCostlyError:
    problem = Problem("Consent", f"with all consents of this patient, {bound}", "too-costly")
    return TooCostlyError("the consent is more than the ledger takes", problems=[problem])


def _active(consent: CompiledConsent, context: PairContext) -> Terms | None:
    return terms_for(consent, context) if consent.status == "active" else None


def _permits(rule: Provision, recipient: str, now: int) -> bool:
    period = rule.when.period
    if period is not None and period.end is not None and period.end <= now:
        return False
    if any(_denies_all(exception, recipient) for exception in rule.exceptions):
        return False
    return rule.effect == "permit" or any(
        _permits(exception, recipient, now) for exception in rule.exceptions
    )


def _denies_all(rule: Provision, recipient: str) -> bool:
    when = rule.when
    if when != ALWAYS:
        if not any(actor.kind == "organization" and actor.id == recipient for actor in when.actors):
            return False
        if when.actions or when.purposes or when.classes or when.records or when.period is not None:
            return False
    # An exception that denies all decides, and only an exception can change a rule that denies.
    return any(_denies_all(exception, recipient) for exception in rule.exceptions) or (
        rule.effect == "deny" and not rule.exceptions
    )
