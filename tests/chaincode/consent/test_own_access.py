"""Accesses that no consent takes away: the patient's own, the officer's to the log, and overriding rules."""

import random

import msgspec
import pytest

from chaincode.access.model import Action, Reason
from chaincode.consent.rules import decide
from chaincode.errors import BadArgumentError
from chaincode.policy.limits import encode_policy
from chaincode.policy.model import Policy, PolicyRule, understands_policy
from exchange.ledger.consortium_policy import founding_policy
from tests.support.ledger import consent_cases as cases

FOUNDING = founding_policy(cases.MEMBERS)
OWN = (Action.READ, Action.SEARCH, Action.HISTORY, Action.EXPORT, Action.LOG)
EMERGENCY = PolicyRule("emergency", "member", "patient", ("BTG",))


def pair(rng, recipient):
    found = cases.pair(rng)
    consents = (*found.consents, *(cases.terms(rng, n) for n in range(100, 104)))
    return msgspec.structs.replace(
        found, custodian="AlphaMSP", recipient=recipient, subject="patient", consents=consents
    )


def asked(rng, recipient, **fields):
    found = cases.request(rng, recipient)
    return msgspec.structs.replace(found, recipient=recipient, **fields)


def decided(policy, terms, request):
    return decide(policy, terms, request, now=cases.NOW, caller="AlphaMSP")


@pytest.mark.parametrize("action", OWN)
def test_whatever_consents_say_the_policy_alone_decides_on_the_patients_own_access(action):
    rng = random.Random(action)
    refused = 0
    for _ in range(300):
        terms = pair(rng, "AlphaMSP")
        request = asked(rng, "AlphaMSP", action=action, purpose="PATRQT", right="patient")
        decision = decided(FOUNDING, terms, request)
        assert (decision.outcome, decision.basis, decision.obligations) == ("permit", "patient-request", ())
        refused += decided(FOUNDING, terms, msgspec.structs.replace(request, right="")).outcome == "deny"
        silent = msgspec.structs.replace(FOUNDING, rules=())
        assert decided(silent, terms, request).outcome == "deny"  # the policy's word, and nobody else's
    assert refused > 30


def test_whatever_consents_say_the_officer_reads_the_log():
    rng = random.Random(1)
    for _ in range(300):
        request = asked(rng, "AlphaMSP", action="log", purpose="HOPERAT", right="officer")
        decision = decided(FOUNDING, pair(rng, "AlphaMSP"), request)
        assert (decision.outcome, decision.basis, decision.obligations) == ("permit", "own-care", ())


@pytest.mark.parametrize(
    ("recipient", "fields"),
    [
        ("BetaMSP", {"right": "patient", "purpose": "PATRQT", "action": "read"}),
        ("BetaMSP", {"right": "officer", "purpose": "HOPERAT", "action": "log"}),
        ("AlphaMSP", {"right": "patient", "purpose": "TREAT", "action": "read"}),
        ("AlphaMSP", {"right": "patient", "purpose": "PATRQT", "action": "score"}),
        ("AlphaMSP", {"right": "officer", "purpose": "HOPERAT", "action": "read"}),
    ],
)
def test_a_right_is_for_its_own_requests_alone(recipient, fields):
    rng = random.Random(2)
    decision = decided(FOUNDING, pair(rng, recipient), asked(rng, recipient, **fields))
    assert decision.reason == Reason.UNKNOWN_CODE


@pytest.mark.parametrize("recipient", ["AlphaMSP", "BetaMSP"])
def test_a_policy_says_whether_an_emergency_overrides_a_denial(recipient):
    rng = random.Random(3)
    bound = Policy(version=1, members=cases.MEMBERS, rules=(EMERGENCY,))
    open_ = Policy(
        version=2, members=cases.MEMBERS, rules=(msgspec.structs.replace(EMERGENCY, override=True),)
    )
    refused = 0
    for _ in range(300):
        terms = pair(rng, recipient)
        request = asked(rng, recipient, purpose="BTG", action="read")
        refused += decided(bound, terms, request).outcome == "deny"
        decision = decided(open_, terms, request)
        assert (decision.basis, decision.obligations) == ("emergency", ())
        other = msgspec.structs.replace(request, purpose="TREAT")
        assert decided(open_, terms, other) == decided(
            msgspec.structs.replace(bound, version=2), terms, other
        )
    assert refused > 30


def test_the_founding_policy_has_the_custodians_emergency_and_a_denial_binds_it():
    (rule,) = (rule for rule in FOUNDING.rules if "BTG" in rule.purposes and rule.subject == "patient")
    assert (rule.relation, rule.override) == ("custodian", False)


def test_a_rule_that_overrides_is_about_all_classes():
    rule = msgspec.structs.replace(EMERGENCY, override=True, classes=("Observation",))
    policy = Policy(version=1, members=cases.MEMBERS, rules=(rule,))
    assert not understands_policy(policy)
    with pytest.raises(BadArgumentError, match="names no classes"):
        encode_policy(policy)
