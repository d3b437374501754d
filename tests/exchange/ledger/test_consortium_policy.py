"""The founding policy permits some accesses without a consent; the next one is made by votes."""

from __future__ import annotations

import msgspec
import pytest

from chaincode.access.model import AccessRequest, Action, Decision
from chaincode.consent.model import PURPOSES, Pair
from chaincode.consent.obligations import RecordFacts
from chaincode.consent.rules import decide
from chaincode.policy.model import PolicyRule, understands_policy
from exchange.errors import BadRequestError
from exchange.fhir.compartment import DIRECTORY_TYPES
from exchange.fhir.search.parameters import resource_types
from exchange.ledger.consortium_policy import describe, differences, founding_policy, next_policy
from tests.support.ledger.consent_cases import releases

POLICY = founding_policy(["BetaMSP", "AlphaMSP"])
CARE = {"ETREAT", "HOPERAT", "HPAYMT", "TREAT"}
OTHER_TYPES = sorted(set(resource_types()) - DIRECTORY_TYPES)


def decision(
    subject: str, recipient: str, purpose: str, *classes: str, action: Action = Action.READ
) -> Decision:
    pair = Pair("AlphaMSP", recipient, subject, epoch=1, opened=0)  # type: ignore[arg-type] # parametrized
    request = AccessRequest(
        "0" * 64, recipient, purpose, action.value, user="", digest="", evidence="", classes=classes
    )
    return decide(POLICY, pair, request, now=0, caller="AlphaMSP")


def released(subject: str, recipient: str, purpose: str, kind: str, *asked: str) -> bool:
    facts = RecordFacts(
        classes=frozenset({kind}),
        codes=(),
        mentions=frozenset({"|"}),
        labels=frozenset(),
        period=None,
        own="a",
        links=frozenset({""}),
        authors=frozenset({""}),
    )
    return releases(decision(subject, recipient, purpose, *asked), facts)


def test_it_is_understood_and_names_the_members() -> None:
    assert understands_policy(POLICY)
    assert POLICY.members == ("AlphaMSP", "BetaMSP")


@pytest.mark.parametrize("purpose", sorted(PURPOSES))
def test_what_by_its_type_names_no_patient_is_every_members(purpose: str) -> None:
    for kind in ("Organization", "Practitioner", "ValueSet"):
        for recipient in POLICY.members:
            assert released("directory", recipient, purpose, kind, kind)
            assert released("directory", recipient, purpose, kind)


@pytest.mark.parametrize("purpose", sorted(PURPOSES))
def test_other_records_without_a_patient_serve_the_hospitals_own_care_alone(purpose: str) -> None:
    for kind in OTHER_TYPES:
        for asked in ((kind,), (kind, "Organization"), ("Organization",), ()):
            assert released("directory", "AlphaMSP", purpose, kind, *asked) is (purpose in CARE)
            assert not released("directory", "BetaMSP", purpose, kind, *asked)


@pytest.mark.parametrize("purpose", sorted(PURPOSES))
def test_a_patients_records_serve_the_hospitals_own_care_and_the_patient(purpose: str) -> None:
    assert released("patient", "AlphaMSP", purpose, "Observation") is (purpose in CARE | {"BTG", "PATRQT"})
    assert not released("patient", "BetaMSP", purpose, "Observation")


# -- the next version -------------------------------------------------------------


def test_the_same_change_is_the_same_policy_whoever_makes_it() -> None:
    one = next_policy(POLICY, admit=["DeltaMSP", "GammaMSP"], remove=["BetaMSP"])
    other = next_policy(POLICY, admit=["GammaMSP", "DeltaMSP"], remove=["BetaMSP"])
    assert one == other
    assert (one.version, one.members) == (2, ("AlphaMSP", "DeltaMSP", "GammaMSP"))
    assert one.rules == POLICY.rules


def test_who_comes_has_a_vote_where_all_have_one_and_who_goes_has_none() -> None:
    assert next_policy(POLICY, admit=["GammaMSP"]).deciding == ("AlphaMSP", "BetaMSP", "GammaMSP")
    ruled = founding_policy(POLICY.members, voters=POLICY.members)
    assert next_policy(ruled, admit=["GammaMSP"]).deciding == POLICY.members
    assert next_policy(ruled, remove=["BetaMSP"]).deciding == ("AlphaMSP",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "changes nothing"),
        ({"rules": POLICY.rules}, "changes nothing"),
        ({"rules": POLICY.rules[::-1]}, "changes nothing"),
        ({"admit": ["BetaMSP"]}, "BetaMSP is a member already"),
        ({"remove": ["GammaMSP"]}, "no member; they are AlphaMSP, BetaMSP"),
        ({"remove": ["AlphaMSP", "BetaMSP"]}, "nobody would be left"),
    ],
)
def test_what_can_not_be_the_next_version_is_refused_by_name(change: dict[str, list[str]], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        next_policy(POLICY, **change)  # type: ignore[arg-type]  # parametrized


def test_the_last_voter_can_not_be_removed() -> None:
    with pytest.raises(BadRequestError, match="nobody would be left"):
        next_policy(founding_policy(POLICY.members, voters=["AlphaMSP"]), remove=["AlphaMSP"])


def test_differences_name_each_member_vote_and_code_that_comes_or_goes() -> None:
    care, emergency, request, unassigned, directory = POLICY.rules
    overriding = msgspec.structs.replace(emergency, override=True)
    health = PolicyRule("health", "member", "patient", ("PUBHLTH",), ("read",), ("Condition",))
    changed = msgspec.structs.replace(care, purposes=("ETREAT", "HPAYMT", "HRESCH", "TREAT"))
    open_ = msgspec.structs.replace(directory, classes=())
    turned = msgspec.structs.replace(unassigned, relation="member")
    proposed = next_policy(
        POLICY, admit=["GammaMSP"], remove=["BetaMSP"], rules=[changed, overriding, turned, open_, health]
    )
    assert list(differences(POLICY, proposed)) == [
        "- member BetaMSP",
        "+ member GammaMSP",
        "- rule own-care: for HOPERAT",
        "+ rule own-care: for HRESCH",
        f"- rule {describe(emergency)}",
        f"+ rule {describe(emergency)}, even where a consent denies it",
        f"- rule {describe(request)}",
        f"- rule {describe(unassigned)}",
        f"+ rule {describe(turned)}",
        f"- rule directory: of type {', '.join(directory.classes)}",
        "+ rule directory: of type anything",
        "+ rule health: any member may use patients' records for PUBHLTH to read of type Condition",
    ]
    restricted = founding_policy(POLICY.members, voters=["AlphaMSP"])
    assert list(differences(POLICY, restricted)) == ["- vote of BetaMSP"]


def test_no_two_policies_that_decide_differently_look_the_same() -> None:
    for rule in POLICY.rules:
        for name, value in (
            ("purposes", ("PUBHLTH",)),
            ("override", True),
            ("actions", ("read",)),
            ("classes", ("Group",)),
        ):
            other = msgspec.structs.replace(rule, **{name: value})
            rules = [other if one is rule else one for one in POLICY.rules]
            assert list(differences(POLICY, next_policy(POLICY, rules=rules))), (rule.id, name)


def test_long_lists_are_cut_where_a_person_looks() -> None:
    directory = POLICY.rules[-1]
    assert describe(directory, most=2).endswith(
        f"of type {directory.classes[0]}, {directory.classes[1]} and {len(directory.classes) - 2} more"
    )
