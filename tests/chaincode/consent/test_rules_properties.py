"""Properties of every decision, on random consents, policies, requests and records."""

import os
import random

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chaincode.access.model import AccessRequest, Decision, Permitted
from chaincode.consent.model import Actor, Condition, Pair, Period, Provision, Reference, Terms
from chaincode.consent.rules import decide
from chaincode.encoding import decode, encode
from chaincode.policy.model import Policy, PolicyRule
from tests.support.ledger import consent_cases as cases
from tests.support.ledger.consent_oracle import may_see, unknowns

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))


def examples(count):
    return settings(max_examples=max(1, int(count * SCALE)), deadline=None)


class Seeded(random.Random):
    """Random cases by seed: quick to make, and a failure names the seed."""

    def __init__(self, seed):
        super().__init__(seed)
        self.first = seed

    def __repr__(self):
        return f"Seeded({self.first})"


randoms = st.integers(0, 2**32).map(Seeded)
replace = msgspec.structs.replace


def decision(policy, pair, request):
    return decide(policy, pair, request, now=cases.NOW, caller=pair.custodian)


def seen(policy, pair, request, records):
    """Return whether each of the records is released, as a tuple of booleans."""
    answer = decision(policy, pair, request)
    return tuple(cases.releases(answer, cases.facts(record)) for record in records)


def no_wider(after, before):
    return all(new <= old for new, old in zip(after, before, strict=True))


def asked_records(rng, request, count=6):
    records = [cases.record(rng) for _ in range(count)]
    return [one for one in records if not request.classes or one["type"] in request.classes]


def changed_somewhere(rng, root, change):
    """Return `root` with `change` made to one rule in it."""
    if root.exceptions and rng.random() < 0.6:
        n = rng.randrange(len(root.exceptions))
        exceptions = list(root.exceptions)
        exceptions[n] = changed_somewhere(rng, exceptions[n], change)
        return replace(root, exceptions=tuple(exceptions))
    return change(root)


def with_changed_root(rng, pair, change):
    active = [n for n, terms in enumerate(pair.consents) if terms.status == "active"]
    assume(active)
    n = rng.choice(active)
    consents = list(pair.consents)
    consents[n] = replace(consents[n], root=changed_somewhere(rng, consents[n].root, change))
    return replace(pair, consents=tuple(consents))


def shuffled(rng, root):
    exceptions = [shuffled(rng, exception) for exception in root.exceptions]
    rng.shuffle(exceptions)
    return replace(root, exceptions=tuple(exceptions))


@examples(300)
@given(randoms)
def test_the_oracle_agrees(rng):
    policy, pair, record = cases.policy(rng), cases.pair(rng), cases.record(rng)
    request = cases.request(rng, pair.recipient)
    assume(not request.classes or record["type"] in request.classes)
    assume(unknowns(pair, request, cases.NOW, record) <= 8)
    expected = may_see(policy, pair, request, cases.NOW, pair.custodian, record)
    assert seen(policy, pair, request, [record]) == (expected,)


@examples(300)
@given(randoms)
def test_adding_a_rule_that_denies_never_widens(rng):
    policy, pair = cases.policy(rng), cases.pair(rng)
    request = cases.request(rng, pair.recipient)
    leaf = Provision("deny", cases.condition(rng))
    added = with_changed_root(rng, pair, lambda rule: replace(rule, exceptions=(*rule.exceptions, leaf)))
    records = asked_records(rng, request)
    assert no_wider(seen(policy, added, request, records), seen(policy, pair, request, records))


@examples(300)
@given(randoms)
def test_adding_a_consent_that_denies_never_widens(rng):
    policy, pair = cases.policy(rng), cases.pair(rng)
    request = cases.request(rng, pair.recipient)
    refusal = replace(cases.terms(rng, 99), root=Provision("deny", cases.condition(rng)))
    added = replace(pair, consents=(*pair.consents, refusal))
    records = asked_records(rng, request)
    assert no_wider(seen(policy, added, request, records), seen(policy, pair, request, records))


@examples(300)
@given(randoms)
def test_order_never_matters(rng):
    policy, pair = cases.policy(rng), cases.pair(rng)
    request = cases.request(rng, pair.recipient)
    consents = [replace(terms, root=shuffled(rng, terms.root)) for terms in pair.consents]
    rng.shuffle(consents)
    other = replace(pair, consents=tuple(consents))
    records = asked_records(rng, request)
    assert seen(policy, other, request, records) == seen(policy, pair, request, records)
    first, second = decision(policy, pair, request), decision(policy, other, request)
    assert first.outcome == second.outcome
    unordered = {"obligations": ()} if isinstance(first, Permitted) else {}
    assert replace(first, **unordered) == replace(second, **unordered)


@examples(300)
@given(randoms)
def test_saying_a_thing_twice_never_matters(rng):
    policy, pair = cases.policy(rng), cases.pair(rng)
    assume(pair.consents)
    request = cases.request(rng, pair.recipient)
    records = asked_records(rng, request)
    expected = seen(policy, pair, request, records)
    twice = rng.choice(pair.consents)
    for again in (twice, replace(twice, id="f" * 32)):
        other = replace(pair, consents=(*pair.consents, again))
        assert seen(policy, other, request, records) == expected

    def repeat(rule):
        return replace(rule, exceptions=rule.exceptions * 2)

    assume(any(terms.status == "active" for terms in pair.consents))
    assert seen(policy, with_changed_root(rng, pair, repeat), request, records) == expected


@examples(300)
@given(randoms, st.sampled_from(cases.BROKEN))
def test_a_broken_rule_never_permits(rng, broken):
    policy, pair = cases.policy(rng), cases.pair(rng)
    request = cases.request(rng, pair.recipient)
    other = with_changed_root(rng, pair, lambda rule: replace(rule, exceptions=(*rule.exceptions, broken)))
    assert decision(policy, other, request).outcome == "deny"
    broken_in_place = with_changed_root(rng, pair, lambda _: broken)
    assert decision(policy, broken_in_place, request).outcome == "deny"


@examples(300)
@given(randoms, st.sampled_from(["role", "person"]))
def test_a_request_that_says_less_never_sees_more(rng, name):
    policy, pair = cases.policy(rng), cases.pair(rng)
    request = cases.request(rng, pair.recipient)
    records = asked_records(rng, request)
    silent = seen(policy, pair, replace(request, **{name: ""}), records)
    for stated in (*(cases.ROLES if name == "role" else cases.PERSONS), "x|other"):
        assert no_wider(silent, seen(policy, pair, replace(request, **{name: stated}), records))


@examples(300)
@given(randoms)
def test_a_record_of_which_less_is_known_is_never_released_more(rng):
    policy, pair, record = cases.policy(rng), cases.pair(rng), cases.record(rng)
    request = cases.request(rng, pair.recipient)
    answer = decision(policy, pair, request)
    known = cases.facts(
        {**record, "refers": record["refers"] - {None}, "written": record["written"] - {None}}
    )
    vaguer = [
        replace(known, period=None),
        replace(known, classes=frozenset()),
        replace(known, codes=(*known.codes, frozenset()), mentions=known.mentions | {"|"}),
        replace(known, mentions=known.mentions | {rng.choice(cases.CODES)}),
        replace(known, links=known.links | {""}),
        replace(known, authors=known.authors | {""}),
    ]
    if known.period is not None:
        vaguer.append(replace(known, period=Period(None, known.period.end)))
    for vague in vaguer:
        assert cases.releases(answer, vague) <= cases.releases(answer, known)


@examples(300)
@given(randoms)
def test_asking_for_fewer_classes_never_shows_more(rng):
    policy, pair = cases.policy(rng), cases.pair(rng)
    request = cases.request(rng, pair.recipient)
    records = [cases.record(rng) for _ in range(6)]
    everything = seen(policy, pair, replace(request, classes=()), records)
    assert no_wider(seen(policy, pair, request, records), everything)


@examples(300)
@given(randoms)
def test_the_ledger_gives_the_same_answer_after_its_encoding(rng):
    policy, pair = cases.policy(rng), cases.pair(rng)
    request = cases.request(rng, pair.recipient)
    expected = decision(policy, pair, request)
    stored = decision(
        decode(encode(policy), Policy), decode(encode(pair), Pair), decode(encode(request), AccessRequest)
    )
    assert stored == expected
    assert decode(encode(stored), Decision) == expected


# Anything that decodes: odd words, odd times, odd shapes.
words = st.one_of(
    st.sampled_from(["", "|", "a|b", "AlphaMSP", "BetaMSP", "TREAT", "access", "read"]), st.text(max_size=4)
)
several = st.lists(words, max_size=2).map(tuple)
moments = st.one_of(st.none(), st.integers(-(2**70), 2**70))
spans = st.one_of(st.none(), st.builds(Period, moments, moments))
conditions = st.builds(
    Condition,
    period=spans,
    actors=st.lists(
        st.builds(Actor, st.sampled_from(["organization", "role", "person"]), words), max_size=2
    ).map(tuple),
    actions=several,
    purposes=several,
    classes=several,
    codes=several,
    labels=several,
    data_period=spans,
    references=st.lists(
        st.builds(Reference, st.sampled_from(["instance", "dependents", "authoredby"]), words), max_size=2
    ).map(tuple),
)
effects = st.sampled_from(["permit", "deny", "none"])
trees = st.recursive(
    st.builds(Provision, effects, conditions),
    lambda inner: st.builds(Provision, effects, conditions, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=5,
)
pairs = st.builds(
    Pair,
    custodian=words,
    recipient=words,
    subject=st.sampled_from(["patient", "directory"]),
    epoch=st.integers(),
    opened=st.integers(),
    consents=st.lists(
        st.builds(
            Terms,
            id=words,
            version=st.integers(),
            status=st.sampled_from(["active", "inactive"]),
            attested=st.just("patient"),
            root=trees,
        ),
        max_size=2,
    ).map(tuple),
    schema=st.integers(0, 2),
)
policies = st.builds(
    Policy,
    version=st.integers(),
    members=st.one_of(st.just(("AlphaMSP", "BetaMSP")), several),
    rules=st.lists(
        st.builds(
            PolicyRule,
            id=words,
            relation=st.sampled_from(["custodian", "member"]),
            subject=st.sampled_from(["patient", "directory"]),
            purposes=several,
            actions=several,
            classes=several,
        ),
        max_size=2,
    ).map(tuple),
    schema=st.integers(0, 2),
)
requests = st.builds(
    AccessRequest,
    pair=words,
    recipient=st.one_of(st.just("AlphaMSP"), words),
    purpose=st.one_of(st.just("TREAT"), words),
    action=st.one_of(st.just("read"), words),
    user=words,
    digest=words,
    evidence=words,
    role=words,
    person=words,
    classes=several,
    person_open=st.booleans(),
)


@examples(60)
@given(st.none() | policies, st.none() | pairs, requests, st.integers(), words)
def test_whatever_decodes_gets_an_answer(policy, pair, request, now, caller):
    answer = decide(policy, pair, request, now=now, caller=caller)
    assert answer.outcome in ("permit", "deny")
    cases.releases(answer, cases.facts(cases.record(random.Random(1))))


def test_nesting_as_deep_as_json_can_carry_gets_an_answer():
    depth = 100
    while True:
        text = b'{"effect":"permit","exceptions":[' * depth + b'{"effect":"permit"}' + b"]}" * depth
        try:
            root = msgspec.json.decode(text, type=Provision)
        except RecursionError:
            break
        pair = Pair(
            custodian="AlphaMSP",
            recipient="BetaMSP",
            subject="patient",
            epoch=1,
            opened=0,
            consents=(Terms("0" * 32, 1, "active", "patient", root),),
        )
        policy = Policy(version=1, members=("AlphaMSP", "BetaMSP"), rules=())
        request = AccessRequest("0" * 32, "BetaMSP", "TREAT", "read", "", "", "")
        assert decide(policy, pair, request, now=0, caller="AlphaMSP").reason == "terms-not-understood"
        depth = depth * 3 // 2
