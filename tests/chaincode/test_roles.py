"""No text reaches the ledger as a role, and digests decide as the roles would that they stand for."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import example, given

from chaincode.access.model import AccessRequest, Denied
from chaincode.consent.limits import check_terms
from chaincode.consent.model import Actor, Condition, Pair, Provision, Terms
from chaincode.consent.rules import decide
from chaincode.errors import BadArgumentError
from chaincode.policy.model import Policy
from chaincode.roles import KNOWN_ROLES, check_role, hidden_role, is_another_role

SYSTEMS = [
    "urn:lake:roles",
    "http://acme.example",
    "http://snomed.info/sct",
    "http://nucc.org/provider-taxonomy",
]
CODES = ["nurse", "Nurse", "NURSE", "clerk", "163w00000x", "163W00000X", "207Q00000X", "1"]
ROLES = st.one_of(
    st.builds("{}|{}".format, st.sampled_from(SYSTEMS), st.sampled_from(CODES)),
    st.sampled_from(sorted(KNOWN_ROLES)),
)
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)


def digest(salt: bytes) -> Callable[[str, str], str]:
    return lambda kind, text: hmac.digest(salt, f"{kind}\0{text}".encode(), "sha256")[:16].hex()


HIDE, OTHERWISE = digest(b"a"), digest(b"b")


@given(TEXT, TEXT)
@example("http://acme.example", "Jane-Doe,1980-02-29,HIV+")
@example("http://snomed.info/sct", "Jane-Doe")
@example("http://snomed.info/sct", "19800229")
def test_no_text_is_a_role_and_its_digest_is(system: str, code: str) -> None:
    role = f"{system}|{code}"
    with pytest.raises(BadArgumentError, match="role"):
        check_role(role)
    hidden = hidden_role(role, HIDE)
    check_role(hidden)
    assert code not in hidden.rpartition("|")[2] or len(code) < 6
    assert hidden.rpartition("|")[2] != hidden_role(role, OTHERWISE).rpartition("|")[2]


@pytest.mark.parametrize("role", sorted(KNOWN_ROLES))
def test_a_known_role_stays_as_it_is(role: str) -> None:
    check_role(role)
    assert hidden_role(role, HIDE) == role


@given(ROLES, ROLES)
def test_digests_differ_surely_only_where_the_roles_do(role: str, other: str) -> None:
    hidden, hidden_other = (hidden_role(one, HIDE) for one in (role, other))
    assert (hidden == hidden_other) == (role == other)
    same_system = role.rpartition("|")[0] == other.rpartition("|")[0]
    surely = same_system and role.lower() != other.lower()
    # A code that is a known one but for its case is not known to differ from any: that narrows.
    known = {one.lower() for one in KNOWN_ROLES}
    vague = any(one.lower() in known and one not in KNOWN_ROLES for one in (role, other))
    assert is_another_role(hidden, hidden_other) == surely or (vague and surely)
    assert surely or not is_another_role(hidden, hidden_other)


@given(
    st.lists(st.tuples(st.sampled_from(["permit", "deny"]), ROLES), min_size=1, max_size=4),
    st.one_of(ROLES, st.just("")),
)
def test_a_decision_on_digests_permits_nothing_that_the_roles_refuse(
    rules: list[tuple[str, str]], role: str
) -> None:
    clear = outcome(rules, role)
    hidden = outcome([(effect, hidden_role(one, HIDE)) for effect, one in rules], hidden_role(role, HIDE))
    assert hidden == clear or hidden == "deny"
    if not any(one.lower() != one and one not in KNOWN_ROLES for _, one in [*rules, ("", role)]):
        assert hidden == clear


def outcome(rules: list[tuple[str, str]], role: str) -> str:
    consents = tuple(
        Terms(f"{n:032x}", 1, "active", "patient", Provision(effect, Condition(actors=(Actor("role", one),))))  # type: ignore[arg-type]  # one of two
        for n, (effect, one) in enumerate(rules)
    )
    pair = Pair("AMSP", "BMSP", "patient", epoch=1, opened=0, consents=consents)
    request = AccessRequest("0" * 32, "BMSP", "TREAT", "read", "1" * 32, "2" * 64, "3" * 64, role=role)
    decision = decide(Policy(1, ("AMSP", "BMSP"), ()), pair, request, now=1, caller="AMSP")
    return "deny" if isinstance(decision, Denied) else "permit"


@given(st.lists(TEXT, min_size=1, max_size=3), st.integers(0, 3))
def test_terms_with_text_for_a_role_are_refused(names: list[str], depth: int) -> None:
    root = Provision("deny", Condition(actors=tuple(Actor("role", f"s|{one}") for one in names)))
    for _ in range(depth):
        root = Provision("permit", exceptions=(root,))
    terms = Terms("0" * 32, 1, "active", "patient", root)
    with pytest.raises(BadArgumentError, match="role"):
        check_terms(terms)
    hidden = tuple(Actor("role", hidden_role(f"s|{one}", HIDE)) for one in names)
    check_terms(msgspec.structs.replace(terms, root=Provision("deny", Condition(actors=hidden))))
