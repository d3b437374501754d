"""Processes are killed (SIGKILL) under a load of reads, grants and revocations; the blocks are the judge.

Two gateways of one hospital serve at once, each in a process of its own, as behind a load balancer. One
of them is among the victims. CONSENTRY_TEST_SCALE strikes each victim more often; CONSENTRY_TEST_SEED
repeats what the patients decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaincode.consent.calls import Opening
from chaincode.policy.model import Policy
from exchange import devnet
from exchange.cli.node.init import init
from exchange.cli.node.verify import verify
from exchange.cli.options import Ledger
from exchange.ledger.client import LedgerClient
from exchange.ledger.fabric.gateway.blocks import open_blocks
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from exchange.node.folder import NodeFolder
from exchange.node.open import open_node
from tests.support.channel_writes import Written, valid_writes
from tests.support.network import chaos_gateway
from tests.support.network.chaos_gateway import RECIPIENT, Note, read_notes, terms
from tests.support.network.chaos_judge import judge, replay

pytestmark = pytest.mark.fabric

ROUNDS = max(1, round(float(os.environ.get("CONSENTRY_TEST_SCALE", "1"))))
SEED = int(os.environ.get("CONSENTRY_TEST_SEED", random.randrange(2**32)))
MEMBERS = ("Hospital1MSP", "Hospital2MSP", "Hospital3MSP")
PAIRS = 3  # of each gateway
RECOVERY = 40.0
SOME = 15  # answers from each gateway, before a kill and after it


@dataclass
class Gateway:
    """One gateway: a process, its access log and what people heard of it over all its lives."""

    profile: Path
    log: Path
    name: str
    own: tuple[str, ...]
    others: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0

    @property
    def journal(self) -> Path:
        return self.log.with_name(f"{self.name}.journal")

    @property
    def notes(self) -> list[Note]:
        return read_notes(self.journal)

    def start(self) -> None:
        self.lives += 1
        given = [str(path) for path in (self.profile, self.log, self.journal)]
        seed = f"{SEED}/{self.name}/{self.lives}"
        with self.log.with_name(f"{self.name}.out").open("ab") as out:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    chaos_gateway.__file__,
                    *given,
                    seed,
                    ",".join(self.own),
                    ",".join(self.others),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(RECOVERY)

    def answered(self) -> int:
        assert self.process is not None
        assert self.process.poll() is None, self.log.with_name(f"{self.name}.out").read_text()
        return sum(note.kind in {"released", "refused"} for note in self.notes)


@dataclass
class Hospital:
    """Hospital 1 on its network, with two gateways; the first one's log is a neighbour's node's.

    The node that verifies at the end is Hospital 3's: a log follows the whole channel,
    and Hospital 1's own node would miss the patients to whom the pairs belong.
    """

    running: devnet.Network
    folder: NodeFolder
    gateways: tuple[Gateway, ...]
    channel: list[Written] = field(default_factory=list)

    def await_answers(self, count: int, what: str) -> float:
        """Return the seconds until each gateway has given `count` more answers."""
        began = time.monotonic()
        wanted = {gateway.name: gateway.answered() + count for gateway in self.gateways}
        while any(gateway.answered() < wanted[gateway.name] for gateway in self.gateways):
            assert time.monotonic() < began + RECOVERY, f"seed {SEED}: no answers {what}"
            time.sleep(0.02)
        return time.monotonic() - began

    @property
    def notes(self) -> list[Note]:
        return [note for gateway in self.gateways for note in gateway.notes]

    @property
    def pairs(self) -> frozenset[str]:
        return frozenset(pair for gateway in self.gateways for pair in gateway.own)

    def judged(self) -> None:
        notes = self.notes  # what is in the journal by now is on the own peer
        written = asyncio.run(valid_writes(self.running.profile("Hospital1")))
        judge(notes, replay(written, self.pairs))


@pytest.fixture(scope="module")
def hospital(programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    root = tmp_path_factory.mktemp("kills")
    with devnet.up(root / "network", programs=programs) as running:
        profile = running.folder.profiles / "hospital1.json"
        folder = NodeFolder(root / "node")
        neighbour = running.folder.profiles / "hospital3.json"
        init(folder.path, name="Hospital3", ledger=Ledger.FABRIC, profile=neighbour)
        names = [tuple(secrets.token_hex(16) for _ in range(PAIRS)) for _ in range(2)]
        asyncio.run(opened(Profile.read(profile), [*names[0], *names[1]]))
        gateways = (
            Gateway(profile, folder.log, "one", *names),
            Gateway(profile, root / "two.db", "two", *reversed(names)),
        )
        for gateway in gateways:
            gateway.start()
        try:
            yield Hospital(running, folder, gateways)
        finally:
            for gateway in gateways:
                gateway.kill()


async def opened(profile: Profile, pairs: list[str]) -> None:
    ledger = LedgerClient(FabricTransactions.open(profile))
    if (await ledger.read_policy()).policy is None:
        await ledger.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    openings = [Opening(pair, RECIPIENT, "patient", (terms(1, permits=True),)) for pair in pairs]
    await ledger.open_pairs(openings)
    await ledger.close()


@pytest.mark.parametrize(
    "victim", ["chaincode.hospital1", "peer.hospital1", "peer.hospital2", "orderer1", "gateway"]
)
def test_nothing_is_lost_or_released_wrongly_when_a_process_is_killed(
    hospital: Hospital, victim: str, record_property: Callable[[str, object], None]
) -> None:
    for _ in range(ROUNDS):
        hospital.await_answers(SOME, f"before {victim} was killed")
        if victim == "gateway":
            hospital.gateways[0].kill()
            hospital.gateways[0].start()
        else:
            hospital.running.kill(victim)
            time.sleep(0.3)
            hospital.running.start(victim)
        record_property("recovery", round(hospital.await_answers(1, f"after {victim} was back"), 2))
        hospital.await_answers(SOME, f"after {victim} was back")
        hospital.judged()


def test_all_peers_and_the_log_agree_once_it_is_quiet(
    hospital: Hospital, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [gateway.end() for gateway in hospital.gateways] == [0, 0]
    profiles = [hospital.running.profile(f"Hospital{number}") for number in (1, 2, 3)]
    end = time.monotonic() + RECOVERY
    while len({asyncio.run(height(profile)) for profile in profiles}) > 1:
        assert time.monotonic() < end, "a peer has not caught up"
        time.sleep(0.1)
    channels = [asyncio.run(valid_writes(profile)) for profile in profiles]
    assert channels[0] == channels[1] == channels[2]
    notes = hospital.notes
    story = replay(channels[0], hospital.pairs)
    judge(notes, story)
    kinds = {note.kind for note in notes}
    assert kinds >= {"sending", "filed", "released", "refused"}, f"seed {SEED}: there was no turmoil"
    count = story.entries
    asyncio.run(followed(hospital.folder, count))
    verify(hospital.folder.path)
    assert f", {count} log entries" in capsys.readouterr().out


async def followed(folder: NodeFolder, count: int) -> None:
    """Let the node come up to the channel: the other gateway went on after its log had ended."""
    async with open_node(folder), asyncio.timeout(RECOVERY):
        while len(entries(folder.log)) < count:  # noqa: ASYNC110  # the node's own task makes it so
            await asyncio.sleep(0.05)


def entries(path: Path) -> list[tuple[int]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT sequence FROM entries").fetchall()


async def height(profile: Profile) -> int:
    async with open_blocks(profile) as source:
        return await source.height()
