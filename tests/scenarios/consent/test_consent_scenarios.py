"""Consents that a patient or the custodian writes, and the reads that other organisations get by them."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exchange.auth.principal import Member
from tests.support.scenarios.scenario_site import (
    CITY,
    EVERY_NODE,
    LAKE,
    MISSING,
    RIDGE,
    Caller,
    Site,
    consent,
    copied,
    is_outcome,
    observation,
    opened,
)

LEDGERS = EVERY_NODE

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
TYPES = "http://hl7.org/fhir/resource-types"
HEART, PRESSURE = "8867-4", "8480-6"


class Person:
    """A patient of City Hospital with a heart rate, a blood pressure of long ago, and a condition."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.id = site.new_patient(birthDate="1980")
        self.heart = site.observation(self.id)["id"]
        self.pressure = site.observation(self.id, effectiveDateTime="2001-02-03", code=PRESSURE)["id"]
        self.restricted = site.observation(
            self.id, meta={"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
        )["id"]
        condition = {
            "resourceType": "Condition",
            "subject": {"reference": f"Patient/{self.id}"},
            "code": {"coding": [{"system": SNOMED, "code": "44054006"}]},
            "onsetDateTime": "2026-01-05",
        }
        self.condition = site.city.post("Condition", condition).json()["id"]
        self.token = site.patient(self.id)
        self.consent = ""

    def sees(self, caller: Caller) -> set[str]:
        """Return the records that `caller` reads, by read, vread, search and `$everything` alike."""
        names = {
            f"Observation/{self.heart}": "heart",
            f"Observation/{self.pressure}": "pressure",
            f"Observation/{self.restricted}": "restricted",
            f"Condition/{self.condition}": "condition",
        }
        read = {name for place, name in names.items() if caller.get(place).status_code == 200}
        versions = {
            name for place, name in names.items() if caller.get(f"{place}/_history/1").status_code == 200
        }
        past = {name for place, name in names.items() if caller.get(f"{place}/_history").status_code == 200}
        found = [
            *caller.found(f"Observation?patient={self.id}"),
            *caller.found(f"Condition?patient={self.id}"),
        ]
        everything = f"Patient/{self.id}/$everything"  # which a hidden patient does not have
        hidden = caller.get(everything).status_code == 404
        all_of_it = [] if hidden else caller.found(everything)
        searched, gathered = (
            {names[place] for one in some if (place := f"{one['resourceType']}/{one['id']}") in names}
            for some in (found, all_of_it)
        )
        assert read == versions == past == searched == gathered
        return read

    def file(self, caller: Caller, body: dict[str, Any], status: int = 201) -> None:
        if self.consent:
            answer = caller.put(f"Consent/{self.consent}", body | {"id": self.consent})
            assert answer.status_code == 200, answer.text
        else:
            answer = caller.post("Consent", body)
            assert answer.status_code == status, answer.text
            self.consent = answer.json()["id"]

    def grant(self, *recipients: Member, status: str = "active", **provision: Any) -> None:
        self.file(self.token, consent(self.id, *recipients, status=status, **provision))


ALL = {"heart", "pressure", "restricted", "condition"}


def _loinc(code: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": code}]}


def _actor(reference: dict[str, Any]) -> dict[str, Any]:
    role = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
    return {"role": {"coding": [role]}, "reference": reference}


@pytest.fixture
def person(site: Site) -> Person:
    return Person(site)


def test_nobody_else_reads_anything_before_a_consent(site: Site, person: Person):
    assert person.sees(site.city) == ALL
    assert person.sees(site.lake) == set()
    assert person.sees(site.ridge) == set()


def test_the_custodian_files_a_paper_consent_and_the_named_organisation_alone_reads(
    site: Site, person: Person
):
    person.file(site.city, consent(person.id, LAKE))
    assert person.sees(site.lake) == ALL
    assert person.sees(site.ridge) == set()


def test_a_patients_own_grant_lets_the_named_organisation_read(site: Site, person: Person):
    person.grant(LAKE)
    assert person.sees(site.lake) == ALL
    assert person.sees(site.ridge) == set()


def test_a_grant_for_treatment_holds_for_no_other_purpose(site: Site, person: Person):
    person.grant(LAKE)
    for purpose in ("HRESCH", "HPAYMT", "HOPERAT", "PUBHLTH"):
        assert person.sees(site.system(LAKE, purpose)) == set()


def test_another_patients_token_grants_nothing_and_changes_nothing(site: Site, person: Person):
    stranger = site.patient(site.new_patient())
    is_outcome(stranger.post("Consent", consent(person.id, LAKE)), 403)
    person.grant(LAKE)
    before = person.token.get(f"Consent/{person.consent}").json()
    revoked = consent(person.id, LAKE, status="inactive", logical_id=person.consent)
    is_outcome(stranger.put(f"Consent/{person.consent}", revoked), 403)
    own = consent(str(stranger.get("Patient").json()["entry"][0]["resource"]["id"]), LAKE)
    is_outcome(stranger.put(f"Consent/{person.consent}", own | {"id": person.consent}), 404)
    is_outcome(stranger.delete(f"Consent/{person.consent}"), 404, 409)
    assert person.token.get(f"Consent/{person.consent}").json() == before
    assert person.sees(site.lake) == ALL


@pytest.mark.parametrize("who", ["lake", "officer"])
def test_other_organisations_and_officers_file_no_consents(site: Site, person: Person, who: str):
    caller = site.lake if who == "lake" else site.officer()
    is_outcome(caller.post("Consent", consent(person.id, LAKE)), 403)
    is_outcome(caller.put(f"Consent/{MISSING}", consent(person.id, LAKE, logical_id=MISSING)), 403)


@pytest.mark.parametrize("permits", [True, False])
@pytest.mark.parametrize(
    ("narrow", "reached"),
    [
        ({"class": [{"system": TYPES, "code": "Condition"}]}, {"condition"}),
        ({"code": [_loinc(HEART)]}, {"heart", "restricted"}),
        ({"code": [_loinc(PRESSURE), _loinc(HEART)]}, {"heart", "restricted", "pressure"}),
        ({"class": [{"system": TYPES, "code": "Patient"}]}, set()),
        ({"dataPeriod": {"start": "2001-01-01", "end": "2001-12-31"}}, {"pressure"}),
        (
            {"class": [{"system": TYPES, "code": "Observation"}], "dataPeriod": {"start": "2026-01-01"}},
            {"heart", "restricted"},
        ),
    ],
)
def test_a_narrow_provision_reaches_what_it_names_and_no_more(
    site: Site, person: Person, narrow: dict[str, Any], reached: set[str], permits: bool
):
    if permits:
        person.grant(LAKE, **narrow)
        assert person.sees(site.lake) == reached
    else:
        person.grant(LAKE, provision=[{"type": "deny", **narrow}])
        assert person.sees(site.lake) == ALL - reached


def test_confidentiality_permits_up_to_and_denies_from_the_level_that_it_names(site: Site, person: Person):
    for type_, code, seen in (
        ("permit", "R", ALL),
        ("permit", "N", ALL - {"restricted"}),
        ("deny", "R", ALL - {"restricted"}),
        ("deny", "N", set()),
    ):
        label = {"securityLabel": [{"system": CONFIDENTIALITY, "code": code}]}
        if type_ == "permit":
            person.grant(LAKE, **label)
        else:
            person.grant(LAKE, provision=[{"type": "deny", **label}])
        assert person.sees(site.lake) == seen


def test_a_permit_within_a_deny_within_a_permit_is_an_exception_of_the_exception(site: Site, person: Person):
    inner = {"type": "permit", "code": [_loinc(PRESSURE)]}
    outer = {"type": "deny", "class": [{"system": TYPES, "code": "Observation"}], "provision": [inner]}
    person.grant(LAKE, provision=[outer])
    assert person.sees(site.lake) == {"condition", "pressure"}


def test_a_second_consent_that_denies_overrides_one_that_permits(site: Site, person: Person):
    person.grant(LAKE)
    deny = consent(person.id, LAKE, type="deny")
    made = person.token.post("Consent", deny)
    assert made.status_code == 201, made.text
    assert person.sees(site.lake) == set()
    over = deny | {"id": made.json()["id"], "status": "inactive"}
    assert person.token.put(f"Consent/{over['id']}", over).status_code == 200
    assert person.sees(site.lake) == ALL


def _practitioner(site: Site, logical_id: str) -> str:
    """Store a Practitioner of City Hospital and return the URL by which other systems refer to it."""
    body = {"resourceType": "Practitioner", "id": logical_id}
    assert site.city.put(f"Practitioner/{logical_id}", body).status_code in {200, 201}
    return f"{site.demo.settings.base_url}/fhir/Practitioner/{logical_id}"


def test_a_denied_person_is_refused_and_colleagues_are_not(site: Site, person: Person):
    denied, colleague = _practitioner(site, "lake-3"), _practitioner(site, "lake-4")
    deny = {"type": "deny", "actor": [_actor({"reference": "Practitioner/lake-3"})]}
    person.grant(LAKE, provision=[deny])
    assert person.sees(site.system(LAKE, user=colleague)) == ALL
    assert person.sees(site.system(LAKE, user=denied)) == set()


def test_a_relative_reference_names_a_person_of_the_server_that_states_it(site: Site, person: Person):
    surgeon = _practitioner(site, "surgeon")
    body = consent(person.id, LAKE)
    body["provision"]["actor"] = [_actor({"reference": "Practitioner/surgeon"})]
    person.file(person.token, body)
    assert person.sees(site.system(LAKE, user=surgeon)) == ALL
    for who in (LAKE, RIDGE):
        assert person.sees(site.system(who, user="Practitioner/surgeon")) == set()
        assert person.sees(site.system(who, user=f"https://other.example/{surgeon[8:]}")) == set()


NOBODY = {
    "a person who is not here": ("Practitioner/nobody", "not stored here"),
    "a role that is not here": ("PractitionerRole/nobody", "not stored here"),
    "a relative of another": ("RelatedPerson/daughter", "not stored here"),
    "another patient": ("Patient/somebody", "that patient's records alone"),
}


@pytest.mark.parametrize("name", list(NOBODY))
@pytest.mark.parametrize("effect", ["permit", "deny"])
def test_a_consent_about_somebody_who_can_not_come_is_refused(
    site: Site, person: Person, name: str, effect: str
):
    reference, why = NOBODY[name]
    if effect == "deny" and reference.startswith("PractitionerRole"):
        why = "a denial of a person names"
    relative = {"resourceType": "RelatedPerson", "id": "daughter"}
    relative["patient"] = {"reference": f"Patient/{site.new_patient()}"}
    assert site.city.put("RelatedPerson/daughter", relative).status_code in {200, 201}
    base = f"{site.demo.settings.base_url}/fhir"
    for written in (reference, f"{base}/{reference}"):
        said = {"type": effect, "actor": [_actor({"reference": written})]}
        around = {"type": "deny" if effect == "permit" else "permit"}
        for provision in (said, {**around, "provision": [said]}):
            body = consent(person.id, LAKE) | {"provision": provision}
            for caller in (person.token, site.city):
                (issue,) = is_outcome(caller.post("Consent", body), 422)["issue"]
                assert why in issue["diagnostics"]
                assert ".actor" in issue["expression"][0]


def test_a_person_may_be_stored_with_the_consent_and_not_be_gone_before(site: Site, person: Person):
    body = consent(person.id, LAKE)
    body["provision"]["actor"] = [_actor({"reference": "Practitioner/new-one"})]
    entries = [
        {"resource": one, "request": {"method": method, "url": url}}
        for one, method, url in (
            (body, "POST", "Consent"),
            ({"resourceType": "Practitioner", "id": "new-one"}, "PUT", "Practitioner/new-one"),
        )
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert site.city.post("", bundle).status_code == 200
    assert site.city.delete("Practitioner/new-one").status_code == 204
    is_outcome(site.city.post("Consent", body), 422)


def test_a_consent_says_who_filed_it_whatever_its_sender_claims(site: Site, person: Person):
    claimed = [{"url": "urn:consentry:filed-by", "valueCode": code} for code in ("patient", "organization")]
    performer = [{"reference": f"Patient/{person.id}"}]
    body = consent(person.id, LAKE) | {"performer": performer, "extension": claimed}
    by_hospital = site.city.post("Consent", body).json()
    by_patient = person.token.post("Consent", body).json()
    filed = [
        person.token.get(f"Consent/{one['id']}").json()["extension"] for one in (by_hospital, by_patient)
    ]
    assert [[one["valueCode"] for one in some] for some in filed] == [["organization"], ["patient"]]
    body["performer"] = [{"reference": "Practitioner/1"}]
    is_outcome(person.token.post("Consent", body), 422)


def test_a_denied_role_is_refused_and_an_unstated_one_with_it(site: Site, person: Person):
    role = {"type": "PractitionerRole", "identifier": {"system": SNOMED, "value": "224535009"}}
    person.grant(LAKE, provision=[{"type": "deny", "actor": [_actor(role)]}])
    doctor, nurse = (f"{SNOMED}|{code}" for code in ("158965000", "224535009"))
    assert person.sees(site.system(LAKE, user="Practitioner/1", role=doctor)) == ALL
    assert person.sees(site.system(LAKE, user="Practitioner/1", role=nurse)) == set()
    assert person.sees(site.system(LAKE, user="Practitioner/1")) == set()


def test_a_denied_person_is_refused_under_every_name(site: Site, person: Person):
    base = f"{site.demo.settings.base_url}/fhir"
    denied = _actor({"reference": f"{base}/Practitioner/lake-3/"})
    assert _practitioner(site, "lake-3") == f"{base}/Practitioner/lake-3"
    person.grant(LAKE, provision=[{"type": "deny", "actor": [denied]}])
    assert person.sees(site.system(LAKE, user=_practitioner(site, "lake-4"))) == ALL
    for user in (
        "Practitioner/lake-3",
        f"{base}/Practitioner/lake-3",
        f"{base.upper().replace('FHIR', 'fhir')}/Practitioner/lake-3/_history/2",
        "PractitionerRole/of-lake-3",
        "https://lake.example/fhir/Practitioner/3",
        "urn:npi|1234567893",
    ):
        assert person.sees(site.system(LAKE, user=user)) == set(), user


def test_a_denied_role_is_refused_in_every_spelling_and_in_other_code_systems(site: Site, person: Person):
    nurse = {"type": "PractitionerRole", "identifier": {"system": "http://nucc.org/provider-taxonomy"}}
    nurse["identifier"]["value"] = "163W00000X"
    person.grant(LAKE, provision=[{"type": "deny", "actor": [_actor(nurse)]}])
    taxonomy = "urn:oid:2.16.840.1.113883.6.101"
    assert person.sees(site.system(LAKE, user="Practitioner/1", role=f"{taxonomy}#207Q00000X")) == ALL
    for role in (
        f"{taxonomy}#163W00000X",
        "http://www.nucc.org/provider-taxonomy/|163w00000x",
        f"{SNOMED}|224535009",
        "urn:lake:roles|physician",
    ):
        assert person.sees(site.system(LAKE, user="Practitioner/1", role=role)) == set(), role


@pytest.mark.parametrize(
    "system", ["urn:oid:2.16.840.1.113883.6.1", "https://loinc.org/", "2.16.840.1.113883.6.1"]
)
def test_a_denied_code_hides_records_however_its_system_is_written(site: Site, person: Person, system: str):
    denied = {"type": "deny", "code": [{"coding": [{"system": system, "code": HEART}]}]}
    person.grant(LAKE, provision=[denied])
    assert person.sees(site.lake) == {"pressure", "condition"}


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.1", "code": HEART}]},
        {"coding": [{"system": "urn:oid:1.2.3.4", "code": "4711"}]},
        {"coding": [{"system": "http://loinc.example", "code": HEART}]},
        {"coding": [{"display": "Heart rate"}]},
        {"text": "Heart rate"},
    ],
    ids=str,
)
def test_a_denied_code_hides_what_might_have_it(site: Site, person: Person, code: dict[str, Any]):
    other = site.city.post("Observation", observation(person.id) | {"code": code}).json()["id"]
    person.grant(LAKE)
    assert site.lake.get(f"Observation/{other}").status_code == 200
    person.grant(LAKE, provision=[{"type": "deny", "code": [_loinc(HEART)]}])
    is_outcome(site.lake.get(f"Observation/{other}"), 404)
    assert site.lake.get(f"Observation/{person.pressure}").status_code == 200


def test_a_denied_author_hides_records_however_they_name_her(site: Site, person: Person):
    base = f"{site.demo.settings.base_url}/fhir"
    authored = {"meaning": "authoredby", "reference": {"reference": "Practitioner/d1"}}
    person.grant(LAKE, provision=[{"type": "deny", "data": [authored]}])
    told = site.observation(person.id, performer=[{"reference": f"{base}/Practitioner/d2"}])["id"]
    assert site.lake.get(f"Observation/{told}").status_code == 200
    for performer in (
        {"reference": "Practitioner/d1/_history/1"},
        {"reference": f"{base}/Practitioner/d1"},
        {"reference": "PractitionerRole/r"},
        {"reference": "https://lake.example/fhir/Practitioner/d1"},
        {"identifier": {"system": "urn:npi", "value": "1"}},
        {"display": "Dr. D."},
    ):
        written = site.observation(person.id, performer=[performer])["id"]
        is_outcome(site.lake.get(f"Observation/{written}"), 404)


@pytest.mark.parametrize(
    "subject",
    [
        {"identifier": {"system": "urn:mrn", "value": "1"}},
        {"reference": "https://lake.example/fhir/Patient/1"},
        {"reference": "#p"},
        {"reference": "urn:uuid:0d5c8f9e-6c1e-4b54-a7b5-1d6f7c3a9e11"},
        {"display": "Peter Chalmers"},
    ],
    ids=str,
)
def test_a_record_of_a_patient_who_is_not_here_is_refused(site: Site, subject: dict[str, Any]):
    body = observation("x", subject=subject)
    if subject.get("reference") == "#p":
        body["contained"] = [{"resourceType": "Patient", "id": "p"}]
    for answer in (
        site.city.post("Observation", body),
        site.city.put(f"Observation/{MISSING}", body | {"id": MISSING}),
    ):
        assert is_outcome(answer, 422)["issue"][0]["expression"] == ["Observation.subject"]
    is_outcome(site.city.get(f"Observation/{MISSING}"), 404)


def test_a_record_without_a_patient_serves_the_hospitals_own_care_alone(site: Site):
    made = site.city.post("Device", {"resourceType": "Device", "status": "active"})
    place = f"Device/{made.json()['id']}"
    for purpose in ("TREAT", "HPAYMT", "HOPERAT", "ETREAT"):
        assert site.system(CITY, purpose).get(place).status_code == 200
    for purpose in ("HRESCH", "PUBHLTH"):
        is_outcome(site.system(CITY, purpose).get(place), 404)
        assert site.system(CITY, purpose).found("Device") == []
    is_outcome(site.lake.get(place), 404)
    organization = f"Organization/{LAKE.organization}"
    for member in (CITY, LAKE):
        assert site.system(member, "HRESCH").get(organization).status_code == 200


def test_a_consent_whose_period_is_over_permits_nothing(site: Site, person: Person):
    person.grant(LAKE, period={"start": "2020-01-01", "end": "2020-12-31"})
    assert person.sees(site.lake) == set()


def test_a_consent_whose_period_has_not_begun_permits_nothing_yet(site: Site, person: Person):
    person.grant(LAKE, period={"start": "2099-01-01"})
    assert person.sees(site.lake) == set()


def test_a_consent_within_its_period_permits(site: Site, person: Person):
    person.grant(LAKE, period={"start": "2020-01-01", "end": "2099-12-31"})
    assert person.sees(site.lake) == ALL


def test_a_consent_ends_by_itself_when_its_period_does(
    built: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    demo = copied(built, tmp_path / "node")
    with opened(demo) as (http, _, _):
        person = Person(Site(demo, http, site.people))
        now = datetime.datetime.now(datetime.UTC)
        end = now + datetime.timedelta(minutes=5)
        person.grant(LAKE, period={"end": end.isoformat(timespec="seconds")})
        assert person.sees(person.site.lake) == ALL
        later = 6 * 60 * 1_000_000_000
        clocks = SimpleNamespace(
            time_ns=lambda: time.time_ns() + later,
            clock_gettime_ns=lambda which: time.clock_gettime_ns(which) + later,
            CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
        )
        monkeypatch.setattr("exchange.ledger.clock.time", clocks)
        assert person.sees(person.site.lake) == set()
        assert person.sees(person.site.city) == ALL


@pytest.mark.parametrize("status", ["inactive", "entered-in-error", "rejected"])
def test_an_update_that_ends_a_consent_revokes_it_for_the_next_request(
    site: Site, person: Person, status: str
):
    person.grant(LAKE)
    assert person.sees(site.lake) == ALL
    person.grant(LAKE, status=status)
    assert person.sees(site.lake) == set()


def test_a_revoked_consent_can_be_given_again(site: Site, person: Person):
    for status, seen in (("active", ALL), ("inactive", set()), ("active", ALL)):
        person.grant(LAKE, status=status)
        assert person.sees(site.lake) == seen


def test_a_grant_made_before_the_first_request_of_the_other_still_holds(site: Site):
    person = Person(site)
    person.grant(RIDGE)
    person.grant(RIDGE, status="inactive")
    assert person.sees(site.ridge) == set()
    person.grant(RIDGE)
    assert person.sees(site.ridge) == ALL


def test_a_consent_that_names_two_and_then_one_ends_for_the_other(site: Site, person: Person):
    person.grant(LAKE, RIDGE)
    assert person.sees(site.lake) == ALL
    assert person.sees(site.ridge) == ALL
    person.grant(RIDGE)
    assert person.sees(site.lake) == set()
    assert person.sees(site.ridge) == ALL
    person.grant(LAKE)
    assert person.sees(site.lake) == ALL
    assert person.sees(site.ridge) == set()


def test_a_consent_that_changes_hands_before_anyone_asked_holds_for_the_last_named(site: Site):
    person = Person(site)
    person.grant(LAKE)
    person.grant(RIDGE)
    assert person.sees(site.lake) == set()
    assert person.sees(site.ridge) == ALL


UNENFORCEABLE: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown purpose": (
        {"provision": {"purpose": [{"system": REASON, "code": "CURIOSITY"}]}},
        "Consent.provision.purpose[0]",
    ),
    "an unknown organisation": (
        {"provision": {"actor": [_actor({"reference": "Organization/elsewhere"})]}},
        "Consent.provision.actor",
    ),
    "a class that is none": (
        {"provision": {"class": [{"system": TYPES, "code": "Observations"}]}},
        "Consent.provision.class[0]",
    ),
    "a code in words": ({"provision": {"code": [{"text": "my heart"}]}}, "Consent.provision.code[0]"),
    "a code system that nobody knows": (
        {"provision": {"code": [{"coding": [{"system": "urn:oid:1.2.3.4", "code": "x"}]}]}},
        "Consent.provision.code[0].coding[0]",
    ),
    "a denial of whoever is in a role": (
        {"provision": {"type": "deny", "actor": [_actor({"reference": "PractitionerRole/1"})]}},
        "Consent.provision.actor",
    ),
    "a denial of somebody elsewhere": (
        {"provision": {"type": "deny", "actor": [_actor({"reference": "https://x.example/Practitioner/1"})]}},
        "Consent.provision.actor",
    ),
    "a directive that is not supported": (
        {"policyRule": {"coding": [{"system": ACT, "code": "OPTOUTE"}]}},
        "Consent.policyRule.coding[0]",
    ),
    "an unknown label": (
        {"provision": {"securityLabel": [{"system": ACT, "code": "XYZ"}]}},
        "Consent.provision.securityLabel[0]",
    ),
    "another scope": (
        {
            "scope": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}
                ]
            }
        },
        "Consent.scope",
    ),
    "another category": (
        {"category": [{"coding": [{"system": LOINC, "code": "64292-6"}]}]},
        "Consent.category",
    ),
    "an extension that modifies": (
        {"modifierExtension": [{"url": "http://x.example", "valueBoolean": True}]},
        "Consent.modifierExtension",
    ),
    "no patient": ({"patient": None}, "Consent"),
    "a group as patient": ({"patient": {"reference": "Group/1"}}, "Consent.patient"),
}


def _unenforceable(patient: str, name: str) -> dict[str, Any]:
    changes, _ = UNENFORCEABLE[name]
    body = consent(patient, LAKE)
    for element, value in changes.items():
        if element == "provision":
            body["provision"] |= value
        elif value is None:
            del body[element]
        else:
            body[element] = value
    return body


@pytest.mark.parametrize("name", list(UNENFORCEABLE))
def test_a_consent_that_can_not_be_enforced_is_refused_with_the_path(site: Site, person: Person, name: str):
    said = is_outcome(site.city.post("Consent", _unenforceable(person.id, name)), 422)
    paths = [path for issue in said["issue"] for path in issue["expression"]]
    assert any(path.startswith(UNENFORCEABLE[name][1]) for path in paths), paths
    assert site.city.found(f"Consent?patient={person.id}") == []


@pytest.mark.parametrize("name", ["an unknown purpose", "an unknown organisation", "another scope"])
def test_a_change_that_is_refused_leaves_the_old_terms_in_force(site: Site, person: Person, name: str):
    person.grant(LAKE, code=[_loinc(HEART)])
    body = _unenforceable(person.id, name) | {"id": person.consent}
    is_outcome(person.token.put(f"Consent/{person.consent}", body), 422)
    assert person.sees(site.lake) == {"heart", "restricted"}
    assert person.token.get(f"Consent/{person.consent}").json()["meta"]["versionId"] == "1"


def test_a_change_against_another_version_leaves_the_old_terms_in_force(site: Site, person: Person):
    person.grant(LAKE)
    over = consent(person.id, LAKE, status="inactive", logical_id=person.consent)
    is_outcome(person.token.put(f"Consent/{person.consent}", over, If_Match='W/"5"'), 412)
    assert person.sees(site.lake) == ALL


def test_a_consent_is_never_deleted(site: Site, person: Person):
    person.grant(LAKE)
    is_outcome(site.city.delete(f"Consent/{person.consent}"), 409)
    is_outcome(person.token.delete(f"Consent/{person.consent}"), 409)
    assert person.sees(site.lake) == ALL


@pytest.mark.parametrize("status", ["draft", "proposed"])
def test_a_consent_that_is_only_drafted_permits_nothing(site: Site, person: Person, status: str):
    person.grant(LAKE, status=status)
    assert person.sees(site.lake) == set()
    person.grant(LAKE)
    assert person.sees(site.lake) == ALL


def test_a_consent_in_a_transaction_holds_with_it_and_falls_with_it(site: Site, person: Person):
    good = {"request": {"method": "POST", "url": "Consent"}, "resource": consent(person.id, LAKE)}
    bad = {
        "request": {"method": "POST", "url": "Observation"},
        "resource": observation(person.id, status="x"),
    }
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [good, bad]}
    is_outcome(site.city.post("", body), 422)
    assert person.sees(site.lake) == set()
    body["entry"] = [good]
    assert site.city.post("", body).status_code == 200
    assert person.sees(site.lake) == ALL


def test_a_consent_moves_to_no_other_patient(site: Site, person: Person):
    person.grant(LAKE)
    other = consent(site.new_patient(), LAKE, logical_id=person.consent)
    is_outcome(site.city.put(f"Consent/{person.consent}", other), 404, 409, 422)
    assert person.sees(site.lake) == ALL


def test_the_patient_reads_her_own_records_and_nobody_elses(site: Site, person: Person):
    other = Person(site)
    assert person.sees(person.token) == ALL
    assert other.sees(person.token) == set()
    assert {one["id"] for one in person.token.found("Patient")} == {person.id}
    assert len(person.token.found("Observation")) == 3


def test_an_officer_reads_no_records(site: Site, person: Person):
    officer = site.officer()
    for path in (
        f"Observation/{person.heart}",
        f"Observation/{MISSING}",
        "Observation",
        f"Observation?patient={person.id}",
        f"Patient/{person.id}/$everything",
        f"Observation/{person.heart}/_history",
        f"Observation/{person.heart}/_history/1",
    ):
        is_outcome(officer.get(path), 403)


def _classes(*names: str) -> list[dict[str, str]]:
    return [{"system": TYPES, "code": name} for name in names]


def _about(kind: str, patient: str, consent_id: str) -> dict[str, Any]:
    """Return a record of `patient` of the type `kind` that speaks of a consent."""
    reference = {"reference": f"Consent/{consent_id}"}
    own = {"reference": f"Patient/{patient}"}
    match kind:
        case "Provenance":
            return {
                "resourceType": kind,
                "target": [own, reference],
                "recorded": "2026-11-20T08:30:00Z",
                "agent": [{"who": own}],
            }
        case "Task":
            return {
                "resourceType": kind,
                "status": "requested",
                "intent": "order",
                "focus": reference,
                "for": own,
            }
        case "DocumentReference":
            return {
                "resourceType": kind,
                "status": "current",
                "subject": own,
                "type": {"coding": [{"system": LOINC, "code": "59284-0"}]},
                "content": [{"attachment": {"title": "signed on paper"}}],
            }
    return observation(patient, note=[{"text": f"see https://other.example/fhir/Con%73ent/{consent_id}"}])


@pytest.mark.parametrize("kind", ["Consent", "Provenance", "Task", "DocumentReference", "Observation"])
def test_a_consent_and_what_speaks_of_one_goes_to_others_only_by_its_class(
    site: Site, person: Person, kind: str
):
    person.grant(LAKE)
    place = f"Consent/{person.consent}"
    if kind != "Consent":
        stored = site.city.post(kind, _about(kind, person.id, person.consent))
        assert stored.status_code == 201, stored.text
        place = f"{kind}/{stored.json()['id']}"
    readers = (site.city, person.token)
    assert [caller.get(place).status_code for caller in readers] == [200, 200]
    assert person.sees(site.lake) == ALL
    is_outcome(site.lake.get(place), 404)
    is_outcome(site.lake.get(f"{place}/_history"), 404)
    assert place not in {
        f"{one['resourceType']}/{one['id']}"
        for path in (f"{kind}?patient={person.id}", f"Patient/{person.id}/$everything")
        for one in site.lake.found(path)
    }

    second = person.token.post("Consent", consent(person.id, LAKE, **{"class": _classes("Consent", kind)}))
    assert second.status_code == 201, second.text
    assert site.lake.get(place).status_code == 200
    assert person.sees(site.lake) == ALL
    is_outcome(site.ridge.get(place), 404)
    person.grant(LAKE, provision=[{"type": "deny", "class": _classes(kind)}])
    is_outcome(site.lake.get(place), 404)


def test_the_patient_can_keep_her_own_hospitals_research_out(site: Site, person: Person):
    assert person.sees(site.system(CITY, "HRESCH")) == set()
    body = consent(person.id, CITY)
    body["provision"]["purpose"] = [{"system": REASON, "code": "HRESCH"}]
    person.file(person.token, body)
    assert person.sees(site.system(CITY, "HRESCH")) == ALL
    assert person.sees(site.system(LAKE, "HRESCH")) == set()


@pytest.mark.parametrize(
    "said",
    [
        {"type": "deny"},
        {"type": "deny", "actor": [_actor({"reference": f"Organization/{CITY.organization}"})]},
        {"type": "deny", "purpose": [{"system": REASON, "code": code} for code in ("HOPERAT", "PATRQT")]},
        {"type": "deny", "class": [{"system": TYPES, "code": one} for one in ("AuditEvent", "Consent")]},
        {"type": "deny", "securityLabel": [{"system": CONFIDENTIALITY, "code": "U"}]},
    ],
    ids=["everybody", "the custodian", "purposes", "classes", "labels"],
)
@pytest.mark.parametrize("filed_by", ["patient", "custodian"])
def test_a_consent_shuts_neither_the_patient_nor_the_officer_out(
    site: Site, person: Person, filed_by: str, said: dict[str, Any]
):
    body = consent(person.id, CITY)
    body["provision"] = said
    del body["policyRule"]
    body["policy"] = [{"uri": "https://example.org/privacy"}]
    person.file(person.token if filed_by == "patient" else site.city, body)
    assert person.sees(person.token) == ALL
    assert [one["id"] for one in person.token.found("Consent")] == [person.consent]
    assert person.token.get(f"Consent/{person.consent}").status_code == 200
    assert person.token.get("AuditEvent").status_code == 200
    assert site.officer().get(f"AuditEvent?patient={person.id}").status_code == 200
    ended = person.token.put(f"Consent/{person.consent}", body | {"id": person.consent, "status": "inactive"})
    assert ended.status_code == 200, ended.text


def test_a_consent_that_shuts_everybody_out_is_answered_with_what_it_does(site: Site, person: Person):
    body = consent(person.id, CITY) | {"provision": {"type": "deny"}}
    answer = person.token.post("Consent", body)
    assert answer.status_code == 201
    assert "denies everybody" in answer.headers["Warning"]
    assert "in an emergency (BTG) too" in answer.headers["Warning"]
    said = person.token.post("Consent", body, Prefer="return=OperationOutcome")
    assert said.status_code == 201
    assert [one["severity"] for one in is_outcome(said, 201)["issue"]] == ["warning", "warning"]
    assert "Warning" not in person.token.post("Consent", consent(person.id, LAKE)).headers


def test_a_patient_can_deny_the_custodian_a_label(site: Site, person: Person):
    label = {"securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}
    person.grant(CITY, type="deny", **label)
    assert person.sees(site.city) == ALL - {"restricted"}
    assert person.sees(person.token) >= ALL - {"restricted"}


def test_a_record_of_two_patients_needs_both_permissions(site: Site):
    one, two = Person(site), Person(site)
    shared = site.city.post(
        "Observation",
        observation(one.id, performer=[{"reference": f"Patient/{two.id}"}]),
    ).json()["id"]
    one.grant(LAKE)
    hidden = site.lake.get(f"Observation/{shared}")
    two.grant(LAKE)
    assert site.lake.get(f"Observation/{shared}").status_code == 200
    is_outcome(hidden, 404)
    one.grant(LAKE, status="inactive")
    is_outcome(site.lake.get(f"Observation/{shared}"), 404)
