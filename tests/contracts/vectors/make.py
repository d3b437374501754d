"""The frozen bytes, written anew: `python tests/contracts/vectors/make.py`, then read the difference.

Everything that is stored, signed or compared between organisations has its bytes here. A change in these
files is a change of the format: old ledgers must still be read after it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chaincode.access.calls import Authorize, NoteReleases, ReadPairLog, Record
from chaincode.access.model import AccessRequest, LinkedPair, RecordedEvent, ScoreResult
from chaincode.adoption import VERSION, VERSION_KEY, AdoptContracts, ReadContracts
from chaincode.caller import Caller
from chaincode.consent.calls import (
    Opening,
    OpenPairs,
    PublishTerms,
    ReadHistory,
    ReadOpeners,
    ReadPair,
    RetirePairs,
    TermsUpdate,
)
from chaincode.consent.model import Actor, Condition, Period, Provision, Terms
from chaincode.encoding import composite_key, encode
from chaincode.ledger import StateEntry, StatePage
from chaincode.policy.calls import ApprovePolicy, ReadPolicy, SetPolicy, WithdrawPolicy
from chaincode.policy.model import Policy, PolicyRule
from chaincode.router import Router
from exchange.crypto.pseudonyms import PatientSecret
from exchange.ledger.embedded import block

HERE = Path(__file__).parent
NOW = 1_800_000_000_000
A, B, C = "HospitalAMSP", "HospitalBMSP", "HospitalCMSP"
PAIR, OTHER = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"

EVERYTHING = Condition(
    period=Period(start=NOW - 1000, end=NOW + 1_000_000),
    actors=(
        Actor("organization", B),
        Actor("role", "http://snomed.info/sct|224535009"),
        Actor("person", "ab" * 16),
    ),
    actions=("access", "collect"),
    purposes=("TREAT", "ETREAT"),
    classes=("Observation", "Condition"),
    records="cd" * 16,
)
TERMS = Terms(
    id="12" * 16,
    version=3,
    status="active",
    attested="patient",
    root=Provision(effect="deny", exceptions=(Provision(effect="permit", when=EVERYTHING),)),
)
PLAIN = Terms(
    id="21" * 16,
    version=1,
    status="active",
    attested="organization",
    root=Provision(effect="permit", when=Condition(purposes=("TREAT",))),
)
RULE = PolicyRule(id="own-care", relation="custodian", subject="patient", purposes=("TREAT",))

JOINED = "0f" * 16
NAMED, NODE = "f0" * 16, "9a" * 10
NPI = ("npi|" + "cd" * 16,)
BESIDE = LinkedPair(PAIR, "", "ba" * 16, ("npi|" + "dc" * 16,))
DOCTOR = Condition(actors=(Actor("person", "ab" * 16, NPI),))
ASLEEP = Terms(
    id="31" * 16,
    version=1,
    status="active",
    attested="patient",
    root=Provision("permit", exceptions=(Provision("deny", DOCTOR),)),
    only_denies=True,
)
FOURTH = Policy(version=3, members=(A, C), rules=(RULE,))
FIFTH = Policy(version=4, members=(A, B, C), rules=(RULE,))

ATTEMPT = bytes(range(8))


def request(pair: str = PAIR, **changes: Any) -> AccessRequest:
    """Return a request with every field set, with `changes`."""
    fields: dict[str, Any] = {
        "pair": pair,
        "recipient": B,
        "purpose": "TREAT",
        "action": "read",
        "user": "0a" * 16,
        "digest": "0b" * 32,
        "evidence": "0c" * 32,
        "role": "http://snomed.info/sct|224535009",
        "person": "ab" * 16,
        "classes": ("Observation",),
    }
    return AccessRequest(**(fields | changes))


def recorded(**changes: Any) -> RecordedEvent:
    """Return an event with every field set, with `changes`."""
    fields: dict[str, Any] = {
        "pair": OTHER,
        "purpose": "TREAT",
        "action": "update",
        "user": "0a" * 16,
        "digest": "0b" * 32,
        "evidence": "0c" * 32,
        "role": "http://snomed.info/sct|224535009",
        "classes": ("Observation",),
        "root": "2a" * 32,
        "count": 3,
    }
    return RecordedEvent(**(fields | changes))


def scored(time: int) -> AccessRequest:
    """Return the request with the result of a score that was permitted at `time`."""
    tx = sha256(f"access:authorize {time}".encode()).hexdigest()
    result = ScoreResult(tx=tx, time=time, n=0, input="1e" * 32, output="1f" * 32)
    return request(action="score", model="1d" * 32, result=result)


class Ledger:
    """State in a dict, and one transaction at a time with ids and times that are always the same."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}
        self.timestamp, self.tx_id, self.caller = NOW, "", Caller(A)
        self.transient: Mapping[str, bytes] = {}
        self.writes: dict[str, bytes] = {}
        self.event: tuple[str, bytes] | None = None

    def call(self, function: str, args: bytes, caller: str) -> dict[str, Any]:
        """Run one call, keep what it writes, and tell everything about it."""
        self.timestamp += 1000
        self.tx_id = sha256(f"{function} {self.timestamp}".encode()).hexdigest()
        self.caller, self.writes, self.event = Caller(caller), {}, None
        result = asyncio.run(Router(lambda: self.timestamp).invoke(self, function, args))
        for key, value in self.writes.items():
            self.state[key] = value
        return {
            "function": function,
            "caller": caller,
            "time": self.timestamp,
            "tx_id": self.tx_id,
            "args": args.decode(),
            "result": result.decode(),
            "writes": {key: value.decode() for key, value in self.writes.items()},
            "event": None if self.event is None else [self.event[0], self.event[1].decode()],
        }

    async def get(self, key: str) -> bytes | None:
        return self.state.get(key)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.state.get(key) for key in keys]

    def put(self, key: str, value: bytes) -> None:
        self.writes[key] = value

    async def range(self, start: str, end: str, *, limit: int, bookmark: str = "") -> StatePage:
        keys = sorted(key for key in self.state if (bookmark or start) <= key < end)
        more = keys[limit] if len(keys) > limit else ""
        return StatePage([StateEntry(key, self.state[key]) for key in keys[:limit]], more)

    def emit(self, name: str, payload: bytes) -> None:
        self.event = name, payload


def calls() -> Iterator[dict[str, Any]]:
    """Yield calls of every function once at least, on one ledger."""
    ledger = Ledger()
    second = Policy(version=2, members=(A, B, C), rules=(RULE,))
    digest = sha256(encode(second)).hexdigest()
    third = Policy(version=3, members=(A, B, C), rules=(RULE,), voters=(A, B))
    script: list[tuple[str, msgspec.Struct, str]] = [
        ("policy:found", SetPolicy(Policy(version=1, members=(A, B), rules=())), A),
        ("policy:propose", SetPolicy(second), A),
        ("policy:read", ReadPolicy(), A),
        ("policy:approve", ApprovePolicy(digest), B),
        ("policy:read", ReadPolicy(), A),
        (
            "consent:open",
            OpenPairs(
                (
                    Opening(PAIR, B, "patient", (PLAIN,), ("ef" * 32,)),
                    Opening(OTHER, A, "patient"),
                )
            ),
            A,
        ),
        ("consent:open", OpenPairs((Opening(PAIR, B, "patient"),)), A),
        (
            "access:authorize",
            Authorize(
                (
                    request(),
                    request(purpose="HRESCH", role="", person="", classes=()),
                    request(OTHER, recipient=A),
                    request("f" * 32),
                )
            ),
            A,
        ),
        ("consent:file", PublishTerms((TermsUpdate(PAIR, TERMS), TermsUpdate(OTHER, PLAIN))), A),
        ("access:authorize", Authorize((request(),)), A),
        (
            "consent:file",
            PublishTerms((TermsUpdate(PAIR, msgspec.structs.replace(TERMS, version=4, status="inactive")),)),
            A,
        ),
        (
            "consent:file",
            PublishTerms((TermsUpdate(OTHER, msgspec.structs.replace(PLAIN, version=9), after=2),)),
            A,
        ),
        ("consent:read", ReadPair(PAIR), A),
        ("consent:read", ReadPair("f" * 32), A),
        ("consent:history", ReadHistory(PAIR, limit=2, custodian=A), B),
        ("access:trail", ReadPairLog(PAIR, limit=2, custodian=A), B),
        ("access:trail", ReadPairLog(PAIR, since=NOW + 9500, until=NOW + 20_000), A),
        ("access:authorize", Authorize((request(action="score", model="1d" * 32),)), A),
        ("access:authorize", Authorize((scored(NOW + 17_000), scored(NOW + 16_000))), A),
        ("policy:propose", SetPolicy(third), A),
        ("policy:withdraw", WithdrawPolicy(sha256(encode(third)).hexdigest()), A),
        ("policy:read", ReadPolicy(), A),
        ("access:record", Record((recorded(), recorded(action="login-refused", root="", refused=True))), A),
        ("consent:open", OpenPairs((Opening(JOINED, B, "patient", (ASLEEP,)),)), A),
        ("access:authorize", Authorize((request(JOINED, known_as=NPI, linked=(BESIDE,)),)), A),
        ("policy:propose", SetPolicy(FOURTH), A),
        ("policy:approve", ApprovePolicy(sha256(encode(FOURTH)).hexdigest()), B),
        ("policy:propose", SetPolicy(FIFTH), A),
        ("policy:approve", ApprovePolicy(sha256(encode(FIFTH)).hexdigest()), C),
        ("policy:read", ReadPolicy(), A),
        ("access:authorize", Authorize((request(JOINED),)), A),
        ("consent:open", OpenPairs((Opening(JOINED, B, "patient", (ASLEEP, PLAIN)),)), A),
        ("access:authorize", Authorize((request(JOINED),)), A),
        ("access:release", NoteReleases(("0a" * 32, "0b" * 32)), A),
        ("consent:open", OpenPairs((Opening(NAMED, A, "patient", (PLAIN,), node=NODE),)), A),
        ("access:record", Record((msgspec.structs.replace(recorded(), pair=NAMED),)), A),
        ("consent:openers", ReadOpeners((NAMED, PAIR, "e" * 32)), A),
        ("consent:retire", RetirePairs((NAMED,), NODE), A),
        ("access:authorize", Authorize((request(NAMED, recipient=A),)), A),
        ("consent:retire", RetirePairs((NAMED,), NODE), A),
        ("consent:retire", RetirePairs((OTHER,), ""), A),
        ("consent:openers", ReadOpeners((NAMED, OTHER)), A),
        ("consent:open", OpenPairs((Opening(NAMED, A, "patient", (PLAIN,), node="ab" * 10),)), A),
        ("contracts:read", ReadContracts(), B),
        ("contracts:adopt", AdoptContracts(VERSION), A),
    ]
    for function, args, caller in script:
        if function == "contracts:adopt":
            del ledger.state[VERSION_KEY]  # as on a ledger that the first contracts wrote
        yield ledger.call(function, encode(args), caller)


def keys() -> dict[str, str]:
    """Return a key of each kind."""
    tx = "e" * 64
    return {
        "policy": composite_key("policy", "consortium"),
        "admissions": composite_key("policy", "admissions"),
        "proposal": composite_key("proposal", "d" * 64),
        "contracts": composite_key("contracts", "version"),
        "pair": composite_key("pair", PAIR, A),
        "past": composite_key("past", PAIR, A, f"{9_999_999_999 - 7:010d}"),
        "access": composite_key("access", f"{NOW:013d}", tx, f"{2:02d}"),
        "trail": composite_key("trail", PAIR, A, f"{NOW:013d}", tx, f"{37:04d}"),
    }


def blocks() -> dict[str, str]:
    """Return the embedded ledger's formats, in hexadecimal."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw()
    creator = block.creator(A, public)
    nonce = bytes(range(24))
    tx_id = block.transaction_id(nonce, creator)
    bodies = [
        block.encode(
            block.Transaction(
                tx_id,
                block.Call(nonce, A, "consent:read", b'{"pair":""}', NOW, transient=False),
                block.Effect(
                    sha256(b"result").digest(),
                    ((b"\0pair\0x\0", 65536), (b"\0pair\0y\0", block.NEVER)),
                    ((b"\0pair\0x\0", sha256(b"value").digest()),),
                    event,
                ),
            )
        )
        for event in (None, block.Announcement("access", None), block.Announcement("consent", b"[]"))
    ]
    header = block.encode(
        block.Header(block.FORMAT, A, public, 1, block.GENESIS, block.data_hash(bodies), 3, NOW)
    )
    signature = block.sign(key, header)
    block.check_signature(key.public_key(), signature, header)
    found = {
        "creator": creator,
        "transaction_id": tx_id,
        **{f"transaction_{n}": body for n, body in enumerate(bodies)},
        "data_hash": block.data_hash(bodies),
        "header": header,
        "block_hash": block.block_hash(header),
        "signature": signature,
    }
    return {name: value.hex() for name, value in found.items()}


def pseudonyms() -> list[dict[str, str]]:
    """Return pairs, salts and one-time pseudonyms of two secrets."""
    return [
        {
            "secret": secret.hex(),
            "recipient": recipient,
            "pair": PatientSecret(secret).pair(recipient),
            "salt": PatientSecret(secret).salt(recipient).hex(),
            "attempt": (name := (ATTEMPT + PatientSecret(secret)._tag(ATTEMPT, recipient)).hex()),
            "attempt_salt": PatientSecret(secret).one_time_salt(name).hex(),
        }
        for secret in (bytes(32), bytes(range(32)))
        for recipient in (A, B)
    ]


def vectors() -> dict[str, str]:
    """Return the text of each file."""
    found = {
        "calls": list(calls()),
        "keys": keys(),
        "blocks": blocks(),
        "pseudonyms": pseudonyms(),
    }
    return {
        f"{name}.json": json.dumps(value, indent=1, ensure_ascii=True) + "\n" for name, value in found.items()
    }


if __name__ == "__main__":
    for name, text in vectors().items():
        (HERE / name).write_text(text)
