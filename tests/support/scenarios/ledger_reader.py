"""A reader of a node's ledger with the custodian's keys: the judge of scenarios.

It reads the blocks, from the embedded ledger's file or from a peer, and the wrapped keys by itself, so that
what the gateway answered can be held against what is written.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from sqlalchemy import Connection, MetaData

from chaincode.access.log_keys import read_entry, read_log_page
from chaincode.access.model import LogEntry
from chaincode.consent.model import Pair, Terms
from exchange.cli.node.verify import verify as check
from exchange.crypto.pair_versions import consent_version
from exchange.crypto.pseudonyms import PatientSecret
from exchange.crypto.references import References
from exchange.ledger.embedded import block
from exchange.ledger.embedded.storage import LATEST, Storage
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.node.folder import NodeFolder
from exchange.node.keys import NodeKeys
from exchange.node.parts import open_vault
from exchange.store.engine.database import Database, OpenedBeside
from exchange.store.keys.wrapped_keys import every_wrapped_key
from exchange.store.keys.wrapped_keys import metadata as keys_metadata
from exchange.store.log import log_tables
from exchange.store.records import outbox, watched
from exchange.store.records.tables import metadata
from tests.support.channel_writes import valid_writes
from tests.support.scenarios.scenario_site import in_thread


@dataclass
class Witness:
    """The ledger in its own order: each pair's states by place, and each transaction's access entries."""

    folder: NodeFolder
    places: dict[str, int] = field(default_factory=dict)
    entries: dict[str, list[LogEntry]] = field(default_factory=dict)
    states: dict[str, list[tuple[int, Pair]]] = field(default_factory=dict)
    secrets: dict[bytes, PatientSecret] = field(default_factory=dict)
    references: References = field(init=False)

    def __post_init__(self) -> None:
        keys = NodeKeys(open_vault(self.folder))
        self.references = keys.references
        with self._database(metadata) as connection:
            for token, wrapped in every_wrapped_key(connection).items():
                self.secrets[token] = PatientSecret(keys.ring.open(token, wrapped).secret)
        profile = self.folder.profile(self.folder.load())
        for place, tx, writes in _in_file(self.folder.ledger) if profile is None else _at_peer(profile):
            assert tx not in self.places, "a transaction is valid twice"
            self.places[tx] = place
            for key, value in writes:
                self._take(key, value, place, tx)

    def _take(self, key: bytes, value: bytes, place: int, tx: str) -> None:
        kind, *rest = key.decode().strip("\0").split("\0")
        if kind == "pair":
            state = msgspec.json.decode(value, type=Pair)
            self.states.setdefault(rest[0], []).append((place, state))
        elif kind == "access":
            for at, said in read_log_page(key.decode(), value):
                assert at.tx == tx
                self.entries.setdefault(tx, []).append(read_entry(at, said))

    def pair(self, patient: str, recipient: str) -> str:
        """Return the pseudonym of a patient towards a recipient."""
        return self.secrets[self.references.subject(patient)].pair(recipient)

    def terms_before(self, pair: str, tx: str) -> list[Terms]:
        """Return the active terms that stood on `pair` just before transaction `tx`."""
        earlier = [state for place, state in self.states.get(pair, ()) if place < self.places[tx]]
        return self._active(pair, earlier[-1]) if earlier else []

    def terms_now(self, pair: str) -> list[Terms] | None:
        """Return the active terms that stand on `pair`; None where it was never opened."""
        states = self.states.get(pair)
        if states is None:
            return None
        return self._active(pair, states[-1][1])

    def _active(self, name: str, pair: Pair) -> list[Terms]:
        """Return the active terms of a pair, each with the version that its Consent has in the store."""
        secret = next(one for one in self.secrets.values() if one.pair(pair.recipient) == name)
        salt = secret.salt(pair.recipient)
        return [
            msgspec.structs.replace(
                terms, version=consent_version(terms.version, terms_id=terms.id, salt=salt)
            )
            for terms in pair.consents
            if terms.status == "active"
        ]

    @contextmanager
    def open_log(self) -> Iterator[Connection]:
        """Open the projection and the sealed details."""
        with self._database(log_tables.metadata) as connection:
            yield connection

    @contextmanager
    def open_records(self) -> Iterator[Connection]:
        """Open the documents, subjects and the outbox."""
        with self._database(metadata) as connection:
            yield connection

    @contextmanager
    def _database(self, tables: MetaData) -> Iterator[Connection]:
        settings = self.folder.load()
        of_log = tables is log_tables.metadata
        keys = None if of_log else OpenedBeside(self.folder.keys_place(settings), keys_metadata)
        database = Database(self.folder.places(settings)[of_log], tables, durable=False, beside=keys)
        try:
            with database.engine.execution_options(read_only=True).connect() as connection:
                yield connection
        finally:
            database.close()

    def not_published(self) -> int:
        """Count the consent changes that wait in the outbox."""
        with self.open_records() as connection:
            return outbox.count(connection, watched.CONSENTS)


Writes = list[tuple[bytes, bytes]]


def _in_file(path: Path) -> Iterator[tuple[int, str, Writes]]:
    """Return every transaction's place, id and writes."""
    storage = Storage.open(path, writable=False)
    try:
        for place, body in storage.transactions(0, LATEST):
            transaction = block.decode_transaction(body)
            writes = [(key, storage.written(key, place)) for key, _ in transaction.effect.writes]
            yield place, transaction.tx_id.hex(), writes
    finally:
        storage.close()


def _at_peer(path: Path) -> list[tuple[int, str, Writes]]:
    """Return the same of the valid transactions of a channel's chaincode, in the channel's order."""
    return [
        (one.block * block.BLOCK_LIMIT + one.index, one.tx, list(one.writes))
        for one in in_thread(valid_writes(Profile.read(path)))
    ]


def witnessed(folder: NodeFolder) -> Witness:
    """Return a reader of the ledger as it is now."""
    return Witness(folder)


def verify(folder: NodeFolder, *options: str) -> tuple[int, list[str]]:
    """Return the exit code of `consentry verify`, and each line of its findings."""
    done = subprocess.run(
        [sys.executable, "-m", "exchange.cli", "verify", str(folder.path), *options],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]


def findings(folder: NodeFolder) -> list[str]:
    """Return the findings of `consentry verify`, without a process of its own."""
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        try:
            check(folder.path)
        except SystemExit as ended:
            code = int(str(ended.code))
    found = [line for line in said.getvalue().splitlines() if line.startswith("FOUND ")]
    assert code == (3 if found else 0)
    return found
