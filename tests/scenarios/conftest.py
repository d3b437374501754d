"""Fixtures of all scenarios: one node built from real people once, a copy for each module that changes it.

A module with `LEDGERS = EVERY_LEDGER` runs once on the embedded ledger and once on Fabric. There it has a
node of its own on a chaincode of its own, so that its log holds what its own tests did. On PostgreSQL, where
the ledger is the embedded one, it has a database of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from exchange import devnet
from exchange.demo.consortium import CITY, Demo, build
from exchange.demo.fabric import OPTIONS, organisation
from exchange.demo.nhanes import Participant, participants
from exchange.demo.process import free_port, serving
from tests.support.postgres_server import Server
from tests.support.scenarios.scenario_site import (
    EMBEDDED,
    PEOPLE,
    POSTGRESQL,
    Site,
    copied,
    in_thread,
    opened,
)


@pytest.fixture(scope="session")
def people() -> tuple[Participant, ...]:
    """The survey participants on every site, those with most records first."""
    found = list(participants(PEOPLE))
    return tuple(sorted(found, key=lambda person: len(person.records), reverse=True))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a node with City Hospital as custodian; copied, never opened by a test."""
    folder = tmp_path_factory.mktemp("built") / "node"
    in_thread(build(folder, free_port(), PEOPLE))
    return folder


@pytest.fixture(scope="session")
def built_on_postgres(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a node on PostgreSQL; copied with its database, never opened by a test."""
    folder = tmp_path_factory.mktemp("built") / "node"
    in_thread(build(folder, free_port(), PEOPLE, database=postgres.new_database()))
    return folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the modules that ask for it on every ledger, but for tests that say which themselves."""
    ledgers = getattr(metafunc.module, "LEDGERS", None)
    chosen = any("ledger_kind" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if ledgers and not chosen and "ledger_kind" in metafunc.fixturenames:
        metafunc.parametrize("ledger_kind", ledgers, indirect=True, scope="module")


@pytest.fixture(scope="session")
def consortium_network(
    programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devnet.Network]:
    """The demo's three members on a Fabric network."""
    root = tmp_path_factory.mktemp("consortium") / "network"
    with devnet.up(root, OPTIONS, programs=programs) as running:
        yield running


@pytest.fixture(scope="module")
def ledger_kind(request: pytest.FixtureRequest) -> str:
    """Which ledger this module's nodes are on, this time."""
    return getattr(request, "param", EMBEDDED)


@pytest.fixture(scope="module")
def new_node(
    ledger_kind: str,
    deployed: Callable[[devnet.Network, str], None],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Callable[[], Demo]:
    """Makes nodes of City Hospital's: copies of the built one, or on Fabric new ones."""

    def make() -> Demo:
        folder = tmp_path_factory.mktemp("site") / "node"
        if ledger_kind == EMBEDDED:
            return copied(request.getfixturevalue("built"), folder)
        if ledger_kind == POSTGRESQL:
            return copied(
                request.getfixturevalue("built_on_postgres"), folder, request.getfixturevalue("postgres")
            )
        running = request.getfixturevalue("consortium_network")
        chaincode = f"c{secrets.token_hex(8)}"
        deployed(running, chaincode)
        profile = folder.with_name("profile.json")
        msgspec.structs.replace(running.profile(organisation(CITY)), chaincode=chaincode).write(profile)
        return in_thread(build(folder, free_port(), PEOPLE, profile))

    return make


@pytest.fixture(scope="module")
def site(new_node: Callable[[], Demo], people: tuple[Participant, ...]) -> Iterator[Site]:
    """A node of this module's own, in this process."""
    demo = new_node()
    with opened(demo) as (http, _, _):
        yield Site(demo, http, people)


@pytest.fixture(scope="module")
def served(new_node: Callable[[], Demo], people: tuple[Participant, ...]) -> Iterator[Site]:
    """A node of this module's own, served by a process of its own."""
    demo = new_node()
    with serving(demo.folder.path, demo.settings.base_url), httpx.Client(timeout=60) as http:
        yield Site(demo, http, people)
