"""A demo that was killed anywhere goes on at its next call, and touches no folder of another."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from exchange.demo import consortium
from exchange.demo.consortium import settings_for
from exchange.demo.process import free_port
from exchange.demo.showcase import DemoError, prepared
from exchange.node import initialise as initialising
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import in_thread

CUTS = {
    "begun": (initialising, "_check_same"),
    "keys": (initialising, "_make_keys"),
    "policy": (initialising, "_found"),
    "databases": (initialising, "_make_databases"),
    "recorded": (initialising, "_record"),
    "opened": (initialising, "open_node"),
    "clients": (consortium, "write_key"),
    "made": (consortium, "Demo"),
    "loaded": (consortium, "_load"),
}
"""Parts of the making before which it is killed."""


def make(folder: Path, port: int) -> list[str]:
    said: list[str] = []
    with prepared(folder, fabric=False, people=1, port=port, say=said.append) as made:
        assert (made.folder.path / "demo.json").exists()
    return said


def killed(*_arguments: object, **_named: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "demo-node"


@pytest.mark.parametrize("cut", CUTS)
def test_a_demo_that_was_killed_goes_on_or_is_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    port = free_port()
    with monkeypatch.context() as patch:
        patch.setattr(*CUTS[cut], killed)
        patch.setattr(initialising, "_remove", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            make(folder, port)
    assert "was left half made" in make(folder, port)[0]
    assert NodeFolder(folder).load().port == port
    assert findings(NodeFolder(folder)) == []
    assert make(folder, port) == []  # it is found made


def test_a_demo_that_was_killed_before_its_settings_goes_on(folder: Path) -> None:
    folder.mkdir()
    NodeFolder(folder).unfinished.touch()
    assert "going on" in make(folder, free_port())[0]


def test_a_demo_that_was_begun_on_another_port_keeps_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = 8481, 8482
    with monkeypatch.context() as patch:
        patch.setattr(initialising, "_make_keys", killed)
        patch.setattr(initialising, "_remove", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            make(folder, first)
    make(folder, second)
    assert NodeFolder(folder).load().port == first


@pytest.mark.parametrize("kind", ["files", "node", "node with clients"])
def test_a_folder_of_another_is_left_as_it_is(folder: Path, kind: str) -> None:
    folder.mkdir()
    if kind == "files":
        (folder / "clients").mkdir()
    else:
        shutil.rmtree(folder)
        settings = settings_for(free_port())
        in_thread(
            initialise(NodeFolder(folder), msgspec.structs.replace(settings, members=settings.members[:1]))
        )
    if kind == "node with clients":
        (folder / "clients").mkdir()
    before = {path: path.stat().st_size for path in folder.rglob("*")}
    with pytest.raises(DemoError, match="is not a demo node"):
        make(folder, free_port())
    assert {path: path.stat().st_size for path in folder.rglob("*")} == before
