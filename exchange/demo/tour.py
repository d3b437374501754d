"""The whole story over HTTP, without a person: each step is a line, and the first surprise ends it.

A hospital stores records; another member asks and is refused; the patient permits, narrows and revokes;
every answer names its ledger transaction; the log shows all of it; anyone verifies; a tampered byte is
found. On Fabric the network comes first, one hospital alone writes nothing, and a peer is lost and found.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from exchange import devnet
from exchange.client.system import FHIR_JSON, SystemClient
from exchange.demo.consortium import CITY, LAKE, Demo, build, permit_consent
from exchange.demo.fabric import OPTIONS, city_peer, profile, write_alone
from exchange.demo.nhanes import Participant, participants
from exchange.demo.process import GatewayStartError, free_port, serving
from exchange.demo.scoring import Training, evaluating
from exchange.node.folder import NodeFolder


class SurpriseError(Exception):
    """Something was not as the story says."""


def tour(folder: Path, *, people: int, fabric: bool) -> None:
    """Tell the story on a new node in `folder`; raises `SystemExit(1)` at the first surprise.

    With `fabric`, the node is on a network that is brought up beside it, and taken down again.

    Raises:
        NetworkError: the network can't be brought up.
    """
    started = time.monotonic()
    try:
        if fabric:
            with devnet.up(folder.with_name("network"), OPTIONS) as running:
                _FabricTour(folder, people, running).run()
        else:
            _Tour(folder, people).run()
    except (SurpriseError, GatewayStartError) as surprise:
        print(f"SURPRISE: {surprise}", flush=True)
        raise SystemExit(1) from None
    print(f"the story held, in {time.monotonic() - started:.1f} s", flush=True)


def _expect(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise SurpriseError(what)


class _Tour:
    def __init__(self, folder: Path, people: int) -> None:
        self._folder = folder
        self._people = people
        self._step = 0

    def _say(self, text: str) -> None:
        self._step += 1
        print(f"{self._step:2}. {text}", flush=True)

    def run(self) -> None:
        """Tell all steps in order."""
        training = Training(self._folder.with_name("model"))  # meanwhile, in a process of its own
        try:
            demo = asyncio.run(self._build(free_port()))
            self._say(f"stored: a node of three members with {self._people} participants of the CDC's survey")
            evaluated = training.finished()
        finally:
            training.abandon()
        evaluated.used_by(demo.folder)
        self._say("trained: a diabetes model on the whole survey; its trees are with an evaluator of its own")
        person = max(participants(self._people), key=lambda p: len(p.records))
        with (
            evaluating(evaluated),
            serving(self._folder, demo.settings.base_url),
            httpx.Client(timeout=30) as http,
        ):
            story = _Story(demo, http, person, self._say)
            story.store()
            story.refused_read()
            story.refused_score()
            story.grant()
            story.permitted_read()
            story.score()
            story.narrow()
            story.revoke()
            story.read_the_log()
            self._disturb(story)
        self._verify()
        self._tamper()

    async def _build(self, port: int) -> Demo:
        return await build(self._folder, port, self._people)

    def _disturb(self, story: _Story) -> None:
        """Leave everything in place: a ledger in the gateway's process can't be cut off."""

    def _verify(self) -> None:
        code, said = _consentry("verify", str(self._folder))
        _expect(code == 0, f"verify found fault with an honest ledger: {said}")
        self._say(f"verified: {said.strip().splitlines()[-1]}")

    def _tamper(self, name: str = "ledger.db") -> None:
        twisted = self._folder.with_name("twisted")
        shutil.copytree(self._folder, twisted)
        file = twisted / name
        data = bytearray(file.read_bytes())
        place = data.rfind(b'"outcome":"deny"')
        _expect(place > 0, f"{name} holds no refusal to tamper with")
        data[place + 11] ^= 1
        file.write_bytes(data)
        code, said = _consentry("verify", str(twisted))
        _expect(code != 0, f"one byte of {name} was changed and verify did not see it")
        found = next((line for line in said.splitlines() if line.startswith("FOUND ")), "")
        _expect(bool(found), f"verify names nothing: {said}")
        self._say(f"tampered: one byte of a copy was changed; verify says: {found.removeprefix('FOUND ')}")


class _FabricTour(_Tour):
    def __init__(self, folder: Path, people: int, running: devnet.Network) -> None:
        super().__init__(folder, people)
        self._network = running

    async def _build(self, port: int) -> Demo:
        names = ", ".join(self._network.names())
        self._say(f"up: a Fabric network of processes ({names})")
        return await build(self._folder, port, self._people, profile(self._network, CITY))

    def _disturb(self, story: _Story) -> None:
        verdict = write_alone(self._network)
        _expect(verdict == "ENDORSEMENT_POLICY_FAILURE", f"{LAKE.name} alone wrote a consent: {verdict}")
        self._say(f"forged: {LAKE.name}'s peer alone endorses a consent, and the channel voids it: {verdict}")
        peer = city_peer(self._network)
        self._network.kill(peer)
        story.refused_without_ledger()
        self._network.start(peer)
        story.answered_again()

    def _verify(self) -> None:
        super()._verify()
        elsewhere = self._folder.with_name("elsewhere")
        shutil.copytree(self._folder, elsewhere)
        settings = NodeFolder(elsewhere).settings_file
        own, other = (str(profile(self._network, member)) for member in (CITY, LAKE))
        settings.write_text(settings.read_text(encoding="utf-8").replace(own, other), encoding="utf-8")
        code, said = _consentry("verify", str(elsewhere))
        _expect(code == 0, f"{LAKE.name}'s peer serves another channel: {said}")
        self._say(f"verified: the same from the blocks that {LAKE.name}'s peer holds")

    def _tamper(self, name: str = "log.db") -> None:
        super()._tamper(name)


def _consentry(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "exchange.cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


class _Story:
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
        code, said = _consentry("token", *arguments)
        _expect(code == 0, f"no token: {said}")
        return said.strip()

    def _note(self, answer: httpx.Response, outcome: str) -> str:
        tx: str = answer.headers.get("x-consentry-tx", "")
        _expect(len(tx) == 64, "the answer names no ledger transaction")
        self._transactions[tx] = outcome
        return tx[:12]

    def _search(self, client: SystemClient) -> tuple[int, str]:
        answer = client.call(self._http, "GET", f"Observation?patient={self._patient}&_count=500")
        _expect(answer.status_code == 200, f"a search answered {answer.status_code}")
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
        _expect(made.status_code == 201, f"a create answered {made.status_code}: {made.text[:300]}")
        self._observation = made.json()["id"]
        read = self._city.call(self._http, "GET", f"Observation/{self._observation}")
        _expect(read.status_code == 200 and b'"value":71.0' in read.content, "the record came back changed")
        self._say(f"created and read by {CITY.name} itself, transaction {self._note(read, 'permit')}")

    def refused_read(self) -> None:
        """Ask as another member, without a consent."""
        answer = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        _expect(answer.status_code == 404, f"an unpermitted read answered {answer.status_code}")
        nothing = self._lake.call(self._http, "GET", "Observation/00000000-0000-4000-8000-000000000000")
        _expect(answer.content == nothing.content, "a hidden record answers otherwise than none")
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
            _expect(answer.status_code == 200, f"a consent's change answered {answer.text[:300]}")
        else:
            answer = self._http.post(base, headers=headers, json=body)
            _expect(
                answer.status_code == 201, f"a consent answered {answer.status_code}: {answer.text[:300]}"
            )
            self._consent = answer.json()["id"]

    def grant(self) -> None:
        """Permit, as the patient."""
        self._put("active", {})
        self._say(f"granted: the patient lets {LAKE.name} read for treatment")

    def permitted_read(self) -> None:
        """Ask the same, now permitted; and once more for another purpose, which is not."""
        answer = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        _expect(answer.status_code == 200, f"a permitted read answered {answer.status_code}")
        self._say(f"permitted: the same read, transaction {self._note(answer, 'permit')}")
        research = self._demo.client(LAKE, "HRESCH")
        refused = research.call(self._http, "GET", f"Observation/{self._observation}")
        _expect(refused.status_code == 404, "a read for research passed on a consent for treatment")
        self._say(f"refused: the same read for research, transaction {self._note(refused, 'deny')}")

    def refused_score(self) -> None:
        """Ask for the patient's risk as another member, without a consent."""
        answer = self._lake.call(self._http, "POST", f"Patient/{self._patient}/$assess-risk")
        _expect(answer.status_code == 404, f"an unpermitted score answered {answer.status_code}")
        self._say(f"refused: {LAKE.name} asks for the patient's risk, {self._note(answer, 'deny')}")

    def score(self) -> None:
        """Ask for the risk once more: permitted, computed on ciphertext, committed to, stored, shown."""
        answer = self._lake.call(self._http, "POST", f"Patient/{self._patient}/$assess-risk")
        _expect(answer.status_code == 200, f"a score answered {answer.status_code}: {answer.text[:300]}")
        risk = answer.json()
        [found] = risk["prediction"]
        level = found["qualitativeRisk"]["coding"][0]["code"]
        asked = str(risk["identifier"][0]["value"])
        self._transactions[asked] = "permit"
        result = self._note(answer, "permit")
        self._say(
            f"scored: the risk of diabetes is {found['probabilityDecimal']:.1%} ({level}); the evaluator saw "
            f"ciphertext; asked in {asked[:12]}, committed to in {result}"
        )
        again = self._lake.call(self._http, "GET", f"RiskAssessment/{risk['id']}")
        _expect(again.content == answer.content, "the RiskAssessment is not stored as it was shown")
        self._say(f"stored: RiskAssessment/{risk['id']}, read back in {self._note(again, 'permit')}")

    def narrow(self) -> None:
        """Withhold one kind of record, as the patient."""
        before, _ = self._search(self._lake)
        codes = [{"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}]
        self._put("active", {"provision": [{"type": "deny", "code": codes}]})
        after, tx = self._search(self._lake)
        _expect(0 < after < before, f"narrowing changed {before} matches to {after}")
        hidden = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        _expect(hidden.status_code == 404, "a withheld record was released")
        self._note(hidden, "any")
        self._say(f"narrowed: heart rates are withheld, {before} matches become {after}, transaction {tx}")

    def revoke(self) -> None:
        """Revoke as the patient, and see the next read refused."""
        self._put("inactive", {})
        answer = self._lake.call(self._http, "GET", f"Observation/{self._observation}")
        _expect(answer.status_code == 404, "a read after the revocation was released")
        matches, _ = self._search(self._lake)
        _expect(matches == 0, "a search after the revocation found something")
        self._say(f"revoked: the next read is refused, transaction {self._note(answer, 'deny')}")

    def read_the_log(self) -> None:
        """Read the log as the patient and as the officer."""
        token = self._token("patient", str(self._demo.folder.path), self._patient)
        events = self._events(token, "AuditEvent?_count=200")
        shown = {_transaction(event): event for event in events}
        for tx, outcome in self._transactions.items():
            if outcome == "nothing":
                continue
            _expect(tx in shown, f"the log does not show transaction {tx[:12]}")
            said = "permit" if shown[tx]["outcome"] == "0" else "deny"
            _expect(outcome in {"any", said}, f"the log says {said} of transaction {tx[:12]}")
        commitments = [event for event in events if "output-commitment" in str(event["entity"])]
        _expect(len(commitments) == 1, "the log does not show what the score committed to")
        self._say(
            f"logged: the patient sees all {len(events)} accesses, refusals and log readings among them"
        )
        officer = self._token("officer", str(self._demo.folder.path), "o.reyes")
        refusals = self._events(officer, "AuditEvent?outcome=4&_count=200")
        _expect(len(refusals) > 0, "the officer sees no refusals")
        self._say(f"reviewed: the officer sees {len(refusals)} refusals; this reading is logged as well")

    def refused_without_ledger(self) -> None:
        """Ask while the hospital's peer is gone: nothing is released, not to the hospital itself."""
        answer = self._city.call(self._http, "GET", f"Observation/{self._observation}")
        _expect(answer.status_code == 503, f"a read without the ledger answered {answer.status_code}")
        _expect("retry-after" in answer.headers, "the answer does not say when to come again")
        _expect(answer.json()["resourceType"] == "OperationOutcome", "the answer is no OperationOutcome")
        self._say(f"cut off: {CITY.name}'s peer is killed, and its own read is refused with 503")

    def answered_again(self) -> None:
        """Ask until the peer is back, and with it the gateway, by itself."""
        started = time.monotonic()
        while True:
            answer = self._city.call(self._http, "GET", f"Observation/{self._observation}")
            if answer.status_code != 503:
                break
        _expect(answer.status_code == 200, f"a read after the outage answered {answer.status_code}")
        took, tx = time.monotonic() - started, self._note(answer, "permit")
        self._say(f"back: the peer is started, and {took:.1f} s later the same read has transaction {tx}")

    def _events(self, token: str, path: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._http.get(f"{self._demo.settings.fhir_base}/{path}", headers=headers)
        _expect(answer.status_code == 200, f"the log answered {answer.status_code}: {answer.text[:300]}")
        return [entry["resource"] for entry in answer.json().get("entry", [])]


def _transaction(event: dict[str, Any]) -> str:
    for entity in event["entity"]:
        identifier = entity.get("what", {}).get("identifier", {})
        if identifier.get("system") == "urn:consentry:ledger-transaction":
            return str(identifier["value"])
    return ""
