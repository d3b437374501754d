"""Every provision of an accepted consent decides something, and those of IHE's profile as it means them.

The world of these tests is small, and all of it is tried: a provision, or an element of one, that changes no
decision in it has no effect.
"""

import itertools
import os
import random
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.access.model import AccessRequest
from chaincode.consent.model import Pair, Terms
from chaincode.consent.rules import decide
from chaincode.policy.model import Policy, PolicyRule
from exchange.consent.compile import compile_consent, person_digest, pseudonymous, role_in
from exchange.consent.provisions import ConsentReader
from exchange.consent.reach.structure import widened
from exchange.consent.record_facts import facts_of
from exchange.consent.rounding import round_times
from exchange.errors import InvalidResourceError
from exchange.ledger.consortium_policy import founding_policy
from tests.support.ledger.consent_cases import releases

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
T = "http://terminology.hl7.org/CodeSystem/"
TYPES = "http://hl7.org/fhir/resource-types"
SALT = b"p" * 32
MEMBERS = {"Organization/beta": "BetaMSP", "Organization/gamma": "GammaMSP"}
NOW = 1_800_000_000_000
DAY = 86_400_000
PURPOSES = ("TREAT", "ETREAT", "BTG", "HPAYMT", "HRESCH")
POLICIES = [
    Policy(version=1, members=("AlphaMSP", "BetaMSP", "GammaMSP"), rules=rules)
    for rules in ((), (PolicyRule("all", "member", "patient", PURPOSES),))
]


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def actor(name):
    return {"role": concept(T + "v3-ParticipationType", "IRCP"), "reference": {"reference": name}}


def purposes(*codes):
    return [{"system": T + "v3-ActReason", "code": code} for code in codes]


def label(code):
    system = "v3-Confidentiality" if code in "ULMNRV" else "v3-ActCode"
    if code == "HTEST":
        system = "v3-ActReason"
    return {"system": T + system, "code": code}


def labels(*codes):
    return [label(code) for code in codes]


def consent(provision):
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": concept(T + "consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": "Patient/p"},
        "policy": [{"uri": "https://profiles.ihe.net/ITI/PCF/Policy-basic-normal"}],
        "provision": provision,
    }


def compiled(provision):
    return compile_consent(
        consent(provision), version=1, attested="patient", now=NOW, members=MEMBERS, zone=ZoneInfo("UTC")
    )


def problems(provision):
    with pytest.raises(InvalidResourceError) as caught:
        compiled(provision)
    return {one.path.removeprefix("Consent.provision"): one.code for one in caught.value.problems}


def terms(provision):
    """Return the terms of a provision, whether or not a consent with it would be accepted."""
    reader = ConsentReader(zone=ZoneInfo("UTC"))
    root = widened(reader.rule("Consent.provision", provision, base="none"), reader.days)
    rule = pseudonymous(round_times(root, NOW), SALT)
    named = msgspec.json.encode(rule).replace(b"Organization/beta", b"BetaMSP")
    named = named.replace(b"Organization/gamma", b"GammaMSP")
    return Terms("c" * 32, 1, "active", "patient", msgspec.json.decode(named, type=type(rule)))


def record(kind="Observation", security=(), name="1", **more):
    resource = {"resourceType": kind, "id": name, "meta": {"security": labels(*security)}, **more}
    return facts_of(resource, salt=SALT, reference=f"{kind}/{name}")


def decision(held, *, recipient="BetaMSP", purpose="TREAT", person="", role="", now=NOW, policy=POLICIES[0]):
    pair = Pair("AlphaMSP", recipient, "patient", epoch=1, opened=0, consents=(held,))
    request = AccessRequest(
        "0" * 32,
        recipient,
        purpose,
        "read",
        "",
        "",
        "",
        person=person_digest(SALT, person),
        role=role_in(SALT, role),
    )
    return decide(policy, pair, request, now=now, caller="AlphaMSP")


def released(provision, known, **asked):
    assert compiled(provision)
    return releases(decision(terms(provision), **asked), known)


# --- IHE Privacy Consent on FHIR ------------------------------------------------------------------------

CARE = {"type": "permit", "purpose": purposes("TREAT", "HPAYMT", "HOPERAT")}
DOCTOR = "Practitioner/ex-practitioner"
ROLE = "http://snomed.info/sct|59058001"
BREAKERS = {
    "role": concept(T + "v3-ParticipationType", "IRCP"),
    "reference": {
        "type": "PractitionerRole",
        "identifier": {"system": "http://snomed.info/sct", "value": "59058001"},
    },
}
NORMAL = {**CARE, "securityLabel": labels("N")}
IN_2022 = {"start": "2022-01-01", "end": "2022-12-31"}
BY_DOCTOR = {"meaning": "authoredby", "reference": {"reference": DOCTOR}}
OF_ENCOUNTER = {"meaning": "related", "reference": {"reference": "Encounter/ex-encounter"}}
ALCOHOL = {"meaning": "instance", "reference": {"reference": "Observation/ex-alcoholUse"}}

SHAPES = {
    "basic treat": CARE,
    "basic reject": {**CARE, "type": "deny"},
    "basic research": {"type": "permit", "purpose": purposes("HRESCH")},
    "expired": {**CARE, "period": {"end": "2022-12-31"}},
    "timeframe": {**CARE, "dataPeriod": IN_2022},
    "not timeframe": {**CARE, "provision": [{"type": "deny", "dataPeriod": IN_2022}]},
    "authored by": {**CARE, "data": [BY_DOCTOR]},
    "not authored by": {**CARE, "provision": [{"type": "deny", "data": [BY_DOCTOR]}]},
    "encounter": {**CARE, "data": [OF_ENCOUNTER]},
    "not encounter": {**CARE, "provision": [{"type": "deny", "data": [OF_ENCOUNTER]}]},
    "data": {**CARE, "data": [ALCOHOL]},
    "not data": {**CARE, "provision": [{"type": "deny", "data": [ALCOHOL]}]},
    "break glass alone": {
        "type": "deny",
        "provision": [{"type": "permit", "purpose": purposes("BTG"), "actor": [BREAKERS]}],
    },
    "normal": NORMAL,
    "normal and restricted": {**CARE, "securityLabel": labels("N", "R")},
    "normal, not restricted": {
        **NORMAL,
        "provision": [{"type": "deny", "securityLabel": labels("R")}],
    },
    "restricted for one": {
        **NORMAL,
        "provision": [{"type": "permit", "securityLabel": labels("R"), "actor": [actor(DOCTOR)]}],
    },
    "psychiatry for one": {
        **NORMAL,
        "provision": [{"type": "permit", "securityLabel": labels("PSY"), "actor": [actor(DOCTOR)]}],
    },
    "psychiatry or violence for one": {
        **NORMAL,
        "provision": [{"type": "permit", "securityLabel": labels("PSY", "SDV"), "actor": [actor(DOCTOR)]}],
    },
    "restricted in an emergency": {
        **NORMAL,
        "provision": [
            {
                "type": "permit",
                "purpose": purposes("BTG"),
                "securityLabel": labels("R"),
                "actor": [BREAKERS],
            }
        ],
    },
}
PLAIN, SENSITIVE = record(), record(security=["R", "PSY"])
OLD = record(effectiveDateTime="2022-05-05")
VISIT = record(encounter={"reference": "Encounter/ex-encounter"})
HERS = record(performer=[{"reference": DOCTOR}])
OTHERS = record(performer=[{"reference": "Practitioner/2"}])
DRINKS = record(name="ex-alcoholUse")
AT_NIGHT = {"purpose": "BTG", "role": ROLE, "person": "Practitioner/9"}
ONE, ANOTHER = {"person": DOCTOR}, {"person": "Practitioner/2"}


@pytest.mark.parametrize(
    ("shape", "known", "asked", "expected"),
    [
        ("basic treat", PLAIN, {}, True),
        ("basic treat", PLAIN, {"purpose": "ETREAT"}, True),
        ("basic treat", PLAIN, {"purpose": "BTG"}, True),
        ("basic treat", PLAIN, {"purpose": "HRESCH"}, False),
        ("basic reject", PLAIN, {"policy": POLICIES[1]}, False),
        ("basic reject", PLAIN, {"policy": POLICIES[1], "purpose": "ETREAT"}, False),
        ("basic reject", PLAIN, {"policy": POLICIES[1], "purpose": "BTG"}, False),
        ("basic reject", PLAIN, {"policy": POLICIES[1], "purpose": "HRESCH"}, True),
        ("basic research", PLAIN, {"purpose": "HRESCH"}, True),
        ("expired", PLAIN, {}, False),
        ("timeframe", OLD, {}, True),
        ("timeframe", record(effectiveDateTime="2023-01-01"), {}, False),
        ("not timeframe", OLD, {}, False),
        ("not timeframe", record(effectiveDateTime="2023-01-01"), {}, True),
        ("authored by", HERS, {}, True),
        ("authored by", OTHERS, {}, False),
        ("not authored by", HERS, {}, False),
        ("not authored by", OTHERS, {}, True),
        ("encounter", VISIT, {}, True),
        ("encounter", record("Encounter", name="ex-encounter"), {}, True),
        ("encounter", PLAIN, {}, False),
        ("not encounter", VISIT, {}, False),
        ("not encounter", record("Encounter", name="ex-encounter"), {}, False),
        ("not encounter", PLAIN, {}, True),
        ("data", DRINKS, {}, True),
        ("data", PLAIN, {}, False),
        ("not data", DRINKS, {}, False),
        ("not data", PLAIN, {}, True),
        ("break glass alone", PLAIN, {}, False),
        ("break glass alone", PLAIN, {**AT_NIGHT, "purpose": "TREAT"}, False),
        ("break glass alone", PLAIN, AT_NIGHT, True),
        ("break glass alone", PLAIN, {"purpose": "BTG", "role": "http://snomed.info/sct|1"}, False),
        ("normal", PLAIN, {}, True),
        ("normal", record(security=["N", "HTEST"]), {}, True),
        ("normal", SENSITIVE, {}, False),
        ("normal", record(security=["N", "PSY"]), {}, False),
        ("normal and restricted", SENSITIVE, {}, True),
        ("normal and restricted", record(security=["R", "HTEST"]), {}, True),
        ("normal and restricted", record(security=["V", "PSY"]), {}, False),
        ("normal, not restricted", PLAIN, {}, True),
        ("normal, not restricted", SENSITIVE, {}, False),
        ("restricted for one", PLAIN, ANOTHER, True),
        ("restricted for one", SENSITIVE, ANOTHER, False),
        ("restricted for one", SENSITIVE, {}, False),
        ("restricted for one", PLAIN, ONE, True),
        ("restricted for one", SENSITIVE, ONE, True),
        ("restricted for one", SENSITIVE, {**ONE, "purpose": "HRESCH"}, False),
        ("psychiatry for one", SENSITIVE, ONE, True),
        ("psychiatry for one", SENSITIVE, ANOTHER, False),
        ("psychiatry for one", record(security=["R", "HIV"]), ONE, False),
        ("psychiatry for one", PLAIN, ONE, True),
        ("psychiatry or violence for one", record(security=["R", "SDV"]), ONE, True),
        ("psychiatry or violence for one", record(security=["R", "SDV"]), ANOTHER, False),
        ("restricted in an emergency", SENSITIVE, {"role": ROLE}, False),
        ("restricted in an emergency", SENSITIVE, AT_NIGHT, True),
        ("restricted in an emergency", PLAIN, AT_NIGHT, True),
    ],
)
def test_the_shapes_of_ihe_privacy_consent_decide_as_the_profile_means_them(shape, known, asked, expected):
    assert released(SHAPES[shape], known, **asked) is expected


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"actor": [actor("Group/ex-privilegedUsers")]}, ".actor[0].reference"),
        ({"purpose": [{"system": "http://example.org/purposeOfUse", "code": "FooBar"}]}, ".purpose[0]"),
        ({"purpose": purposes("CLINTRCH")}, ".purpose[0]"),
    ],
)
def test_an_element_of_the_profile_that_can_not_be_decided_is_refused(change, path):
    assert problems({**CARE, **change}).keys() == {path}


# --- Provisions without effect --------------------------------------------------------------------------

BETA, GAMMA = {"actor": [actor("Organization/beta")]}, {"actor": [actor("Organization/gamma")]}
P1, P2 = {"actor": [actor("Practitioner/1")]}, {"actor": [actor("Practitioner/2")]}
RESEARCH, TREAT = {"purpose": purposes("HRESCH")}, {"purpose": purposes("TREAT")}
OBSERVATION = {"class": [{"system": TYPES, "code": "Observation"}]}
CONDITION = {"class": [{"system": TYPES, "code": "Condition"}]}
R, N, PSY = ({"securityLabel": labels(code)} for code in ("R", "N", "PSY"))


def permit(*nested, **more):
    return {"type": "permit", **more} | ({"provision": list(nested)} if nested else {})


def deny(*nested, **more):
    return {"type": "deny", **more} | ({"provision": list(nested)} if nested else {})


@pytest.mark.parametrize(
    ("provision", "path"),
    [
        (permit(permit(**BETA)), ".provision[0]"),
        (permit(permit(**BETA), **TREAT), ".provision[0]"),
        (permit(permit(purpose=purposes("BTG")), **TREAT), ".provision[0]"),
        (permit(permit(**N), **R), ".provision[0]"),
        (permit(permit(**P1, **R), **N, **BETA), ".provision[0].actor"),
        (permit(permit(**CONDITION, **R), **N, **OBSERVATION), ".provision[0].class"),
        (permit(deny(**RESEARCH), **TREAT), ".provision[0].purpose"),
        (permit(deny(**GAMMA), **BETA), ".provision[0].actor"),
        (permit(deny(**P2), **P1), ".provision[0].actor"),
        (permit(deny(period={"start": "2031-01-01"}), period={"end": "2030-12-31"}), ".provision[0].period"),
        (permit(deny(data=[ALCOHOL]), data=[{**ALCOHOL, "reference": {"reference": "Observation/2"}}]),
         ".provision[0].data"),
        (deny(permit(**N), **R), ".provision[0].securityLabel"),
        (deny(deny(**BETA)), ".provision[0]"),
        (deny(permit(**GAMMA), deny(**BETA)), ".provision[1]"),
        (permit(deny()), ".provision[0]"),
        (permit(deny(**TREAT), **TREAT), ".provision[0]"),
        (deny(permit(**BETA), **BETA), ".provision[0]"),
        (permit(deny(**BETA), deny(**BETA)), ".provision[1]"),
        (permit(deny(**BETA, **TREAT), deny(**BETA)), ".provision[0]"),
        (deny(permit(**BETA), permit(**BETA, **TREAT)), ".provision[1]"),
        (permit(deny(permit(**TREAT), **BETA), deny(permit(**RESEARCH), **PSY)), None),
        (permit(deny(**BETA), deny(**P2), actor=[*P1["actor"], *BETA["actor"]]), ".provision[1]"),
        (permit(permit(securityLabel=labels("HIV", "N")), permit(securityLabel=labels("HIV", "PSY")), **N),
         ".provision[0]"),
        (permit(permit(**RESEARCH), permit(purpose=purposes("TREAT", "HRESCH"), **PSY), **TREAT),
         ".provision[1]"),
        (deny(permit(**BETA, **TREAT), deny(**BETA)), ".provision[0]"),
    ],
)  # fmt: skip
def test_a_provision_without_effect_is_refused_with_its_path(provision, path):
    if path is None:
        assert compiled(provision)
    else:
        assert path in problems(provision)


# --- Random consents ------------------------------------------------------------------------------------

PERIODS = [{"start": "2027-01-20"}, {"end": "2027-01-19"}, {"start": "2027-02-10"}, {"end": "2027-02-09"}]
PARTS = {
    "purpose": lambda rng: purposes(*rng.sample(["TREAT", "BTG", "HRESCH"], rng.choice([1, 1, 2]))),
    "securityLabel": lambda rng: labels(*rng.sample(["N", "R", "V", "PSY", "HIV"], rng.choice([1, 1, 2]))),
    "actor": lambda rng: [
        actor(name)
        for name in rng.sample(
            ["Organization/beta", "Organization/gamma", "Practitioner/1", "Practitioner/2"],
            rng.choice([1, 1, 2]),
        )
    ],
    "class": lambda rng: [{"system": TYPES, "code": rng.choice(["Observation", "Condition"])}],
    "period": lambda rng: rng.choice(PERIODS),
}
REQUESTS = [
    {"recipient": recipient, "purpose": purpose, "person": person, "now": NOW + later, "policy": policy}
    for recipient, purpose, person, later, policy in itertools.product(
        ("AlphaMSP", "BetaMSP", "GammaMSP"),
        ("TREAT", "BTG", "HRESCH", "HPAYMT"),
        ("Practitioner/1", "Practitioner/2", "Practitioner/3"),
        (0, 10 * DAY, 30 * DAY),
        POLICIES,
    )
]
RECORDS = [
    record(kind, (*level, *names))
    for kind in ("Observation", "Condition", "Procedure")
    for level in ((), *("ULMNRV"))
    for count in range(4)
    for names in itertools.combinations(("PSY", "HIV", "SDV"), count)
]
SILENT = Terms("c" * 32, 1, "inactive", "patient", terms({"type": "permit"}).root)


def differs(one, other):
    """Return whether two terms, or terms and none, decide otherwise on any record of any request."""
    for asked in REQUESTS:
        first, second = decision(one, **asked), decision(other or SILENT, **asked)
        if first.outcome == second.outcome == "deny":
            continue
        if any(releases(first, known) != releases(second, known) for known in RECORDS):
            return True
    return False


def provision(rng, depth=0):
    """Return a random provision with exceptions in exceptions, or with several beside each other."""
    stated = {"type": rng.choice(["permit", "deny"])}
    for name, make in PARTS.items():
        if rng.random() < (0.3 if depth else 0.25):
            stated[name] = make(rng)
    if depth < 3:
        count = rng.choice([0, 1, 2]) if depth else rng.choice([1, 2])
        nested = [provision(rng, 3 if count > 1 else depth + 1) for _ in range(count)]
        if nested:
            stated["provision"] = nested
            if depth == 0 and rng.random() < 0.2:
                del stated["type"]
    return stated


def accepted(seed):
    rng = random.Random(seed)
    while True:
        stated = provision(rng)
        try:
            compiled(stated)
        except InvalidResourceError:
            continue
        return stated


def without_each(stated):
    """Yield a consent's provision without each of the provisions in it, and what was left out."""
    for n, nested in enumerate(stated.get("provision", ())):
        rest = [*stated["provision"][:n], *stated["provision"][n + 1 :]]
        yield {**stated, "provision": rest}, nested
        for changed, left in without_each(nested):
            yield {**stated, "provision": [*rest[:n], changed, *rest[n:]]}, left


@settings(max_examples=max(1, int(40 * SCALE)), deadline=None)
@given(st.integers(0, 2**32))
def test_every_provision_of_an_accepted_consent_changes_the_decision_of_some_request(seed):
    stated = accepted(seed)
    whole = terms(stated)
    for changed, left in without_each(stated):
        assert differs(whole, terms(changed)), left


@settings(max_examples=max(1, int(60 * SCALE)), deadline=None)
@given(st.integers(0, 2**32))
def test_the_patient_always_sees_and_ends_an_accepted_consent(seed):
    stated = accepted(seed)
    pair = Pair("AlphaMSP", "AlphaMSP", "patient", epoch=1, opened=0, consents=(terms(stated),))
    policy = founding_policy(POLICIES[0].members)
    for action, purpose, right in (
        *((action, "PATRQT", "patient") for action in ("read", "search", "history", "log")),
        ("log", "HOPERAT", "officer"),
    ):
        request = AccessRequest("0" * 32, "AlphaMSP", purpose, action, "", "", "", right=right)
        answer = decide(policy, pair, request, now=NOW, caller="AlphaMSP")
        assert (answer.outcome, getattr(answer, "obligations", None)) == ("permit", ())
    for status in ("inactive", "entered-in-error", "rejected"):
        ended = {**consent(stated), "status": status}
        draft = compile_consent(ended, version=2, attested="patient", now=NOW, zone=None)
        assert draft.status == "inactive"
