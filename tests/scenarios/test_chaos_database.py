"""PostgreSQL is killed under load and started again, beside a gateway that lives on; nobody loses anything.

Each round lets hospitals write, patients decide and others read, and kills all of the server's processes
with SIGKILL. While it is away every request is refused with 503, an OperationOutcome and Retry-After; once it
is back the same gateway answers again. What was acknowledged must be there then, consents in force hold, what
was released is on the ledger and in the log, and `consentry verify` finds nothing.
Two rounds; CONSENTRY_TEST_SCALE=20 makes forty.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from chaos_people import RECIPIENTS, Person, change, new_person, released
from ledger_witness import findings, verify, witnessed
from postgres_server import Server, running
from scenario_site import (
    CITY,
    LAKE,
    PEOPLE,
    RIDGE,
    SCALE,
    TX,
    Site,
    fresh_id,
    in_thread,
    is_outcome,
    observation,
)

from exchange.core.errors import UnavailableError
from exchange.demo.client import ClientError
from exchange.demo.consortium import Demo, build
from exchange.demo.nhanes import Participant
from exchange.demo.process import await_ready, end, free_port

ROUNDS = max(1, round(2 * SCALE))
SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))


class AwayError(Exception):
    """The gateway said that its database is away."""


@dataclass
class Promises:
    """What the gateway has acknowledged and released."""

    people: list[Person] = field(default_factory=list)
    written: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    releases: list[tuple[str, str, str]] = field(default_factory=list)
    refusals: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Honest(httpx.Client):
    """A client that looks at every refusal: it says that the database is away, and when to ask again."""

    def __init__(self, promises: Promises) -> None:
        super().__init__(timeout=30)
        self._promises = promises

    def send(self, *given: Any, **more: Any) -> httpx.Response:
        answer = super().send(*given, **more)
        if answer.status_code == 503:
            assert answer.headers["retry-after"].isdecimal()
            if "/auth/" in str(answer.request.url):
                assert answer.json()["error"] == "temporarily_unavailable"
            else:
                assert is_outcome(answer, 503)["issue"][0]["code"] == "transient"
            with self._promises.lock:
                self._promises.refusals += 1
            raise AwayError
        return answer


@dataclass
class Crowd:
    """Everybody who calls one gateway."""

    demo: Demo
    participants: tuple[Participant, ...]
    promises: Promises = field(default_factory=Promises)

    def site(self) -> Site:
        return Site(self.demo, Honest(self.promises), self.participants)

    def load(self, rng: random.Random, meanwhile: Callable[[], None]) -> None:
        """Everybody at once, as long as `meanwhile` takes."""
        over = threading.Event()
        work: list[Callable[[random.Random, Site], None]] = [
            self.write,
            self.write,
            self.read,
            self.read,
            *(self.decide(person) for person in self.promises.people),
        ]
        with ThreadPoolExecutor(len(work)) as pool:
            busy = [pool.submit(self._repeat, one, random.Random(rng.random()), over) for one in work]
            try:
                meanwhile()
            finally:
                over.set()
        for one in busy:
            one.result()

    def _repeat(
        self, work: Callable[[random.Random, Site], None], rng: random.Random, over: threading.Event
    ) -> None:
        site = self.site()
        with site.http:
            while not over.is_set():
                try:
                    work(rng, site)
                except (AwayError, ClientError, UnavailableError):  # the last: no token for a patient
                    over.wait(0.02)

    def write(self, rng: random.Random, site: Site) -> None:
        """Create a record, or bring a new version of one."""
        with self.promises.lock:
            known = sorted(self.promises.written)
        person = rng.choice(self.promises.people)
        name = rng.choice(known) if known and rng.random() < 0.3 else fresh_id()
        body = observation(person.logical_id, id=name, valueQuantity={"value": rng.randrange(40, 180)})
        answer = site.city.put(f"Observation/{name}", body)
        assert answer.status_code in {200, 201}, answer.text
        with self.promises.lock:
            self.promises.written[name] = answer.headers["etag"], answer.content

    def decide(self, person: Person) -> Callable[[random.Random, Site], None]:
        """The patient changes the consent, one change after the other."""

        def work(rng: random.Random, site: Site) -> None:
            if person.unanswered is None:
                change(rng, site.patient(person.logical_id), person)
            else:
                settle(person, site)

        return work

    def read(self, rng: random.Random, site: Site) -> None:
        """Somebody reads."""
        self.look(site, rng.choice(self.promises.people), rng.choice([CITY, LAKE, RIDGE]).msp_id)

    def look(self, site: Site, person: Person, recipient: str) -> set[str]:
        """What `recipient` gets of the person's records; each release is noted."""
        member = next(member for member in (CITY, LAKE, RIDGE) if member.msp_id == recipient)
        answer = site.system(member).get(f"Observation?patient={person.logical_id}&_count=500")
        assert answer.status_code == 200, answer.text
        shown = released(answer) & person.records.keys()
        if shown:
            with self.promises.lock:
                self.promises.releases.append((person.logical_id, recipient, answer.headers[TX]))
        return shown


def _version(etag: str) -> int:
    return int(etag.removeprefix('W/"').removesuffix('"'))


def settle(person: Person, site: Site) -> None:
    """Find out whether the change that was refused was kept: a commit whose answer was lost may have been."""
    caller = site.patient(person.logical_id)
    if not person.consent:
        found = caller.found("Consent", {"patient": person.logical_id})
        if found:
            person.consent = found[0]["id"]
    if person.consent:
        answer = caller.get(f"Consent/{person.consent}")
        assert answer.status_code == 200, "an acknowledged consent is gone"
        version = _version(answer.headers["etag"])
        assert version - len(person.changes) in {0, 1}, f"{len(person.changes)} acknowledged, {version} there"
        if version > len(person.changes):
            assert person.unanswered is not None
            person.changes.append(person.unanswered)
    person.unanswered = None


def check(crowd: Crowd, site: Site) -> None:
    """Everything that was promised is there, and in the log what was released."""
    for person in crowd.promises.people:
        settle(person, site)
        for member in RECIPIENTS:
            shown = crowd.look(site, person, member.msp_id)
            expected = {
                record
                for record, code in person.records.items()
                if person.changes and person.changes[-1].permits(member.msp_id, code)
            }
            assert shown == expected, f"seed {SEED}: {person}"
    for name, (etag, body) in crowd.promises.written.items():
        answer = site.city.get(f"Observation/{name}/_history/{_version(etag)}")
        assert answer.status_code == 200, f"seed {SEED}: an acknowledged version is gone"
        assert answer.content == body
    witness = witnessed(crowd.demo.folder)
    for patient, recipient, tx in crowd.promises.releases:
        pair = witness.pair(patient, recipient)
        assert any(entry.pair == pair and entry.outcome == "permit" for entry in witness.entries[tx])
    assert witness.unfiled() == 0
    listed = {event["id"] for event in site.officer().found("AuditEvent", {"_count": "500"})}
    missing = [
        tx for _, _, tx in crowd.promises.releases if not any(tx.startswith(one[:32]) for one in listed)
    ]
    assert not missing, f"seed {SEED}: the log lacks {len(missing)} releases"


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def crowd(server: Server, people: tuple[Participant, ...], tmp_path: Path) -> Crowd:
    database = server.new_database()
    return Crowd(in_thread(build(tmp_path / "node", free_port(), PEOPLE, database=database)), people)


@pytest.mark.slow
def test_a_gateway_outlives_its_database_and_nothing_acknowledged_is_lost(
    crowd: Crowd, server: Server, tmp_path: Path
) -> None:
    rng, log, site = random.Random(SEED), tmp_path / "gateway.log", crowd.site()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "exchange.cli", "serve", str(crowd.demo.folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        await_ready(process, f"{crowd.demo.settings.base_url}/health")
        crowd.promises.people = [new_person(site) for _ in range(3)]
        for number in range(1, ROUNDS + 1):

            def outage() -> None:
                time.sleep(rng.uniform(0.3, 1.2))
                server.kill()
                time.sleep(rng.uniform(0, 0.5))
                server.start()
                time.sleep(rng.uniform(0, 0.7))

            crowd.load(rng, outage)
            eventually(lambda: check(crowd, site))
            assert process.poll() is None
            assert findings(crowd.demo.folder) == [], f"served after kill {number}, seed {SEED}"
        assert crowd.promises.refusals > ROUNDS
    finally:
        site.http.close()
        end(process)
    assert verify(crowd.demo.folder, "--replay") == (0, [])
    assert len(crowd.promises.releases) > ROUNDS
    assert b"Traceback" not in log.read_bytes()


def eventually(work: Callable[[], None]) -> None:
    """Let the gateway find its database again."""
    until = time.monotonic() + 15
    while True:
        try:
            return work()
        except AwayError:
            assert time.monotonic() < until, "the gateway does not go on"
            time.sleep(0.1)
