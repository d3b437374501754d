"""The decisions of `decide`, one rule of its page at a time."""

import msgspec
import pytest

from chaincode.access.model import AccessRequest, Action, Decision, Denied, Permitted, Reason
from chaincode.consent.model import DEPTH, PURPOSES, Actor, Condition, Pair, Period, Provision, Terms
from chaincode.consent.rules import decide
from chaincode.encoding import decode, encode
from chaincode.policy.model import Policy, PolicyRule
from tests.support.ledger import consent_cases as cases

PSY = "http://terminology.hl7.org/CodeSystem/v3-ActCode|PSY"
TO_BETA = (Actor("organization", "BetaMSP"),)
POLICY = Policy(version=3, members=("AlphaMSP", "BetaMSP"), rules=())
OWN_CARE = PolicyRule(id="own-care", relation="custodian", subject="patient", purposes=("TREAT",))


def consent(root, *, number=1, version=1, status="active"):
    return Terms(id=f"{number:032x}", version=version, status=status, attested="patient", root=root)


def permit(*exceptions, **when):
    return Provision("permit", Condition(**when), exceptions)


def deny(*exceptions, **when):
    return Provision("deny", Condition(**when), exceptions)


def ask(*roots, policy=POLICY, recipient="BetaMSP", now=1000, caller="AlphaMSP", **fields):
    consents = tuple(
        root if isinstance(root, Terms) else consent(root, number=n) for n, root in enumerate(roots, 1)
    )
    pair = Pair(
        custodian="AlphaMSP", recipient=recipient, subject="patient", epoch=7, opened=0, consents=consents
    )
    return decide(policy, pair, request(recipient=recipient, **fields), now=now, caller=caller)


def request(**fields):
    stated = {"recipient": "BetaMSP", "purpose": "TREAT", "action": "read", **fields}
    return AccessRequest(pair="0" * 32, user="1" * 32, digest="2" * 64, evidence="3" * 64, **stated)


def reason(*args, **kwargs):
    decision = ask(*args, **kwargs)
    return decision.outcome, decision.reason


def test_without_consent_and_policy_rule_the_answer_is_no():
    assert ask() == Denied(reason="no-consent", epoch=7)


def test_an_unconditional_permit_leaves_no_obligation_and_names_its_consent():
    assert ask(consent(permit(), version=4)) == Permitted(
        reason="consent", basis=f"{1:032x}", basis_version=4, epoch=7, obligations=()
    )


def test_a_policy_rule_permits_the_custodian_and_is_named():
    policy = msgspec.structs.replace(POLICY, rules=(OWN_CARE,))
    decision = ask(policy=policy, recipient="AlphaMSP")
    assert decision == Permitted(reason="policy", basis="own-care", basis_version=3, epoch=7, obligations=())
    assert ask(policy=policy, recipient="BetaMSP").reason == "no-consent"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "permit"),
        ({"relation": "member"}, "permit"),
        ({"subject": "directory"}, "deny"),
        ({"purposes": ("HRESCH",)}, "deny"),
        ({"actions": ("read", "search")}, "permit"),
        ({"actions": ("export",)}, "deny"),
        ({"classes": ("Condition",)}, "deny"),
        ({"classes": ("Observation",)}, "permit"),
    ],
)
def test_a_policy_rule_matches_by_relation_subject_purpose_action_and_class(change, expected):
    policy = msgspec.structs.replace(POLICY, rules=(msgspec.structs.replace(OWN_CARE, **change),))
    assert ask(policy=policy, recipient="AlphaMSP", classes=("Observation",)).outcome == expected


def test_a_member_rule_reaches_other_members():
    rule = msgspec.structs.replace(OWN_CARE, relation="member")
    assert ask(policy=msgspec.structs.replace(POLICY, rules=(rule,))).outcome == "permit"


def test_a_patients_deny_binds_the_custodian_too():
    policy = msgspec.structs.replace(POLICY, rules=(OWN_CARE,))
    decision = ask(deny(), policy=policy, recipient="AlphaMSP")
    assert (decision.outcome, decision.reason, decision.basis) == ("deny", "refused-by-patient", f"{1:032x}")


def test_no_policy_permits_nothing():
    assert ask(permit(), policy=None) == Denied(reason="no-policy")


@pytest.mark.parametrize(
    "policy",
    [
        msgspec.structs.replace(POLICY, schema=2),
        msgspec.structs.replace(POLICY, rules=(msgspec.structs.replace(OWN_CARE, purposes=()),)),
        msgspec.structs.replace(POLICY, rules=(msgspec.structs.replace(OWN_CARE, purposes=("FUN",)),)),
        msgspec.structs.replace(POLICY, rules=(msgspec.structs.replace(OWN_CARE, actions=("peek",)),)),
        msgspec.structs.replace(POLICY, rules=(msgspec.structs.replace(OWN_CARE, classes=("",)),)),
    ],
)
def test_a_policy_that_is_not_understood_permits_nothing(policy):
    assert reason(permit(), policy=policy) == ("deny", "terms-not-understood")


@pytest.mark.parametrize(
    "fields", [{"purpose": "HMARKT"}, {"purpose": ""}, {"action": "peek"}, {"action": ""}, {"classes": ("",)}]
)
def test_an_unknown_code_in_a_request_is_refused(fields):
    assert reason(permit(), **fields) == ("deny", "unknown-code")


def test_only_members_ask_and_hold():
    assert reason(permit(), policy=msgspec.structs.replace(POLICY, members=("AlphaMSP",))) == (
        "deny",
        "not-a-member",
    )
    assert reason(permit(), policy=msgspec.structs.replace(POLICY, members=("BetaMSP",))) == (
        "deny",
        "not-a-member",
    )


def test_a_pair_that_is_not_open_permits_nothing():
    decision = decide(POLICY, None, request(), now=0, caller="AlphaMSP")
    assert decision == Denied(reason="pair-not-open")


def test_only_the_custodian_decides_and_only_for_the_pairs_recipient():
    assert reason(permit(), caller="BetaMSP") == ("deny", "wrong-party")
    pair = Pair(
        custodian="AlphaMSP",
        recipient="BetaMSP",
        subject="patient",
        epoch=1,
        opened=0,
        consents=(consent(permit()),),
    )
    decision = decide(POLICY, pair, request(recipient="AlphaMSP"), now=0, caller="AlphaMSP")
    assert decision.reason == Reason.WRONG_PARTY


@pytest.mark.parametrize("broken", cases.BROKEN)
@pytest.mark.parametrize("place", ["root", "exception", "other-consent"])
def test_one_provision_that_is_not_understood_refuses_the_whole_pair(broken, place):
    roots = {"root": (broken,), "exception": (permit(broken),), "other-consent": (permit(), broken)}[place]
    assert reason(*roots) == ("deny", "terms-not-understood")


def test_the_deepest_nesting_that_the_ledger_takes_is_understood():
    assert ask(cases.nested(DEPTH)).outcome == "permit"


def test_a_pair_of_a_newer_schema_is_not_understood():
    pair = Pair(
        custodian="AlphaMSP",
        recipient="BetaMSP",
        subject="patient",
        epoch=1,
        opened=0,
        consents=(consent(permit()),),
        schema=2,
    )
    assert decide(POLICY, pair, request(), now=0, caller="AlphaMSP").reason == "terms-not-understood"


def test_an_inactive_consent_has_no_effect_even_if_it_is_not_understood():
    over = consent(permit(purposes=("FUN",)), number=2, status="inactive")
    assert reason(over) == ("deny", "no-consent")
    assert ask(consent(permit()), over).obligations == ()
    assert ask(consent(permit()), consent(deny(), number=2, status="inactive")).outcome == "permit"


@pytest.mark.parametrize(
    ("now", "expected"), [(99, "deny"), (100, "permit"), (199, "permit"), (200, "deny"), (-5, "deny")]
)
def test_a_period_holds_from_its_start_until_right_before_its_end(now, expected):
    assert ask(permit(period=Period(100, 200)), now=now).outcome == expected


@pytest.mark.parametrize("action", list(Action))
def test_each_interaction_meets_the_consent_action_it_stands_for(action):
    meant = {"export": "collect", "score": "use", "train": "use"}.get(action, "access")
    assert ask(permit(actions=(meant,)), action=action.value).obligations == ()
    others = tuple({"access", "collect", "use", "disclose", "correct"} - {meant})
    assert reason(permit(actions=others), action=action.value) == ("deny", "no-consent")


def test_a_purpose_is_met_by_itself_alone():
    for stated in PURPOSES:
        for named in PURPOSES:
            outcome = ask(permit(purposes=(named,)), purpose=stated).outcome
            assert outcome == ("permit" if stated == named else "deny")


def test_an_exception_applies_only_within_the_rule_around_it():
    root = Provision("none", Condition(purposes=("HRESCH",)), (deny(),))
    assert ask(root, permit(), purpose="HRESCH").reason == "refused-by-patient"
    assert ask(root, permit(), purpose="TREAT").outcome == "permit"


def test_exceptions_to_exceptions_alternate():
    root = permit(deny(permit(deny(actions=("use",)), purposes=("TREAT",)), actors=TO_BETA))
    assert ask(root).outcome == "permit"
    assert ask(root, purpose="HRESCH").reason == "refused-by-patient"
    assert ask(root, action="score").reason == "refused-by-patient"


def test_among_siblings_a_deny_wins():
    both = (permit(purposes=("TREAT",)), deny(actors=TO_BETA))
    assert reason(Provision("none", exceptions=both)) == ("deny", "refused-by-patient")
    assert reason(Provision("none", exceptions=both[::-1])) == ("deny", "refused-by-patient")


def test_a_deny_that_excepts_who_asks_leaves_the_rest_to_others():
    role = "http://snomed.info/sct|59058001"
    root = deny(permit(actors=(Actor("role", role),)))
    assert ask(root, role=role).outcome == "permit"
    assert ask(root, role="http://snomed.info/sct|1").reason == "refused-by-patient"


@pytest.mark.parametrize("kind", ["role", "person"])
def test_what_a_request_leaves_open_never_helps_it(kind):
    named = "s|1" if kind == "role" else "a" * 32
    actors = (Actor(kind, named),)
    assert reason(permit(actors=actors)) == ("deny", "no-consent")
    assert reason(permit(), deny(actors=actors)) == ("deny", "refused-by-patient")
    assert ask(permit(actors=actors), **{kind: named}).obligations == ()
    assert (
        ask(permit(), deny(actors=actors), **{kind: "s|2" if kind == "role" else "b" * 32}).obligations == ()
    )


def test_a_name_that_may_not_be_the_only_one_is_met_by_denials_of_others_and_by_its_own_permit():
    actors = (Actor("person", "a" * 32),)
    mine = {"person": "a" * 32, "person_open": True}
    other = {"person": "b" * 32, "person_open": True}
    assert ask(permit(actors=actors), **mine).obligations == ()
    assert ask(permit(), deny(actors=actors), **mine).reason == "refused-by-patient"
    assert ask(permit(actors=actors), **other).reason == "no-consent"
    assert ask(permit(), deny(actors=actors), **other).reason == "refused-by-patient"


def test_a_role_of_another_code_system_may_be_the_one_that_is_named():
    actors = (Actor("role", "s|1"),)
    assert reason(permit(), deny(actors=actors), role="t|1") == ("deny", "refused-by-patient")
    assert reason(permit(), deny(actors=actors), role="t|2") == ("deny", "refused-by-patient")
    assert reason(permit(actors=actors), role="t|1") == ("deny", "no-consent")


def test_a_role_in_another_case_may_be_the_one_that_is_named():
    actors = (Actor("role", "s|nurse"),)
    assert reason(permit(), deny(actors=actors), role="s|Nurse") == ("deny", "refused-by-patient")
    assert reason(permit(actors=actors), role="s|Nurse") == ("deny", "no-consent")
    assert ask(permit(), deny(actors=actors), role="s|nurses").outcome == "permit"


def test_a_deny_within_a_permit_counts_though_the_permit_is_open():
    root = permit(deny(purposes=("TREAT",)), actors=(Actor("person", "a" * 32),))
    assert reason(root, permit()) == ("deny", "refused-by-patient")
    assert ask(root, permit(), person="b" * 32).outcome == "permit"


def test_an_open_rule_with_conditions_on_records_keeps_its_actors_in_the_obligations():
    actors = (Actor("organization", "AlphaMSP"), Actor("role", "s|1"), Actor("person", "a" * 32))
    root = permit(deny(classes=("Condition",)), actors=actors)
    decision = ask(root, permit(), person="b" * 32)
    kept = Condition(actors=(Actor("role", "s|1"),))
    assert decision.obligations == (
        permit(),
        Provision("permit", kept, (deny(classes=("Condition",)),)),
    )


def test_conditions_on_the_request_are_settled_and_those_on_records_come_back():
    root = permit(
        deny(labels=(PSY,), purposes=("TREAT",)),
        deny(codes=("s|1",), purposes=("HRESCH",)),
        period=Period(0, 5000),
        actors=TO_BETA,
        actions=("access",),
        data_period=Period(1, 2),
    )
    assert ask(root).obligations == (permit(deny(labels=(PSY,)), data_period=Period(1, 2)),)


def test_all_classes_asked_for_refused_is_a_deny_now():
    root = permit(deny(classes=("Condition", "Observation")))
    assert reason(root, classes=("Condition",)) == ("deny", "refused-by-patient")
    assert ask(root, classes=("Condition", "Patient")).obligations == (root,)
    assert ask(root).outcome == "permit"


def test_a_class_that_is_not_permitted_is_no_consent():
    assert reason(permit(classes=("Condition",)), classes=("Observation",)) == ("deny", "no-consent")


def test_permitted_and_denied_classes_that_leave_nothing_are_a_deny_now():
    assert reason(permit(classes=("Condition",)), deny(classes=("Condition",))) == (
        "deny",
        "refused-by-patient",
    )
    assert reason(permit(classes=("Condition",)), deny(classes=("Patient",)), classes=("Patient",)) == (
        "deny",
        "refused-by-patient",
    )


def test_a_sibling_that_might_permit_does_not_hide_one_that_surely_denies():
    siblings = (deny(classes=("Condition",)), permit(codes=("s|1",)))
    for order in (siblings, siblings[::-1]):
        root = Provision("none", exceptions=order)
        assert reason(root, classes=("Condition",)) == ("deny", "refused-by-patient")


def test_a_permit_that_the_request_leaves_open_is_not_held_out_as_one():
    root = permit(deny(codes=("s|1",)), actors=(Actor("person", "a" * 32),))
    assert reason(root) == ("deny", "no-consent")


def test_class_conditions_stay_in_the_obligations_so_that_no_other_class_slips_by():
    assert ask(permit(classes=("Condition",)), classes=("Condition",)).obligations == (
        permit(classes=("Condition",)),
    )


def test_an_unconditional_permit_makes_other_permits_superfluous_but_no_deny():
    conditional = permit(codes=("s|1",))
    assert ask(permit(), conditional).obligations == ()
    denying = deny(codes=("s|1",))
    assert ask(permit(), conditional, denying).obligations == (permit(), denying)


@pytest.mark.parametrize("swap", [False, True])
def test_the_basis_is_the_broadest_then_the_patients_then_the_first_by_name(swap):
    def basis(*roots, **kwargs):
        consents = [consent(root, number=n) for n, root in enumerate(roots, 1)]
        return ask(*(consents[::-1] if swap else consents), **kwargs).basis

    policy = msgspec.structs.replace(POLICY, rules=(OWN_CARE,))
    own = {"policy": policy, "recipient": "AlphaMSP"}
    assert basis(permit(codes=("s|1",)), permit()) == f"{2:032x}"
    assert basis(permit(), permit()) == f"{1:032x}"
    assert basis(permit(), **own) == f"{1:032x}"
    assert basis(permit(codes=("s|1",)), **own) == "own-care"
    assert basis(deny(), deny(codes=("s|1",)), permit()) == f"{1:032x}"


@pytest.mark.parametrize(
    "wrong",
    [
        b'{"outcome":"deny","reason":"x","obligations":[]}',
        b'{"outcome":"permit","reason":"consent"}',
        b'{"outcome":"permit","reason":"consent","obligations":null}',
        b'{"outcome":"maybe","reason":"x"}',
        b'{"reason":"x"}',
    ],
)
def test_a_deny_can_not_carry_obligations_nor_a_permit_lack_them(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wrong, type=Decision)
    with pytest.raises(TypeError, match="obligations"):
        Denied(reason="x", obligations=())
    with pytest.raises(TypeError, match="obligations"):
        Permitted(reason="x")


@pytest.mark.parametrize("decision", [ask(), ask(permit()), ask(permit(deny(codes=("s|1",))))])
def test_a_decision_survives_the_ledgers_encoding(decision):
    assert decode(encode(decision), Decision) == decision
