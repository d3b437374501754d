"""The tour: the demo's story over HTTP, without a person; the first surprise ends it.

A hospital stores records; another member asks and is refused; the patient permits, narrows and revokes;
every answer names its ledger transaction; the log shows all of it; anyone verifies; a tampered byte is
found. On Fabric the network comes first, one hospital alone writes nothing, and a peer is lost and found.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx

from exchange import devnet
from exchange.demo.consortium import CITY, LAKE, Demo, build
from exchange.demo.fabric import OPTIONS, city_peer, profile, write_alone
from exchange.demo.nhanes import participants
from exchange.demo.process import GatewayStartError, free_port, serving
from exchange.demo.scoring import Training, evaluating
from exchange.demo.story import Story, SurpriseError, consentry, expect
from exchange.node.folder import NodeFolder


def tour(folder: Path, *, people: int, fabric: bool) -> None:
    """Tell the story on a new node in `folder`; raises `SystemExit(1)` at the first surprise.

    With `fabric`, the node is on a network that is started beside it, and ended again.

    Raises:
        NetworkError: the network can't be brought up.
    """
    started = time.monotonic()
    try:
        if fabric:
            with devnet.up(folder.with_name("network"), OPTIONS) as running:
                _FabricTour(folder, people, running).run()
        else:
            _Tour(folder, people).run()
    except (SurpriseError, GatewayStartError) as surprise:
        print(f"SURPRISE: {surprise}", flush=True)
        raise SystemExit(1) from None
    print(f"the story held, in {time.monotonic() - started:.1f} s", flush=True)


class _Tour:
    def __init__(self, folder: Path, people: int) -> None:
        self._folder = folder
        self._people = people
        self._step = 0

    def _say(self, text: str) -> None:
        self._step += 1
        print(f"{self._step:2}. {text}", flush=True)

    def run(self) -> None:
        """Tell all steps in order."""
        training = Training(self._folder.with_name("model"))  # meanwhile, in a process of its own
        try:
            demo = asyncio.run(self._build(free_port()))
            self._say(f"stored: a node of three members with {self._people} participants of the CDC's survey")
            evaluated = training.finished()
        finally:
            training.abandon()
        evaluated.used_by(demo.folder)
        self._say("trained: a diabetes model on the whole survey; its trees are with an evaluator of its own")
        person = max(participants(self._people), key=lambda p: len(p.records))
        with (
            evaluating(evaluated),
            serving(self._folder, demo.settings.base_url),
            httpx.Client(timeout=30) as http,
        ):
            story = Story(demo, http, person, self._say)
            story.store()
            story.refused_read()
            story.refused_score()
            story.grant()
            story.permitted_read()
            story.score()
            story.narrow()
            story.revoke()
            story.read_the_log()
            self._disturb(story)
        self._verify()
        self._tamper()

    async def _build(self, port: int) -> Demo:
        return await build(self._folder, port, self._people)

    def _disturb(self, story: Story) -> None:
        """Leave everything in place: a ledger in the gateway's process can't be cut off."""

    def _verify(self) -> None:
        code, said = consentry("verify", str(self._folder))
        expect(code == 0, f"verify found fault with an honest ledger: {said}")
        self._say(f"verified: {said.strip().splitlines()[-1]}")

    def _tamper(
        self,
        name: str = "ledger.db",
        newest: str = "SELECT body FROM transactions ORDER BY place DESC LIMIT 1",
    ) -> None:
        twisted = self._folder.with_name("twisted")
        shutil.copytree(self._folder, twisted)
        file = twisted / name
        with closing(sqlite3.connect(file)) as database:
            (stored,) = database.execute(newest).fetchone()
        data = bytearray(file.read_bytes())
        place = data.rfind(stored)
        expect(place > 0, f"{name} does not hold its newest row in one piece")
        data[place + len(stored) // 2] ^= 1
        file.write_bytes(data)
        code, said = consentry("verify", str(twisted))
        expect(code != 0, f"one byte of {name} was changed and verify did not see it")
        found = next((line for line in said.splitlines() if line.startswith("FOUND ")), "")
        expect(bool(found), f"verify names nothing: {said}")
        self._say(f"tampered: one byte of a copy was changed; verify says: {found.removeprefix('FOUND ')}")


class _FabricTour(_Tour):
    def __init__(self, folder: Path, people: int, running: devnet.Network) -> None:
        super().__init__(folder, people)
        self._network = running

    async def _build(self, port: int) -> Demo:
        names = ", ".join(self._network.names())
        self._say(f"up: a Fabric network of processes ({names})")
        return await build(self._folder, port, self._people, profile(self._network, CITY))

    def _disturb(self, story: Story) -> None:
        verdict = write_alone(self._network)
        expect(verdict == "ENDORSEMENT_POLICY_FAILURE", f"{LAKE.name} alone wrote a consent: {verdict}")
        self._say(f"forged: {LAKE.name}'s peer alone endorses a consent, and the channel voids it: {verdict}")
        peer = city_peer(self._network)
        self._network.kill(peer)
        story.refused_without_ledger()
        self._network.start(peer)
        story.answered_again()

    def _verify(self) -> None:
        super()._verify()
        elsewhere = self._folder.with_name("elsewhere")
        shutil.copytree(self._folder, elsewhere)
        settings = NodeFolder(elsewhere).settings_file
        own, other = (str(profile(self._network, member)) for member in (CITY, LAKE))
        settings.write_text(settings.read_text(encoding="utf-8").replace(own, other), encoding="utf-8")
        code, said = consentry("verify", str(elsewhere))
        expect(code == 0, f"{LAKE.name}'s peer serves another channel: {said}")
        self._say(f"verified: the same from the blocks that {LAKE.name}'s peer holds")

    def _tamper(
        self, name: str = "log.db", newest: str = "SELECT record FROM entries ORDER BY sequence DESC LIMIT 1"
    ) -> None:
        super()._tamper(name, newest)
