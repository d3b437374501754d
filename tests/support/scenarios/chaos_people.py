"""Patients whose consents change at random, and what each version of them permits."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.scenarios.scenario_site import LAKE, RIDGE, Caller, Site, consent

HEART_RATE, BODY_WEIGHT = "8867-4", "29463-7"
RECIPIENTS = (LAKE, RIDGE)


@dataclass(frozen=True)
class Change:
    """One version of a patient's consent: whom it permits, and the code that it withholds, if any.

    `sent` and `acknowledged` are seconds of the monotonic clock; never acknowledged is infinity.
    """

    recipients: frozenset[str]
    withheld: str
    sent: float
    acknowledged: float

    def permits(self, recipient: str, code: str) -> bool:
        return recipient in self.recipients and code != self.withheld


@dataclass
class Person:
    """A patient with a record of each of two codes, the consent that changes, and its versions, from 1."""

    logical_id: str
    records: dict[str, str] = field(default_factory=dict)
    consent: str = ""
    changes: list[Change] = field(default_factory=list)
    unanswered: Change | None = None

    def in_force(self, start: float, end: float) -> Change | None:
        """Return the one version in force from `start` to `end`, None if that can't be told."""
        for number, one in enumerate(self.changes):
            following = self.changes[number + 1].sent if number + 1 < len(self.changes) else float("inf")
            if one.acknowledged < start and end < following:
                return one
        return None


def new_person(site: Site) -> Person:
    """Store a new patient of City Hospital with one record of each code, and no consent yet."""
    person = Person(site.new_patient())
    for code in (HEART_RATE, BODY_WEIGHT):
        person.records[site.observation(person.logical_id, code=code)["id"]] = code
    return person


def change(rng: random.Random, caller: Caller, person: Person) -> None:
    """Grant to some, narrow, or revoke; `unanswered` until it is acknowledged."""
    chosen = [member for member in RECIPIENTS if rng.random() < 0.7]
    withheld = rng.choice(["", "", HEART_RATE, BODY_WEIGHT])
    provision: dict[str, Any] = {}
    if withheld:
        denied = {"coding": [{"system": "http://loinc.org", "code": withheld}]}
        provision["provision"] = [{"type": "deny", "code": [denied]}]
    status = "active" if chosen else "inactive"
    body = consent(person.logical_id, *(chosen or RECIPIENTS), status=status, **provision)
    if person.consent:
        body["id"] = person.consent
    named = frozenset(member.msp_id for member in chosen)
    sent = time.monotonic()
    person.unanswered = Change(named, withheld, sent, float("inf"))
    known = person.consent
    answer = caller.put(f"Consent/{known}", body) if known else caller.post("Consent", body)
    assert answer.status_code in {200, 201}, answer.text
    person.consent = answer.json()["id"]
    person.unanswered = None
    person.changes.append(Change(named, withheld, sent, time.monotonic()))
    assert answer.headers["etag"] == f'W/"{len(person.changes)}"'


def released(answer: httpx.Response) -> set[str]:
    """Return the ids of all records in an answer."""
    body: dict[str, Any] = answer.json()
    if body["resourceType"] == "Bundle":
        return {entry["resource"]["id"] for entry in body.get("entry", ()) if "resource" in entry}
    return {body["id"]} if "id" in body else set()
