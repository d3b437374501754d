"""A node with an embedded ledger, and what its tests are made of."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chaincode.access.model import AccessRequest
from chaincode.consent.calls import Opening
from chaincode.consent.model import Condition, Provision, Terms
from chaincode.policy.model import Policy
from exchange.ledger.client import LedgerClient, SubjectRequest
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.verify import LedgerReport, verify

A, B = "HospitalAMSP", "HospitalBMSP"
GRANT = Terms("1" * 32, 1, "active", "patient", Provision("permit", when=Condition(purposes=("TREAT",))))


@dataclass
class Node:
    """One node's folder; `open` may be called again after `close`."""

    folder: Path
    now: int = 1_800_000_000_000
    clients: list[LedgerClient] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def key(self) -> Path:
        return self.folder / "node.pem"

    @property
    def public_key(self) -> Ed25519PublicKey:
        return load_node_key(self.key).public_key()

    def open(self, *, msp_id: str = A, clock: Callable[[], int] | None = None) -> EmbeddedLedger:
        return EmbeddedLedger.open(self.path, key=self.key, msp_id=msp_id, clock=clock or (lambda: self.now))

    def client(self, **options: Any) -> LedgerClient:
        client = LedgerClient(self.open(), **options)
        self.clients.append(client)
        return client

    async def fill(self, *, pairs: int = 3, accesses: int = 4) -> list[str]:
        """Found the consortium, open pairs, ask and revoke a little, and close."""
        client = self.client()
        await client.found_policy(Policy(version=1, members=(A, B), rules=()))
        names = [secrets.token_hex(16) for _ in range(pairs)]
        await client.open_pairs([Opening(name, B, "patient", (GRANT,)) for name in names])
        for n in range(accesses):
            self.now += 1000
            await client.authorize([self.ask(name) for name in names[: n % pairs + 1]])
        await client.publish_terms([(names[0], Terms("1" * 32, 2, "inactive", "patient", GRANT.root))])
        await client.authorize([self.ask(names[0])])
        await client.close()
        return names

    @staticmethod
    def request(pair: str, **changes: Any) -> AccessRequest:
        fields: dict[str, Any] = {
            "pair": pair,
            "recipient": B,
            "purpose": "TREAT",
            "action": "read",
            "user": "0a" * 16,
            "digest": secrets.token_hex(32),
            "evidence": "0c" * 32,
        }
        return AccessRequest(**(fields | changes))

    @classmethod
    def ask(cls, pair: str, **changes: Any) -> SubjectRequest:
        return SubjectRequest(bytes.fromhex(pair), cls.request(pair, **changes))

    def verify(self, **options: Any) -> LedgerReport:
        return verify(self.path, self.public_key, **options)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    found = Node(tmp_path)
    EmbeddedLedger.create_key(found.key)
    yield found
    for client in found.clients:
        await client.close()


@pytest.fixture
async def filled(node: Node) -> Node:
    """A closed node with a little of everything in its ledger."""
    await node.fill()
    return node
