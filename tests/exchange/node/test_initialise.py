"""An `init` that is killed anywhere leaves nothing, or a node that the next one completes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from exchange.auth.principal import Member
from exchange.errors import UnavailableError
from exchange.node import initialise as initialising
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.parts import open_parts
from exchange.node.settings import ConfigError, NodeSettings
from exchange.services.membership import Membership
from exchange.store.engine.place import Schema
from exchange.store.engine.postgres import making
from tests.support.killing import can_trace
from tests.support.postgres_server import Server
from tests.support.scenarios.ledger_reader import findings

ROOT = Path(__file__).parents[3]
SETTINGS = NodeSettings(
    "CityMSP", "http://127.0.0.1:8400", (Member("CityMSP", "City", "city"), Member("LakeMSP", "Lake", "lake"))
)


def killed(root: Path, stride: int, *database: str) -> tuple[int, int, int]:
    """Return how often a killed `init` left nothing, a node that is not complete, and a complete one."""
    command = [sys.executable, "-m", "tests.support.killed_inits", str(root), str(stride), *database]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    nothing, begun, complete = done.stdout.split()
    return int(nothing), int(begun), int(complete)


@pytest.mark.slow
@pytest.mark.skipif(not can_trace(), reason="a process can't trace its child here")
def test_an_init_killed_anywhere_is_completed_by_the_next_one(tmp_path: Path) -> None:
    nothing, begun, complete = killed(tmp_path, 23)
    assert nothing
    assert begun > 20
    assert complete


@pytest.mark.slow
@pytest.mark.skipif(not can_trace(), reason="a process can't trace its child here")
def test_an_init_on_postgresql_killed_anywhere_is_completed_by_the_next_one(
    tmp_path: Path, postgres: Server
) -> None:
    _, begun, complete = killed(tmp_path, 150, postgres.url("postgres"))
    assert begun > 2
    assert complete


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    return NodeFolder(tmp_path / "node")


async def cut_off(folder: NodeFolder, monkeypatch: pytest.MonkeyPatch, settings: NodeSettings) -> None:
    """Leave a node without its first records, as a killed process does."""

    async def introduce(_membership: Membership) -> None:
        raise UnavailableError("cut off here")

    with monkeypatch.context() as patch:
        patch.setattr(Membership, "introduce", introduce)
        patch.setattr(initialising, "_remove", lambda *_: None)
        with pytest.raises(UnavailableError, match="cut off here"):
            await initialise(folder, settings)


async def test_a_node_that_is_not_complete_is_no_node_until_init_has_completed_it(
    folder: NodeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cut_off(folder, monkeypatch, SETTINGS)
    keys = folder.root_key.read_bytes(), folder.node_key.read_bytes()
    with pytest.raises(ConfigError, match="call it again with the same options"), open_parts(folder):
        pass
    await initialise(folder, SETTINGS)
    assert (folder.root_key.read_bytes(), folder.node_key.read_bytes()) == keys
    assert findings(folder) == []


@pytest.mark.parametrize(
    "change",
    [
        {"port": 8401},
        {"members": SETTINGS.members[:1]},
        {"zone": "UTC"},
        {"base_url": "https://city.example"},
    ],
    ids=str,
)
async def test_another_node_is_not_completed_in_its_place(
    folder: NodeFolder, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    await cut_off(folder, monkeypatch, SETTINGS)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(
        ConfigError, match=f"begun here with another {next(iter(change))}, and is not complete"
    ):
        await initialise(folder, msgspec.structs.replace(SETTINGS, **change))
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


async def test_a_step_that_fails_while_a_node_is_completed_removes_nothing(
    folder: NodeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cut_off(folder, monkeypatch, SETTINGS)

    async def introduce(_membership: Membership) -> None:
        raise UnavailableError("away again")

    with monkeypatch.context() as patch:
        patch.setattr(Membership, "introduce", introduce)
        with pytest.raises(UnavailableError, match="away again"):
            await initialise(folder, SETTINGS)
    await initialise(folder, SETTINGS)
    assert findings(folder) == []


async def test_two_processes_do_not_make_one_node(folder: NodeFolder) -> None:
    folder.path.mkdir()
    with folder.unfinished.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process is making"):
            await initialise(folder, SETTINGS)
    assert list(folder.path.iterdir()) == [folder.unfinished]
    await initialise(folder, SETTINGS)
    assert findings(folder) == []


def on(database: str) -> NodeSettings:
    return msgspec.structs.replace(SETTINGS, database=database)


STEPS = ("_make_keys", "_found", "_make_databases", "_record", "open_node")


async def killed_before(
    step: str, folder: NodeFolder, settings: NodeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(initialising, step, killed)
        patch.setattr(initialising, "_remove", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            await initialise(folder, settings)


@pytest.mark.parametrize("step", STEPS)
async def test_schemas_of_a_killed_init_whose_folder_is_gone_stand_in_no_ones_way(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    settings = on(postgres.new_database())
    gone, new = NodeFolder(tmp_path / "gone"), NodeFolder(tmp_path / "new")
    await killed_before(step, gone, settings, monkeypatch)
    shutil.rmtree(gone.path)
    await initialise(new, settings)
    assert findings(new) == []


async def test_one_of_both_schemas_is_left_as_another_nodes_once_it_holds_something(
    tmp_path: Path, postgres: Server
) -> None:
    settings = on(postgres.new_database())
    first, new = NodeFolder(tmp_path / "first"), NodeFolder(tmp_path / "new")
    await initialise(first, settings)
    with psycopg.connect(settings.database or "", autocommit=True) as server:
        server.execute("ALTER SCHEMA consentry_records RENAME TO away")
        with pytest.raises(ConfigError, match=r"schema consentry_log .* already, which holds"):
            await initialise(new, settings)
        server.execute("ALTER SCHEMA away RENAME TO consentry_records")
        with pytest.raises(ConfigError, match=r"schema consentry_records .* already, which holds"):
            await initialise(new, settings)
        assert findings(first) == []
        server.execute(
            "DROP SCHEMA consentry_records, consentry_log, consentry_keys CASCADE"
        )  # as it was told to
        await initialise(new, settings)
        server.execute("DROP SCHEMA consentry_records, consentry_log, consentry_keys CASCADE")
        server.execute("CREATE SCHEMA consentry_log")
        shutil.rmtree(new.path)
        with pytest.raises(ConfigError, match="another program's; name a database of its own"):
            await initialise(new, settings)
    assert list(new.path.iterdir()) == []


async def test_two_processes_do_not_make_a_node_in_one_database(tmp_path: Path, postgres: Server) -> None:
    settings, folder = on(postgres.new_database()), NodeFolder(tmp_path / "node")
    place = folder.places(settings)[0]
    assert isinstance(place, Schema)
    with (
        making(place),
        pytest.raises(UnavailableError, match="another process is making a node"),
    ):
        await initialise(folder, settings)
    assert list(folder.path.iterdir()) == []
    await initialise(folder, settings)
