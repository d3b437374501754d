"""The part of the demo's story that is told over HTTP, step by step; the first surprise ends it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from exchange.client.system import FHIR_JSON, SystemClient
from exchange.demo.consortium import CITY, LAKE, Demo, permit_consent
from exchange.demo.nhanes import Participant


class SurpriseError(Exception):
    """Something was not as the story says."""


def expect(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Check that something is as the story says.

    Raises:
        SurpriseError: it is not; `what` says so.
    """
    if not holds:
        raise SurpriseError(what)


def consentry(*arguments: str) -> tuple[int, str]:
    """Run a command of this program; return its exit code, and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "exchange.cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


class Story:
    """The part of the story that is told over HTTP."""

    def __init__(
        self, demo: Demo, http: httpx.Client, person: Participant, say: Callable[[str], None]
    ) -> None:
        self._demo = demo
        self._http = http
        self._say = say
        self._patient = str(person.patient["id"])
        self._observation = next(str(r["id"]) for r in person.records if r["resourceType"] == "Observation")
        self._city = demo.client(CITY, user="Practitioner/city-7", name="Dr. Ines Okafor")
        self._lake = demo.client(LAKE, user="Practitioner/lake-3", name="Dr. Tom Virtanen")
        self._consent = ""
        self._transactions: dict[str, str] = {}

    def _token(self, *arguments: str) -> str:
        code, said = consentry("token", *arguments)
        expect(code == 0, f"no token: {said}")
        return said.strip()

    def _note(self, answer: httpx.Response, outcome: str) -> str:
        tx: str = answer.headers.get("x-consentry-tx", "")
        expect(len(tx) == 64, "the answer names no ledger transaction")
        self._transactions[tx] = outcome
        return tx[:12]

    def _search(self, client: SystemClient) -> tuple[int, str]:
        answer = client.call(self._http, "GET", f"Observation?patient={self._patient}&_count=500")
        expect(answer.status_code == 200, f"a search answered {answer.status_code}")
        return len(answer.json().get("entry", [])), self._note(answer, "any")

    def store(self) -> None:
        """Add a record as the hospital's own system, and read it back."""
        body = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
            "subject": {"reference": f"Patient/{self._patient}"},
            "effectiveDateTime": "2026-11-20T08:30:00Z",
            "valueQuantity": {
                "value": 71.0,
                "unit": "beats/minute",
                "system": "http://unitsofmeasure.org",
                "code": "/min",
            },
        }
        made = self._city.call(self._http, "POST", "Observation", body)
        expect(made.status_code == 201, f"a create answered {made.status_code}: {made.text[:300]}")
        self._observation = made.json()["id"]
        read = self._city.call(self._http, "GET", f"Observation/{self._observation}")
        expect(read.status_code == 200 and b'"value":71.0' in read.content, "the record came back changed")
        self._say(f"created and read by {CITY.name} itself, transaction {self._note(read, 'permit')}")

    def refused_read(self) -> None:
        """Ask as another member, without a consent."""
        answer = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        expect(answer.status_code == 404, f"an unpermitted read answered {answer.status_code}")
        nothing = self._lake.call(self._http, "GET", "Observation/00000000-0000-4000-8000-000000000000")
        expect(answer.content == nothing.content, "a hidden record answers otherwise than none")
        self._note(nothing, "nothing")
        self._say(f"refused: {LAKE.name} reads without consent, transaction {self._note(answer, 'deny')}")

    def _terms(self, status: str, provision: dict[str, Any]) -> dict[str, Any]:
        body = permit_consent(self._patient, LAKE, status=status)
        body["provision"] |= provision
        if self._consent:
            body["id"] = self._consent
        return body

    def _put(self, status: str, provision: dict[str, Any]) -> None:
        token = self._token("patient", str(self._demo.folder.path), self._patient)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": FHIR_JSON}
        base = f"{self._demo.settings.fhir_base}/Consent"
        body = self._terms(status, provision)
        if self._consent:
            answer = self._http.put(f"{base}/{self._consent}", headers=headers, json=body)
            expect(answer.status_code == 200, f"a consent's change answered {answer.text[:300]}")
        else:
            answer = self._http.post(base, headers=headers, json=body)
            expect(answer.status_code == 201, f"a consent answered {answer.status_code}: {answer.text[:300]}")
            self._consent = answer.json()["id"]

    def grant(self) -> None:
        """Permit, as the patient."""
        self._put("active", {})
        self._say(f"granted: the patient lets {LAKE.name} read for treatment")

    def permitted_read(self) -> None:
        """Ask the same, now permitted; and once more for another purpose, which is not."""
        answer = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        expect(answer.status_code == 200, f"a permitted read answered {answer.status_code}")
        self._say(f"permitted: the same read, transaction {self._note(answer, 'permit')}")
        research = self._demo.client(LAKE, "HRESCH")
        refused = research.call(self._http, "GET", f"Observation/{self._observation}")
        expect(refused.status_code == 404, "a read for research passed on a consent for treatment")
        self._say(f"refused: the same read for research, transaction {self._note(refused, 'deny')}")

    def refused_score(self) -> None:
        """Ask for the patient's risk as another member, without a consent."""
        answer = self._lake.call(self._http, "POST", f"Patient/{self._patient}/$assess-risk")
        expect(answer.status_code == 404, f"an unpermitted score answered {answer.status_code}")
        self._say(f"refused: {LAKE.name} asks for the patient's risk, {self._note(answer, 'deny')}")

    def score(self) -> None:
        """Ask for the risk once more: permitted, computed on ciphertext, committed to, stored, shown."""
        answer = self._lake.call(self._http, "POST", f"Patient/{self._patient}/$assess-risk")
        expect(answer.status_code == 200, f"a score answered {answer.status_code}: {answer.text[:300]}")
        risk = answer.json()
        [found] = risk["prediction"]
        level = found["qualitativeRisk"]["coding"][0]["code"]
        asked = str(risk["identifier"][0]["value"])
        self._transactions[asked] = "permit"
        result = self._note(answer, "permit")
        self._say(
            f"scored: the risk of diabetes is {found['probabilityDecimal']:.1f}% ({level}); the evaluator "
            f"saw ciphertext; asked in {asked[:12]}, committed to in {result}"
        )
        again = self._lake.call(self._http, "GET", f"RiskAssessment/{risk['id']}")
        expect(again.content == answer.content, "the RiskAssessment is not stored as it was shown")
        self._say(f"stored: RiskAssessment/{risk['id']}, read back in {self._note(again, 'permit')}")

    def narrow(self) -> None:
        """Withhold one kind of record, as the patient."""
        before, _ = self._search(self._lake)
        codes = [{"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}]
        self._put("active", {"provision": [{"type": "deny", "code": codes}]})
        after, tx = self._search(self._lake)
        expect(0 < after < before, f"narrowing changed {before} matches to {after}")
        hidden = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        expect(hidden.status_code == 404, "a withheld record was released")
        self._note(hidden, "any")
        self._say(f"narrowed: heart rates are withheld, {before} matches become {after}, transaction {tx}")

    def revoke(self) -> None:
        """Revoke as the patient, and see the next read refused."""
        self._put("inactive", {})
        answer = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        expect(answer.status_code == 404, "a read after the revocation was released")
        matches, _ = self._search(self._lake)
        expect(matches == 0, "a search after the revocation found something")
        self._say(f"revoked: the next read is refused, transaction {self._note(answer, 'deny')}")

    def read_the_log(self) -> None:
        """Read the log as the patient and as the officer."""
        token = self._token("patient", str(self._demo.folder.path), self._patient)
        events = self._events(token, "AuditEvent?_count=200")
        shown = {_transaction(event): event for event in events}
        for tx, outcome in self._transactions.items():
            if outcome == "nothing":
                continue
            expect(tx in shown, f"the log does not show transaction {tx[:12]}")
            said = "permit" if shown[tx]["outcome"] == "0" else "deny"
            expect(outcome in {"any", said}, f"the log says {said} of transaction {tx[:12]}")
        commitments = [event for event in events if "output-commitment" in str(event["entity"])]
        expect(len(commitments) == 1, "the log does not show what the score committed to")
        self._say(
            f"logged: the patient sees all {len(events)} entries: accesses, changes, refusals "
            "and readings of the log"
        )
        officer = self._token("officer", str(self._demo.folder.path), "o.reyes")
        refusals = self._events(officer, "AuditEvent?outcome=4&_count=200")
        expect(len(refusals) > 0, "the officer sees no refusals")
        self._say(f"reviewed: the officer sees {len(refusals)} refusals; this reading is logged as well")

    def refused_without_ledger(self) -> None:
        """Ask while the hospital's peer is gone: nothing is released, not to the hospital itself."""
        answer = self._city.call(self._http, "GET", f"Observation/{self._observation}")
        expect(answer.status_code == 503, f"a read without the ledger answered {answer.status_code}")
        expect("retry-after" in answer.headers, "the answer does not say when to come again")
        expect(answer.json()["resourceType"] == "OperationOutcome", "the answer is no OperationOutcome")
        self._say(f"cut off: {CITY.name}'s peer is killed, and its own read is refused with 503")

    def answered_again(self) -> None:
        """Ask until the peer is back, and with it the gateway, by itself."""
        started = time.monotonic()
        while True:
            answer = self._city.call(self._http, "GET", f"Observation/{self._observation}")
            if answer.status_code != 503:
                break
        expect(answer.status_code == 200, f"a read after the outage answered {answer.status_code}")
        took, tx = time.monotonic() - started, self._note(answer, "permit")
        self._say(f"back: the peer is started, and {took:.1f} s later the same read has transaction {tx}")

    def _events(self, token: str, path: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._http.get(f"{self._demo.settings.fhir_base}/{path}", headers=headers)
        expect(answer.status_code == 200, f"the log answered {answer.status_code}: {answer.text[:300]}")
        return [entry["resource"] for entry in answer.json().get("entry", [])]


def _transaction(event: dict[str, Any]) -> str:
    for entity in event["entity"]:
        identifier = entity.get("what", {}).get("identifier", {})
        if identifier.get("system") == "urn:consentry:ledger-transaction":
            return str(identifier["value"])
    return ""
