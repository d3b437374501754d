"""The channels that the contract suite runs against, and the parts of its tests.

A backend is a `Channel`: it hands out `exchange.ledger.port.Transactions` for some organisations, on one
shared state. `channel` runs a test on every backend, in the name of Hospital A alone; `consortium` on
those where several organisations call.

On Fabric, tests of one founded consortium share its state, as they would in life; a test that founds one
itself has a chaincode of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from chaincode.access.model import AccessRequest
from chaincode.caller import Caller
from chaincode.consent.calls import Opening
from chaincode.consent.model import Actor, Condition, Provision, Terms
from chaincode.errors import ContractError
from chaincode.ledger import StateEntry, StatePage
from chaincode.policy.model import Policy
from chaincode.router import Router
from exchange import devnet
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.errors import VoidedError, refusal
from exchange.ledger.fabric.gateway import proposal
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from exchange.ledger.port import Checkpoint, Committed, LedgerEvent, Transactions

HOSPITALS = ("HospitalA", "HospitalB", "HospitalC", "HospitalD", "HospitalE")
A, B, C = "HospitalAMSP", "HospitalBMSP", "HospitalCMSP"
FABRIC = pytest.param("on_fabric", marks=pytest.mark.fabric, id="fabric")


FOUNDED = Policy(version=1, members=(A, B), rules=())


@dataclass
class Clock:
    """Milliseconds since 1970 UTC; stands still until a test moves it."""

    now: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Channel:
    """One state, and the organisations that can submit to it."""

    member: Callable[[str], Transactions]
    clock: Clock


# -- a channel in memory, with Fabric's rules -----------------------------------


@dataclass
class Simulated:
    """A state on which contracts run side by side; a change of a key that a transaction read voids it."""

    clock: Clock
    state: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    stream: list[LedgerEvent] = field(default_factory=list)
    blocks: int = 0
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)


class Proposal:
    """One transaction on a `Simulated` channel; it fits `chaincode.ledger.Ledger`."""

    def __init__(self, channel: Simulated, caller: str, transient: Mapping[str, bytes]) -> None:
        self._channel = channel
        self.tx_id, self.timestamp = secrets.token_hex(32), channel.clock()
        self.caller, self.transient = Caller(caller), transient
        self.reads: dict[str, int] = {}
        self.writes: dict[str, bytes] = {}
        self.event: tuple[str, bytes] | None = None

    async def get(self, key: str) -> bytes | None:
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        await asyncio.sleep(0)  # a peer answers later; others run meanwhile
        found = [self._channel.state.get(key, (None, 0)) for key in keys]
        self.reads |= {key: version for key, (_, version) in zip(keys, found, strict=True)}
        return [value for value, _ in found]

    def put(self, key: str, value: bytes) -> None:
        self.writes[key] = value

    async def range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        await asyncio.sleep(0)
        keys = sorted(key for key in self._channel.state if (bookmark or start) <= key < end)
        entries = [StateEntry(key, self._channel.state[key][0]) for key in keys[:limit]]
        return StatePage(entries, keys[limit] if len(keys) > limit else "")

    def emit(self, name: str, payload: bytes) -> None:
        self.event = name, payload


class SimulatedMember:
    """One organisation's way to a `Simulated` channel."""

    def __init__(self, channel: Simulated, msp_id: str) -> None:
        self.msp_id, self._channel = msp_id, channel
        self._router = Router(channel.clock)

    async def _run(self, proposal: Proposal, function: str, args: bytes) -> bytes:
        try:
            return await self._router.invoke(proposal, function, args)
        except ContractError as why:
            raise refusal(why) from None

    async def submit(
        self, function: str, args: bytes, *, transient: Mapping[str, bytes] | None = None
    ) -> Committed:
        channel, proposal = self._channel, Proposal(self._channel, self.msp_id, transient or {})
        result = await self._run(proposal, function, args)
        await asyncio.sleep(0)  # the way to the orderer
        if any(channel.state.get(key, (b"", 0))[1] != seen for key, seen in proposal.reads.items()):
            raise VoidedError("MVCC_READ_CONFLICT")
        block, channel.blocks = channel.blocks, channel.blocks + 1
        for key, value in proposal.writes.items():
            channel.state[key] = value, block + 1
        async with channel.grown:
            if proposal.event:
                written = tuple((key.encode(), value) for key, value in proposal.writes.items())
                channel.stream.append(
                    LedgerEvent(Checkpoint(block, 0), proposal.tx_id, *proposal.event, written)
                )
            channel.grown.notify_all()
        return Committed(proposal.tx_id, block, proposal.timestamp, result)

    def trouble(self) -> str | None:
        return None

    def doubt(self) -> str | None:
        return None

    async def evaluate(self, function: str, args: bytes) -> bytes:
        return await self._run(Proposal(self._channel, self.msp_id, {}), function, args)

    async def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        for place in itertools.count():
            async with self._channel.grown:
                await self._channel.grown.wait_for(lambda: len(self._channel.stream) > place)  # noqa: B023
            event = self._channel.stream[place]
            if after is None or event.checkpoint > after:
                yield event

    async def close(self) -> None:
        """Do nothing: no resource is held."""


# -- a channel of Fabric ---------------------------------------------------------


class FabricMember(FabricTransactions):
    """One organisation's way to a chaincode; events of earlier tests on the same one are left out."""

    began: Checkpoint | None = None

    async def events(self, after: Checkpoint | None) -> AsyncIterator[LedgerEvent]:
        async for event in super().events(after or self.began):
            yield event


@pytest.fixture(scope="session")
def hospitals(
    programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devnet.Network]:
    """Five hospitals on one channel, with a consortium of A and B founded on the chaincode of its name."""
    root = tmp_path_factory.mktemp("hospitals") / "network"
    with devnet.up(root, devnet.Options(names=HOSPITALS), programs=programs) as running:
        asyncio.run(_found(running.profile("HospitalA")))
        yield running


async def _found(profile: Profile) -> None:
    client = LedgerClient(FabricTransactions.open(profile))
    await client.found_policy(FOUNDED)
    await client.close()


@pytest.fixture
async def on_fabric(
    hospitals: devnet.Network,
    deployed: Callable[[devnet.Network, str], None],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Channel]:
    """Time starts at the real one, which endorsers compare with theirs, and then stands still."""
    clock = Clock(time.time_ns() // 1_000_000)
    monkeypatch.setattr(proposal, "time", SimpleNamespace(time_ns=lambda: clock.now * 1_000_000))
    chaincode, began = hospitals.topology.options.chaincode, None
    if "ledger" in request.fixturenames:
        began = await newest(hospitals)
    else:
        chaincode = f"c{secrets.token_hex(8)}"
        await asyncio.to_thread(deployed, hospitals, chaincode)
    opened: dict[str, FabricMember] = {}

    def member(msp_id: str) -> Transactions:
        if msp_id not in opened:
            profile = hospitals.profile(msp_id.removesuffix("MSP"))
            opened[msp_id] = FabricMember.open(msgspec.structs.replace(profile, chaincode=chaincode))
            opened[msp_id].began = began
        return opened[msp_id]

    yield Channel(member, clock)
    for transactions in opened.values():
        await transactions.close()


async def newest(running: devnet.Network) -> Checkpoint:
    """Return a checkpoint behind every event so far."""
    async with open_blocks(running.profile("HospitalA")) as source:
        return Checkpoint(await source.height() - 1, 1 << 32)


# -- fixtures --------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def embedded(tmp_path: Path, clock: Clock) -> AsyncIterator[Channel]:
    EmbeddedLedger.create_key(tmp_path / "node.pem")
    ledger = EmbeddedLedger.open(tmp_path / "ledger.db", key=tmp_path / "node.pem", msp_id=A, clock=clock)

    def member(msp_id: str) -> Transactions:
        assert msp_id == A, "an embedded ledger has one caller"
        return ledger

    yield Channel(member, clock)
    await ledger.close()


@pytest.fixture
def simulated(clock: Clock) -> Channel:
    state = Simulated(clock)
    return Channel(lambda msp_id: SimulatedMember(state, msp_id), clock)


@pytest.fixture(params=["embedded", "simulated", FABRIC])
def channel(request: pytest.FixtureRequest) -> Channel:
    found: Channel = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["simulated", FABRIC])
def consortium(request: pytest.FixtureRequest) -> Channel:
    found: Channel = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def ledger(channel: Channel) -> LedgerClient:
    """Hospital A's client of a founded consortium of A and B, whose policy allows nothing by itself."""
    client = LedgerClient(channel.member(A))
    if (await client.read_policy()).policy is None:
        await client.found_policy(FOUNDED)
    return client


class Make:
    """Arguments that are right, but for a test's changes."""

    A, B, C = A, B, C

    @staticmethod
    def pair() -> str:
        return secrets.token_hex(16)

    @staticmethod
    def grant(**changes: Any) -> Terms:
        """Return terms that permit Hospital B to read for treatment."""
        when = Condition(actors=(Actor("organization", B),), actions=("access",), purposes=("TREAT",))
        root = Provision(effect="deny", exceptions=(Provision(effect="permit", when=when),))
        fields: dict[str, Any] = {
            "id": "1" * 32,
            "version": 1,
            "status": "active",
            "attested": "patient",
            "root": root,
        }
        return Terms(**(fields | changes))

    @staticmethod
    def opening(pair: str, *terms: Terms, **changes: Any) -> Opening:
        fields: dict[str, Any] = {"pair": pair, "recipient": B, "subject": "patient", "terms": terms}
        return Opening(**(fields | changes))

    @staticmethod
    def request(pair: str, **changes: Any) -> AccessRequest:
        fields: dict[str, Any] = {
            "pair": pair,
            "recipient": B,
            "purpose": "TREAT",
            "action": "read",
            "user": sha256(b"user" + pair.encode()).hexdigest()[:32],
            "digest": secrets.token_hex(32),
            "evidence": secrets.token_hex(32),
            "classes": ("Observation",),
        }
        return AccessRequest(**(fields | changes))

    @classmethod
    def ask(cls, pair: str, **changes: Any) -> SubjectRequest:
        return SubjectRequest(bytes.fromhex(pair), cls.request(pair, **changes))


@pytest.fixture
def make() -> type[Make]:
    return Make


@pytest.fixture
def simulation() -> Any:
    """The simulator's classes, for tests that build channels of their own."""
    return SimpleNamespace(Simulated=Simulated, Member=SimulatedMember, Clock=Clock, Channel=Channel)
