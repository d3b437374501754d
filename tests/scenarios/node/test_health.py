"""The health of a node: what it says while the node can't write or its clock is wrong, and afterwards."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
import structlog

from exchange.ledger import clock
from exchange.node.open import Node
from exchange.services import health
from exchange.services.health import Health, NodeHealth
from tests.support.scenarios.scenario_site import LAKE, OpenedClient, Site, consent, is_outcome

HOUR = 60 * 60 * 1000


@contextmanager
def full_disk() -> Iterator[None]:
    """Let this process write to no file, as on a full disk; also what it logs would go to one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with structlog.testing.capture_logs():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def until(call: Callable[[], httpx.Response], status: int) -> httpx.Response:
    end = time.monotonic() + 10
    while (answer := call()).status_code != status:
        assert time.monotonic() < end, answer.text
        time.sleep(0.1)
    return answer


def told(site: Site) -> httpx.Response:
    return site.http.get(f"{site.demo.settings.base_url}/health")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LASTS", 0.0)


def test_a_full_disk_is_told_and_over_when_there_is_room(site: Site) -> None:
    patient = site.new_patient()
    given = site.patient(patient).post("Consent", consent(patient, LAKE)).json()
    revoked = consent(patient, LAKE, status="inactive") | {"id": given["id"]}
    person = site.patient(patient)
    assert person.get(f"Patient/{patient}").status_code == 200
    assert site.lake.get(f"Patient/{patient}").status_code == 200
    assert told(site).json() == {"status": "pass"}
    with full_disk():
        for _ in range(2):
            assert is_outcome(site.city.get(f"Patient/{patient}"), 503)
            assert is_outcome(person.put(f"Consent/{given['id']}", revoked), 503)
            answer = until(lambda: told(site), 503)
            assert answer.json()["status"] == "fail"
    assert until(lambda: told(site), 200).json() == {"status": "pass"}  # nobody asked the ledger
    assert site.city.get(f"Patient/{patient}").status_code == 200
    assert person.put(f"Consent/{given['id']}", revoked).status_code == 200
    assert site.lake.get(f"Patient/{patient}").status_code == 404


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 4000 * 24 * HOUR])
def test_a_wrong_clock_costs_refusals_while_it_lasts(
    site: Site, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    patient = site.new_patient()
    wrong = SimpleNamespace(
        time_ns=lambda: time.time_ns() + jump * 1_000_000,
        clock_gettime_ns=time.clock_gettime_ns,
        CLOCK_BOOTTIME=time.CLOCK_BOOTTIME,
    )
    with monkeypatch.context() as patch:
        patch.setattr(clock, "time", wrong)
        written = site.city.post("Patient", {"resourceType": "Patient"})
        for call in (
            lambda: site.city.get(f"Patient/{patient}"),
            lambda: site.officer().get("AuditEvent"),
            lambda: site.patient(patient).get(f"Patient/{patient}"),
        ):
            assert "clock jumped" in is_outcome(call(), 503)["issue"][0]["diagnostics"]
        assert "clock jumped" in told(site).json()["output"]
    assert told(site).json() == {"status": "pass"}
    assert site.city.get(f"Patient/{patient}").status_code == 200
    if written.status_code == 201:
        assert site.city.get(f"Patient/{written.headers['location'].split('/')[-3]}").status_code == 200
    assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    assert site.lake.get(f"Patient/{patient}").status_code == 200


def opened_http(site: Site) -> OpenedClient:
    assert isinstance(site.http, OpenedClient)
    return site.http


def opened_node(site: Site) -> Node:
    return opened_http(site).node


def ready(site: Site) -> httpx.Response:
    return site.http.get(f"{site.demo.settings.base_url}/health/ready")


def live(site: Site) -> httpx.Response:
    return site.http.get(f"{site.demo.settings.base_url}/health/live")


def test_each_dependency_has_a_check_of_its_own(site: Site) -> None:
    answer = ready(site)
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert checks.keys() == {"ledger", "database", "disk", "certificate", "clock"}
    assert {one["status"] for [one] in checks.values()} == {"pass"}


def test_a_node_that_can_not_write_is_live_and_not_ready_and_says_what_is_lost(site: Site) -> None:
    patient = site.new_patient()
    with full_disk():
        is_outcome(site.city.get(f"Patient/{patient}"), 503)
        answer = until(lambda: ready(site), 503)
        lost = {name for name, [one] in answer.json()["checks"].items() if one["status"] == "fail"}
        assert lost
        assert lost <= {"ledger", "database"}
        assert live(site).json() == {"status": "pass"}
    until(lambda: ready(site), 200)


@pytest.mark.parametrize(
    ("left", "status"), [(-1.0, "fail"), (3600.0, "warn"), (health.SOON_SECONDS + 60.0, "pass")]
)
def test_a_certificate_is_told_before_it_ends(site: Site, left: float, status: str) -> None:
    needed = replace(opened_node(site).gateway.health._needed, certificates={"a": time.time() + left})
    found = opened_http(site).loop.run(NodeHealth(opened_node(site).gateway.health._ledger, needed).ready())
    assert found.checks["certificate"][0].status == status
    assert found.status == status


def test_a_disk_with_little_room_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LITTLE_SPACE", 1 << 60)
    answer = ready(site)
    assert answer.status_code == 200
    assert answer.json()["status"] == "warn"
    assert "disk" in answer.json()["output"]


def test_a_dependency_that_is_lost_is_logged_once_and_once_when_it_is_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "WATCH_SECONDS", 0.01)
    found = [Health("pass"), Health("fail", "gone"), Health("fail", "gone"), Health("pass"), Health("pass")]
    checked = NodeHealth(opened_node(site).gateway.health._ledger, opened_node(site).gateway.health._needed)

    async def checks() -> dict[str, Health]:
        if not found:
            raise EOFError
        return {"ledger": found.pop(0)}

    monkeypatch.setattr(checked, "_checks", checks)
    with structlog.testing.capture_logs() as lines, pytest.raises(EOFError):
        opened_http(site).loop.run(checked.keep_watching())
    assert [(line["event"], line["kind"]) for line in lines] == [
        ("dependency.lost", "ledger"),
        ("dependency.back", "ledger"),
    ]
