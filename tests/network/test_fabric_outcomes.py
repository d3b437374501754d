"""The errors that a client meets on a real network: restarts under load, wrong keys."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.devnet import Network, Options, up
from exchange.errors import ExchangeError, UnavailableError
from exchange.ledger.errors import RefusedError, UnknownOutcomeError, VoidedError
from exchange.ledger.fabric.gateway.client import Deadlines, GatewayClient
from exchange.ledger.fabric.gateway.errors import (
    CallError,
    EndorseError,
    EvaluateError,
    EventsError,
    OutcomeUnknownError,
)
from exchange.ledger.fabric.gateway.identity import SigningIdentity
from exchange.ledger.fabric.gateway.retries import Advice, advise

pytestmark = pytest.mark.fabric

ROUNDS = max(1, round(float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))))
"""Return the number of times that each disturbance strikes."""


def fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex}"


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


async def notes(transactions: Any, subject: str) -> list[str]:
    found: list[str] = []
    bookmark = ""
    while True:
        asked = {"subject": subject, "limit": 500, "bookmark": bookmark}
        page = json.loads(await transactions.evaluate("notes", encoded(asked)))
        found += page["values"]
        bookmark = page["bookmark"]
        if not bookmark:
            return found


class Load:
    """Writers that submit notes one after another, and remember what was acknowledged and what failed."""

    def __init__(self, transactions: Any, subject: str) -> None:
        self.transactions, self.subject = transactions, subject
        self.acknowledged: list[str] = []
        self.failed: dict[str, ExchangeError] = {}
        self.longest_gap = 0.0

    @asynccontextmanager
    async def running(self, writers: int):
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self._write(number, stop)) for number in range(writers)]
        try:
            yield self
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    async def _write(self, writer: int, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            name = f"{writer}-{number:05d}"
            number += 1
            began = time.monotonic()
            try:
                await self.transactions.submit("note", encoded({"subject": self.subject, "id": name}))
            except UnavailableError as why:
                self.failed[name] = why
                await asyncio.sleep(0.05)
            else:
                self.acknowledged.append(name)
                self.longest_gap = max(self.longest_gap, time.monotonic() - began)

    async def more(self, count: int) -> None:
        """Wait until `count` more were acknowledged."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(40):
            while len(self.acknowledged) < wanted:  # noqa: ASYNC110  # the writers are the event
                await asyncio.sleep(0.02)


def killed(name: str) -> Callable[[Network], Awaitable[None]]:
    async def disturb(running: Network) -> None:
        await asyncio.to_thread(running.kill, name)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(running.start, name)

    return disturb


def stopped(name: str) -> Callable[[Network], Awaitable[None]]:
    async def disturb(running: Network) -> None:
        await asyncio.to_thread(running.stop, name)
        await asyncio.to_thread(running.start, name)

    return disturb


def paused(name: str) -> Callable[[Network], Awaitable[None]]:
    async def disturb(running: Network) -> None:
        running.pause(name)
        await asyncio.sleep(1.5)
        running.resume(name)

    return disturb


DISTURBANCES = {
    "chaincode-killed": killed("chaincode.hospital1"),
    "chaincode-stopped": stopped("chaincode.hospital1"),
    "chaincode-paused": paused("chaincode.hospital1"),
    "own-peer-killed": killed("peer.hospital1"),
    "other-peer-killed": killed("peer.hospital2"),
    "other-peer-paused": paused("peer.hospital3"),
    "orderer-killed": killed("orderer1"),
    "orderer-paused": paused("orderer1"),
}


@pytest.mark.parametrize("disturbance", DISTURBANCES)
async def test_no_acknowledged_transaction_is_lost(fabric, clients, disturbance):
    transactions, subject = clients.transactions(), fresh("subject")
    load = Load(transactions, subject)
    async with load.running(6):
        for _ in range(ROUNDS):
            await load.more(20)
            await DISTURBANCES[disturbance](fabric)
        await load.more(20)
    kept = await notes(transactions, subject)
    assert sorted(set(kept)) == sorted(kept)
    assert set(load.acknowledged) <= set(kept)
    # A transaction that is there without an acknowledgement was reported as unknown, and as nothing else.
    for name in set(kept) - set(load.acknowledged):
        assert isinstance(load.failed[name], UnknownOutcomeError)
    for name in set(load.failed) - set(kept):
        assert not isinstance(load.failed[name], RefusedError | VoidedError)
    logging.getLogger(__name__).info(
        "%s: %d acknowledged, %d failed, the longest took %.2f s",
        *(disturbance, len(load.acknowledged), len(load.failed), load.longest_gap),
    )


async def test_any_of_three_orderers_may_be_lost_or_hang(programs, probe, tmp_path, clients_of):
    options = Options(organisations=2, orderers=3, chaincode_command=probe)
    with await asyncio.to_thread(up, tmp_path / "raft", options, programs=programs) as running:
        transactions, subject = clients_of(running).transactions(), fresh("subject")
        load = Load(transactions, subject)
        async with load.running(4):
            await load.more(10)
            for orderer in running.topology.orderers:
                await killed(orderer.name)(running)
                await load.more(10)
            for orderer in running.topology.orderers[:ROUNDS]:
                running.pause(orderer.name)
                await load.more(10)
                running.resume(orderer.name)
        assert set(load.acknowledged) <= set(await notes(transactions, subject))


async def test_majority_goes_on_while_a_peer_hangs(fabric, clients):
    transactions, subject = clients.transactions(), fresh("subject")
    fabric.pause("peer.hospital3")
    try:
        await asyncio.gather(
            *(
                transactions.submit("note", encoded({"subject": subject, "id": f"{number}"}))
                for number in range(8)
            )
        )
    finally:
        fabric.resume("peer.hospital3")
    assert len(await notes(transactions, subject)) == 8


async def test_outcome_that_came_too_late_can_be_settled_afterwards(fabric, clients):
    hasty: GatewayClient = clients.gateway(deadlines=Deadlines(submit=0.5, outcome=1.0))
    key = fresh("key")
    fabric.pause("orderer1")
    try:
        with pytest.raises(OutcomeUnknownError) as unknown:
            await hasty.submit("put", encoded({key: "kept"}))
    finally:
        fabric.resume("orderer1")
    kept = msgspec.json.decode(msgspec.json.encode(unknown.value.endorsed), type=type(unknown.value.endorsed))
    committed = await clients.gateway().settle(kept)
    assert committed.tx_id == kept.tx_id
    assert json.loads(await hasty.evaluate("get", encoded(key))) == "kept"


async def test_transaction_sent_several_times_is_valid_once(clients):
    gateway, key = clients.gateway(), fresh("counter")
    endorsed = await gateway.endorse("increment", encoded(key))
    for _ in range(4):
        await gateway.send(endorsed)
    first = await gateway.settle(endorsed)
    assert await gateway.settle(endorsed) == first
    assert json.loads(await gateway.evaluate("get", encoded(key))) == "1"


async def test_followers_see_everything_once_through_a_restart_of_their_peer(fabric, clients):
    transactions, follower = clients.transactions("Hospital2"), clients.follower("Hospital1")
    subject = fresh("subject")
    names = [f"{number}" for number in range(6)]
    events: list[str] = []
    blocks: list[int] = []

    async def follow_events() -> None:
        async for event in follower.chaincode_events("consentry", None):
            if event.name == "note" and event.payload.decode().startswith(subject):
                events.append(event.payload.decode().removeprefix(subject))
                if len(events) == len(names):
                    return

    async def follow_blocks() -> None:
        async for block in follower.blocks(1):
            blocks.append(block.header.number)  # noqa: PERF401  # it never ends

    reading = asyncio.create_task(follow_events())
    counting = asyncio.create_task(follow_blocks())
    for name in names:
        if name == "3":
            await killed("peer.hospital1")(fabric)
        last = await transactions.submit("note", encoded({"subject": subject, "id": subject + name}))
    async with asyncio.timeout(30):
        await reading
        while not blocks or blocks[-1] < last.block:  # noqa: ASYNC110  # the peer is the event
            await asyncio.sleep(0.02)
    counting.cancel()
    assert events == names
    assert blocks == list(range(1, blocks[-1] + 1))


async def test_blocks_between_two_numbers_end_by_themselves(clients):
    numbers = [block.header.number async for block in clients.follower().blocks(0, 3)]
    assert numbers == [0, 1, 2, 3]


# -- wrong settings ------------------------------------------------------------


def issued(issuer: str, days: int) -> tuple[bytes, bytes]:
    """Return a certificate that looks like a hospital's, signed by a CA that the channel does not know."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


async def refused_at_once(gateway: GatewayClient) -> None:
    for call in (gateway.evaluate, gateway.submit):
        began = time.monotonic()
        with pytest.raises(CallError) as refused:
            await call("get", encoded("k"))
        assert isinstance(refused.value, EvaluateError | EndorseError)
        assert advise(refused.value) is Advice.GIVE_UP
        assert refused.value.refusal is None
        assert time.monotonic() - began < 2


async def test_certificate_of_an_unknown_ca_is_refused_at_once(clients):
    await refused_at_once(
        clients.gateway(identity=SigningIdentity.from_pem("Hospital1MSP", *issued("ca", 30)))
    )


async def test_expired_certificate_is_refused_at_once(clients):
    await refused_at_once(
        clients.gateway(identity=SigningIdentity.from_pem("Hospital1MSP", *issued("ca", -1)))
    )


async def test_certificate_of_another_organisation_is_refused_at_once(fabric, clients):
    other = fabric.profile("Hospital2")
    identity = SigningIdentity.from_files("Hospital1MSP", other.certificate, other.key)
    await refused_at_once(clients.gateway(identity=identity))


async def test_signature_of_another_key_is_refused_at_once(fabric, clients):
    mine, other = fabric.profile("Hospital1"), fabric.profile("Hospital2")
    foreign = SigningIdentity.from_files(other.msp_id, other.certificate, other.key)
    forged = SigningIdentity(mine.msp_id, mine.certificate.read_bytes(), foreign.sign)
    await refused_at_once(clients.gateway(identity=forged))


async def test_peer_with_a_certificate_of_another_ca_gets_no_call(fabric, clients):
    wrong = msgspec.structs.replace(fabric.profile("Hospital1"), tls_ca=fabric.profile("Hospital2").tls_ca)
    await refused_at_once(clients.gateway(wrong))


async def test_unknown_channel_is_named_as_the_reason(fabric, clients):
    nowhere = msgspec.structs.replace(fabric.profile("Hospital1"), channel="nowhere")
    await refused_at_once(clients.gateway(nowhere))
    follower = clients.follower(profile=nowhere)
    with pytest.raises(EventsError):
        await anext(follower.blocks(0))
    with pytest.raises(EventsError):
        await anext(follower.chaincode_events("consentry", None))


async def test_unknown_chaincode_is_refused_before_anything_is_ordered(fabric, clients):
    nothing = msgspec.structs.replace(fabric.profile("Hospital1"), chaincode="nothing")
    with pytest.raises(EndorseError) as refused:
        await clients.gateway(nothing).submit("get", encoded("k"))
    assert advise(refused.value) is Advice.GIVE_UP


async def test_peer_that_is_down_is_unavailable_within_the_deadline(fabric, clients):
    fabric.kill("peer.hospital3")
    try:
        began = time.monotonic()
        lost = clients.transactions("Hospital3", deadlines=Deadlines(evaluate=1, endorse=1))
        with pytest.raises(UnavailableError, match="down, restarting"):
            await lost.evaluate("get", encoded("k"))
        with pytest.raises(UnavailableError, match="down, restarting"):
            await lost.submit("put", encoded({"k": "v"}))
        assert time.monotonic() - began < 4
        await clients.transactions("Hospital1").submit("put", encoded({fresh("key"): "a majority is up"}))
    finally:
        fabric.start("peer.hospital3")
        await asyncio.to_thread(fabric.wait_ready)
