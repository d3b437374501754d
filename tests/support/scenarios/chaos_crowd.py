"""The clients of one gateway while parts of it die, and the promises that they were given.

Hospitals write, patients decide and others read, all at once. Each acknowledgement is noted, and what was
released; `check_consents`, `check_records` and `check_ledger` compare it with what is there.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from tests.support.scenarios.chaos_people import RECIPIENTS, Person, change, new_person, released
from tests.support.scenarios.ledger_reader import witnessed
from tests.support.scenarios.scenario_site import CITY, LAKE, RIDGE, TX, Site, fresh_id, observation

SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))

Work = Callable[[random.Random, Site], None]


@dataclass
class Promises:
    """The gateway's acknowledgements and releases."""

    people: list[Person] = field(default_factory=list)
    written: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    releases: list[tuple[str, str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Crowd:
    """Everybody who calls; `unheard` are the errors by which a caller learns that nothing was answered."""

    def __init__(
        self,
        demo: Demo,
        participants: tuple[Participant, ...],
        *,
        unheard: tuple[type[Exception], ...],
        client: Callable[[], httpx.Client] = lambda: httpx.Client(timeout=30),
    ) -> None:
        self.demo, self.participants = demo, participants
        self.promises = Promises()
        self._unheard, self._client = unheard, client

    @contextmanager
    def site(self) -> Iterator[Site]:
        """Return the gateway, by a client of its own."""
        with self._client() as http:
            yield Site(self.demo, http, self.participants)

    def load(self, rng: random.Random, meanwhile: Callable[[], None], *more: Work) -> None:
        """Run all clients at once, and `more`, as long as `meanwhile` takes."""
        over = threading.Event()
        work = [self.write, self.write, self.read, self.read, *more]
        work += [self.decide(person) for person in self.promises.people]
        with ThreadPoolExecutor(len(work)) as pool:
            busy = [pool.submit(self._repeat, one, random.Random(rng.random()), over) for one in work]
            try:
                meanwhile()
            finally:
                over.set()
        for one in busy:
            one.result()

    def _repeat(self, work: Work, rng: random.Random, over: threading.Event) -> None:
        with self.site() as site:
            while not over.is_set():
                try:
                    work(rng, site)
                except self._unheard:
                    over.wait(0.02)

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
        """Store a new patient with a first consent that opens a pair at once."""
        person = new_person(site)
        change(rng, site.patient(person.logical_id), person)
        self.look(site, person, rng.choice(RECIPIENTS).msp_id)
        with self.promises.lock:
            self.promises.people.append(person)

    def decide(self, person: Person) -> Work:
        """Change the consent as the patient, one change after the other."""

        def work(rng: random.Random, site: Site) -> None:
            if person.unanswered is None:
                change(rng, site.patient(person.logical_id), person)
            else:
                settle(person, site)

        return work

    def read(self, rng: random.Random, site: Site) -> None:
        """Read as one of the recipients."""
        with self.promises.lock:
            person = rng.choice(self.promises.people)
        self.look(site, person, rng.choice([CITY, LAKE, RIDGE]).msp_id)

    def look(self, site: Site, person: Person, recipient: str) -> set[str]:
        """Return the person's records that `recipient` gets; each release is noted."""
        member = next(member for member in (CITY, LAKE, RIDGE) if member.msp_id == recipient)
        answer = site.system(member).get(f"Observation?patient={person.logical_id}&_count=500")
        assert answer.status_code == 200, answer.text
        shown = released(answer) & person.records.keys()
        if shown:
            with self.promises.lock:
                self.promises.releases.append((person.logical_id, recipient, answer.headers[TX]))
        return shown

    def begin(self, rng: random.Random, site: Site, *, releases: int) -> None:
        """Change consents until so much was released: on a slow machine the load may come to nothing."""
        for _ in range(100 * releases):
            if len(self.promises.releases) >= releases:
                return
            person = rng.choice(self.promises.people)
            change(rng, site.patient(person.logical_id), person)
            self.look(site, person, rng.choice(RECIPIENTS).msp_id)
        raise AssertionError(f"seed {SEED}: nothing is ever released")

    def check_consents(self, site: Site) -> None:
        """Check that readers meet every patient's newest consent."""
        for person in self.promises.people:
            settle(person, site)
            for member in RECIPIENTS:
                shown = self.look(site, person, member.msp_id)
                expected = {
                    record
                    for record, code in person.records.items()
                    if person.changes and person.changes[-1].permits(member.msp_id, code)
                }
                assert shown == expected, f"seed {SEED}: {person}"

    def check_records(self, site: Site) -> None:
        """Check that every acknowledged version is there with the same bytes."""
        for name, (etag, body) in self.promises.written.items():
            answer = site.city.get(f"Observation/{name}/_history/{_version(etag)}")
            assert answer.status_code == 200, f"seed {SEED}: an acknowledged version is gone"
            assert answer.content == body

    def check_ledger(self) -> None:
        """Check that every release stands on the ledger, and no change of consent waits."""
        witness = witnessed(self.demo.folder)
        for patient, recipient, tx in self.promises.releases:
            pair = witness.pair(patient, recipient)
            assert any(entry.pair == pair and entry.outcome == "permit" for entry in witness.entries[tx])
        assert witness.not_published() == 0


def settle(person: Person, site: Site) -> None:
    """Find out whether the change without an answer was kept: either is right."""
    caller = site.patient(person.logical_id)
    if not person.consent:  # the lost answer is the one to its creation: no client heard its id
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


def _version(etag: str) -> int:
    return int(etag.removeprefix('W/"').removesuffix('"'))
