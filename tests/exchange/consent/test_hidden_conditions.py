"""Conditions on records stand on the ledger as digests, and come back as they were."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from chaincode.access.model import Permitted
from chaincode.consent.limits import check_terms
from chaincode.consent.model import Condition, Pair, Period, Provision, Reference
from chaincode.consent.obligations import admits
from chaincode.consent.rules import decide
from chaincode.encoding import encode
from chaincode.errors import BadArgumentError
from exchange.consent.hidden_conditions import (
    conditions_in,
    find_conditions,
    hidden_in,
    hide_conditions,
    pair_digest,
    show_conditions,
)
from exchange.crypto.pair_versions import COUNT_LIMIT
from tests.support.ledger import consent_cases as cases

SALT, OTHER = b"s" * 32, b"t" * 32
ASKED: dict[str, Any] = {
    "codes": ("http://hl7.org/fhir/sid/icd-10-cm|F20.0", "http://hl7.org/fhir/sid/icd-10-cm|B20"),
    "labels": ("http://terminology.hl7.org/CodeSystem/v3-ActCode|HIV",),
    "data_period": Period(1_234_567_890_123, 1_234_567_899_999),
    "references": (Reference("instance", "1" * 32),),
}


def hidden(pair: Pair) -> Pair:
    consents = tuple(
        msgspec.structs.replace(terms, root=hide_conditions(terms.root, SALT)) for terms in pair.consents
    )
    return msgspec.structs.replace(pair, consents=consents)


@pytest.mark.parametrize("seed", range(300))
def test_a_decision_on_digests_is_the_decision_on_the_conditions(seed: int) -> None:
    rng = random.Random(seed)
    pair, policy = cases.pair(rng), cases.policy(rng)
    conditions = [one for terms in pair.consents for one in conditions_in(terms.root)]
    digests_held = {one for terms in hidden(pair).consents for one in hidden_in(terms.root)}
    known = find_conditions(conditions, digests_held, SALT)
    for _ in range(4):
        asked = cases.request(rng, pair.recipient)
        open_terms, digests = (
            decide(policy, one, asked, now=cases.NOW, caller=pair.custodian) for one in (pair, hidden(pair))
        )
        if not isinstance(digests, Permitted):
            assert digests == open_terms
            continue
        shown = tuple(show_conditions(tree, known) for tree in digests.obligations)
        assert msgspec.structs.replace(digests, obligations=shown) == open_terms
        facts = cases.facts(cases.record(rng))
        lost = tuple(show_conditions(tree, {}) for tree in digests.obligations)
        if any(any(hidden_in(tree)) for tree in digests.obligations):
            assert not admits(lost, facts)  # a digest that is not known refuses every record
        if admits(digests.obligations, facts):  # and one that stands for itself never widens
            assert admits(shown, facts) or not any(any(hidden_in(tree)) for tree in digests.obligations)


@pytest.mark.parametrize("names", [(name,) for name in ASKED] + [tuple(ASKED)])
def test_nothing_of_a_condition_shows_and_two_pairs_differ(names: tuple[str, ...]) -> None:
    rule = Provision("permit", exceptions=(Provision("deny", Condition(**{n: ASKED[n] for n in names})),))
    one, other = hide_conditions(rule, SALT), hide_conditions(rule, OTHER)
    for word in (*(code for name in ("codes", "labels") for code in ASKED[name]), "F20", "HIV", "12345678"):
        assert word.encode() not in encode(one)
    assert set(hidden_in(one)).isdisjoint(hidden_in(other))
    assert len(encode(one)) == len(encode(hide_conditions(_with_one_code(), SALT)))
    assert show_conditions(one, find_conditions(conditions_in(rule), hidden_in(one), SALT)) == rule


def test_a_condition_has_another_digest_in_each_state_of_its_pair_and_all_are_found() -> None:
    rule = Provision("permit", exceptions=(Provision("deny", Condition(**ASKED)),))
    states = [hide_conditions(rule, SALT, count=count) for count in (1, 2, 3, COUNT_LIMIT)]
    digests = {digest for state in states for digest in hidden_in(state)}
    assert len(digests) == len(states)
    assert len({len(digest) for digest in digests}) == 1
    for state in states:
        check_terms(terms_of(state))
        assert show_conditions(state, find_conditions(conditions_in(rule), digests, SALT)) == rule
    assert not find_conditions(conditions_in(rule), digests, OTHER)


def test_a_digest_of_a_ledger_of_before_is_found() -> None:
    rule = Provision("deny", Condition(codes=ASKED["codes"]))
    digest = pair_digest(SALT, "records", encode(rule.when).decode())
    assert find_conditions(conditions_in(rule), [digest], SALT) == {digest: rule.when}


def _with_one_code() -> Provision:
    return Provision("permit", exceptions=(Provision("deny", Condition(codes=("s|1",))),))


@pytest.mark.parametrize("name", ASKED)
def test_the_contract_refuses_a_condition_that_tells(name: str) -> None:
    terms = terms_of(Provision("permit", exceptions=(Provision("deny", Condition(**{name: ASKED[name]})),)))
    with pytest.raises(BadArgumentError, match="digest"):
        check_terms(terms)
    check_terms(msgspec.structs.replace(terms, root=hide_conditions(terms.root, SALT)))
    with pytest.raises(BadArgumentError, match="records"):
        check_terms(terms_of(Provision("deny", Condition(records="F20.0"))))


def terms_of(root: Provision) -> Any:
    return msgspec.structs.replace(cases.terms(random.Random(1), 1), root=root, status="active")
