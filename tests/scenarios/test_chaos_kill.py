"""The serving process is killed at random moments under load, again and again; nobody loses anything.

Each round starts the gateway, lets hospitals write, patients decide and others read, and kills it with
SIGKILL. What was acknowledged must be there afterwards, byte for byte; consents in force stay in force;
what was released is on the ledger; `consentry verify` finds nothing; the outbox is empty once the gateway
answers again. Five rounds; CONSENTRY_TEST_SCALE=20 makes a hundred.
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
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from chaos_people import RECIPIENTS, Person, change, new_person, released
from ledger_witness import findings, verify, witnessed
from scenario_site import CITY, EVERY_NODE, LAKE, RIDGE, SCALE, TX, Site, fresh_id, observation

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.demo.process import await_ready, end

LEDGERS = EVERY_NODE
ROUNDS = max(1, round(5 * SCALE))
SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))


@dataclass
class Promises:
    """What the gateway has acknowledged and released over all its lives."""

    people: list[Person] = field(default_factory=list)
    written: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    releases: list[tuple[str, str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Lives:
    """One node, served by one process after the other."""

    def __init__(self, demo: Demo, people: tuple[Participant, ...]) -> None:
        self.demo, self.people = demo, people
        self.promises = Promises()
        self.log = demo.folder.path.with_name("gateway.log")

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """A gateway process that answers; killed at the end if it lives."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "exchange.cli", "serve", str(self.demo.folder.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            await_ready(process, f"{self.demo.settings.base_url}/health")
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    @contextmanager
    def site(self) -> Iterator[Site]:
        with httpx.Client(timeout=30) as http:
            yield Site(self.demo, http, self.people)

    def load(self, rng: random.Random, process: subprocess.Popen[bytes]) -> None:
        """Everybody at once, until a random moment at which the process is killed."""
        dead = threading.Event()
        work: list[Callable[[random.Random, Site], None]] = [
            self.write,
            self.write,
            self.read,
            self.read,
            self.arrive,
            *(self.decide(person) for person in self.promises.people),
        ]
        with ThreadPoolExecutor(len(work)) as pool:
            running = [pool.submit(self._repeat, one, random.Random(rng.random()), dead) for one in work]
            time.sleep(rng.uniform(0.2, 1.2))
            process.kill()
            process.wait()
            dead.set()
        for one in running:
            one.result()

    def begin(self, rng: random.Random, site: Site, *, releases: int) -> None:
        """Consents change until so much was released: on a slow machine the load may come to nothing."""
        for _ in range(100 * releases):
            if len(self.promises.releases) >= releases:
                return
            person = rng.choice(self.promises.people)
            change(rng, site.patient(person.logical_id), person)
            self.look(site, person, rng.choice(RECIPIENTS).msp_id)
        raise AssertionError(f"seed {SEED}: nothing is ever released")

    def _repeat(
        self, work: Callable[[random.Random, Site], None], rng: random.Random, dead: threading.Event
    ) -> None:
        with self.site() as site:
            while not dead.is_set():
                try:
                    work(rng, site)
                except httpx.TransportError:
                    dead.wait(0.01)  # the process is being killed: nobody heard an answer

    def write(self, rng: random.Random, site: Site) -> None:
        """Create a record, or bring a new version of one: with an id of ours, so that it can be found."""
        with self.promises.lock:
            known = sorted(self.promises.written)
        person = rng.choice(self.promises.people)
        name = rng.choice(known) if known and rng.random() < 0.3 else fresh_id()
        body = observation(person.logical_id, id=name, valueQuantity={"value": rng.randrange(40, 180)})
        answer = site.city.put(f"Observation/{name}", body)
        assert answer.status_code in {200, 201}, answer.text
        with self.promises.lock:
            self.promises.written[name] = answer.headers["etag"], answer.content

    def arrive(self, rng: random.Random, site: Site) -> None:
        """A new patient, whose first consent opens a pair at once."""
        person = new_person(site)
        change(rng, site.patient(person.logical_id), person)
        self.look(site, person, rng.choice(RECIPIENTS).msp_id)
        with self.promises.lock:
            self.promises.people.append(person)

    def decide(self, person: Person) -> Callable[[random.Random, Site], None]:
        """The patient changes the consent."""

        def work(rng: random.Random, site: Site) -> None:
            if person.unanswered is None:
                change(rng, site.patient(person.logical_id), person)

        return work

    def read(self, rng: random.Random, site: Site) -> None:
        """Somebody reads."""
        with self.promises.lock:
            person = rng.choice(self.promises.people)
        self.look(site, person, rng.choice([CITY, LAKE, RIDGE]).msp_id)

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
    """Find out whether the change that nobody heard an answer to was kept: either is right."""
    caller = site.patient(person.logical_id)
    if not person.consent:  # killed while it was created: nobody heard its id
        found = caller.found("Consent", {"patient": person.logical_id})
        if not found:
            person.unanswered = None
            return
        person.consent = found[0]["id"]
    answer = caller.get(f"Consent/{person.consent}")
    assert answer.status_code == 200, "an acknowledged consent is gone"
    version = _version(answer.headers["etag"])
    assert version - len(person.changes) in {0, 1}, f"{len(person.changes)} acknowledged, {version} there"
    if version > len(person.changes):
        assert person.unanswered is not None
        person.changes.append(person.unanswered)
    person.unanswered = None


def check_consents(lives: Lives, site: Site) -> None:
    """Every patient's newest consent is what readers meet."""
    for person in lives.promises.people:
        settle(person, site)
        for member in RECIPIENTS:
            shown = lives.look(site, person, member.msp_id)
            expected = {
                record
                for record, code in person.records.items()
                if person.changes and person.changes[-1].permits(member.msp_id, code)
            }
            assert shown == expected, f"seed {SEED}: {person}"


def check_records(lives: Lives, site: Site) -> None:
    """Every acknowledged version is there with the same bytes."""
    for name, (etag, body) in lives.promises.written.items():
        answer = site.city.get(f"Observation/{name}/_history/{_version(etag)}")
        assert answer.status_code == 200, f"seed {SEED}: an acknowledged version is gone"
        assert answer.content == body


def check_ledger(lives: Lives) -> None:
    """Every release stands on the ledger, and no change of consent waits."""
    witness = witnessed(lives.demo.folder)
    for patient, recipient, tx in lives.promises.releases:
        pair = witness.pair(patient, recipient)
        assert any(entry.pair == pair and entry.outcome == "permit" for entry in witness.entries[tx])
    assert witness.unfiled() == 0


@pytest.fixture
def lives(new_node: Callable[[], Demo], people: tuple[Participant, ...]) -> Lives:
    return Lives(new_node(), people)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_released_is_unlogged(lives: Lives) -> None:
    rng, rounds = random.Random(SEED), ROUNDS
    if lives.demo.settings.database is not None:
        rounds = max(1, ROUNDS // 2)  # the ledger is the same; it is the store that is another
    with lives.process() as process, lives.site() as site:
        lives.promises.people = [new_person(site) for _ in range(3)]
        lives.begin(rng, site, releases=rounds + 1)
        lives.load(rng, process)
    for number in range(1, rounds + 1):
        assert findings(lives.demo.folder) == [], f"after kill {number}, seed {SEED}"
        with lives.process() as process, lives.site() as site:
            check_consents(lives, site)
            check_records(lives, site)
            check_ledger(lives)
            assert findings(lives.demo.folder) == [], f"served after kill {number}, seed {SEED}"
            lives.promises.people = lives.promises.people[-4:]
            if number < rounds:
                lives.load(rng, process)
            else:
                end(process)
    assert verify(lives.demo.folder, "--replay") == (0, [])
    assert len(lives.promises.releases) > rounds
    assert b"Traceback" not in lives.log.read_bytes()
