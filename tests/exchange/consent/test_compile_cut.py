"""The parts that one recipient's terms leave out or round change no decision for it, or make it stricter.

The second opinion is a literal translation of the FHIR resource: all of its provisions, whomever they name,
with every time to the millisecond.
"""

import datetime
import os
import random
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.access.model import AccessRequest
from chaincode.consent.model import Actor, Condition, Pair, Period, Provision, Reference, Terms
from chaincode.consent.rules import decide
from chaincode.policy.model import Policy, PolicyRule
from exchange.consent.compile import (
    PairContext,
    compile_consent,
    conditions_of,
    person_digest,
    reference_digest,
    role_in,
    terms_for,
)
from exchange.consent.hidden_conditions import find_conditions, hidden_in, show_conditions
from exchange.consent.record_facts import facts_of
from exchange.consent.rounding import MINUTE
from exchange.errors import InvalidResourceError
from tests.support.ledger.consent_cases import releases

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
V3 = "http://terminology.hl7.org/CodeSystem/v3-"
SALT = b"p" * 32
MEMBERS = {"Organization/a": "AlphaMSP", "Organization/b": "BetaMSP", "Organization/g": "GammaMSP"}
POLICY = Policy(
    version=1,
    members=("AlphaMSP", "BetaMSP", "GammaMSP"),
    rules=(PolicyRule("all", "member", "patient", ("TREAT",)),),
)
STRICT = Policy(version=1, members=POLICY.members, rules=())
NOW = 1_800_000_000_000 // MINUTE * MINUTE
"""The moment at which consents are compiled; decisions fall within some minutes of it."""


class Seeded(random.Random):
    def __init__(self, seed):
        super().__init__(seed)
        self.first = seed

    def __repr__(self):
        return f"Seeded({self.first})"


randoms = st.integers(0, 2**32).map(Seeded)


def many(count):
    return settings(max_examples=max(1, int(count * SCALE)), deadline=None)


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def instant(milliseconds):
    return (
        datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).isoformat().replace("+00:00", "Z")
    )


def actor(rng):
    name = rng.choice(["Organization/a", "Organization/b", "Organization/g", "Practitioner/1", "role"])
    target = {"reference": name}
    if name == "role":
        target = {"type": "PractitionerRole", "identifier": {"system": "urn:role", "value": "nurse"}}
    return {"role": concept(V3 + "ParticipationType", "IRCP"), "reference": target}


def whole_minutes(rng):
    """Return a period that needs no rounding: an end in the 59th second includes all of that second."""
    start, end = sorted(rng.sample(range(-4, 7), 2))
    return either_side(rng, NOW + start * MINUTE, NOW + end * MINUTE - 1000)


def odd_seconds(rng):
    start, end = sorted(NOW + 1000 * rng.randrange(-240, 360) for _ in range(2))
    return either_side(rng, start, end)


def either_side(rng, start, end):
    stated = {"start": instant(start), "end": instant(end)}
    if rng.random() < 0.3:
        del stated[rng.choice(["start", "end"])]
    return stated


def provision(rng, period, depth=0):
    stated = {"type": rng.choice(["permit", "deny"])}
    if depth == 0 and rng.random() < 0.4:
        del stated["type"]
    if rng.random() < 0.4:
        stated["actor"] = [actor(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.35:
        stated["period"] = period(rng)
    if rng.random() < 0.2:
        stated["code"] = [concept("urn:c", rng.choice("12"))]
    if rng.random() < 0.2:
        system, code = rng.choice([(V3 + "ActCode", "PSY"), (V3 + "Confidentiality", rng.choice("MNR"))])
        stated["securityLabel"] = [{"system": system, "code": code}]
    if rng.random() < 0.15:
        meaning, name = rng.choice(
            [("instance", "Observation/1"), ("dependents", "Encounter/1"), ("authoredby", "Practitioner/1")]
        )
        stated["data"] = [{"meaning": meaning, "reference": {"reference": name}}]
    if rng.random() < 0.15:
        stated["dataPeriod"] = rng.choice([{"start": "2020", "end": "2021-06"}, {"end": "2020-12-31"}])
    count = rng.choice([0, 1, 2]) if depth else rng.choice([1, 2, 2, 3])
    if depth < 3 and (depth == 0 or rng.random() < 0.5):
        nested = [provision(rng, period, depth + 1) for _ in range(count)]
        if nested:
            stated["provision"] = nested
    return stated


def consent(rng, n, period):
    """Return a consent that is accepted: each of its provisions can decide."""
    while True:
        resource = any_consent(rng, n, period)
        try:
            compiled(resource)
        except InvalidResourceError:
            continue
        return resource


def compiled(resource, now=None):
    return compile_consent(
        resource,
        version=1,
        attested="patient",
        now=NOW if now is None else now,
        members=MEMBERS,
        zone=ZoneInfo("UTC"),
    )


def any_consent(rng, n, period):
    return {
        "resourceType": "Consent",
        "id": f"c{n}",
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": "Patient/p"},
        "policyRule": concept(V3 + "ActCode", "OPTOUT"),
        "provision": provision(rng, period),
    }


def record(rng):
    resource = {
        "resourceType": "Observation",
        "id": rng.choice("12"),
        "meta": {},
        "code": concept("urn:c", rng.choice("123")),
        "encounter": {"reference": f"Encounter/{rng.choice('12')}"},
        "performer": [{"reference": f"Practitioner/{rng.choice('12')}"}],
        "effectiveDateTime": rng.choice(["2020-05-01", "2021-05-01", "2022"]),
    }
    if rng.random() < 0.5:
        resource["meta"] = {"security": [{"system": V3 + "ActCode", "code": rng.choice(["PSY", "HIV"])}]}
    if rng.random() < 0.3:
        resource["meta"].setdefault("security", []).append(
            {"system": V3 + "Confidentiality", "code": rng.choice("MNRV")}
        )
    if rng.random() < 0.2:
        del resource["effectiveDateTime"]
    return facts_of(resource, salt=SALT, reference=f"Observation/{resource['id']}")


# --- The literal translation ---------------------------------------------------------------------------


def literal(resource):
    stated = resource["provision"]
    base = "none" if stated.get("provision") else "deny"
    rules = beside(literal_rule(stated, stated.get("type", base)))
    root = rules[0] if len(rules) == 1 else Provision("none", exceptions=tuple(rules))
    return Terms(resource["id"], 1, "active", "patient", root)


def beside(rule):
    """Return `rule` and the permissions within it that widen it, without those, as rules side by side."""
    inner = [part for one in rule.exceptions for part in beside(one)]
    if rule.effect != "permit":
        return [msgspec.structs.replace(rule, exceptions=tuple(inner))]
    denials = tuple(one for one in rule.exceptions if one.effect == "deny")
    kept = tuple(part for one in denials for part in beside(one))
    rules = [msgspec.structs.replace(rule, exceptions=kept)]
    for one in rule.exceptions:
        if one.effect == "permit":
            when = msgspec.structs.replace(
                one.when,
                labels=one.when.labels or rule.when.labels,
                actors=one.when.actors or rule.when.actors,
                codes=one.when.codes or rule.when.codes,
                references=one.when.references or rule.when.references,
                period=overlap(one.when.period, rule.when.period),
                data_period=overlap(one.when.data_period, rule.when.data_period),
            )
            rules += beside(Provision("permit", when, (*one.exceptions, *denials)))
    return rules


def overlap(one, other):
    if one is None or other is None:
        return one or other
    return Period(
        max((side for side in (one.start, other.start) if side is not None), default=None),
        min((side for side in (one.end, other.end) if side is not None), default=None),
    )


def literal_rule(stated, effect):
    actors = [literal_actor(one["reference"]) for one in stated.get("actor", [])]
    codes = [coding for one in stated.get("code", []) for coding in one["coding"]]
    references = [
        Reference(one["meaning"], reference_digest(SALT, one["reference"]["reference"]))
        for one in stated.get("data", [])
    ]
    data_period = {
        None: None,
        "2020-12-31": Period(None, ms("2021-01-01T00:00:00Z")),
        "2021-06": Period(ms("2020-01-01T00:00:00Z"), ms("2021-07-01T00:00:00Z")),
    }[stated.get("dataPeriod", {}).get("end")]
    return Provision(
        effect,
        Condition(
            period=literal_period(stated.get("period")),
            actors=tuple(actors),
            codes=tuple(f"{coding['system']}|{coding['code']}" for coding in codes),
            labels=tuple(f"{one['system']}|{one['code']}" for one in stated.get("securityLabel", [])),
            data_period=data_period,
            references=tuple(references),
        ),
        tuple(literal_rule(nested, nested["type"]) for nested in stated.get("provision", [])),
    )


def literal_actor(target):
    if "identifier" in target:
        return Actor("role", role_in(SALT, "urn:role|nurse"))
    if target["reference"] in MEMBERS:
        return Actor("organization", MEMBERS[target["reference"]])
    return Actor("person", person_digest(SALT, target["reference"]))


def literal_period(stated):
    if stated is None:
        return None
    # A time given to the second includes all of that second.
    return Period(
        ms(stated["start"]) if "start" in stated else None,
        ms(stated["end"]) + 1000 if "end" in stated else None,
    )


def ms(text):
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


# --- Comparing -----------------------------------------------------------------------------------------


def cut(resources, recipient):
    context = PairContext(recipient=recipient, salt=SALT, members=MEMBERS)
    drafts = [compiled(one) for one in resources]
    made = ((draft, terms_for(draft, context)) for draft in drafts)
    return tuple(
        msgspec.structs.replace(terms, root=shown(draft, terms.root)) for draft, terms in made if terms
    )


def shown(draft, root):
    return show_conditions(root, find_conditions(conditions_of(draft, SALT), hidden_in(root), SALT))


def released(policy, consents, recipient, rng_request, now, facts):
    pair = Pair("AlphaMSP", recipient, "patient", epoch=1, opened=0, consents=consents)
    request = AccessRequest("0" * 32, recipient, "TREAT", "read", "", "", "", **rng_request)
    decision = decide(policy, pair, request, now=now, caller="AlphaMSP")
    assert decision.reason != "terms-not-understood"
    return [releases(decision, one) for one in facts]


def requester(rng):
    return {
        "role": role_in(SALT, rng.choice(["", "urn:role|nurse", "urn:role|other"])),
        "person": person_digest(SALT, rng.choice(["", "Practitioner/1", "Practitioner/2"])),
    }


def both(rng, period):
    """Return for every recipient the releases by the cut terms and by the literal ones."""
    resources = [consent(rng, n, period) for n in range(rng.choice([1, 2, 3]))]
    policy = rng.choice([POLICY, STRICT])
    facts = [record(rng) for _ in range(4)]
    asking = requester(rng)
    now = NOW + rng.randrange(6 * MINUTE)
    whole = tuple(literal(one) for one in resources)
    for recipient in POLICY.members:
        ours = released(policy, cut(resources, recipient), recipient, asking, now, facts)
        yield ours, released(policy, whole, recipient, asking, now, facts)


@many(400)
@given(randoms)
def test_cutting_to_one_recipient_changes_no_decision_for_it(rng):
    for ours, theirs in both(rng, whole_minutes):
        assert ours == theirs


@many(400)
@given(randoms)
def test_rounding_to_the_minute_never_widens(rng):
    for ours, theirs in both(rng, odd_seconds):
        assert all(one <= other for one, other in zip(ours, theirs, strict=True))


def test_the_random_consents_both_permit_and_deny():
    rng = Seeded(1)
    outcomes = [one for _ in range(200) for ours, _ in both(rng, odd_seconds) for one in ours]
    assert 0.15 < sum(outcomes) / len(outcomes) < 0.85


@many(100)
@given(randoms)
def test_no_instant_on_the_ledger_is_finer_than_a_minute_or_past_its_start(rng):
    resource = consent(rng, 0, odd_seconds)
    pending = [terms.root for recipient in POLICY.members for terms in cut([resource], recipient)]
    while pending:
        rule = pending.pop()
        pending.extend(rule.exceptions)
        period = rule.when.period
        if period is not None:
            assert all(side is None or side % MINUTE == 0 for side in (period.start, period.end))
            assert period.start is None or period.start > NOW


PERMITTED = {"type": "permit", "code": [concept("urn:c", "1")]}
DENIED = {"type": "deny", "code": [concept("urn:c", "2")]}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"type": "permit"}, ["permit 08:01 08:09"]),
        ({"type": "deny"}, ["deny 08:00 08:10"]),
        (
            {"type": "permit", "provision": [DENIED]},
            ["none", "permit 08:01 08:09", "permit 08:00 08:01", "permit 08:09 08:10"],
        ),
        (
            {"provision": [PERMITTED, DENIED]},
            ["none", "permit 08:01 08:09", "deny 08:00 08:10"],
        ),
    ],
)
def test_what_permits_gets_shorter_and_what_denies_longer(stated, expected):
    period = {"start": "2027-01-15T08:00:20Z", "end": "2027-01-15T08:09:40Z"}
    resource = consent(Seeded(1), 0, odd_seconds)
    resource["provision"] = {**stated, "period": period}
    early = ms("2027-01-01T00:00:00Z")
    root = compiled(resource, early).root
    rules = [root, *root.exceptions] if root.effect == "none" else [root]

    def shown(rule):
        sides = (rule.when.period.start, rule.when.period.end) if rule.when.period else ()
        return " ".join([rule.effect, *(instant(side)[11:16] for side in sides)])

    found = [shown(rule) for rule in rules]
    assert found == expected
    for rule in rules:
        if rule.effect == "permit" and rule.when.period.end - rule.when.period.start == MINUTE:
            assert [one.effect for one in rule.exceptions] == ["deny"]


@pytest.mark.parametrize(("effect", "left"), [("permit", "none"), ("deny", "deny")])
def test_a_period_within_one_minute_permits_nothing_and_denies_the_minute(effect, left):
    resource = consent(Seeded(1), 0, odd_seconds)
    period = {"start": "2027-01-15T08:00:20Z", "end": "2027-01-15T08:00:40Z"}
    resource["provision"] = {"type": effect, "period": period}
    root = compiled(resource, 0).root
    assert root.effect == left


def test_a_broken_minute_that_has_passed_is_left_out():
    resource = consent(Seeded(1), 0, odd_seconds)
    period = {"start": "2027-01-15T08:00:00Z", "end": "2027-01-15T08:09:40Z"}
    resource["provision"] = {"type": "permit", "period": period, "provision": [DENIED]}
    for now, rules in ((ms("2027-01-15T08:09:50Z"), 2), (ms("2027-01-15T08:10:00Z"), 0)):
        root = compiled(resource, now).root
        assert len(root.exceptions) == (rules or 1)
        assert root.effect == ("none" if rules else "permit")


def test_what_permits_and_denies_within_one_minute_denies_that_minute():
    resource = consent(Seeded(1), 0, odd_seconds)
    period = {"start": "2027-01-15T08:00:20Z", "end": "2027-01-15T08:00:40Z"}
    resource["provision"] = {"type": "permit", "period": period, "provision": [DENIED]}
    root = compiled(resource, 0).root
    assert [one.effect for one in root.exceptions] == ["deny"]
    assert root.when.period == Period(ms("2027-01-15T08:00:00Z"), ms("2027-01-15T08:01:00Z"))
