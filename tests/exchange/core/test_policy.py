"""What the founding policy lets happen without a consent."""

from __future__ import annotations

import pytest

from chaincode.access.model import Action, Decision, Request
from chaincode.consent.model import PURPOSES, Pair
from chaincode.consent.obligations import Facts, admits
from chaincode.consent.rules import decide, understands_policy
from exchange.core.compartment import DIRECTORY_TYPES
from exchange.core.policy import founding_policy
from exchange.core.search.definitions import resource_types

POLICY = founding_policy(["BetaMSP", "AlphaMSP"])
CARE = {"ETREAT", "HOPERAT", "HPAYMT", "TREAT"}
OTHER_TYPES = sorted(set(resource_types()) - DIRECTORY_TYPES)


def decision(
    subject: str, recipient: str, purpose: str, *classes: str, action: Action = Action.READ
) -> Decision:
    pair = Pair("AlphaMSP", recipient, subject, epoch=1, opened=0)  # type: ignore[arg-type] # parametrized
    request = Request(
        "0" * 64, recipient, purpose, action.value, user="", digest="", evidence="", classes=classes
    )
    return decide(POLICY, pair, request, now=0, caller="AlphaMSP")


def released(subject: str, recipient: str, purpose: str, kind: str, *asked: str) -> bool:
    facts = Facts(
        classes=frozenset({kind}),
        codes=(),
        mentions=frozenset({"|"}),
        labels=frozenset(),
        period=None,
        own="a",
        links=frozenset({""}),
        authors=frozenset({""}),
    )
    return admits(decision(subject, recipient, purpose, *asked).obligations, facts)


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
    assert released("patient", "AlphaMSP", purpose, "Observation") is (purpose in CARE | {"PATRQT"})
    assert not released("patient", "BetaMSP", purpose, "Observation")
