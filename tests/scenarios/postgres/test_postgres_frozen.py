"""A gateway whose PostgreSQL is frozen, not dead: it refuses in time, and goes on when the server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.store.engine import postgres
from exchange.store.engine.timeout import TimeoutConnection
from tests.support.postgres_server import Server
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import (
    LAKE,
    POSTGRESQL,
    Site,
    consent,
    fresh_id,
    is_outcome,
    observation,
    opened,
)

LEDGERS = (POSTGRESQL,)
TIMEOUT = 1.0
CONNECTING = 2.0  # libpq waits no shorter


@pytest.fixture(scope="module")
def site(new_node: Callable[[], Demo], people: tuple[Participant, ...]) -> Iterator[Site]:
    """The node, which waits for no answer for long; nothing may be wrong with it when all is over."""
    demo = new_node()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimeoutConnection, "TIMEOUT", TIMEOUT)
        patch.setitem(postgres._CONNECTION, "connect_timeout", str(int(CONNECTING)))
        with opened(demo) as (http, _, _):
            yield Site(demo, http, people)
    assert findings(demo.folder) == []


@pytest.fixture
def patient(site: Site) -> str:
    """A patient with a record, who permits Lake Clinic to read."""
    patient = site.new_patient()
    site.observation(patient)
    assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    return patient


def seen(site: Site, patient: str) -> httpx.Response:
    return site.lake.get(f"Observation?patient={patient}")


def is_refused(answer: httpx.Response) -> bool:
    said = is_outcome(answer, 503)
    return said["issue"][0]["code"] == "transient" and answer.headers["retry-after"].isdecimal()


def once_it_goes_on(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Return the first answer that is no 503."""
    end = time.monotonic() + 10
    while (answer := call()).status_code == 503:
        assert is_refused(answer)
        assert time.monotonic() < end
        time.sleep(0.05)
    return answer


def test_requests_are_refused_in_time_and_served_again_when_the_server_goes_on(
    site: Site, patient: str, postgres: Server
) -> None:
    kept = site.observation(patient)
    name, officer = fresh_id(), site.officer()
    calls: tuple[Callable[[], httpx.Response], ...] = (
        lambda: site.city.get(f"Observation/{kept['id']}"),
        lambda: seen(site, patient),
        lambda: site.city.put(f"Observation/{name}", observation(patient, id=name)),
        lambda: officer.get("AuditEvent?_count=1"),
    )
    for caller in (site.city, site.lake, officer):
        caller.token()
    with postgres.frozen():
        for _ in range(2):  # on connections that were open, and on none
            began = time.monotonic()
            with ThreadPoolExecutor(4 * len(calls)) as pool:
                answers = list(pool.map(lambda call: call(), calls * 4))
            assert all(is_refused(answer) for answer in answers)
            assert time.monotonic() - began < 4 * (TIMEOUT + CONNECTING)
    for call in calls:
        assert once_it_goes_on(call).status_code in {200, 201}


def test_a_write_that_was_refused_is_there_whole_or_not_at_all(
    site: Site, patient: str, postgres: Server
) -> None:
    names = [fresh_id() for _ in range(60)]
    told: dict[str, int] = {}

    def write(names: list[str]) -> None:
        for name in names:
            told[name] = site.city.put(f"Observation/{name}", observation(patient, id=name)).status_code

    writers = [threading.Thread(target=write, args=(names[n::3],)) for n in range(3)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        time.sleep(0.15)
        with postgres.frozen():
            time.sleep(TIMEOUT * 1.2)
    for writer in writers:
        writer.join(60)
    assert set(told.values()) <= {200, 201, 503}
    assert 503 in told.values(), "it was never frozen while something was written"
    for name in names:
        answer = once_it_goes_on(lambda name=name: site.city.get(f"Observation/{name}"))  # type: ignore[misc]
        assert answer.status_code == 200 or told[name] == 503
    assert [one["id"] for one in seen_all(site, patient)] != []


def seen_all(site: Site, patient: str) -> list[dict[str, Any]]:
    return site.city.found("Observation", {"patient": patient, "_count": "200"})


def test_a_revocation_that_was_refused_is_kept_or_not_and_holds_once_it_was_acknowledged(
    site: Site, patient: str, postgres: Server
) -> None:
    assert seen(site, patient).json()["entry"]
    caller = site.patient(patient)
    [held] = caller.found("Consent", {"patient": patient})
    revoked = consent(patient, LAKE, status="inactive", logical_id=held["id"])
    with postgres.frozen():
        assert is_refused(caller.put(f"Consent/{held['id']}", revoked))
    assert once_it_goes_on(lambda: caller.put(f"Consent/{held['id']}", revoked)).status_code == 200
    assert not once_it_goes_on(lambda: seen(site, patient)).json().get("entry")


def test_a_gateway_ends_although_its_server_is_frozen(
    new_node: Callable[[], Demo], postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimeoutConnection, "TIMEOUT", TIMEOUT)
    demo = new_node()
    with ExitStack() as frozen:
        with opened(demo):
            frozen.enter_context(postgres.frozen())
            began = time.monotonic()
        assert time.monotonic() - began < 30
