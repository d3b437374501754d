"""PostgreSQL is killed under load and started again, beside a gateway that lives on; nothing is lost.

Each round lets hospitals write, patients decide and others read, and kills all of the server's processes
with SIGKILL. While it is away every request is refused with 503, an OperationOutcome and Retry-After; once it
is back the same gateway answers again. Acknowledged data must be there then, consents in force hold, what
was released is on the ledger and in the log, and `consentry verify` finds nothing.
Two rounds; CONSENTRY_TEST_SCALE=20 makes forty.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchange.client.system import ClientError
from exchange.demo.consortium import Demo, build
from exchange.demo.nhanes import Participant
from exchange.demo.process import await_ready, end, free_port
from exchange.errors import UnavailableError
from tests.support.postgres_server import Server, running
from tests.support.scenarios.chaos_crowd import SEED, Crowd
from tests.support.scenarios.chaos_people import new_person
from tests.support.scenarios.ledger_reader import findings, verify
from tests.support.scenarios.scenario_site import PEOPLE, SCALE, Site, in_thread, is_outcome

ROUNDS = max(1, round(2 * SCALE))


class AwayError(Exception):
    """The gateway said that its database is away."""


class Refusals:
    """The number of times that the gateway said that its database is away."""

    def __init__(self) -> None:
        self.count, self._lock = 0, threading.Lock()

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self.count += 1


class Honest(httpx.Client):
    """A client that looks at every refusal: it says that the database is away, and when to ask again."""

    def __init__(self, refusals: Refusals) -> None:
        super().__init__(timeout=30)
        self._refusals = refusals

    def send(self, *given: Any, **more: Any) -> httpx.Response:
        answer = super().send(*given, **more)
        if answer.status_code == 503:
            assert answer.headers["retry-after"].isdecimal()
            if "/auth/" in str(answer.request.url):
                assert answer.json()["error"] == "temporarily_unavailable"
            else:
                assert is_outcome(answer, 503)["issue"][0]["code"] == "transient"
            self._refusals.add()
            raise AwayError
        return answer


class Outliving(Crowd):
    """Everybody who calls a gateway whose database is killed."""

    def __init__(self, demo: Demo, people: tuple[Participant, ...]) -> None:
        self.refusals = Refusals()
        super().__init__(
            demo,
            people,
            unheard=(AwayError, ClientError, UnavailableError),  # the last: no token for a patient
            client=lambda: Honest(self.refusals),
        )

    def check(self, site: Site) -> None:
        """Check that everything promised is there, and every release in the log."""
        self.check_consents(site)
        self.check_records(site)
        self.check_ledger()
        listed = {event["id"] for event in site.officer().found("AuditEvent", {"_count": "500"})}
        missing = [
            tx for _, _, tx in self.promises.releases if not any(tx.startswith(one[:32]) for one in listed)
        ]
        assert not missing, f"seed {SEED}: the log lacks {len(missing)} releases"


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def crowd(server: Server, people: tuple[Participant, ...], tmp_path: Path) -> Outliving:
    database = server.new_database()
    return Outliving(in_thread(build(tmp_path / "node", free_port(), PEOPLE, database=database)), people)


@pytest.mark.slow
def test_a_gateway_outlives_its_database_and_nothing_acknowledged_is_lost(
    crowd: Outliving, server: Server, tmp_path: Path
) -> None:
    rng, log = random.Random(SEED), tmp_path / "gateway.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "exchange.cli", "serve", str(crowd.demo.folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        await_ready(process, f"{crowd.demo.settings.base_url}/health")
        with crowd.site() as site:
            crowd.promises.people = [new_person(site) for _ in range(3)]
            crowd.begin(rng, site, releases=ROUNDS + 1)
            for number in range(1, ROUNDS + 1):

                def outage() -> None:
                    time.sleep(rng.uniform(0.3, 1.2))
                    server.kill()
                    time.sleep(rng.uniform(0, 0.5))
                    server.start()
                    time.sleep(rng.uniform(0, 0.7))

                crowd.load(rng, outage)
                eventually(lambda: crowd.check(site))
                assert process.poll() is None
                assert findings(crowd.demo.folder) == [], f"served after kill {number}, seed {SEED}"
        assert crowd.refusals.count > ROUNDS
    finally:
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
