"""A hospital's gateway in a process of its own, to be killed: patients decide, others read, all is noted.

`python chaos_gateway.py PROFILE LOG JOURNAL SEED OWN OTHERS` with pairs' names separated by commas. It
decides for the patients of its OWN pairs and reads those and OTHERS, through the client and the log that a
served gateway has, until SIGTERM. A line of the journal is what somebody outside has heard: it is written
when an answer would have been given, and outlives the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from chaincode.access.model import AccessRequest
from chaincode.consent.model import Condition, Provision, Terms
from chaincode.errors import ConflictError
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.errors import RefusedError
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import IN_FLIGHT, FabricTransactions
from exchange.ledger.projection import Projection
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from exchange.store.migrations.create import create_log

RECIPIENT = "Hospital2MSP"
CONSENT = "1" * 32
READERS = 4
ROOT = Provision("permit", when=Condition(purposes=("TREAT",)))

Kind = Literal["sending", "filed", "released", "refused", "unavailable"]


class Note(msgspec.Struct, frozen=True, tag=True):
    """An observation made outside at `ended` of a call that began at `began` (seconds of the system's clock).

    `version` and `permits` belong to a decision of a patient, `tx` to whatever was committed.
    """

    kind: Kind
    pair: str
    began: float
    ended: float
    tx: str = ""
    version: int = 0
    permits: bool = False
    why: str = ""


def read_notes(path: Path) -> list[Note]:
    """Return the journal so far; no client heard a line that a killed process could not end."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Note) for line in lines]


def terms(version: int, *, permits: bool) -> Terms:
    """Return the one consent of a pair."""
    return Terms(CONSENT, version, "active" if permits else "inactive", "patient", ROOT)


def ask(pair: str, purpose: str = "TREAT") -> SubjectRequest:
    """Return the request of a user at the recipient to read."""
    request = AccessRequest(
        pair=pair,
        recipient=RECIPIENT,
        purpose=purpose,
        action="read",
        user=secrets.token_hex(16),
        digest=secrets.token_hex(32),
        evidence=secrets.token_hex(32),
    )
    return SubjectRequest(bytes.fromhex(pair), request)


class Load:
    """Decisions and reads, all at once, until told to stop."""

    def __init__(self, ledger: LedgerClient, journal: int, seed: str) -> None:
        self._ledger, self._journal, self._seed = ledger, journal, seed
        self.stop = asyncio.Event()

    def note(self, kind: Kind, pair: str, began: float, **more: object) -> None:
        note = Note(kind, pair, began, time.monotonic(), **more)  # type: ignore[arg-type]  # named fields
        os.write(self._journal, msgspec.json.encode(note) + b"\n")

    async def decide(self, pair: str, rng: random.Random) -> None:
        """Grant and revoke as one patient; after a lost answer, the next decision is a newer one."""
        version = 0
        while not self.stop.is_set():
            if not version:
                with contextlib.suppress(UnavailableError):
                    held = await self._ledger.read_pair(pair)
                    assert held is not None
                    version = max(one.version for one in held.consents)
                continue
            version, permits, began = version + 1, rng.random() < 0.6, time.monotonic()
            self.note("sending", pair, began, version=version, permits=permits)
            try:
                filed = await self._ledger.publish_terms([(pair, terms(version, permits=permits))])
                self.note("filed", pair, began, tx=filed.tx_id, version=version, permits=permits)
            except UnavailableError as why:
                self.note("unavailable", pair, began, why=str(why))
            except RefusedError as why:
                if not isinstance(why.reason, ConflictError):
                    raise
                version = 0  # an earlier decision, of which no client knew whether it was taken
            await self._rest(rng.expovariate(4))

    async def read(self, pairs: list[str], rng: random.Random) -> None:
        """Read one patient's records, or search several patients'."""
        while not self.stop.is_set():
            chosen, began = rng.sample(pairs, rng.choice((1, 1, 1, 3))), time.monotonic()
            try:
                done = await self._ledger.authorize([ask(pair) for pair in chosen])
            except UnavailableError as why:
                for pair in chosen:
                    self.note("unavailable", pair, began, why=str(why))
                await self._rest(0.05)
                continue
            for pair in chosen:
                shown = done.permit is not None and done.permit.covers((bytes.fromhex(pair),))
                self.note("released" if shown else "refused", pair, began, tx=done.tx_id)
            await self._rest(rng.uniform(0, 0.04))

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    async def run(self, own: list[str], others: list[str]) -> None:
        work: list[tuple[Callable[..., object], object]] = [(self.decide, pair) for pair in own]
        work += [(self.read, own + others)] * READERS
        async with asyncio.TaskGroup() as tasks:
            for number, (one, argument) in enumerate(work):
                tasks.create_task(one(argument, random.Random(f"{self._seed}/{number}")))  # type: ignore[arg-type]  # coroutines


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield file
    finally:
        os.close(file)


async def main(profile: str, entries: str, journal: str, seed: str, own: str, others: str) -> None:
    transactions = FabricTransactions.open(Profile.read(Path(profile)))
    ledger = LedgerClient(transactions, in_flight=IN_FLIGHT)
    database = Database(Path(entries), log_tables.metadata, durable=False, begin=create_log)
    projection = Projection(transactions, database)
    await projection.start()
    with opened(Path(journal)) as file:
        load = Load(ledger, file, seed)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop.set)
        await load.run(own.split(","), others.split(","))
    await projection.close()
    await ledger.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
