"""What scenarios share: one node built from real people once, and a copy for each module that changes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exchange.demo.consortium import build
from exchange.demo.nhanes import Participant, participants
from exchange.demo.process import free_port, serving

sys.path.insert(0, str(Path(__file__).parent))

from scenario_site import PEOPLE, Site, copied, in_thread, opened


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


@pytest.fixture(scope="module")
def site(
    built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A node of this module's own, in this process."""
    demo = copied(built, tmp_path_factory.mktemp("site") / "node")
    with opened(demo) as (http, _, _):
        yield Site(demo, http, people)


@pytest.fixture(scope="module")
def served(
    built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A node of this module's own, served by a process of its own."""
    demo = copied(built, tmp_path_factory.mktemp("served") / "node")
    with serving(demo.folder.path, demo.settings.base_url), httpx.Client(timeout=60) as http:
        yield Site(demo, http, people)
