"""What one record of a patient denies binds for the others, and nothing that it permits does."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.access.model import AccessRequest, Denied, LinkedPair, Permitted, Reason
from chaincode.consent.model import Actor, Condition, Provision, Terms
from chaincode.consent.obligations import admits
from chaincode.consent.rules import decide
from exchange.ledger.consortium_policy import founding_policy
from tests.support.ledger import consent_cases as cases

POLICY = founding_policy(cases.MEMBERS)
NAME = LinkedPair("ab" * 16)
PERMIT = Provision("permit")
OPEN = Terms(id="f" * 32, version=1, status="active", attested="patient", root=PERMIT)


def drawn(seed):
    """Return a pair, another one of the same parties, a request about the first, and records."""
    rng = random.Random(seed)
    one, other = (
        msgspec.structs.replace(
            cases.pair(rng), custodian="AlphaMSP", recipient="BetaMSP", subject="patient", opened=0
        )
        for _ in range(2)
    )
    request = msgspec.structs.replace(cases.request(rng, "BetaMSP"), recipient="BetaMSP", right="")
    records = [cases.record(rng) for _ in range(6)]
    # A request is refused at once where none of its classes can be permitted: only these are compared.
    asked = [one for one in records if not request.classes or one["type"] in request.classes]
    return one, other, request, [cases.facts(one) for one in asked]


def plain_request(recipient, **fields):
    return AccessRequest(
        pair="0" * 32,
        recipient=recipient,
        purpose="TREAT",
        action="read",
        user="0" * 32,
        digest="0" * 64,
        evidence="0" * 64,
        **fields,
    )


def decided(pair, request, linked=(), admitted=0):
    return decide(POLICY, pair, request, now=cases.NOW, caller="AlphaMSP", linked=linked, admitted=admitted)


def released(decision, facts):
    """Return whether the gateway releases a record with these facts."""
    if isinstance(decision, Denied) or not admits(decision.obligations, facts):
        return False
    return all(admits((PERMIT, *trees), facts) for trees in decision.denials)


def denied(pair, request, facts):
    """Return whether some consent of `pair` alone denies a record, though all else permits it."""
    allowing = msgspec.structs.replace(pair, consents=(*pair.consents, OPEN))
    return not released(decided(allowing, request), facts)


@given(st.integers(min_value=0))
def test_a_record_is_released_where_its_own_pair_permits_and_no_linked_pair_denies(seed):
    pair, other, request, records = drawn(seed)
    alone = decided(pair, request)
    joined = decided(pair, msgspec.structs.replace(request, linked=(as_named(request),)), [other])
    for facts in records:
        expected = released(alone, facts) and not denied(other, request, facts)
        assert released(joined, facts) == expected


@given(st.integers(min_value=0))
def test_terms_that_only_deny_deny_what_they_did_and_permit_nothing(seed):
    pair, other, request, records = drawn(seed)
    asleep = tuple(
        msgspec.structs.replace(terms, only_denies=True, id=f"{n:032x}")
        for n, terms in enumerate(other.consents, 10**6)
    )
    beside = msgspec.structs.replace(pair, consents=(*pair.consents, *asleep))
    for facts in records:
        expected = released(decided(pair, request), facts) and not denied(other, request, facts)
        assert released(decided(beside, request), facts) == expected


def as_named(request):
    return LinkedPair("ab" * 16, request.role, request.person, request.known_as)


def test_linked_consents_do_deny_and_some_records_pass():
    outcomes = []
    for seed in range(400):
        pair, other, request, records = drawn(seed)
        joined = decided(pair, msgspec.structs.replace(request, linked=(as_named(request),)), [other])
        alone = decided(pair, request)
        outcomes += [(released(alone, facts), released(joined, facts)) for facts in records]
    assert outcomes.count((True, True)) > 20
    assert outcomes.count((True, False)) > 20
    assert (False, True) not in outcomes


@pytest.mark.parametrize("change", [{"custodian": "BetaMSP"}, {"recipient": "GammaMSP"}, None])
def test_a_linked_pair_that_is_not_there_refuses(change):
    pair = msgspec.structs.replace(
        cases.pair(random.Random(1)), custodian="AlphaMSP", recipient="BetaMSP", consents=(OPEN,)
    )
    request = plain_request("BetaMSP", linked=(NAME,))
    other = None if change is None else msgspec.structs.replace(pair, **change)
    assert decided(pair, request, [pair]).outcome == "permit"
    assert decided(pair, request, [other]).reason == Reason.PAIR_NOT_OPEN
    assert decided(pair, request, []).reason == Reason.PAIR_NOT_OPEN


def test_a_pair_of_before_its_member_was_admitted_again_is_not_open():
    pair = msgspec.structs.replace(
        cases.pair(random.Random(1)),
        custodian="AlphaMSP",
        recipient="BetaMSP",
        opened=1_000,
        consents=(OPEN,),
    )
    request = plain_request("BetaMSP")
    assert [decided(pair, request, admitted=at).outcome for at in (0, 1_000, 1_001)] == [
        "permit",
        "permit",
        "deny",
    ]
    own = msgspec.structs.replace(pair, recipient="AlphaMSP")
    assert decided(own, plain_request("AlphaMSP"), admitted=1_001).outcome == "permit"


DOCTOR = Actor("person", "aa" * 16, ("npi|" + "11" * 16,))


@pytest.mark.parametrize(
    ("who", "is_doctor"),
    [
        ({"person": "aa" * 16}, True),
        ({"person": "bb" * 16}, False),
        ({"person": "bb" * 16, "person_open": True}, None),
        ({}, None),
        ({"known_as": ("npi|" + "11" * 16,)}, True),
        ({"known_as": ("npi|" + "22" * 16,)}, False),
        ({"known_as": ("other|" + "22" * 16,)}, None),
        ({"person": "bb" * 16, "person_open": True, "known_as": ("npi|" + "22" * 16,)}, False),
        ({"person": "bb" * 16, "known_as": ("npi|" + "11" * 16,)}, True),
        ({"person": "aa" * 16, "known_as": ("npi|" + "22" * 16,)}, True),
    ],
)
def test_a_person_is_known_by_any_shared_name_and_another_by_another_identifier(who, is_doctor):
    request = plain_request("BetaMSP", **who)
    permits = Provision("permit", Condition(actors=(DOCTOR,)))
    denies = Provision("permit", exceptions=(Provision("deny", Condition(actors=(DOCTOR,))),))
    outcomes = []
    for root in (permits, denies):
        terms = msgspec.structs.replace(OPEN, root=root)
        pair = msgspec.structs.replace(
            cases.pair(random.Random(1)), custodian="AlphaMSP", recipient="BetaMSP", consents=(terms,)
        )
        outcomes.append(isinstance(decided(pair, request), Permitted))
    assert outcomes == {True: [True, False], False: [False, True], None: [False, False]}[is_doctor]
