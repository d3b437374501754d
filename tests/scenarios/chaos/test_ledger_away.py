"""A node whose peer is away: it says so, refuses everything, and goes on by itself when the peer is back."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from chaincode.consent.calls import Opening
from exchange import devnet
from exchange.demo.consortium import CITY, Demo
from exchange.demo.fabric import city_peer, organisation
from exchange.demo.nhanes import Participant
from exchange.demo.process import await_ready, end
from exchange.ledger.client import LedgerClient
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from tests.support.scenarios.ledger_reader import verify
from tests.support.scenarios.scenario_site import FABRIC, LAKE, TX, Site, consent, in_thread, is_outcome

LEDGERS = (pytest.param(FABRIC, marks=pytest.mark.fabric),)


@contextmanager
def gateway(demo: Demo, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "exchange.cli", "serve", str(demo.folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        await_ready(process, f"{demo.settings.base_url}/health")
        yield process
    finally:
        end(process)


@pytest.fixture
def peer(consortium_network: devnet.Network) -> Iterator[str]:
    name = city_peer(consortium_network)
    yield name
    consortium_network.start(*consortium_network.stopped())
    consortium_network.wait_ready()


def until_answered(call: Callable[[], httpx.Response], seconds: float = 20.0) -> httpx.Response:
    end_at = time.monotonic() + seconds
    while True:
        answer = call()
        if answer.status_code != 503 or time.monotonic() > end_at:
            return answer


def test_a_node_starts_without_its_peer_says_so_and_goes_on_when_it_is_back(
    new_node: Callable[[], Demo],
    people: tuple[Participant, ...],
    consortium_network: devnet.Network,
    peer: str,
    tmp_path: Path,
) -> None:
    demo, log = new_node(), tmp_path / "gateway.log"
    consortium_network.kill(peer)
    with gateway(demo, log), httpx.Client(timeout=60) as http:
        site = Site(demo, http, people)
        assert "the ledger is away" in log.read_text()
        patient = str(people[0].patient["id"])
        for answer in (
            site.city.get(f"Patient/{patient}"),
            site.lake.get(f"Patient/{patient}"),
            site.city.get(f"Observation?patient={patient}"),
            site.patient(patient).get("AuditEvent"),
        ):
            body = is_outcome(answer, 503)
            assert answer.headers["retry-after"]
            assert body["issue"][0]["code"] == "transient"
            assert patient not in answer.text
        consortium_network.start(peer)
        assert until_answered(lambda: site.city.get(f"Patient/{patient}")).status_code == 200
        answer = site.lake.get(f"Patient/{patient}")
        assert answer.status_code == 404
        shown = site.patient(patient).found("AuditEvent?_count=100")
        assert answer.headers[TX] in str(shown)


def test_a_revocation_during_an_outage_holds_once_it_is_acknowledged(
    served: Site, consortium_network: devnet.Network, peer: str
) -> None:
    patient = served.new_patient()
    record = f"Observation/{served.observation(patient)['id']}"
    granted = served.patient(patient).post("Consent", consent(patient, LAKE)).json()
    assert served.lake.get(record).status_code == 200
    consortium_network.kill(peer)
    revoked = consent(patient, LAKE, status="inactive") | {"id": granted["id"]}
    assert served.patient(patient).put(f"Consent/{granted['id']}", revoked).status_code == 503
    assert served.lake.get(record).status_code == 503
    consortium_network.start(peer)
    put = until_answered(lambda: served.patient(patient).put(f"Consent/{granted['id']}", revoked))
    assert put.status_code == 200
    assert served.lake.get(record).status_code == 404
    assert verify(served.demo.folder) == (0, [])


def test_a_peer_that_was_away_catches_up_before_it_answers(
    served: Site, consortium_network: devnet.Network, peer: str
) -> None:
    """The others go on meanwhile; what this hospital's peer missed, it has when it endorses again."""
    patient = served.new_patient()
    record = f"Observation/{served.observation(patient)['id']}"
    path = served.demo.folder.profile(served.demo.settings)
    assert path is not None
    own = Profile.read(path)
    other = consortium_network.profile(organisation(LAKE))
    consortium_network.kill(peer)
    in_thread(write_elsewhere(msgspec.structs.replace(other, chaincode=own.chaincode), 30))
    consortium_network.start(peer)
    assert until_answered(lambda: served.city.get(record)).status_code == 200
    end_at = time.monotonic() + 20
    while in_thread(height(own)) < in_thread(height(other)):
        assert time.monotonic() < end_at
    assert verify(served.demo.folder) == (0, [])


async def write_elsewhere(profile: Profile, count: int) -> None:
    client = LedgerClient(FabricTransactions.open(profile))
    for _ in range(count):
        await client.open_pairs([Opening(secrets.token_hex(16), CITY.msp_id, "patient", ())])
    await client.close()


async def height(profile: Profile) -> int:
    async with open_blocks(profile) as source:
        return await source.height()


def test_a_hospital_that_is_cut_off_from_all_others_releases_nothing(
    served: Site, consortium_network: devnet.Network
) -> None:
    """Its own peer answers, and alone it is no majority: what the others see can't be known."""
    patient = served.new_patient()
    record = f"Observation/{served.observation(patient)['id']}"
    others = [
        one.peer
        for one in consortium_network.topology.organisations
        if one.peer != city_peer(consortium_network)
    ]
    for name in others:
        consortium_network.pause(name)
    try:
        answer = served.city.get(record)
        is_outcome(answer, 503)
        assert "retry-after" in answer.headers
    finally:
        for name in others:
            consortium_network.resume(name)
    assert until_answered(lambda: served.city.get(record)).status_code == 200
    assert verify(served.demo.folder) == (0, [])
