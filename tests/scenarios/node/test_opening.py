"""A node is opened as a whole or not at all: no database begins anew, no log runs ahead of its ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exchange.demo.consortium import Demo
from exchange.errors import DamagedError
from exchange.node.open import open_node
from exchange.node.settings import ConfigError
from tests.support.scenarios.scenario_site import Loop, Site, copied, opened

DATABASES = ("ledger", "records", "log")


def file_of(demo: Demo, database: str) -> Path:
    return demo.folder.path / f"{database}.db"


def used(demo: Demo) -> None:
    """Open the node, and have something happen on its ledger."""
    with opened(demo) as (http, _, _):
        site = Site(demo, http, ())
        patient = site.new_patient()
        assert site.city.get(f"Patient/{patient}").status_code == 200
        assert site.officer().get("AuditEvent").status_code == 200


def refusal(demo: Demo, kind: type[Exception]) -> str:
    """Return the reason why the node does not open."""

    async def open_and_close() -> None:
        async with open_node(demo.folder):
            pass

    loop = Loop()
    try:
        with pytest.raises(kind) as refused:
            loop.run(open_and_close())
        return str(refused.value)
    finally:
        loop.close()


@pytest.fixture
def demo(built: Path, tmp_path: Path) -> Demo:
    return copied(built, tmp_path / "node")


@pytest.mark.parametrize("database", DATABASES)
def test_a_node_without_one_of_its_databases_does_not_open_and_begins_none(demo: Demo, database: str) -> None:
    path = file_of(demo, database)
    path.unlink()
    assert "is missing; restore it from a backup" in refusal(demo, ConfigError)
    assert not path.exists()
    path.touch()
    assert "is empty; restore it from a backup" in refusal(demo, ConfigError)
    assert path.stat().st_size == 0


def test_a_ledger_put_back_to_an_older_copy_is_named(demo: Demo, tmp_path: Path) -> None:
    shutil.copy(demo.folder.ledger, tmp_path / "older.db")
    used(demo)
    shutil.copy(tmp_path / "older.db", demo.folder.ledger)
    assert "the access log is ahead of its ledger" in refusal(demo, DamagedError)


def test_a_ledger_that_went_on_from_an_older_copy_is_named(demo: Demo, tmp_path: Path) -> None:
    twin = copied(demo.folder.path, tmp_path / "twin")
    used(demo)
    for _ in range(3):  # longer than the one that the log is of
        used(twin)
    shutil.copy(twin.folder.ledger, demo.folder.ledger)
    assert "is not on the ledger" in refusal(demo, DamagedError)


def test_a_log_that_is_behind_its_ledger_catches_up(demo: Demo, tmp_path: Path) -> None:
    shutil.copy(demo.folder.log, tmp_path / "older.db")
    used(demo)
    shutil.copy(tmp_path / "older.db", demo.folder.log)
    with opened(demo) as (http, _, _):
        site = Site(demo, http, ())
        read = [event for event in site.officer().found("AuditEvent") if event["action"] in "RE"]
        assert len(read) == 3  # a read, the log before, and now
