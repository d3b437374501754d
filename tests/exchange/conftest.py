"""Fixtures of the gateway's tests: two hospitals, a client of the first with real keys, a clock to turn."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from exchange.auth.assertions import ASSERTION_TYPE, PrivateKey, public_jwk, sign_assertion
from exchange.auth.clients import new_client
from exchange.auth.principal import Member
from exchange.crypto.operator_seal import OperatorSeal
from exchange.services.auth.tokens import Tokens
from exchange.store.engine.database import Database
from exchange.store.migrations.create import create_records
from exchange.store.records.schema import metadata

BASE = "https://a.example"
MEMBERS = {
    "HospitalAMSP": Member("HospitalAMSP", "Hospital A", "hospital-a"),
    "HospitalBMSP": Member("HospitalBMSP", "Hospital B", "hospital-b"),
}


@dataclass
class Clock:
    """Time that stands still until a test moves it; seconds since 1970 UTC."""

    now: float = 1_800_000_000.25

    def __call__(self) -> float:
        return self.now


SEAL = OperatorSeal(bytes(range(32)))


@dataclass
class Asking:
    """A Tokens service over a real database, and the client `lab` of Hospital B that uses it."""

    tokens: Tokens
    database: Database
    path: Path
    clock: Clock
    key: PrivateKey
    client_id: str = "lab"
    members: dict[str, Member] = field(default_factory=lambda: MEMBERS)
    seal: OperatorSeal = SEAL

    def service(self, database: Database | None = None, **settings: Any) -> Tokens:
        """Return another service of the same gateway, as in a second process."""
        settings = {"members": self.members, "seal": self.seal} | settings
        return Tokens(database or self.database, base_url=BASE, clock=self.clock, **settings)

    def sign(self, **changes: Any) -> str:
        """Return an assertion of the client, with `changes` to the arguments of `sign_assertion`."""
        told: dict[str, Any] = {
            "client_id": self.client_id,
            "token_url": f"{BASE}/auth/token",
            "organization_id": "HospitalBMSP",
            "purpose": "TREAT",
            "now": self.clock.now,
        }
        key = changes.pop("key", self.key)
        return sign_assertion(key, **(told | changes))

    def form(self, assertion: str | None = None, **changes: str) -> list[tuple[str, str]]:
        """Return the fields of a token request."""
        fields = {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.sign() if assertion is None else assertion,
        }
        return [(name, value) for name, value in (fields | changes).items()]

    async def register(
        self, client_id: str, key: PrivateKey, *allowed: str, kid: str = "", purpose: str = ""
    ) -> None:
        """Register a client of Hospital B."""
        jwk = public_jwk(key) | ({"kid": kid} if kid else {})
        await self.tokens.clients.register(
            new_client(
                client_id=client_id,
                name=f"System {client_id}",
                organization="HospitalBMSP",
                jwks=msgspec.json.encode({"keys": [jwk]}),
                allowed=allowed or ("system/*.cruds",),
                created=1,
                purpose=purpose,
            )
        )


def unsigned(header: dict[str, Any], claims: Any) -> str:
    """Return the first two parts of a compact JWT, with a dot behind each."""
    parts = (msgspec.json.encode(header), msgspec.json.encode(claims))
    return "".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() + "." for part in parts)


@pytest.fixture(scope="session")
def elliptic() -> PrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@pytest.fixture(scope="session")
def other_elliptic() -> PrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@pytest.fixture(scope="session")
def modular() -> PrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def forge() -> Any:
    return unsigned


@pytest.fixture
async def asking(tmp_path: Path, elliptic: PrivateKey) -> AsyncIterator[Asking]:
    clock = Clock()
    path = tmp_path / "records.db"
    database = Database(path, metadata, durable=False, begin=create_records)
    tokens = Tokens(database, MEMBERS, base_url=BASE, seal=SEAL, clock=clock)
    asking = Asking(tokens, database, path, clock, elliptic)
    await asking.register("lab", elliptic)
    yield asking
    database.close()
