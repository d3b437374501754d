"""What a crash or a ledger that is away leaves between a write and its entry is completed, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.services.writes.recording import ENTRIES
from exchange.store.records import outbox
from tests.support.scenarios.ledger_reader import findings, witnessed
from tests.support.scenarios.scenario_site import EVERY_STORE, Site, is_outcome, observation, opened

LEDGERS = EVERY_STORE


@pytest.fixture
def demo(new_node: Callable[[], Demo]) -> Demo:
    return new_node()


@contextmanager
def site_of(demo: Demo, people: tuple[Participant, ...]) -> Iterator[Site]:
    with opened(demo) as (http, _, _):
        yield Site(demo, http, people)


def writes_of(demo: Demo, patient: str, msp_id: str) -> list[str]:
    """Return the actions of the entries under the custodian's own pair of a patient."""
    witness = witnessed(demo.folder)
    pair = witness.pair(patient, msp_id)
    return [
        one.action
        for entries in witness.entries.values()
        for one in entries
        if one.pair == pair and one.reason == "recorded"
    ]


def waiting(demo: Demo) -> int:
    with witnessed(demo.folder).open_records() as connection:
        return outbox.count(connection, ENTRIES)


async def away(*_: Any, **__: Any) -> Any:
    raise UnavailableError("the ledger is away")


def test_a_ledger_that_is_away_lets_one_write_wait_and_refuses_the_next(
    demo: Demo, people: tuple[Participant, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    msp_id = demo.settings.msp_id
    with site_of(demo, people) as site:
        patient = site.new_patient()
        with monkeypatch.context() as broken:
            broken.setattr(LedgerClient, "record", away)
            said = is_outcome(site.city.post("Observation", observation(patient)), 503)
            assert "is stored" in said["issue"][0]["diagnostics"]
            for _ in range(3):
                said = is_outcome(site.city.post("Observation", observation(patient)), 503)
                assert "nothing was stored" in said["issue"][0]["diagnostics"]
        assert writes_of(demo, patient, msp_id) == ["create"]
        assert site.city.post("Observation", observation(patient)).status_code == 201
        assert writes_of(demo, patient, msp_id) == ["create"] * 3
        assert len(site.city.found(f"Observation?patient={patient}")) == 2
    assert waiting(demo) == 0
    assert findings(demo.folder) == []


@pytest.mark.parametrize("recorded", [False, True])
def test_an_entry_that_a_crash_left_is_there_once_after_the_next_start(
    demo: Demo, people: tuple[Participant, ...], monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    msp_id = demo.settings.msp_id
    with site_of(demo, people) as site:
        patient = site.new_patient()
    with site_of(demo, people) as site, monkeypatch.context() as killed:
        if recorded:  # the process ends behind the ledger's commit, and before anything else
            record = LedgerClient.record

            async def last(self: LedgerClient, events: Any) -> Any:
                await record(self, events)
                raise UnavailableError("killed")

            killed.setattr(LedgerClient, "record", last)
        else:
            killed.setattr(LedgerClient, "record", away)
        assert site.city.post("Observation", observation(patient)).status_code == 503
    assert waiting(demo) == 1
    assert writes_of(demo, patient, msp_id) == ["create"] * (2 if recorded else 1)
    assert findings(demo.folder) == []  # an entry that waits is no finding
    with site_of(demo, people) as site:
        assert writes_of(demo, patient, msp_id) == ["create"] * 2
        assert site.city.get(f"Patient/{patient}").status_code == 200
    assert waiting(demo) == 0
    assert findings(demo.folder) == []


def test_a_caller_that_goes_away_changes_nothing_of_the_entry(
    demo: Demo, people: tuple[Participant, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    record = LedgerClient.record

    async def slow(self: LedgerClient, events: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await record(self, events)

    with site_of(demo, people) as site:
        patient = site.new_patient()
        monkeypatch.setattr(LedgerClient, "record", slow)
        node: Any = site.http

        async def cancelled() -> None:
            gateway = node.node.gateway
            right = gateway.rights.grant(node.node.system("t"), "Observation")
            body = msgspec.json.encode(observation(patient))
            change = await gateway.writing.prepare(right, body, logical_id=None)
            task = asyncio.create_task(
                gateway.writing.write([change], by=node.node.system("t"), interaction="create")
            )
            await begun.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            go_on.set()

        node.loop.run(cancelled())
    assert writes_of(demo, patient, demo.settings.msp_id) == ["create"] * 2
    assert waiting(demo) == 0
    assert findings(demo.folder) == []


def test_what_waits_is_sealed_and_bound_to_its_row(
    demo: Demo, people: tuple[Participant, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with site_of(demo, people) as site:
        patient = site.new_patient()
        monkeypatch.setattr(LedgerClient, "record", away)
        assert site.city.post("Observation", observation(patient)).status_code == 503
        with witnessed(demo.folder).open_records() as connection:
            ((token, reference),) = outbox.all_waiting(connection, ENTRIES)
            (row,) = outbox.entries_of(connection, ENTRIES, token)
        assert patient.encode() not in row.sealed
        assert row.reference == reference
