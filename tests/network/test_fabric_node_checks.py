"""`consentry verify` and `rebuild` of a node on a real channel, while it serves and while it does not."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from exchange import devnet
from exchange.cli.node.init import init
from exchange.cli.node.rebuild import rebuild
from exchange.cli.node.verify import verify
from exchange.cli.options import Ledger
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.errors import InUseError
from exchange.ledger.fabric.gateway import blocks
from exchange.node.folder import NodeFolder
from exchange.node.open import Node, open_node
from exchange.runtime.quota import Reservation, UnboundedQuota
from exchange.store.engine.database import Database
from exchange.store.log import log_tables
from tests.support.postgres_server import Server

pytestmark = pytest.mark.fabric

ACCESSES = 3


@pytest.fixture(scope="module")
def running(programs: devnet.Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[devnet.Network]:
    root = tmp_path_factory.mktemp("checked") / "network"
    with devnet.up(root, devnet.Options(organisations=2), programs=programs) as found:
        yield found


async def read_own(node: Node) -> None:
    """Read the hospital's own Organization, which is logged."""
    with Reservation(UnboundedQuota("test")):
        await node.gateway.reading.read(
            node.system("test"), "Organization", node.settings.member.organization
        )


def node_of(
    running: devnet.Network, organisation: str, path: Path, database: str | None = None
) -> NodeFolder:
    """Make a node with a few accesses in its log."""
    profile = running.folder.profiles / f"{organisation.lower()}.json"
    init(path, name=organisation, ledger=Ledger.FABRIC, profile=profile, database=database)
    folder = NodeFolder(path)

    async def read() -> None:
        async with open_node(folder) as node:
            for _ in range(ACCESSES):
                await read_own(node)

    asyncio.run(read())
    return folder


@pytest.fixture(scope="module")
def folder(running: devnet.Network, tmp_path_factory: pytest.TempPathFactory) -> NodeFolder:
    return node_of(running, "Hospital1", tmp_path_factory.mktemp("node") / "one")


@pytest.fixture(scope="module")
def second(running: devnet.Network, postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> NodeFolder:
    """The other hospital's node, which is on PostgreSQL."""
    path = tmp_path_factory.mktemp("node") / "two"
    return node_of(running, "Hospital2", path, postgres.new_database())


def change(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


def test_nodes_of_two_hospitals_on_one_channel_verify(folder, second, capsys):
    for one in (folder, second):
        asyncio.run(settled(one))
        capsys.readouterr()
        verify(one.path)
        told = capsys.readouterr().out
        assert told.startswith("nothing is wrong: ")
        entries = 2 * (ACCESSES + 1)  # each node has written its Organizations
        assert f"{entries} log entries" in told, "each follows the whole channel"
        assert f"first block is 0:{one.load().first_block}" in told


async def settled(folder: NodeFolder) -> None:
    """Let the node's log come up to the channel."""
    async with open_node(folder):
        async with asyncio.timeout(10):
            while entries(folder) < 2 * ACCESSES:  # noqa: ASYNC110  # the node's own task makes it so
                await asyncio.sleep(0.05)


def entries(folder: NodeFolder) -> int:
    """Count the entries of the node's log."""
    database = Database(folder.places(folder.load())[1], log_tables.metadata, durable=False)
    try:
        with database.engine.connect() as connection:
            return log_tables.count(connection)
    finally:
        database.close()


def test_log_that_was_changed_is_found_and_rebuilt(folder, capsys):
    for statement in ("UPDATE entries SET user = 'ff'", "DELETE FROM entries WHERE sequence = 1"):
        change(folder.log, statement)
        with pytest.raises(SystemExit) as ended:
            verify(folder.path)
        assert ended.value.code == 3
        assert "FOUND log: entry" in capsys.readouterr().out
        rebuild(folder.path)
        assert "sealed details" in capsys.readouterr().out
        verify(folder.path)
        assert "nothing is wrong" in capsys.readouterr().out


def test_log_on_postgresql_is_rebuilt_from_the_channel(second, capsys):
    for damage in (
        "DELETE FROM consentry_log.entries WHERE sequence = 1",
        "DROP SCHEMA consentry_log CASCADE",
    ):
        with psycopg.connect(second.load().database) as db:
            db.execute(damage)
        with pytest.raises((SystemExit, DamagedError)):
            verify(second.path)
        rebuild(second.path)
        assert "sealed details" in capsys.readouterr().out
        verify(second.path)
        assert "nothing is wrong" in capsys.readouterr().out


def test_node_verifies_while_it_serves_and_is_not_rebuilt_then(folder, capsys):
    async def checked() -> None:
        async with open_node(folder) as node:
            checking = asyncio.create_task(asyncio.to_thread(verify, folder.path))
            while not checking.done():
                await read_own(node)
            await checking
            with pytest.raises(InUseError):
                rebuild(folder.path)

    asyncio.run(checked())
    assert "nothing is wrong" in capsys.readouterr().out


def test_another_channels_first_block_is_named(folder, capsys):
    settings = folder.settings_file.read_text()
    pinned = folder.load().first_block
    assert pinned is not None
    folder.settings_file.write_text(settings.replace(pinned, "0" * 64))
    try:
        with pytest.raises(SystemExit):
            verify(folder.path)
    finally:
        folder.settings_file.write_text(settings)
    assert "FOUND ledger: blocks block 0: is not the block that was pinned" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        verify(folder.path, noted=["0:" + "f" * 64])
    assert "is not the block that was pinned" in capsys.readouterr().out


def test_peer_that_is_away_ends_in_one_line(running, folder, monkeypatch):
    monkeypatch.setattr(blocks.BlockSource.__init__, "__kwdefaults__", {"read_timeout": 1.0})
    monkeypatch.setattr(blocks.open_blocks.__wrapped__, "__kwdefaults__", {"read_timeout": 1.0})
    running.stop("peer.hospital1")
    try:
        with pytest.raises(UnavailableError, match="the peer serves no blocks: it does not answer"):
            verify(folder.path)
    finally:
        running.start("peer.hospital1")
        running.wait_ready()
