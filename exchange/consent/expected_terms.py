"""What one pair should hold of all consents of its subject: pure, from drafts to terms.

1. A consent that is active for the recipient is held with its terms.
2. A consent that is not (any more), and of which the pair may hold a version, is held as ended. The pair
   may hold one if the ledger was ever asked to put one there, whatever became of that.
3. Any other consent is none of the pair's: writing it there would only join the pairs of one patient.

What a pair would have to hold is measured, with the contract's own bounds, before a consent is stored.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from chaincode.consent.limits import HELD, check_active, check_terms
from chaincode.consent.model import ALWAYS, Provision, Terms
from chaincode.errors import BadArgumentError
from exchange.consent.compile import CompiledConsent, PairContext, concerns, terms_for, terms_id
from exchange.errors import Problem, TooCostlyError

_SILENT = Provision("none")


def expected_terms(
    drafts: Mapping[bytes, CompiledConsent], context: PairContext, noted: Container[bytes]
) -> dict[bytes, Terms]:
    """The terms that one pair should hold, by the reference of their consent.

    `drafts` are all consents of the subject, by reference; `noted` are those that the ledger was ever asked
    to put into this pair.
    """
    held = {}
    for reference, draft in drafts.items():
        terms = _active(draft, context)
        if terms is not None:
            held[reference] = terms
        elif reference in noted:
            held[reference] = Terms(
                id=terms_id(draft, context),
                version=draft.version,
                status="inactive",
                attested=draft.attested,
                root=_SILENT,
            )
    return held


def may_permit(held: Iterable[Terms], recipient: str, now: int) -> bool:
    """Whether `held` could permit `recipient` anything, at `now` (ms since 1970 UTC) or later.

    It errs on the side of yes, but for what plainly permits nothing: ended, expired, denied as a whole.
    """
    active = [terms.root for terms in held if terms.status == "active"]
    return not any(_denies_all(root, recipient) for root in active) and any(
        _permits(root, recipient, now) for root in active
    )


def check_bounds(
    drafts: Mapping[bytes, CompiledConsent],
    changed: Iterable[bytes],
    contexts: Iterable[PairContext],
    *,
    added: bool,
) -> None:
    """Refuse consents of one subject that some pair could not hold, before they are stored.

    `drafts` are all of them as they would be, `changed` the references of those that are new or changed,
    `contexts` one for each recipient that there may be. Ending a consent is never refused; what is `added`
    counts.

    Raises:
        TooCostlyError: naming the bound.
    """
    if added and len(drafts) > HELD:
        raise _too_costly(f"a patient has more than {HELD} consents, those that are over included")
    growing = [drafts[reference] for reference in changed if drafts[reference].status == "active"]
    for context in contexts:
        if not any(concerns(draft, context.recipient, context.members) for draft in growing):
            continue
        active = [terms for terms in (_active(draft, context) for draft in drafts.values()) if terms]
        try:
            for terms in active:
                check_terms(terms)
            check_active(active)
        except BadArgumentError as bound:
            raise _too_costly(str(bound)) from None


def _too_costly(bound: str) -> TooCostlyError:
    problem = Problem("Consent", f"with all consents of this patient, {bound}", "too-costly")
    return TooCostlyError("the consent is more than the ledger takes", problems=[problem])


def _active(draft: CompiledConsent, context: PairContext) -> Terms | None:
    return terms_for(draft, context) if draft.status == "active" else None


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
        if any(
            (
                *(when.actions, when.purposes, when.classes, when.codes, when.labels, when.references),
                when.period is not None or when.data_period is not None,
            )
        ):
            return False
    # Whatever it says apart, an exception that denies all decides; and of what denies, only an exception
    # could make something else.
    return any(_denies_all(exception, recipient) for exception in rule.exceptions) or (
        rule.effect == "deny" and not rule.exceptions
    )
