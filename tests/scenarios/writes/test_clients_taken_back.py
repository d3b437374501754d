"""Registered clients that are put back, changed back or removed: found by `verify`, and by a gateway.

The attacker writes to the database of records, has no key, and kept older copies of every row of it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import new_client
from exchange.client.system import ASSERTION_TYPE, sign_assertion
from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.errors import DamagedError
from exchange.node.checks import check_to_serve
from exchange.node.parts import open_parts
from exchange.services.auth.registered_clients import RegisteredClients
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import LAKE, Site, copied, in_thread, opened

Rows = dict[str, list[tuple[Any, ...]]]
KEYS = [ec.generate_private_key(ec.SECP384R1()) for _ in range(2)]


def jwks(*keys: Any) -> bytes:
    return msgspec.json.encode({"keys": [public_jwk(key) for key in keys]})


def client(name: str, *keys: Any) -> Any:
    return new_client(
        client_id=name,
        name=name,
        organization=LAKE.msp_id,
        jwks=jwks(*keys),
        allowed=["system/*.rs"],
        created=time.time_ns() // 1_000_000,
    )


def beside(demo: Demo, act: Callable[[RegisteredClients], Any]) -> None:
    """Do what a command does, beside a gateway or without one."""

    async def work() -> None:
        with open_parts(demo.folder) as parts:
            await act(parts.tokens.clients)

    in_thread(work())


def without_key(before: Any) -> Any:
    return msgspec.structs.replace(before, keys=before.keys[:1])


CHANGES: dict[str, Callable[[RegisteredClients], Any]] = {
    "registered": lambda clients: clients.register(client("new", KEYS[0])),
    "disabled": lambda clients: clients.disable("seen"),
    "enabled": lambda clients: clients.enable("closed"),
    "without a key": lambda clients: clients.change("seen", without_key),
}


@contextmanager
def records(demo: Demo) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(demo.folder.records, timeout=30)) as db, db:
        yield db


def rows(demo: Demo) -> Rows:
    """Return the clients, and what waits in the outbox."""
    with records(demo) as db:
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in ("clients", "outbox")}


def put_back(demo: Demo, kept: Rows) -> None:
    with records(demo) as db:
        for table, values in kept.items():
            db.execute(f"DELETE FROM {table}")
            if values:
                db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(values[0]))})", values)


@pytest.fixture
def demo(built: Any, tmp_path: Any) -> Demo:
    """A node with a client that is enabled, and one that is not, of which the ledger has entries."""
    demo = copied(built, tmp_path / "node")
    beside(demo, lambda clients: clients.register(client("seen", *KEYS)))
    beside(demo, lambda clients: clients.register(client("closed", *KEYS)))
    beside(demo, lambda clients: clients.disable("closed"))
    with opened(demo):
        pass
    return demo


def named(demo: Demo) -> list[str]:
    return [one.removeprefix("FOUND ").partition(":")[0] for one in findings(demo.folder)]


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_clients_as_they_were_before_a_change_are_found_by_verify_and_at_the_start(
    demo: Demo, change: str, recorded: bool
) -> None:
    before = rows(demo)
    beside(demo, CHANGES[change])
    waiting = rows(demo)
    if recorded:
        with opened(demo):
            pass
    assert named(demo) == []
    check_to_serve(demo.folder, demo.settings)
    after = rows(demo)
    for kept in (before, before | {"outbox": after["outbox"]}, after | {"clients": after["clients"][1:]}):
        put_back(demo, kept)
        if kept is before and not recorded:
            assert named(demo) == []  # nothing has ever been told of the change
            continue
        assert named(demo) == ["clients"]
        with pytest.raises(DamagedError, match="clients"):
            check_to_serve(demo.folder, demo.settings)
    put_back(demo, after)
    if recorded:  # what waited once and is on the ledger says nothing of what came later
        beside(demo, lambda clients: clients.register(client("later", KEYS[0])))
        with opened(demo):
            pass
        put_back(demo, waiting)
        assert named(demo) == ["clients"]


def test_a_gateway_that_serves_gives_no_token_by_clients_put_back(
    demo: Demo, people: tuple[Participant, ...]
) -> None:
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)

        def asked(name: str, key: Any = KEYS[1]) -> int:
            url = f"{site.base.removesuffix('/fhir')}/auth/token"
            form = {
                "grant_type": "client_credentials",
                "scope": "system/*.rs",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": sign_assertion(
                    key, client_id=name, token_url=url, organization_id=LAKE.msp_id, purpose="TREAT"
                ),
            }
            answer: httpx.Response = site.http.post(url, data=form)
            return answer.status_code

        assert asked("seen") == 200
        assert asked("closed") == 401
        before = rows(demo)
        changes: list[tuple[str, str, int, tuple[str, ...]]] = [
            ("without a key", "seen", 401, ("seen", "closed", "nobody")),  # each after seconds
            ("enabled", "closed", 200, ("closed",)),
            ("registered", "new", 401, ("nobody",)),
            ("disabled", "seen", 401, ("seen",)),
        ]
        for change, name, status, refused in changes:
            beside(demo, CHANGES[change])
            assert asked(name) == status  # at once, while its entry is on its way
            after = rows(demo)
            put_back(demo, {"clients": before["clients"]})
            assert {asked(one) for one in refused} == {503}
            put_back(demo, {"clients": after["clients"]})
            assert asked(name) == status
    assert named(demo) == []
