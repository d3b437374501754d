"""FHIR Consents compile to terms, or are refused."""

import copy
import re
from zoneinfo import ZoneInfo

import msgspec
import pytest

from chaincode.consent import limits
from chaincode.consent.model import Actor, Condition, Period, Provision, Reference
from exchange.consent.compile import (
    CompiledConsent,
    PairContext,
    compile_consent,
    concerns,
    conditions_of,
    is_of_version,
    person_digest,
    reference_digest,
    terms_for,
)
from exchange.consent.hidden_conditions import find_conditions, hidden_in, show_conditions
from exchange.consent.provisions import (
    MOST_DEPTH,
    MOST_PROVISIONS,
    NamedCondition,
    NamedEntity,
    NamedProvision,
)
from exchange.errors import InvalidResourceError

UTC = ZoneInfo("UTC")
V3 = "http://terminology.hl7.org/CodeSystem/v3-"
CONFIDENTIALITY = V3 + "Confidentiality"
ACTIONS = "http://terminology.hl7.org/CodeSystem/consentaction"
SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
TYPES = "http://hl7.org/fhir/resource-types"
MEMBERS = {
    "Organization/alpha": "AlphaMSP",
    "Organization/beta": "BetaMSP",
    "urn:oid:1.2|beta": "BetaMSP",
    "https://gamma.example/fhir/Organization/1": "GammaMSP",
}
NOW = 1_700_000_000_000
SALT = b"s" * 32


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def actor(reference, role="IRCP", **kind):
    target = {"reference": reference} if isinstance(reference, str) else {"identifier": reference}
    return {"role": concept(V3 + "ParticipationType", role), "reference": {**target, **kind}}


def consent(provision=None, *, policy=None, **change):
    resource = {
        "resourceType": "Consent",
        "id": "c1",
        "status": "active",
        "scope": concept(SCOPES, "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": "Patient/p1"},
        "policyRule": concept(V3 + "ActCode", policy) if policy else concept("urn:local", "house-rules"),
        "provision": provision,
        **change,
    }
    return {name: value for name, value in resource.items() if value is not None}


def compiled(resource, **kwargs):
    return compile_consent(resource, version=1, attested="patient", now=NOW, **{"zone": UTC, **kwargs})


def root(provision=None, **kwargs):
    return compiled(consent(provision, **kwargs)).root


def when(**provision):
    return root({"type": "permit", **provision}).when


def problems(resource, **kwargs):
    with pytest.raises(InvalidResourceError) as caught:
        compiled(resource, **kwargs)
    found = {problem.path: problem.code for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems), "each element is complained of once"
    return found


def terms(resource, recipient="BetaMSP", salt=SALT):
    return terms_for(compiled(resource), PairContext(recipient=recipient, salt=salt, members=MEMBERS))


# --- The base rule -------------------------------------------------------------------------------------

OBSERVATIONS = {"class": [{"system": TYPES, "code": "Observation"}]}
NESTED = {"provision": [{"type": "permit", **OBSERVATIONS}]}
NESTED_DENY = {"provision": [{"type": "deny", **OBSERVATIONS}]}


@pytest.mark.parametrize(
    ("policy", "provision", "effect"),
    [
        ("OPTIN", None, "permit"),
        ("OPTIN", {}, "permit"),
        ("OPTIN", NESTED_DENY, "permit"),
        ("OPTIN", {"type": "deny"}, "deny"),
        ("OPTIN", {"type": "permit", **NESTED_DENY}, "permit"),
        ("OPTOUT", None, "deny"),
        ("OPTOUT", {"actor": [actor("Organization/beta")]}, "deny"),
        ("OPTOUT", NESTED, "none"),
        ("OPTOUT", NESTED_DENY, "none"),
        ("OPTOUT", {"type": "permit"}, "permit"),
        ("OPTOUT", {"type": "deny", **NESTED}, "deny"),
        (None, None, "none"),
        (None, NESTED, "none"),
        (None, {"type": "permit"}, "permit"),
        (None, {"type": "deny"}, "deny"),
    ],
)
def test_the_base_rule_is_the_roots_type_or_else_what_was_opted_for(policy, provision, effect):
    assert root(provision, policy=policy).effect == effect


def test_a_permit_nested_in_an_opt_in_is_refused_for_it_was_meant_to_narrow():
    path = "Consent.provision.provision[1].type"
    mixed = {"provision": [{"type": "deny"}, {"type": "permit"}]}
    assert problems(consent(mixed, policy="OPTIN")) == {path: "business-rule"}


def test_a_provision_that_neither_permits_nor_denies_is_refused():
    assert problems(consent({"purpose": [{"system": V3 + "ActReason", "code": "TREAT"}]})) == {
        "Consent.provision.type": "required"
    }


def test_opting_in_and_out_at_once_is_refused():
    both = {"coding": [{"system": V3 + "ActCode", "code": code} for code in ("OPTIN", "OPTOUT")]}
    assert problems(consent(policyRule=both)) == {"Consent.policyRule": "code-invalid"}


@pytest.mark.parametrize(
    "coding",
    [
        {"system": V3 + "ActCode", "code": "OPTOUTE"},
        {"system": "urn:oid:2.16.840.1.113883.5.4", "code": "NOCONSENT"},
        {"system": V3 + "ActCode", "code": "optout"},
        {"system": "urn:local", "code": "OPTOUT"},
        {"system": "urn:local", "code": "OPTIN"},
        {"code": "optout"},
    ],
    ids=str,
)
def test_a_directive_that_is_not_supported_or_of_another_code_system_is_refused(coding):
    for provision in (None, {"type": "permit"}):
        refused = problems(consent(provision, policyRule={"coding": [coding]}))
        assert refused == {"Consent.policyRule.coding[0]": "code-invalid"}


@pytest.mark.parametrize(
    "system",
    [
        "urn:oid:2.16.840.1.113883.5.4",
        "2.16.840.1.113883.5.4",
        "http://hl7.org/fhir/v3/ActCode",
        "https://terminology.hl7.org/CodeSystem/v3-ActCode",
        V3 + "ActCode|2018-08-12",
    ],
)
def test_an_opt_out_denies_however_its_code_system_is_written(system):
    assert root(policyRule=concept(system, "OPTOUT")).effect == "deny"


# --- Status and header ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("active", "active"),
        ("draft", "unfiled"),
        ("proposed", "unfiled"),
        ("rejected", "inactive"),
        ("inactive", "inactive"),
        ("entered-in-error", "inactive"),
    ],
)
def test_status(status, expected):
    draft = compiled(consent({"type": "permit"}, status=status))
    assert draft.status == expected
    assert (draft.root.effect == "permit") is (status == "active")


def test_a_consent_that_is_over_is_told_to_whoever_may_hold_it_and_says_nothing_else():
    resource = consent({"type": "permit", "actor": [actor("Organization/alpha")]}, status="inactive")
    draft = compiled(resource)
    assert concerns(draft, "BetaMSP", MEMBERS)
    over = terms_for(draft, PairContext(recipient="BetaMSP", salt=SALT, members=MEMBERS))
    assert (over.status, over.root) == ("inactive", Provision("none"))
    assert over.id == terms(consent({"type": "permit"})).id


def test_taking_back_never_fails_for_what_the_consent_says():
    resource = consent({"type": "perhaps", "modifierExtension": [{}]}, status="entered-in-error", scope=None)
    assert compiled(resource).status == "inactive"


@pytest.mark.parametrize("status", ["draft", "proposed"])
def test_a_consent_that_is_only_proposed_gives_no_terms(status):
    draft = compiled(consent({"type": "permit"}, status=status))
    assert not concerns(draft, "BetaMSP", MEMBERS)
    assert terms_for(draft, PairContext(recipient="BetaMSP", salt=SALT, members=MEMBERS)) is None


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"id": None}, "Consent.id", "required"),
        ({"status": "odd"}, "Consent.status", "code-invalid"),
        ({"scope": concept(SCOPES, "research")}, "Consent.scope", "code-invalid"),
        ({"scope": {"text": "privacy"}}, "Consent.scope", "required"),
        ({"category": [concept("http://loinc.org", "64292-6")]}, "Consent.category", "required"),
        (
            {"category": [concept("http://loinc.org", "59284-0"), concept(V3 + "ActCode", "EMRGONLY")]},
            "Consent.category",
            "code-invalid",
        ),
        ({"patient": None}, "Consent.patient", "required"),
        ({"patient": {"reference": "Group/1"}}, "Consent.patient", "required"),
        ({"implicitRules": "urn:rules"}, "Consent.implicitRules", "not-supported"),
        ({"verification": [{"verified": False}]}, "Consent.verification[0].verified", "business-rule"),
        ({"modifierExtension": [{"url": "urn:x"}]}, "Consent.modifierExtension", "not-supported"),
        (
            {"verification": [{"verified": True, "modifierExtension": [{"url": "urn:x"}]}]},
            "Consent.verification[0].modifierExtension",
            "not-supported",
        ),
    ],
)
def test_a_header_that_is_not_supported_refuses(change, path, code):
    assert problems(consent({"type": "permit"}, **change)) == {path: code}


@pytest.mark.parametrize("kind", ["64292-6"])
def test_a_second_category_that_adds_no_condition_is_fine(kind):
    category = [concept("http://loinc.org", "59284-0"), concept("http://loinc.org", kind)]
    assert root({"type": "permit"}, category=category) == NamedProvision("permit")


def test_what_carries_no_decision_changes_none():
    plain = consent({"type": "permit"})
    more = {
        **plain,
        "verification": [{"verified": True}],
        "policy": [{"uri": "https://example.org/policy"}],
        "organization": [{"reference": "Organization/alpha"}],
        "sourceAttachment": {"title": "signed"},
        "performer": [{"reference": "Patient/p1"}],
        "dateTime": "2024-01-01",
        "extension": [{"url": "urn:x", "valueString": "y"}],
    }
    assert compiled(more) == compiled(plain)


# --- Conditions ----------------------------------------------------------------------------------------


def ms(text):
    import datetime  # noqa: PLC0415 - only here

    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({"start": "2030-01-01", "end": "2030-01-31"}, ("2030-01-01T00:00Z", "2030-02-01T00:00Z")),
        ({"start": "2030", "end": "2030"}, ("2030-01-01T00:00Z", "2031-01-01T00:00Z")),
        ({"start": "2030-02"}, ("2030-02-01T00:00Z", None)),
        ({"end": "2030-02"}, (None, "2030-03-01T00:00Z")),
        ({"start": "2030-01-01T10:00:00+02:00"}, ("2030-01-01T08:00Z", None)),
        ({"start": "2000-01-01", "end": "2030-01-31"}, (None, "2030-02-01T00:00Z")),
    ],
)
def test_a_period_includes_its_end_and_forgets_a_start_that_has_passed(period, expected):
    start, end = (None if text is None else ms(text) for text in expected)
    assert when(period=period).period == Period(start, end)


def test_a_period_that_has_begun_and_does_not_end_is_no_condition():
    assert when(period={"start": "2000-01-01"}).period is None


def test_a_data_period_keeps_its_past():
    stated = {"start": "2015-01-01", "end": "2015-01-31"}
    assert when(dataPeriod=stated).data_period == Period(ms("2015-01-01T00:00Z"), ms("2015-02-01T00:00Z"))


def test_codes_are_kept_with_their_systems_and_translations():
    code = {"coding": [{"system": "http://loinc.org", "code": "1-8"}, {"system": "urn:l", "code": "x"}]}
    assert when(code=[code]).codes == ("http://loinc.org|1-8", "urn:l|x")


def test_actions_purposes_and_classes():
    found = when(
        action=[concept(ACTIONS, "use"), concept(ACTIONS, "access")],
        purpose=[{"system": V3 + "ActReason", "code": "TREAT"}],
        **{"class": [{"system": TYPES, "code": "Observation"}]},
    )
    purposes = ("BTG", "ETREAT", "TREAT")  # break-glass is an emergency, which is treatment
    assert found == NamedCondition(actions=("access", "use"), purposes=purposes, classes=("Observation",))


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        ("ETREAT", ("BTG", "ETREAT")),
        ("BTG", ("BTG",)),
        *((code, (code,)) for code in ("HOPERAT", "HPAYMT", "HRESCH", "PATRQT", "PUBHLTH")),
    ],
)
def test_a_purpose_means_those_below_it_too(stated, meant):
    assert when(purpose=[{"system": V3 + "ActReason", "code": stated}]).purposes == meant


def test_a_label_means_those_below_it_too():
    labels = when(securityLabel=[{"system": V3 + "ActCode", "code": "SUD"}]).labels
    assert labels == tuple(f"{V3}ActCode|{code}" for code in ("ETHUD", "OPIOIDUD", "SUD"))
    everything = when(securityLabel=[{"system": V3 + "ActCode", "code": "SPI"}]).labels
    assert len(everything) == 11
    assert when(securityLabel=[{"system": CONFIDENTIALITY, "code": "R"}]).labels == (f"{CONFIDENTIALITY}|R",)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (actor("Organization/beta"), NamedEntity("organization", "Organization/beta")),
        (actor("Organization/beta", type="Organization"), NamedEntity("organization", "Organization/beta")),
        (
            actor("https://gamma.example/fhir/Organization/1"),
            NamedEntity("organization", "https://gamma.example/fhir/Organization/1"),
        ),
        (
            actor({"system": "urn:oid:1.2", "value": "beta"}, type="Organization"),
            NamedEntity("organization", "urn:oid:1.2|beta"),
        ),
        (actor("Practitioner/1"), NamedEntity("person", "Practitioner/1")),
        (actor("RelatedPerson/1", role="PRCP"), NamedEntity("person", "RelatedPerson/1")),
        (actor("Patient/1"), NamedEntity("person", "Patient/1")),
        (actor("PractitionerRole/1"), NamedEntity("person", "PractitionerRole/1")),
        (
            actor({"system": "http://snomed.info/sct", "value": "59058001"}, type="PractitionerRole"),
            NamedEntity("role", "http://snomed.info/sct|59058001"),
        ),
        (
            {"role": concept(V3 + "RoleCode", "GRANTEE"), "reference": {"reference": "Organization/beta"}},
            NamedEntity("organization", "Organization/beta"),
        ),
    ],
)
def test_actors(stated, expected):
    assert when(actor=[stated]).actors == (expected,)


BASE = "https://city.example/fhir"


@pytest.mark.parametrize(
    "text",
    [
        "Practitioner/1",
        f"{BASE}/Practitioner/1",
        f"{BASE}/Practitioner/1/",
        "HTTPS://City.Example:443/fhir/Practitioner/1",
    ],
)
def test_a_reference_to_this_server_is_the_same_however_it_is_written(text):
    data = [{"meaning": "authoredby", "reference": {"reference": text}}]
    provision = {"type": "deny", "actor": [actor(text)], "data": data}
    found = compiled(consent(provision), base=BASE).root.when
    assert found.actors == (NamedEntity("person", "Practitioner/1"),)
    assert found.references == (NamedEntity("authoredby", "Practitioner/1"),)


UNCERTAIN = ["PractitionerRole/1", "https://lake.example/fhir/Practitioner/1"]


@pytest.mark.parametrize("name", UNCERTAIN)
def test_who_may_have_another_name_here_can_be_permitted_and_not_denied(name):
    someone = [actor(name)]
    assert compiled(consent({"type": "permit", "actor": someone})).root.when.actors == (
        NamedEntity("person", name),
    )
    denial = {"type": "deny", "actor": someone}
    assert problems(consent(denial)) == {"Consent.provision.actor": "not-supported"}
    nested = {"type": "permit", "provision": [denial]}
    assert problems(consent(nested)) == {"Consent.provision.provision[0].actor": "not-supported"}
    except_some = {"type": "permit", "actor": someone, **NESTED_DENY}
    assert problems(consent(except_some)) == {"Consent.provision.actor": "not-supported"}
    opted_out = {"actor": someone}
    assert problems(consent(opted_out, policy="OPTOUT")) == {"Consent.provision.actor": "not-supported"}


@pytest.mark.parametrize("name", ["PractitionerRole/1", "CareTeam/1", "Organization/1", "Group/1"])
def test_what_a_role_or_a_team_wrote_can_be_permitted_and_not_denied(name):
    data = [{"meaning": "authoredby", "reference": {"reference": name}}]
    assert when(data=data).references == (NamedEntity("authoredby", name),)
    assert problems(consent({"type": "deny", "data": data})) == {"Consent.provision.data": "not-supported"}


def test_data_related_to_an_encounter_is_it_and_what_refers_to_it():
    data = [{"meaning": "related", "reference": {"reference": "Encounter/1"}}]
    digest = reference_digest(SALT, "Encounter/1")
    for effect in ("permit", "deny"):
        draft = compiled(consent({"type": effect, "data": data}))
        (condition,) = conditions_of(draft, SALT)
        assert condition.references == (Reference("dependents", digest),)


@pytest.mark.parametrize("name", ["CarePlan/1", "EpisodeOfCare/1"])
def test_data_related_to_a_plan_or_an_episode_can_be_permitted_and_not_denied(name):
    data = [{"meaning": "related", "reference": {"reference": name}}]
    assert when(data=data).references == (NamedEntity("related", name),)
    assert problems(consent({"type": "deny", "data": data})) == {"Consent.provision.data": "not-supported"}


@pytest.mark.parametrize("meaning", ["instance", "dependents", "authoredby"])
def test_data_references(meaning):
    data = [{"meaning": meaning, "reference": {"reference": "Practitioner/1"}}]
    assert when(data=data).references == (NamedEntity(meaning, "Practitioner/1"),)


P = "Consent.provision."
TASK = {"system": "urn:t", "value": "1"}
LOCAL_CODE = {"system": "urn:local", "code": "x"}
REFUSED = [
    ({"type": "perhaps"}, P + "type", "code-invalid"),
    ({"provision": [{}]}, P + "provision[0].type", "required"),
    ({"provision": [{"type": "deny", "provision": [{}]}]}, P + "provision[0].provision[0].type", "required"),
    ({"extension": [{"url": "urn:x"}]}, P + "extension", "not-supported"),
    ({"_type": {"extension": []}}, P + "_type", "not-supported"),
    ({"modifierExtension": [{"url": "urn:x"}]}, P + "modifierExtension", "not-supported"),
    ({"period": {"id": "x"}}, P + "period", "required"),
    ({"period": {"start": "2030-02", "end": "2030-01"}}, P + "period", "value"),
    ({"period": {"start": "2030-13"}}, P + "period", "value"),
    ({"period": {"start": "2030", "extension": []}}, P + "period.extension", "not-supported"),
    ({"dataPeriod": {"start": "2030-02", "end": "2030-01"}}, P + "dataPeriod", "value"),
    ({"action": [concept(ACTIONS, "peek")]}, P + "action[0]", "code-invalid"),
    ({"action": [concept("urn:local", "access")]}, P + "action[0]", "code-invalid"),
    ({"action": [{"text": "access"}]}, P + "action[0]", "required"),
    ({"action": [concept(ACTIONS, "disclose"), concept(ACTIONS, "correct")]}, P + "action", "not-supported"),
    (
        {"action": [{"coding": [{"system": ACTIONS, "code": code} for code in ("access", "use")]}]},
        P + "action[0]",
        "code-invalid",
    ),
    ({"purpose": [{"system": V3 + "ActReason", "code": "HMARKT"}]}, P + "purpose[0]", "code-invalid"),
    ({"purpose": [{"code": "TREAT"}]}, P + "purpose[0]", "required"),
    ({"class": [{"system": "urn:ietf:bcp:13", "code": "Patient"}]}, P + "class[0]", "code-invalid"),
    ({"class": [{"system": TYPES, "code": "Resource"}]}, P + "class[0]", "code-invalid"),
    ({"class": [{"system": TYPES, "code": "Observations"}]}, P + "class[0]", "code-invalid"),
    ({"class": [{"system": TYPES, "code": "Organization"}]}, P + "class[0]", "business-rule"),
    ({"code": [{"text": "blood pressure"}]}, P + "code[0]", "required"),
    ({"code": [concept("urn:oid:1.2.3", "x")]}, P + "code[0].coding[0]", "code-invalid"),
    ({"code": [concept("1.2.3.4", "x")]}, P + "code[0].coding[0]", "code-invalid"),
    (
        {"actor": [actor({"system": "urn:oid:1.2.3", "value": "x"}, type="PractitionerRole")]},
        P + "actor[0].reference.identifier",
        "code-invalid",
    ),
    ({"code": [{"coding": [{"code": "1-8"}]}]}, P + "code[0].coding[0]", "required"),
    ({"code": [{"coding": [{"system": "urn:a|b", "code": "c"}]}]}, P + "code[0].coding[0]", "code-invalid"),
    (
        {"code": [{"coding": [{**LOCAL_CODE, "version": "2"}]}]},
        P + "code[0].coding[0].version",
        "not-supported",
    ),
    ({"securityLabel": [{"system": CONFIDENTIALITY, "code": "PSY"}]}, P + "securityLabel[0]", "code-invalid"),
    ({"securityLabel": [{"system": V3 + "ActCode", "code": "PSYC"}]}, P + "securityLabel[0]", "code-invalid"),
    ({"securityLabel": [LOCAL_CODE]}, P + "securityLabel[0]", "code-invalid"),
    ({"securityLabel": [{"code": "R"}]}, P + "securityLabel[0]", "required"),
    (
        {"data": [{"meaning": "around", "reference": {"reference": "Task/1"}}]},
        P + "data[0].meaning",
        "not-supported",
    ),
    (
        {"data": [{"meaning": "related", "reference": {"reference": "Task/1"}}]},
        P + "data[0].reference",
        "not-supported",
    ),
    (
        {"data": [{"meaning": "authoredby", "reference": {"reference": "Observation/1"}}]},
        P + "data[0].reference",
        "not-supported",
    ),
    ({"data": [{"meaning": "instance"}]}, P + "data[0].reference", "required"),
    (
        {"data": [{"meaning": "instance", "reference": {"reference": "https://x.example/Task/1"}}]},
        P + "data[0].reference",
        "not-supported",
    ),
    (
        {"data": [{"meaning": "instance", "reference": {"reference": "Task/1/_history/2"}}]},
        P + "data[0].reference",
        "not-supported",
    ),
    (
        {"data": [{"meaning": "instance", "reference": {"reference": "#it"}}]},
        P + "data[0].reference",
        "not-supported",
    ),
    (
        {"data": [{"meaning": "instance", "reference": {"type": "Task", "identifier": TASK}}]},
        P + "data[0].reference",
        "not-supported",
    ),
    ({"actor": [actor("Organization/beta", role="CST")]}, P + "actor[0].role", "code-invalid"),
    ({"actor": [actor("Organization/beta", role="AUT")]}, P + "actor[0].role", "code-invalid"),
    ({"actor": [{"reference": {"reference": "Organization/beta"}}]}, P + "actor[0].role", "required"),
    ({"actor": [{"role": concept(V3 + "ParticipationType", "IRCP")}]}, P + "actor[0].reference", "required"),
    ({"actor": [actor("Device/1")]}, P + "actor[0].reference", "not-supported"),
    ({"actor": [actor("CareTeam/1")]}, P + "actor[0].reference", "not-supported"),
    ({"actor": [actor("Group/1")]}, P + "actor[0].reference", "not-supported"),
    ({"actor": [actor("#doctor")]}, P + "actor[0].reference", "not-supported"),
    (
        {"actor": [actor("urn:uuid:0d5c8f9e-6c1e-4b54-a7b5-1d6f7c3a9e11")]},
        P + "actor[0].reference",
        "not-supported",
    ),
    ({"actor": [actor("Doctor/1")]}, P + "actor[0].reference", "value"),
    ({"actor": [actor("Organization/beta", type="Practitioner")]}, P + "actor[0].reference", "value"),
    (
        {"actor": [actor("Organization/beta", identifier={"system": "urn:oid:1.2", "value": "beta"})]},
        P + "actor[0].reference",
        "not-supported",
    ),
    (
        {"actor": [actor({"system": "urn:npi", "value": "1"}, type="Practitioner")]},
        P + "actor[0].reference",
        "not-supported",
    ),
    (
        {"actor": [actor({"system": "urn:oid:1.2", "value": "beta"})]},
        P + "actor[0].reference.type",
        "required",
    ),
    (
        {"actor": [actor({"value": "beta"}, type="Organization")]},
        P + "actor[0].reference.identifier",
        "required",
    ),
]


@pytest.mark.parametrize(("provision", "path", "code"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_is_not_understood_refuses_the_consent_at_its_path(provision, path, code):
    assert problems(consent({"type": "permit", **provision})) == {path: code}


@pytest.mark.parametrize(("provision", "path", "code"), REFUSED, ids=lambda value: str(value)[:60])
def test_it_is_refused_as_deep_as_provisions_go(provision, path, code):
    first = {"type": "permit", **OBSERVATIONS}
    nested = {"type": "deny", "provision": [first, {"type": "permit", **provision}]}
    deep = path.replace("Consent.provision.", "Consent.provision.provision[1].")
    assert problems(consent(nested)) == {deep: code}


def test_every_problem_is_named_at_once():
    provision = {"type": "permit", "action": [concept(ACTIONS, "peek")], "actor": [actor("Device/1")]}
    assert set(problems(consent(provision, scope={"text": "x"}))) == {
        "Consent.scope",
        "Consent.provision.action[0]",
        "Consent.provision.actor[0].reference",
    }


def numbered(effect, n, **more):
    return {"type": effect, "code": [concept("urn:c", str(n))], **more}


def chain(depth):
    provision = numbered("permit", 0)
    for n in range(1, depth):
        provision = numbered(("permit", "deny")[n % 2], n, provision=[provision])
    return provision


def test_too_deep_or_too_many_provisions_are_refused_and_the_most_still_fit_the_ledger():
    assert set(problems(consent(chain(MOST_DEPTH + 1))).values()) == {"too-costly"}
    wide = {"type": "permit", "provision": [numbered("deny", n) for n in range(MOST_PROVISIONS)]}
    assert set(problems(consent(wide)).values()) == {"too-costly"}
    broken_minutes = {"period": {"start": "2100-01-01T00:00:01Z", "end": "2101-01-01T00:00:01Z"}}
    provision = chain(MOST_DEPTH - 1)
    effect = "permit" if provision["type"] == "deny" else "deny"
    for n in range(MOST_PROVISIONS - MOST_DEPTH):
        provision["provision"].append(numbered(effect, 100 + n))
    pending = [provision]
    while pending:
        node = pending.pop()
        node.update(broken_minutes)
        pending.extend(node.get("provision", ()))
    limits.check_terms(terms(consent({**provision})))


# --- One recipient's terms -----------------------------------------------------------------------------

SHARED = consent(
    {
        "type": "permit",
        "actor": [actor("Organization/alpha"), actor("Organization/beta"), actor("Practitioner/1")],
        "provision": [
            {"type": "deny", "actor": [actor("Organization/alpha")], **NESTED},
            {"type": "deny", "data": [{"meaning": "instance", "reference": {"reference": "Observation/1"}}]},
            {
                "type": "deny",
                "actor": [actor("Practitioner/2"), actor("https://gamma.example/fhir/Organization/1")],
            },
        ],
    }
)


def test_terms_hold_only_what_concerns_the_recipient():
    digest = reference_digest(SALT, "Observation/1")
    made = terms(SHARED).root
    known = find_conditions(conditions_of(compiled(SHARED), SALT), hidden_in(made), SALT)
    assert show_conditions(made, known) == Provision(
        "permit",
        Condition(actors=(Actor("organization", "BetaMSP"),)),
        (
            Provision("deny", Condition(references=(Reference("instance", digest),))),
            Provision("deny", Condition(actors=(Actor("person", person_digest(SALT, "Practitioner/2")),))),
        ),
    )


def test_a_recipient_that_only_a_person_might_belong_to_gets_that_person():
    assert terms(SHARED, "GammaMSP").root.when.actors == (
        Actor("person", person_digest(SALT, "Practitioner/1")),
    )


@pytest.mark.parametrize("name", ["Organization/beta", {"system": "urn:oid:1.2", "value": "beta"}])
@pytest.mark.parametrize("effect", ["permit", "deny"])
def test_a_consent_that_names_only_others_does_not_concern_the_recipient(name, effect):
    resource = consent({"type": effect, "actor": [actor(name, type="Organization")]})
    assert concerns(compiled(resource), "BetaMSP", MEMBERS)
    assert not concerns(compiled(resource), "GammaMSP", MEMBERS)
    assert terms(resource, "GammaMSP") is None


def test_a_consent_without_a_base_rule_whose_exceptions_are_for_others_does_not_concern_the_recipient():
    resource = consent(
        {"provision": [{"type": "permit", "actor": [actor("Organization/alpha")]}]}, policy="OPTOUT"
    )
    assert terms(resource) is None
    assert terms(resource, "AlphaMSP").root.effect == "none"


def test_an_organization_that_is_not_known_refuses_when_members_are_given():
    nested = {"type": "permit", "provision": [{"type": "deny", "actor": [actor("Organization/who")]}]}
    assert problems(consent(nested), members=MEMBERS) == {"Consent.provision.provision[0].actor": "not-found"}
    assert compiled(SHARED, members=MEMBERS)


def test_an_organization_that_is_not_known_may_be_anybody():
    unknown = [actor("Organization/who")]
    assert terms(consent({"type": "permit", "actor": unknown})) is None
    assert terms(consent({"type": "deny", "actor": unknown})).root == Provision(
        "deny", exceptions=(Provision("deny"),)
    )
    mixed = {"type": "permit", "actor": unknown, **NESTED_DENY}
    assert terms(consent(mixed)).root == Provision("permit", exceptions=(Provision("deny"),))
    beside = {"type": "deny", "actor": [*unknown, actor("Organization/beta")]}
    assert terms(consent(beside)).root.when.actors == (Actor("organization", "BetaMSP"),)


def test_pseudonyms_and_digests_differ_between_pairs_and_hold_within_one():
    resource = copy.deepcopy(SHARED)
    resource["provision"].pop("actor")
    beta, other = terms(resource), terms(resource, "GammaMSP", b"t" * 32)
    assert beta.id != other.id
    assert beta == terms(resource)
    theirs, ours = str(other), str(beta)
    for word in ("Practitioner", "Observation", "c1", "Organization"):
        assert word not in ours
    hexadecimal = re.findall(r"'(?:00000001)?([0-9a-f]{32})'", ours)
    assert len(hexadecimal) == 3
    assert not any(word in theirs for word in hexadecimal)


def test_no_digest_of_a_condition_and_no_version_stays_in_the_next_state_of_a_pair():
    draft = compiled(SHARED)
    one, other = (
        terms_for(draft, PairContext(recipient="BetaMSP", salt=SALT, members=MEMBERS, count=count))
        for count in (1, 2)
    )
    assert one.id == other.id
    assert one.version < other.version
    assert set(hidden_in(one.root)).isdisjoint(hidden_in(other.root))


def test_digests_of_different_kinds_are_apart():
    assert person_digest(SALT, "Practitioner/1") != reference_digest(SALT, "Practitioner/1")
    assert len(person_digest(SALT, "Practitioner/1")) == len(reference_digest(SALT, "Patient/1")) == 32


@pytest.mark.parametrize(
    "user", ["", "dr.jones", "urn:npi|1234", "Organization/1", "Practitioner/", "Device/1"]
)
def test_a_user_that_is_not_given_by_reference_is_nobody_in_particular(user):
    assert person_digest(SALT, user) == ""


def test_a_salt_has_32_bytes_and_is_not_shown():
    with pytest.raises(ValueError, match="32"):
        PairContext(recipient="BetaMSP", salt=b"short", members={})
    assert "sss" not in repr(PairContext(recipient="BetaMSP", salt=SALT, members={}))


def test_a_draft_survives_its_encoding():
    draft = compiled(SHARED)
    assert msgspec.json.decode(msgspec.json.encode(draft), type=CompiledConsent) == draft
    assert msgspec.structs.replace(draft, version=2).version == 2


def test_version_and_attestation_reach_the_terms():
    draft = compile_consent(SHARED, version=5, attested="organization", now=NOW, zone=UTC)
    context = PairContext(recipient="BetaMSP", salt=SALT, members=MEMBERS)
    made = terms_for(draft, context)
    assert (made.attested, made.status) == ("organization", "active")
    assert [n for n in range(1, 100) if is_of_version(made.version, compiled_as(draft, n), context)] == [5]


def compiled_as(draft, version):
    return msgspec.structs.replace(draft, version=version)
