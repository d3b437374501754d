"""Another root key is refused by everything that opens a database, before anything is sealed with it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from exchange.auth.principal import Member
from exchange.cli.node.rebuild import rebuild
from exchange.node.checks import check_node, check_to_serve
from exchange.node.folder import NodeFolder
from exchange.node.identity.accepted_changes import add_member
from exchange.node.identity.root_key_check import RootKeyError, spelt
from exchange.node.initialise import initialise
from exchange.node.keys import NodeKeys
from exchange.node.migration import migrate
from exchange.node.open import open_node
from exchange.node.parts import open_parts, open_vault
from exchange.node.settings import NodeSettings
from exchange.vault.errors import VaultError


@pytest.fixture
async def folder(tmp_path: Path) -> NodeFolder:
    made = NodeFolder(tmp_path / "node")
    settings = NodeSettings("CityMSP", "http://127.0.0.1:8400", (Member("CityMSP", "City", "city"),))
    await initialise(made, settings)
    return made


def contents(folder: NodeFolder) -> list[list[str]]:
    found = []
    for path in (folder.records, folder.log, folder.ledger):
        with closing(sqlite3.connect(path)) as connection:
            found.append(list(connection.iterdump()))
    return found


async def opened(folder: NodeFolder) -> None:
    async with open_node(folder):
        pass


def logged(folder: NodeFolder) -> None:
    with open_parts(folder) as parts:
        parts.open_log()


def recorded(folder: NodeFolder) -> None:
    with open_parts(folder) as parts:
        _ = parts.records


OPENERS: dict[str, Callable[[NodeFolder], object]] = {
    "serve": lambda folder: check_to_serve(folder, folder.load()),
    "log": logged,
    "records": recorded,
    "member": lambda folder: add_member(folder, Member("LakeMSP", "Lake", "lake"), by="ops"),
    "migrate": lambda folder: migrate(folder, lambda _: None, by="ops"),
    "rebuild": lambda folder: rebuild(folder.path),
}


@pytest.mark.parametrize("opener", OPENERS)
def test_another_root_key_is_refused_and_changes_nothing(folder: NodeFolder, opener: str) -> None:
    before = contents(folder)
    folder.root_key.write_bytes(os.urandom(32))
    with pytest.raises(VaultError, match=r"not this node's.*restore keys/root.key"):
        OPENERS[opener](folder)
    assert contents(folder) == before


async def test_a_node_does_not_open_with_another_root_key(folder: NodeFolder) -> None:
    made_with = spelt(NodeKeys(open_vault(folder)).fingerprint)
    folder.root_key.write_bytes(os.urandom(32))
    with pytest.raises(VaultError) as refused:
        await opened(folder)
    assert made_with in str(refused.value)
    assert spelt(NodeKeys(open_vault(folder)).fingerprint) in str(refused.value)


def test_verify_names_another_root_key(folder: NodeFolder) -> None:
    assert found(folder) == []
    folder.root_key.write_bytes(os.urandom(32))
    [finding] = found(folder)
    assert "the root key is not this node's" in finding


def found(folder: NodeFolder) -> list[str]:
    parts = check_node(folder, lambda *_: None).parts
    return [str(part.finding) for part in parts if part.finding is not None]


@pytest.mark.parametrize("table", ["records_root_key", "log_root_key"])
@pytest.mark.parametrize(
    "change", ["DELETE FROM {}", "INSERT INTO {} VALUES (x'00')", "UPDATE {} SET fingerprint = 7"]
)
async def test_a_database_without_its_check_value_is_damaged(
    folder: NodeFolder, table: str, change: str
) -> None:
    path = folder.records if table.startswith("records") else folder.log
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change.format(table))
    assert "check value of the root key is missing" in "".join(found(folder))
    with pytest.raises(RootKeyError, match="check value of the root key is missing"):
        await opened(folder)


def test_a_log_that_is_made_anew_knows_the_root_key(folder: NodeFolder) -> None:
    before = contents(folder)
    rebuild(folder.path)
    logged(folder)
    assert contents(folder) == before


def test_the_fingerprint_is_of_the_key_alone_and_tells_it_from_others(folder: NodeFolder) -> None:
    seen = set()
    for number in range(20):
        folder.root_key.write_bytes(bytes([number]) * 32)
        once, again = (NodeKeys(open_vault(folder)).fingerprint for _ in range(2))
        assert once == again
        assert once not in bytes([number]) * 64
        seen.add(once)
    assert len(seen) == 20
