"""However a consent, a record or a request is written, no decision turns from a refusal into a permission.

A consent in another spelling says the same. A record or a request in another spelling, or in one that says
less, shows no more.
"""

from __future__ import annotations

import copy
import json
import os
import random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.access.model import AccessRequest
from chaincode.consent.model import Pair
from chaincode.consent.rules import decide
from chaincode.policy.model import Policy, PolicyRule
from exchange.auth.b2b import read_context
from exchange.consent.compile import (
    CompiledConsent,
    PairContext,
    compile_consent,
    person_digest,
    person_named,
    role_in,
    terms_for,
)
from exchange.consent.record_facts import facts_of
from exchange.errors import InvalidResourceError
from tests.support.ledger.consent_cases import releases

SCALE = float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))
BASE = "https://city.example/fhir"
SALT = b"r" * 32
MEMBERS = {"Organization/city": "CityMSP", "Organization/lake": "LakeMSP"}
POLICY = Policy(
    version=1,
    members=("CityMSP", "LakeMSP"),
    rules=(PolicyRule("all", "member", "patient", ("TREAT",)),),
)
UTC = ZoneInfo("UTC")
NOW = 1_800_000_000_000

V3 = "http://terminology.hl7.org/CodeSystem/v3-"
SYSTEMS = {
    "http://loinc.org": ("urn:oid:2.16.840.1.113883.6.1", "https://loinc.org/", "2.16.840.1.113883.6.1"),
    "http://snomed.info/sct": (
        "urn:oid:2.16.840.1.113883.6.96",
        "http://snomed.info/sct/731000124108",
        "HTTP://Snomed.info/sct",
    ),
    "http://hl7.org/fhir/sid/icd-10-cm": (
        "URN:OID:2.16.840.1.113883.6.90",
        "http://terminology.hl7.org/CodeSystem/icd10CM",
    ),
    "http://nucc.org/provider-taxonomy": (
        "urn:oid:2.16.840.1.113883.6.101",
        "http://terminology.hl7.org/CodeSystem/v3-nuccProviderCodes",
        "http://www.nucc.org/provider-taxonomy",
    ),
    V3 + "ActCode": ("urn:oid:2.16.840.1.113883.5.4", "http://hl7.org/fhir/v3/ActCode"),
    V3 + "Confidentiality": ("urn:oid:2.16.840.1.113883.5.25", "http://hl7.org/fhir/v3/Confidentiality"),
    V3 + "ActReason": ("urn:oid:2.16.840.1.113883.5.8", "http://hl7.org/fhir/v3/ActReason"),
    V3 + "ParticipationType": (
        "urn:oid:2.16.840.1.113883.5.90",
        "http://hl7.org/fhir/v3/ParticipationType",
    ),
    "http://lab.example/codes": ("http://lab.example/codes/", "HTTP://LAB.example/codes"),
}
CODES = (
    ("http://loinc.org", "LA6751-7"),
    ("http://snomed.info/sct", "86406008"),
    ("http://hl7.org/fhir/sid/icd-10-cm", "B20"),
    ("http://lab.example/codes", "HIV"),
)
LABELS = ((V3 + "ActCode", "PSY"), (V3 + "ActCode", "BH"), (V3 + "Confidentiality", "R"))
ROLES = (("http://nucc.org/provider-taxonomy", "163W00000X"), ("http://snomed.info/sct", "224535009"))
PEOPLE = ("Practitioner/1", "Practitioner/2")


class Seeded(random.Random):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.first = seed

    def __repr__(self) -> str:
        return f"Seeded({self.first})"

    def maybe(self, chance: float = 0.5) -> bool:
        return self.random() < chance


randoms = st.integers(0, 2**32).map(Seeded)


def many(count: int) -> Any:
    return settings(max_examples=max(1, int(count * SCALE)), deadline=None)


def coding(system: str, code: str) -> dict[str, Any]:
    return {"system": system, "code": code}


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [coding(system, code)]}


# --- Whatever there may be -----------------------------------------------------------------------------


def provision(rng: Seeded, depth: int = 0) -> dict[str, Any]:
    stated: dict[str, Any] = {"type": "permit" if depth == 0 else rng.choice(["permit", "deny", "deny"])}
    if rng.maybe(0.4):
        role = {
            "type": "PractitionerRole",
            "identifier": dict(zip(("system", "value"), rng.choice(ROLES), strict=True)),
        }
        target = rng.choice([{"reference": rng.choice([*PEOPLE, "Organization/lake"])}, role])
        stated["actor"] = [{"role": concept(V3 + "ParticipationType", "IRCP"), "reference": target}]
    if rng.maybe(0.4):
        stated["code"] = [concept(*rng.choice(CODES))]
    if rng.maybe(0.3):
        stated["securityLabel"] = [coding(*rng.choice(LABELS))]
    if rng.maybe(0.3):
        stated["purpose"] = [coding(V3 + "ActReason", rng.choice(["TREAT", "HRESCH"]))]
    if rng.maybe(0.2):
        stated["class"] = [
            coding("http://hl7.org/fhir/resource-types", rng.choice(["Condition", "Observation"]))
        ]
    if rng.maybe(0.3):
        meaning, name = rng.choice(
            [("instance", "Observation/1"), ("dependents", "Encounter/1"), ("authoredby", "Practitioner/1")]
        )
        stated["data"] = [{"meaning": meaning, "reference": {"reference": name}}]
    if depth < 2 and rng.maybe(0.8 if depth == 0 else 0.4):
        stated["provision"] = [provision(rng, depth + 1) for _ in range(rng.randint(1, 2))]
    return stated


def consent(rng: Seeded) -> dict[str, Any]:
    """Return a consent that is accepted: each of its provisions can decide."""
    while True:
        resource = any_consent(rng)
        try:
            compiled(resource)
        except InvalidResourceError:
            continue
        return resource


def any_consent(rng: Seeded) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": "Patient/p"},
        "policyRule": concept(V3 + "ActCode", "OPTOUT"),
        "provision": provision(rng),
    }


def record(rng: Seeded) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": rng.choice("12"),
        "meta": {"security": [coding(*rng.choice(LABELS))] if rng.maybe(0.4) else []},
        "code": concept(*rng.choice(CODES)),
        "valueCodeableConcept": concept(*rng.choice(CODES)),
        "encounter": {"reference": f"Encounter/{rng.choice('12')}"},
        "performer": [{"reference": rng.choice(PEOPLE)}],
    }


def request(rng: Seeded) -> dict[str, Any]:
    stated = {"version": "1", "organization_id": "LakeMSP", "purpose_of_use": ["TREAT"]}
    stated["subject_id"] = rng.choice(PEOPLE)
    if rng.maybe():
        stated["subject_role"] = "#".join(rng.choice(ROLES))
    return stated


# --- Other spellings -----------------------------------------------------------------------------------


def system_otherwise(rng: Seeded, system: str) -> str:
    return rng.choice([system, *SYSTEMS.get(system, ())])


def reference_otherwise(rng: Seeded, text: str) -> str:
    return rng.choice(
        [
            text,
            f"{BASE}/{text}",
            f"{BASE}/{text}/",
            f"HTTPS://City.Example:443/fhir/{text}",
            f"https://city.example//fhir/./{text}",
        ]
    )


def respelt(rng: Seeded, value: Any) -> Any:
    """Return `value` with every code system and every reference in another spelling of the same."""
    if isinstance(value, list):
        return [respelt(rng, one) for one in value]
    if not isinstance(value, dict):
        return value
    other = {name: respelt(rng, one) for name, one in value.items()}
    if isinstance(other.get("system"), str):
        other["system"] = system_otherwise(rng, other["system"])
        if rng.maybe(0.2) and "code" in other and other["system"].endswith(("6.90", "icd10CM")):
            other["code"] = other["code"].lower()
    if isinstance(other.get("reference"), str) and not other["reference"].startswith("Patient/"):
        other["reference"] = reference_otherwise(rng, other["reference"])
    return other


def vaguer(rng: Seeded, value: Any) -> Any:
    """Return `value` with some codes and references written in ways that this server can't resolve."""
    if isinstance(value, list):
        return [vaguer(rng, one) for one in value]
    if not isinstance(value, dict):
        return value
    other = {name: vaguer(rng, one) for name, one in value.items()}
    if "coding" in other and rng.maybe(0.3):
        words = [{"text": "as told"}, {"coding": [{"display": "as told"}]}]
        return rng.choice(words) if "code" not in other else other
    if "system" in other and rng.maybe(0.4):
        other["system"] = rng.choice(["urn:oid:1.2.3.4", "SNOMED-CT", "http://loinc.com", ""])
        if not other["system"]:
            del other["system"]
    elif "code" in other and "system" in other and rng.maybe(0.3):
        other["code"] = rng.choice([other["code"].lower(), other["code"].upper()])
    if isinstance(other.get("reference"), str) and rng.maybe(0.4):
        kind = other["reference"].rsplit("/", 2)[-2]
        return rng.choice(
            [
                {"reference": f"https://lake.example/{kind}/9"},
                {"reference": "urn:uuid:0d5c8f9e-6c1e-4b54-a7b5-1d6f7c3a9e11"},
                {"reference": f"/{kind}/1"},
                {"type": kind, "identifier": {"system": "urn:mrn", "value": "1"}},
                {"display": "as told"},
            ]
        )
    return other


def asked_otherwise(rng: Seeded, stated: dict[str, Any]) -> dict[str, Any]:
    other = dict(stated)
    other["subject_id"] = reference_otherwise(rng, stated["subject_id"])
    other["purpose_of_use"] = [
        rng.choice(["TREAT", "urn:oid:2.16.840.1.113883.5.8#TREAT", f"{V3}ActReason|TREAT"])
    ]
    if "subject_role" in stated:
        system, _, code = stated["subject_role"].partition("#")
        other["subject_role"] = system_otherwise(rng, system) + rng.choice("#|") + code
    return other


def asked_vaguely(rng: Seeded, stated: dict[str, Any]) -> dict[str, Any]:
    other = dict(stated)
    if rng.maybe():
        other["subject_id"] = rng.choice(
            ["dr.jones", "PractitionerRole/1", "https://lake.example/fhir/Practitioner/1", "#me", "urn:npi|1"]
        )
    if "subject_role" in stated and rng.maybe():
        system, _, code = stated["subject_role"].partition("#")
        other["subject_role"] = rng.choice(
            ["urn:lake:roles#nurse", f"http://x.example#{code}", f"{system}#{code.lower()}"]
        )
    return other


# --- What comes of it ----------------------------------------------------------------------------------


def compiled(resource: dict[str, Any]) -> CompiledConsent:
    return compile_consent(
        resource, version=1, attested="patient", now=NOW, members=MEMBERS, base=BASE, zone=UTC
    )


def shown(
    consents: list[dict[str, Any]], stated: dict[str, Any], records: list[dict[str, Any]]
) -> list[bool]:
    context = PairContext(recipient="LakeMSP", salt=SALT, members=MEMBERS)
    terms = [terms_for(compiled(one), context) for one in consents]
    pair = Pair(
        "CityMSP", "LakeMSP", "patient", epoch=1, opened=0, consents=tuple(one for one in terms if one)
    )
    asked = read_context({"hl7-b2b": stated})
    person, is_open = person_named(asked.user, BASE)
    question = AccessRequest(
        "0" * 64,
        "LakeMSP",
        asked.purpose,
        "read",
        user="",
        digest="",
        evidence="",
        role=role_in(SALT, asked.role),
        person=person_digest(SALT, person),
        person_open=is_open,
    )
    decision = decide(POLICY, pair, question, now=NOW, caller="CityMSP")
    assert decision.reason != "terms-not-understood"
    return [
        releases(decision, facts_of(one, salt=SALT, reference=f"Observation/{one['id']}", base=BASE))
        for one in records
    ]


def no_more(less: list[bool], more: list[bool]) -> bool:
    return all(one <= other for one, other in zip(less, more, strict=True))


@many(300)
@given(randoms)
def test_a_consent_in_another_spelling_says_the_same(rng: Seeded) -> None:
    resource = consent(rng)
    assert compiled(respelt(rng, resource)) == compiled(resource)


@many(300)
@given(randoms)
def test_a_record_or_a_request_in_another_spelling_shows_the_same(rng: Seeded) -> None:
    consents, stated = [consent(rng) for _ in range(2)], request(rng)
    records = [record(rng) for _ in range(4)]
    before = shown(consents, stated, records)
    assert shown(consents, asked_otherwise(rng, stated), respelt(rng, records)) == before


@many(600)
@given(randoms)
def test_a_record_or_a_request_that_says_less_shows_no_more(rng: Seeded) -> None:
    consents, stated = [consent(rng) for _ in range(2)], request(rng)
    records = [record(rng) for _ in range(4)]
    before = shown(consents, stated, records)
    assert no_more(shown(consents, stated, vaguer(rng, copy.deepcopy(records))), before)
    assert no_more(shown(consents, asked_vaguely(rng, stated), records), before)


def test_the_random_cases_both_show_and_hide() -> None:
    rng = Seeded(1)
    outcomes = [
        one
        for _ in range(200)
        for one in shown([consent(rng) for _ in range(2)], request(rng), [record(rng) for _ in range(4)])
    ]
    assert 0.15 < sum(outcomes) / len(outcomes) < 0.85
    assert json.dumps(vaguer(rng, record(rng))) != json.dumps(record(rng))
