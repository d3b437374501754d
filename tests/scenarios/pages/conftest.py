"""Nodes for the patient's pages: at a name, because browsers make no passkeys for a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.demo.consortium import Demo
from exchange.node.identity.accepted_changes import accept_settings
from tests.support.scenarios.scenario_site import copied


@pytest.fixture(scope="module")
def new_node(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Demo]:
    """Makes copies of the built node, at `localhost`."""

    def make() -> Demo:
        demo = copied(built, tmp_path_factory.mktemp("site") / "node")
        folder, address = demo.folder, demo.settings.base_url
        text = folder.settings_file.read_text(encoding="utf-8")
        named = text.replace(address, address.replace("127.0.0.1", "localhost"))
        folder.settings_file.write_text(named, encoding="utf-8")
        accept_settings(folder, by="tests")
        return Demo(folder, folder.load())

    return make
