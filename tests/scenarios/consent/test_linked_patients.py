"""Linked patients are one person: denials bind for each number, she sees all, and they can be parted."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from exchange.auth.principal import Principal
from exchange.services.access.patient_links import MOST_NUMBERS
from tests.support.scenarios.scenario_site import (
    CITY,
    EVERY_NODE,
    LAKE,
    RIDGE,
    SCALE,
    Site,
    consent,
    is_outcome,
)

LEDGERS = EVERY_NODE
STEPS = 14


def link(site: Site, number: str, *others: str, kind: str = "replaces") -> Any:
    """Have the Patient `number` link to `others` alone."""
    links = [{"other": {"reference": f"Patient/{one}"}, "type": kind} for one in others]
    body = {"resourceType": "Patient", "id": number} | ({"link": links} if links else {})
    return site.city.put(f"Patient/{number}", body)


class Person:
    """Three numbers with a record each, and what a reader of the rules expects of them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.numbers = [site.new_patient() for _ in range(3)]
        self.records = {one: f"Observation/{site.observation(one)['id']}" for one in self.numbers}
        self.links: dict[str, str] = {}
        self.consents: dict[tuple[str, str], str] = {}

    def joined(self, number: str) -> set[str]:
        """Return the numbers that are the person of `number`."""
        found = {number}
        for _ in self.numbers:
            for edge in self.links.items():
                if found & set(edge):
                    found |= set(edge)
        return found

    def step(self, rng: random.Random) -> None:
        """Link or part two numbers, or file or end a consent."""
        one, other = rng.sample(self.numbers, 2)
        kind = rng.choice(["link", "part", "permit", "deny", "end", "restart"])
        if kind == "link":
            assert link(self.site, one, other).is_success
            self.links[one] = other
        elif kind == "part":
            assert link(self.site, one).is_success
            self.links.pop(one, None)
        elif kind == "restart":
            with self.site.limited():
                self.check()
        else:
            self.consent(one, rng.choice(["permit", "deny"]) if kind == "end" else kind, over=kind == "end")

    def consent(self, number: str, effect: str, *, over: bool = False) -> None:
        """File the consent of `number` with this effect, or end it."""
        caller = self.site.patient(number)
        name = self.consents.pop((number, effect), "")
        status = "inactive" if over else "active"
        if name:
            body = consent(number, LAKE, status=status, logical_id=name, type=effect)
            assert caller.put(f"Consent/{name}", body).is_success
        elif not over:
            answer = caller.post("Consent", consent(number, LAKE, type=effect))
            assert answer.status_code == 201, answer.text
            name = answer.json()["id"]
        if name and not over:
            self.consents[number, effect] = name

    def check(self) -> None:
        """Check what Lake and she see of each number."""
        for number, record in self.records.items():
            same = self.joined(number)
            denied = any((one, "deny") in self.consents for one in same)
            permitted = (number, "permit") in self.consents and not denied
            assert self.site.lake.get(record).status_code == (200 if permitted else 404)
            found = self.site.lake.found("Observation", {"patient": number})
            assert len(found) == int(permitted)
            me = self.site.patient(number)
            for other in self.numbers:
                mine = other in same
                assert me.get(self.records[other]).status_code == (200 if mine else 404)
                assert me.get("AuditEvent", {"patient": other, "_count": "0"}).status_code == (
                    200 if mine else 403
                )
            assert me.get(f"Patient/{number}").status_code == 200
            seen = {f"Observation/{one['id']}" for one in me.found("Observation")}
            assert seen == {self.records[one] for one in same}


@pytest.mark.parametrize("seed", range(max(1, round(SCALE))))
def test_over_links_partings_and_consents_denials_bind_for_the_person_and_she_sees_all(
    site: Site, seed: int
) -> None:
    rng = random.Random(f"linked {seed}")
    person = Person(site)
    for _ in range(STEPS):
        person.step(rng)
        person.check()


def test_the_log_of_a_person_is_that_of_each_number(site: Site) -> None:
    old, new = site.new_patient(), site.new_patient()
    record = f"Observation/{site.observation(old)['id']}"
    assert site.city.get(record).status_code == 200
    tx = site.city.get(record).headers["x-consentry-tx"]
    assert link(site, old, new, kind="replaced-by").is_success
    for me in (site.patient(old), site.patient(new)):
        # In the second, the first reading is an entry too.
        first, second = (
            [entry["id"] for entry in me.found("AuditEvent", {"patient": one})] for one in (old, new)
        )
        assert first == second[-len(first) :]
        ids = [one for one in first if tx.startswith(one.split("-")[0])]
        assert len(ids) == 1
        assert me.get(f"AuditEvent/{ids[0]}").status_code == 200
    assert link(site, old).is_success
    assert site.patient(new).get(f"AuditEvent/{ids[0]}").status_code == 404


def test_a_denial_of_some_records_hides_these_under_every_number(site: Site) -> None:
    old, new = site.new_patient(), site.new_patient()
    labels = {"meta": {"security": [{"system": f"{V3}ActCode", "code": "HIV"}]}}
    plain, labelled = (f"Observation/{site.observation(new, **more)['id']}" for more in ({}, labels))
    assert site.patient(new).post("Consent", consent(new, LAKE, RIDGE, securityLabel=OPEN)).is_success
    hiding = consent(old, LAKE, type="deny", securityLabel=[{"system": f"{V3}ActCode", "code": "HIV"}])
    assert site.patient(old).post("Consent", hiding).is_success
    assert [site.lake.get(one).status_code for one in (plain, labelled)] == [200, 200]
    assert link(site, new, old).is_success
    assert [site.lake.get(one).status_code for one in (plain, labelled)] == [200, 404]
    assert [site.ridge.get(one).status_code for one in (plain, labelled)] == [200, 200]
    events = site.patient(new).found("AuditEvent")
    assert events
    assert link(site, new).is_success
    assert [site.lake.get(one).status_code for one in (plain, labelled)] == [200, 200]


V3 = "http://terminology.hl7.org/CodeSystem/v3-"
OPEN = [
    {"system": f"{V3}Confidentiality", "code": "N"},
    {"system": f"{V3}ActCode", "code": "HIV"},
]


def test_a_person_who_acts_for_one_number_acts_for_no_other(site: Site) -> None:
    old, new = site.new_patient(), site.new_patient()
    of_old, of_new = (f"Observation/{site.observation(one)['id']}" for one in (old, new))
    related = {"resourceType": "RelatedPerson", "patient": {"reference": f"Patient/{old}"}}
    name = site.city.post("RelatedPerson", related).json()["id"]
    assert link(site, new, old).is_success
    mother = site.bearer(site.issue(Principal.for_related(CITY.msp_id, name, old)))
    assert [mother.get(one).status_code for one in (of_old, of_new)] == [200, 404]
    assert mother.get(f"Patient/{new}").status_code == 200  # which is a record of both
    assert [one["id"] for one in mother.found("Observation")] == [of_old.partition("/")[2]]
    is_outcome(mother.get("AuditEvent", {"patient": new}), 403)


def test_links_that_join_too_many_numbers_are_refused(site: Site) -> None:
    numbers = [site.new_patient() for _ in range(MOST_NUMBERS + 1)]
    for one, other in pairwise(numbers[:-1]):
        assert link(site, one, other).is_success
    assert link(site, numbers[-2], numbers[0]).is_success  # a ring is as good as a chain
    refused = is_outcome(link(site, numbers[-1], numbers[3]), 422)
    assert refused["issue"][0]["expression"] == ["Patient.link"]
    assert link(site, numbers[4]).is_success


def test_only_the_hospital_links_its_patients(site: Site) -> None:
    old, new = site.new_patient(), site.new_patient()
    body = {
        "resourceType": "Patient",
        "id": new,
        "link": [{"other": {"reference": f"Patient/{old}"}, "type": "replaces"}],
    }
    for caller in (site.patient(new), site.lake, site.officer()):
        is_outcome(caller.put(f"Patient/{new}", body), 403)
    assert site.patient(new).get(f"Patient/{old}").status_code == 404
