"""The knowledge of a member that reads the whole ledger about other members' traffic.

Random traffic about a few patients, asked for by several members. The reader has everything: every byte
of every table of the custodian's file, and the events. It may know the patients behind its own pairs.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import random
import re
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaincode.access.model import AccessRequest
from chaincode.consent.calls import Opening
from chaincode.consent.model import ACTIONS, PURPOSES, Actor, Condition, Provision, Terms
from chaincode.policy.model import Policy
from exchange.crypto.pseudonyms import PatientSecret
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.block import decode_transaction
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.embedded.storage import Storage
from exchange.ledger.embedded.timed_keys import MARK
from exchange.runtime.packed_rows import unpack

MEMBERS = ("HospitalAMSP", "HospitalBMSP", "HospitalCMSP", "HospitalDMSP")
OPEN = MEMBERS[:3]
NOBODY = "the one that made-up requests are about"
CODES = ("Observation", "Condition", "http://snomed.info/sct|224535009", "http://loinc.org|4548-4")
VOCABULARY = {
    *MEMBERS,
    *PURPOSES,
    *ACTIONS,
    *CODES,
    *("read", "search", "permit", "deny", "none", "active", "inactive", "patient", "organization", "person"),
    *("role", "instance", "consent", "no-consent", "refused-by-patient", "pair-not-open", "pair", "access"),
    "wrong-party",
}


def salted(salt: bytes, text: str) -> str:
    return hmac.digest(salt, text.encode(), "sha256").hex()


class Patient:
    """The gateway's knowledge of one patient; nothing of it may show."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.name, self.secret = name, PatientSecret(secret)
        self.versions: dict[str, int] = {}

    def terms(self, recipient: str, consent: str, status: Any) -> Terms:
        salt = self.secret.salt(recipient)
        self.versions[consent] = self.versions.get(consent, 0) + 1
        when = Condition(
            actors=(Actor("organization", recipient), Actor("person", salted(salt, "Dr. Grey")[:32])),
            purposes=("TREAT",),
            records=salted(salt, "Observation/17")[:32],
        )
        return Terms(
            salted(salt, consent)[:32],
            self.versions[consent],
            status,
            "patient",
            Provision("permit", exceptions=(Provision("deny", when=when),)),
        )

    def opening(self, recipient: str) -> Opening:
        salt = self.secret.salt(recipient)
        terms = self.terms(recipient, f"{self.name} consent", "active")
        return Opening(
            self.secret.pair(recipient), recipient, "patient", (terms,), (salted(salt, "passkey"),)
        )

    def ask(self, recipient: str, chance: random.Random) -> SubjectRequest:
        """Return a request towards a recipient: under its open pair, or under a one-time pseudonym."""
        pair, salt = self.secret.pair(recipient), self.secret.salt(recipient)
        if recipient not in OPEN:
            pair = self.secret.one_time_pseudonym(recipient)
            salt = self.secret.one_time_salt(pair)
        request = AccessRequest(
            pair=pair,
            recipient=recipient,
            purpose=chance.choice(["TREAT", "HRESCH"]),
            action=chance.choice(["read", "search"]),
            user=salted(salt, "Dr. Grey of " + recipient)[:32],
            digest=salted(salt, "GET Observation/17"),
            evidence=salted(salt, "assertion"),
            role="http://snomed.info/sct|224535009",
            person=salted(salt, "Dr. Grey")[:32],
            classes=("Observation",),
        )
        return SubjectRequest(self.name.encode(), request)


async def traffic(folder: Path, chance: random.Random) -> tuple[list[Patient], dict[str, int]]:
    """Return patients of Hospital A with their numbers of entries; the last one is the directory subject."""
    EmbeddedLedger.create_key(folder / "node.pem")
    client = LedgerClient(
        EmbeddedLedger.open(folder / "ledger.db", key=folder / "node.pem", msp_id=MEMBERS[0])
    )
    await client.found_policy(Policy(version=1, members=MEMBERS, rules=()))
    patients = [Patient(name, chance.randbytes(32)) for name in ("Ada", "Grace", "Edsger", "Barbara", NOBODY)]
    entries: dict[str, int] = defaultdict(int)
    for patient, recipient in itertools.product(patients, OPEN):
        await client.open_pairs([patient.opening(recipient)])
    for _ in range(40):
        asking = []
        for _ in range(chance.randint(1, 8)):
            patient, recipient = chance.choice(patients), chance.choice(MEMBERS)
            asking.append(client.authorize([patient.ask(recipient, chance)]))
            entries[patient.name] += 1
        await asyncio.gather(*asking)
        patient = chance.choice(patients)
        status = chance.choice(["active", "inactive"])
        for recipient in OPEN:
            changed = patient.terms(recipient, f"{patient.name} consent", status)
            await client.publish_terms([(patient.secret.pair(recipient), changed)])
    await client.close()
    return patients, entries


def strings(value: Any) -> set[str]:
    """Yield every string in a JSON value."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(*map(strings, value.values()))
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return set()


def parts(value: Any, pairs: set[str]) -> list[tuple[set[str], set[str]]]:
    """Yield the smallest pieces of a JSON value that name pairs: the pairs, and every string in them."""
    if isinstance(value, list):
        return [piece for item in value for piece in parts(item, pairs)]
    if isinstance(value, dict):
        inner = [piece for item in value.values() for piece in parts(item, pairs)]
        own = pairs & {item for item in value.values() if isinstance(item, str)}
        return [(own, strings(value))] if own else inner
    return []


def read_everything(path: Path, pairs: set[str]) -> tuple[dict[str, set[str]], bytes]:
    """Return for each pair every string beside it anywhere in the ledger, and all bytes of the ledger."""
    by_pair: dict[str, set[str]] = defaultdict(set)
    everything = b""

    def add(value: bytes, owner: str | None = None) -> None:
        plain = msgspec.json.decode(value)
        if owner is not None:
            by_pair[owner] |= strings(plain)
        for own, said in parts(plain, pairs):
            assert len(own) == 1, "one piece of the ledger names two pairs"
            by_pair[own.pop()] |= said

    db = sqlite3.connect(path)
    for (stored,) in db.execute("SELECT body FROM transactions"):
        body = unpack(stored)
        everything += body
        transaction = decode_transaction(body)
        add(transaction.call.args)
        if transaction.effect.event and transaction.effect.event.payload:
            add(transaction.effect.event.payload)
    storage = Storage.open(path, writable=False)
    for _, key, value in storage.written_behind(-1, b"\0", MARK):
        everything += key + value
        kind, *names = key.decode().strip("\0").split("\0")
        if kind in {"pair", "past", "trail"}:
            by_pair[names[0]] |= set(names[1:])
        add(value, names[0] if kind in {"pair", "past"} else None)
    for header, signature in db.execute("SELECT header, signature FROM blocks"):
        everything += header + signature
    storage.close()
    db.close()
    return by_pair, everything


@pytest.fixture
def chance() -> random.Random:
    return random.Random(20_240_101)  # traffic, not secrets


def entries_on(path: Path) -> list[dict[str, Any]]:
    """Return every entry of the access log, in the order of the ledger."""
    with open_reader(path) as reader:
        return [msgspec.json.decode(found.value) for found in reader.entries(None)]


def names_on(path: Path) -> list[tuple[str, str]]:
    """Return (name, recipient) of every entry of the access log."""
    return [(entry["pair"], entry["recipient"]) for entry in entries_on(path)]


async def test_nothing_joins_one_pair_or_attempt_with_another(tmp_path: Path, chance: random.Random) -> None:
    patients, _ = await traffic(tmp_path, chance)
    names = {
        patient.secret.pair(member): f"{patient.name} {member}" for patient in patients for member in OPEN
    }
    attempts = [name for name, recipient in names_on(tmp_path / "ledger.db") if recipient not in OPEN]
    assert len(attempts) > 20
    names |= {name: f"attempt {n}" for n, name in enumerate(attempts)}
    assert len(names) == len(patients) * len(OPEN) + len(attempts), "an attempt's name came twice"
    said, _ = read_everything(tmp_path / "ledger.db", set(names))
    db = sqlite3.connect(tmp_path / "ledger.db")
    transactions = {
        decode_transaction(unpack(body)).tx_id.hex()
        for (body,) in db.execute("SELECT body FROM transactions")
    }
    db.close()
    assert set(said) == set(names)
    # Times are thirteen digits, places in a batch four; a batch's id says only that two were asked at once.
    public = VOCABULARY | transactions
    own = {
        pair: {one for one in words - public if not re.fullmatch(r"\d{4}|\d{10}|\d{13}", one)}
        for pair, words in said.items()
    }
    assert all(words for words in own.values()), "the test would pass on an empty ledger"
    for one, other in itertools.combinations(own, 2):
        assert not own[one] & own[other], (names[one], names[other])


async def test_attempts_upon_a_patient_and_upon_nobody_look_alike(
    tmp_path: Path, chance: random.Random
) -> None:
    """The owner of a name shows in no length, no set of fields and no bit that is rather one than zero."""
    patients, _ = await traffic(tmp_path, chance)
    directory = patients[-1].secret
    shapes: dict[bool, set[Any]] = {True: set(), False: set()}
    for entry in entries_on(tmp_path / "ledger.db"):
        if entry["recipient"] not in OPEN:
            whose = directory.is_one_time_pseudonym(entry["pair"], entry["recipient"])
            lengths = {name: len(value) if isinstance(value, str) else 0 for name, value in entry.items()}
            varying = {"purpose", "action"}
            shapes[whose].add(
                tuple((name, length) for name, length in lengths.items() if name not in varying)
            )
    assert shapes[True] == shapes[False]
    assert len(shapes[True]) == 1
    drawn = [PatientSecret(chance.randbytes(32)).one_time_pseudonym(OPEN[0]) for _ in range(2_000)]
    ones = [sum(int(name, 16) >> bit & 1 for name in drawn) for bit in range(128)]
    assert all(abs(count - 1_000) < 150 for count in ones)  # six standard deviations and more


async def test_no_secret_salt_or_name_is_on_the_ledger(tmp_path: Path, chance: random.Random) -> None:
    patients, _ = await traffic(tmp_path, chance)
    _, everything = read_everything(tmp_path / "ledger.db", set())
    everything += (tmp_path / "ledger.db").read_bytes()
    for patient in patients:
        for member in MEMBERS:
            salt = patient.secret.salt(member)
            assert salt not in everything
            assert salt.hex().encode() not in everything
        assert bytes(patient.secret) not in everything
        assert bytes(patient.secret).hex().encode() not in everything
        assert patient.name.encode() not in everything
    assert b"Grey" not in everything
    assert b"Observation/17" not in everything


async def test_with_the_secret_and_the_members_every_entry_is_found(
    tmp_path: Path, chance: random.Random
) -> None:
    patients, entries = await traffic(tmp_path, chance)
    client = LedgerClient(
        EmbeddedLedger.open(tmp_path / "ledger.db", key=tmp_path / "node.pem", msp_id=MEMBERS[0])
    )
    everything = names_on(tmp_path / "ledger.db")
    for patient in patients:
        found = 0
        for member in MEMBERS:
            page = await client.pair_log(patient.secret.pair(member))
            assert {record.recipient for record in page.entries} <= {member}
            found += len(page.entries)
        found += sum(patient.secret.is_one_time_pseudonym(name, recipient) for name, recipient in everything)
        assert found == entries[patient.name]
    assert sum(entries.values()) == len(everything), "no entry belongs to nobody"
    await client.close()
