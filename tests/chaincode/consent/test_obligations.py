"""The records that pass: surely within a permit, and not even possibly within a denial."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.consent.model import CONFIDENTIALITY_SYSTEM, Actor, Condition, Period, Provision, Reference
from chaincode.consent.obligations import RecordFacts, admits, admits_by_class

C = CONFIDENTIALITY_SYSTEM + "|"
PSY, HIV = "act|PSY", "act|HIV"
ANY = Provision("permit")


def facts(**known):
    stated = {
        "classes": frozenset({"Observation"}),
        "codes": (),
        "mentions": frozenset(),
        "labels": frozenset(),
        "period": Period(100, 200),
        "own": "o",
        "links": frozenset(),
        "authors": frozenset(),
    }
    for name, value in known.items():
        stated[name] = frozenset(value) if isinstance(stated[name], frozenset) else value
    stated["sensitivities"] = stated["labels"] & {PSY, HIV}
    return RecordFacts(**stated)


def permitted(when, **known):
    """Return whether a rule that permits applies to the record."""
    return admits((Provision("permit", when),), facts(**known))


def denied(when, **known):
    """Return whether a rule that denies applies to the record."""
    return not admits((ANY, Provision("deny", when)), facts(**known))


def test_no_obligation_admits_and_none_at_all_does_not():
    assert admits((), facts())
    with pytest.raises(TypeError):
        admits(None, facts())


def test_trees_that_have_no_opinion_do_not_admit():
    assert not admits((Provision("none"),), facts())
    assert not admits((Provision("permit", Condition(classes=("Condition",))),), facts())
    assert not admits((Provision("deny", Condition(classes=("Condition",))),), facts())


SPELLINGS = [
    *("B20.0", "b200", "B 20-0", "\uff22\uff12\uff10.\uff10", "B2\u200b0.0", "00B20.0", "B20.0\ufeff"),
    *("B\u0662\u0660.\u0660", "B\u0968\u0966.\u0966", "B\u00b2\u2070.\u2070", "B\u00ad20.0", "\u212c20.0"),
]


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_denied_code_holds_in_every_spelling_and_a_permitted_one_in_its_own(spelt):
    for listed in SPELLINGS:
        when = Condition(codes=(f"s|{listed}",))
        known = {"codes": (frozenset({f"s|{spelt}"}),)}
        assert denied(when, **known)
        assert denied(when, mentions={f"s|{spelt}"})
        assert denied(when, mentions={f"|{spelt}"})
        assert permitted(when, **known) is (spelt == listed)
        assert not denied(when, mentions={"s|B21.0", f"t|{spelt}", "s|B2"})
        assert not denied(when, mentions={"s|-"})


@pytest.mark.parametrize(
    "stated",
    [
        *("86406008:116676008=55641003", "=== 86406008", "<<< 86406008", "(86406008)", "116676008+86406008"),
        *("73211009:{363698007=86406008,246454002=41769001}", "SNOMED:86406008", "86406008#x", "x;86406008"),
    ],
)
def test_a_denied_code_holds_in_every_expression_with_it(stated):
    when = Condition(codes=("s|86406008",))
    for system in ("s", ""):
        assert denied(when, mentions={f"{system}|{stated}"})
        assert denied(when, codes=(frozenset({f"{system}|{stated}"}),))
        assert not denied(when, mentions={f"{system}|{stated.replace('86406008', '864060081')}"})
    assert not denied(when, mentions={f"t|{stated}"})
    assert not permitted(when, codes=(frozenset({f"s|{stated}"}),))


@pytest.mark.parametrize("stated", ["\u041220.0", "\u039220", "B20\u0430"])
def test_a_code_in_letters_of_another_script_may_be_any_of_its_system(stated):
    when = Condition(codes=("s|B20.0",))
    assert denied(when, mentions={f"s|{stated}"})
    assert not denied(when, mentions={f"t|{stated}", f"|{stated}"})
    assert denied(Condition(codes=(f"t|{stated}",)), mentions={f"t|{stated}"})


WORDS = st.text("abcABC0123456789", min_size=2, max_size=8).filter(lambda code: code.strip("0"))
BETWEEN = st.sampled_from(["", "", ".", "-", " ", "\u200b", "\ufeff", "_", "/"])
DIGITS = (0x30, 0x660, 0x6F0, 0x966, 0xE50, 0xFF10, 0x1D7CE)
AROUND = st.sampled_from(
    ["{}", "=== {}", "{}:363698007=39057004", "LOINC:{}", "({})", "39057004+{}", "x={},y"]
)


@settings(max_examples=200, deadline=None)
@given(st.data(), WORDS)
def test_a_denied_code_holds_however_it_is_written(data, code):
    def written():
        letters = [
            chr(data.draw(st.sampled_from(DIGITS)) + int(one))
            if one.isdigit()
            else data.draw(st.sampled_from([one, one.upper(), one.lower(), chr(ord(one) + 0xFEE0)]))
            for one in code
        ]
        zeros = "0" * data.draw(st.integers(0, 2))
        return zeros + "".join(letter + data.draw(BETWEEN) for letter in letters)

    when = Condition(codes=(f"s|{written()}",))
    stated = data.draw(AROUND).format(written())
    assert denied(when, mentions={f"s|{stated}"})
    assert denied(when, mentions={f"|{stated}"})
    assert denied(when, codes=(frozenset({f"s|{stated}"}),))


@pytest.mark.parametrize(
    ("tree", "released"),
    [
        (ANY, False),
        (Provision("permit", Condition(classes=("Consent",))), True),
        (Provision("permit", exceptions=(Provision("permit", Condition(classes=("Consent",))),)), True),
        (Provision("none", exceptions=(Provision("permit", Condition(classes=("Consent",))),)), True),
        (Provision("permit", Condition(classes=("Consent",), codes=("s|1",))), False),
        (Provision("permit", Condition(classes=("Observation",))), False),
        (Provision("permit", exceptions=(Provision("deny", Condition(classes=("Consent",))),)), False),
    ],
)
def test_a_class_that_is_released_by_name_needs_a_rule_that_names_it(tree, released):
    known = facts(classes=("Consent",))
    assert admits_by_class("Consent", (tree,), known) is released
    assert admits_by_class("Consent", (ANY, tree), known) is released
    assert not admits_by_class("Consent", (tree, Provision("deny")), known)
    assert not admits_by_class("Consent", (), known)


@pytest.mark.parametrize(
    ("classes", "sure", "possible"),
    [({"Observation"}, True, True), ({"Condition"}, False, False), (set(), False, True)],
)
def test_classes(classes, sure, possible):
    when = Condition(classes=("Observation", "Patient"))
    assert permitted(when, classes=classes) is sure
    assert denied(when, classes=classes) is possible


@pytest.mark.parametrize(
    ("codes", "mentions", "sure", "possible"),
    [
        ((), set(), False, False),
        (({"s|1"},), set(), True, True),
        (({"s|1", "t|9"},), set(), True, True),
        (({"s|9"},), {"s|1"}, False, True),
        (({"s|1"}, {"s|9"}), set(), False, True),
        (({"s|1"}, {"s|2"}), set(), True, True),
        ((set(),), {"|"}, False, True),
        ((), {"|1"}, False, True),
        ((), {"|9"}, False, False),
        ((), {"s|"}, False, True),
        ((), {"t|"}, False, False),
    ],
)
def test_codes_permit_by_what_the_record_is_of_and_deny_by_any_mention(codes, mentions, sure, possible):
    when = Condition(codes=("s|1", "s|2"))
    known = {"codes": tuple(frozenset(concept) for concept in codes), "mentions": mentions}
    assert permitted(when, **known) is sure
    assert denied(when, **known) is possible


@pytest.mark.parametrize(
    ("listed", "labels", "covered", "touched"),
    [
        ([C + "N"], set(), True, True),
        ([C + "N"], {C + "N"}, True, True),
        ([C + "N"], {C + "M"}, True, False),
        ([C + "N"], {C + "U"}, True, False),
        ([C + "N"], {C + "R"}, False, True),
        ([C + "R"], set(), True, False),
        ([C + "R"], {C + "V"}, False, True),
        ([C + "R"], {C + "R", C + "V"}, False, True),
        ([C + "V"], {C + "UNHEARD-OF"}, False, True),
        ([C + "M", C + "R"], set(), True, True),
        ([C + "M", C + "R"], {C + "L"}, True, False),
        ([C + "N"], {PSY}, False, True),
        ([C + "N"], {PSY, C + "N"}, False, True),
        ([C + "R"], {PSY, C + "R"}, True, True),
        ([C + "R"], {PSY}, True, True),
        ([C + "R"], {PSY, C + "N"}, True, False),
        ([C + "R"], {PSY, C + "V"}, False, True),
        ([C + "V"], {PSY}, True, False),
        ([C + "R"], {"act|NODSCLCD", C + "R"}, False, True),
        ([C + "R"], {"act|NODSCLCD"}, False, False),
        ([PSY], set(), False, False),
        ([PSY], {PSY}, True, True),
        ([PSY], {PSY, HIV}, False, True),
        ([PSY], {HIV}, False, False),
        ([PSY], {PSY, C + "N"}, True, True),
        ([PSY], {PSY, C + "R"}, True, True),
        ([PSY], {PSY, C + "V"}, False, True),
        ([PSY], {PSY, HIV, C + "R"}, False, True),
        ([PSY, C + "N"], {PSY, C + "R"}, True, True),
        ([PSY, C + "N"], {HIV, C + "N"}, False, True),
        ([PSY, HIV], {PSY}, True, True),
        ([PSY, C + "R"], {PSY, C + "R"}, True, True),
        ([PSY, C + "R"], {C + "N"}, True, False),
        ([PSY], {"|"}, False, True),
        ([PSY], {"|PSY"}, False, True),
        ([PSY], {"act|"}, False, True),
    ],
)
def test_labels_permit_by_covering_all_of_them_and_deny_by_touching_one(listed, labels, covered, touched):
    when = Condition(labels=tuple(listed))
    assert permitted(when, labels=labels) is covered
    assert denied(when, labels=labels) is touched


def test_a_root_without_effect_takes_labels_both_ways():
    reach = Provision("none", Condition(labels=(C + "N",)), (ANY,))
    stop = Provision("none", Condition(labels=(C + "N",)), (Provision("deny"),))
    moderate, restricted = facts(labels={C + "M"}), facts(labels={C + "R"})
    assert not admits((reach,), moderate)
    assert not admits((reach,), restricted)
    assert admits((reach,), facts())
    assert not admits((ANY, stop), moderate)
    assert not admits((ANY, stop), restricted)


@pytest.mark.parametrize(
    ("period", "sure", "possible"),
    [
        (None, False, True),
        (Period(100, 200), True, True),
        (Period(99, 200), False, True),
        (Period(100, 201), False, True),
        (Period(None, 150), False, True),
        (Period(150, None), False, True),
        (Period(50, 100), False, False),
        (Period(50, 101), False, True),
        (Period(200, 300), False, False),
        (Period(199, 300), False, True),
        (Period(None, 100), False, False),
        (Period(200, None), False, False),
        (Period(None, None), False, True),
    ],
)
def test_data_period_permits_what_lies_inside_and_denies_what_overlaps(period, sure, possible):
    when = Condition(data_period=Period(100, 200))
    assert permitted(when, period=period) is sure
    assert denied(when, period=period) is possible


@pytest.mark.parametrize(
    ("bounds", "period", "sure"),
    [
        (Period(100, None), Period(100, None), True),
        (Period(None, 200), Period(None, 200), True),
        (Period(100, None), Period(None, 200), False),
        (Period(None, 200), Period(100, None), False),
    ],
)
def test_an_open_side_of_a_data_period_holds_an_open_side_of_a_record(bounds, period, sure):
    assert permitted(Condition(data_period=bounds), period=period) is sure


@pytest.mark.parametrize(
    ("meaning", "known", "sure", "possible"),
    [
        ("instance", {"own": "x"}, True, True),
        ("instance", {"own": "y", "links": {"x", ""}, "authors": {"x", ""}}, False, False),
        ("dependents", {"own": "x"}, True, True),
        ("dependents", {"links": {"x", "z"}}, True, True),
        ("dependents", {"links": {"z", ""}}, False, True),
        ("dependents", {"links": {"z"}, "authors": {"x", ""}}, False, False),
        ("authoredby", {"authors": {"x"}}, True, True),
        ("authoredby", {"authors": {"z", ""}}, False, True),
        ("authoredby", {"own": "x", "links": {"x", ""}, "authors": {"z"}}, False, False),
    ],
)
def test_references_by_meaning(meaning, known, sure, possible):
    when = Condition(references=(Reference(meaning, "x"),))
    assert permitted(when, **known) is sure
    assert denied(when, **known) is possible


@pytest.mark.parametrize(
    "when",
    [
        Condition(actors=(Actor("role", "s|1"),)),
        Condition(purposes=("TREAT",)),
        Condition(actions=("access",)),
        Condition(period=Period(0, None)),
    ],
)
def test_what_the_request_left_open_denies_and_never_permits(when):
    assert not permitted(when)
    assert denied(when)


def test_every_list_must_be_met():
    when = Condition(classes=("Observation",), codes=("s|1",))
    assert not permitted(when)
    assert permitted(when, codes=(frozenset({"s|1"}),))
    assert not denied(when)
    assert denied(when, mentions={"s|1"})


def test_exceptions_decide_where_they_apply():
    psychiatry = Provision(
        "deny", Condition(labels=(PSY,)), (Provision("permit", Condition(codes=("s|1",))),)
    )
    rule = Provision("permit", exceptions=(psychiatry,))
    assert admits((rule,), facts())
    assert not admits((rule,), facts(labels={PSY}))
    assert admits((rule,), facts(labels={PSY}, codes=(frozenset({"s|1"}),)))
    assert not admits((rule,), facts(labels={PSY}, mentions={"s|1"}))


def test_a_permit_within_a_deny_that_only_might_apply_does_not_open_the_record_by_itself():
    rule = Provision("deny", Condition(codes=("s|1",)), (ANY,))
    mentioned = facts(mentions={"s|1"})
    assert not admits((rule,), mentioned)
    assert admits((rule,), facts(codes=(frozenset({"s|1"}),)))
    assert admits((ANY, rule), mentioned)


def test_a_deny_within_a_permit_that_only_might_apply_still_denies():
    rule = Provision("permit", Condition(data_period=Period(0, 1000)), (Provision("deny"),))
    assert not admits((ANY, rule), facts(period=None))
    assert admits((ANY, rule), facts(period=Period(2000, 3000)))
