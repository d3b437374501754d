"""The network under a serving gateway is killed and stopped, process by process, under load.

Patients grant and revoke, others read, and meanwhile a chaincode, a peer or the orderer is killed (SIGKILL)
or stands still (SIGSTOP), and comes back. The gateway may refuse with 503 and must say so as FHIR does; what
it releases must stand on the channel, once, behind terms that permit it; what it acknowledged must hold; and
it goes on by itself. CONSENTRY_TEST_SCALE repeats all of it; CONSENTRY_TEST_SEED repeats one run.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest

from exchange import devnet
from tests.support.scenarios.chaos_people import released
from tests.support.scenarios.ledger_reader import verify, witnessed
from tests.support.scenarios.scenario_site import FABRIC, LAKE, SCALE, TX, Site, consent, is_outcome

LEDGERS = (pytest.param(FABRIC, marks=[pytest.mark.fabric, pytest.mark.slow]),)
SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))
DISTURBANCES = [
    ("kill", "chaincode.cityhospital"),
    ("kill", "peer.cityhospital"),
    ("kill", "peer.lakeclinic"),
    ("kill", "orderer1"),
    ("pause", "peer.cityhospital"),
    ("pause", "peer.lakeclinic"),
    ("pause", "orderer1"),
]
RECOVERY = 30.0


@dataclass
class Decision:
    """The patient's word: whether Lake Clinic may read; `acknowledged` is infinity until it is."""

    permits: bool
    sent: float
    acknowledged: float = float("inf")


@dataclass
class Patient:
    logical_id: str
    record: str
    consent: str
    decisions: list[Decision] = field(default_factory=list)

    def refused(self, start: float, end: float) -> bool:
        """Check whether a revocation was acknowledged before `start`, with nothing sent until `end`."""
        sent = [one for one in self.decisions if one.sent < end]
        return bool(sent) and not sent[-1].permits and sent[-1].acknowledged < start


@dataclass(frozen=True)
class Release:
    patient: Patient
    tx: str
    start: float
    end: float


class Turmoil:
    def __init__(self, site: Site) -> None:
        self.site = site
        self.patients = [self._admit() for _ in range(3)]
        self.releases: list[Release] = []
        self.answers: Counter[int] = Counter()
        self.last_answer = 0.0
        self.stop = threading.Event()

    def _admit(self) -> Patient:
        logical_id, sent = self.site.new_patient(), time.monotonic()
        record = str(self.site.observation(logical_id)["id"])
        granted = self.site.patient(logical_id).post("Consent", consent(logical_id, LAKE))
        assert granted.status_code == 201, granted.text
        first = Decision(permits=True, sent=sent, acknowledged=time.monotonic())
        return Patient(logical_id, record, str(granted.json()["id"]), [first])

    def _note(self, answer: httpx.Response) -> bool:
        """Check whether it is an answer; a refusal because of the ledger must be a proper one."""
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            is_outcome(answer, 503)
            assert "retry-after" in answer.headers
            return False
        return True

    def decide(self, patient: Patient, rng: random.Random, site: Site) -> None:
        """Grant or revoke; asked again until it is acknowledged, as a person would."""
        permits = rng.random() < 0.5
        status = "active" if permits else "inactive"
        body = consent(patient.logical_id, LAKE, status=status, logical_id=patient.consent)
        decision = Decision(permits, time.monotonic())
        patient.decisions.append(decision)
        caller = site.patient(patient.logical_id)
        while not self._note(answer := caller.put(f"Consent/{patient.consent}", body)):
            time.sleep(0.2)
        assert answer.status_code == 200, answer.text
        decision.acknowledged = time.monotonic()
        time.sleep(rng.expovariate(8))

    def read(self, rng: random.Random, site: Site) -> None:
        patient = rng.choice(self.patients)
        path = rng.choice([f"Observation/{patient.record}", f"Observation?patient={patient.logical_id}"])
        start = time.monotonic()
        answer = site.lake.get(path)
        if not self._note(answer):
            return
        self.last_answer = time.monotonic()
        assert answer.status_code in {200, 404}, answer.text
        if released(answer) & {patient.record}:
            self.releases.append(Release(patient, answer.headers[TX], start, self.last_answer))

    def run(self, while_running: Callable[[], None]) -> None:
        work = [lambda rng, site, one=one: self.decide(one, rng, site) for one in self.patients]
        work += [self.read] * 5
        with ThreadPoolExecutor(len(work)) as pool:
            running = [
                pool.submit(self._repeat, one, random.Random(f"{SEED}/{n}")) for n, one in enumerate(work)
            ]
            try:
                while_running()
            finally:
                self.stop.set()
        for one in running:
            one.result()

    def _repeat(self, work: Callable[[random.Random, Site], None], rng: random.Random) -> None:
        with httpx.Client(timeout=90) as http:
            site = Site(self.site.demo, http, self.site.people)
            while not self.stop.is_set():
                work(rng, site)


@pytest.fixture
def restored(consortium_network: devnet.Network) -> Iterator[devnet.Network]:
    """The session's network, whole again afterwards."""
    yield consortium_network
    for process in consortium_network.status():
        if process.state == "paused":
            consortium_network.resume(process.name)
    consortium_network.start(*consortium_network.stopped())
    consortium_network.wait_ready()


def test_nothing_is_lost_or_released_unlogged_whatever_process_fails(
    served: Site, restored: devnet.Network, record_property: Callable[[str, object], None]
) -> None:
    turmoil, rng = Turmoil(served), random.Random(SEED)

    def disturb() -> None:
        for number in range(max(1, round(SCALE))):
            for kind, name in rng.sample(DISTURBANCES, len(DISTURBANCES)):
                time.sleep(rng.uniform(0.3, 1.0))
                (restored.kill if kind == "kill" else restored.pause)(name)
                time.sleep(rng.uniform(0.5, 1.5))
                back = time.monotonic()
                (restored.start if kind == "kill" else restored.resume)(name)
                while turmoil.last_answer < back:
                    assert time.monotonic() < back + RECOVERY, f"seed {SEED}: no answer after {kind} {name}"
                    time.sleep(0.02)
                record_property(f"{kind} {name} {number}", round(turmoil.last_answer - back, 2))

    turmoil.run(disturb)
    assert turmoil.answers[200] + turmoil.answers[404] > 50, turmoil.answers
    witness = witnessed(served.demo.folder)  # it refuses a channel on which a transaction is valid twice
    for release in turmoil.releases:
        pair = witness.pair(release.patient.logical_id, LAKE.msp_id)
        assert witness.terms_before(pair, release.tx), f"seed {SEED}: released behind a revocation"
        assert any(one.pair == pair and one.outcome == "permit" for one in witness.entries[release.tx])
        assert not release.patient.refused(release.start, release.end), f"seed {SEED}"
    for patient in turmoil.patients:
        held = witness.terms_now(witness.pair(patient.logical_id, LAKE.msp_id))
        if patient.decisions[-1].permits:
            assert held is None or len(held) == 1
        else:
            assert not held, f"seed {SEED}: an acknowledged revocation is not on the channel"
    assert witness.not_published() == 0
    assert verify(served.demo.folder) == (0, [])
