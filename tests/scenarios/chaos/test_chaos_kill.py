"""The serving process is killed at random moments under load, again and again; nothing is lost.

Each round starts the gateway, lets hospitals write, patients decide and others read, and kills it with
SIGKILL. Acknowledged data must be there afterwards, byte for byte; consents in force stay in force;
what was released is on the ledger; `consentry verify` finds nothing; the outbox is empty once the gateway
answers again. Four rounds; CONSENTRY_TEST_SCALE=25 makes a hundred.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.demo.process import await_ready, end
from tests.support.scenarios.chaos_crowd import SEED, Crowd
from tests.support.scenarios.chaos_people import new_person
from tests.support.scenarios.ledger_reader import findings, verify
from tests.support.scenarios.scenario_site import EVERY_NODE, SCALE

LEDGERS = EVERY_NODE
ROUNDS = max(1, round(4 * SCALE))


class Lives(Crowd):
    """One node, served by one process after the other."""

    def __init__(self, demo: Demo, people: tuple[Participant, ...]) -> None:
        super().__init__(demo, people, unheard=(httpx.TransportError,))
        self.log = demo.folder.path.with_name("gateway.log")

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a gateway process that answers; kill it at the end if it lives."""
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

    def end_by_kill(self, rng: random.Random, process: subprocess.Popen[bytes]) -> None:
        """Run all clients at once, until a random moment at which the process is killed."""

        def kill() -> None:
            time.sleep(rng.uniform(0.2, 1.2))
            process.kill()
            process.wait()

        self.load(rng, kill, self.arrive)


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
        lives.end_by_kill(rng, process)
    for number in range(1, rounds + 1):
        assert findings(lives.demo.folder) == [], f"after kill {number}, seed {SEED}"
        with lives.process() as process, lives.site() as site:
            lives.check_consents(site)
            lives.check_records(site)
            lives.check_ledger()
            assert findings(lives.demo.folder) == [], f"served after kill {number}, seed {SEED}"
            lives.promises.people = lives.promises.people[-4:]
            if number < rounds:
                lives.end_by_kill(rng, process)
            else:
                end(process)
    assert verify(lives.demo.folder, "--replay") == (0, [])
    assert len(lives.promises.releases) > rounds
    assert b"Traceback" not in lives.log.read_bytes()
