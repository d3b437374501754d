"""`consentry rebuild`: the log comes again from the ledger, and its details survive, on both databases."""

from __future__ import annotations

import io
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from exchange.cli.node.rebuild import rebuild
from exchange.cli.node.verify import verify
from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.errors import DamagedError, UnavailableError
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.errors import InUseError
from exchange.node.folder import NodeFolder
from exchange.node.keys import NodeKeys
from exchange.node.parts import open_vault
from exchange.node.settings import NodeSettings
from exchange.store.engine import postgres as store
from exchange.store.engine.database import Database
from exchange.store.engine.place import Schema
from exchange.store.log import log_tables
from exchange.store.log.renewal import renewing
from exchange.store.migrations.create import create_log
from exchange.verify import rebuild as verify_rebuild
from tests.support.postgres_server import Server
from tests.support.scenarios.scenario_site import (
    EMBEDDED,
    EVERY_STORE,
    LAKE,
    POSTGRESQL,
    Site,
    consent,
    copied,
    opened,
)

LEDGERS = EVERY_STORE
ON_FILES = pytest.mark.parametrize("ledger_kind", [EMBEDDED], indirect=True, scope="module")
ON_POSTGRESQL = pytest.mark.parametrize("ledger_kind", [POSTGRESQL], indirect=True, scope="module")
Content = dict[str, list[Any]]


@dataclass
class Node:
    """A closed node, and its log as it lies there."""

    folder: NodeFolder
    settings: NodeSettings

    @property
    def demo(self) -> Demo:
        return Demo(self.folder, self.settings)

    @property
    def log(self) -> Path | Schema:
        return self.folder.places(self.settings)[1]

    def run(self, statement: str) -> list[Any]:
        """Run `statement` on the log and return its rows."""
        if isinstance(self.log, Schema):
            with psycopg.connect(self.log.url, options=f"-c search_path={self.log.name}") as db:
                cursor = db.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []
        with closing(sqlite3.connect(self.log)) as db, db:
            return db.execute(statement).fetchall()

    def content(self, number: int = 0) -> Content:
        """Return all of the log, or of the one that was kept under a number."""
        if isinstance(self.log, Schema):
            where = f"{self.log.name}_before_{number}" if number else self.log.name
            return {
                table: self.run(f"SELECT * FROM {where}.{table} ORDER BY 1, 2")
                for table in ("entries", "details")
            }
        path = self.log.with_name(f"log.db.before-{number}") if number else self.log
        with closing(sqlite3.connect(path)) as db:
            return {
                table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for table in ("entries", "details")
            }

    def is_fresh(self) -> bool:
        """Check whether a new log stands there half-made."""
        if isinstance(self.log, Schema):
            return bool(self.run("SELECT 1 FROM pg_namespace WHERE nspname = 'consentry_log_new'"))
        return self.log.with_name("log.db.new").exists()

    def lose(self) -> None:
        """Take the whole log away."""
        if isinstance(self.log, Schema):
            self.run("DROP SCHEMA consentry_log CASCADE")
        else:
            self.log.unlink()


@pytest.fixture(scope="module")
def read(new_node: Callable[[], Demo], people: tuple[Participant, ...]) -> Demo:
    """A closed node with permits and denials in its log, and details of them."""
    demo = new_node()
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient = site.new_patient()
        records = [site.observation(patient)["id"] for _ in range(6)]
        for record in records:
            assert site.city.get(f"Observation/{record}").status_code == 200
            assert site.lake.get(f"Observation/{record}").status_code == 404
        site.patient(patient).post("Consent", consent(patient, LAKE))
        for record in records:
            assert site.lake.get(f"Observation/{record}").status_code == 200
    return demo


@pytest.fixture
def node(read: Demo, saved: None, tmp_path: Path) -> Node:
    """It, with a log that the test may damage."""
    shutil.copytree(read.folder.path, tmp_path / "node")
    node = Node(NodeFolder(tmp_path / "node"), read.settings)
    if isinstance(node.log, Schema):
        for (name,) in node.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'consentry_log%'"):
            node.run(f"DROP SCHEMA {name} CASCADE")
        Database(node.log, log_tables.metadata, durable=False, begin=create_log).close()
        for table in log_tables.metadata.tables:
            node.run(f"INSERT INTO {table} SELECT * FROM saved.{table}")
    return node


@pytest.fixture(scope="module")
def saved(read: Demo) -> None:
    """A copy of the log where it is on PostgreSQL."""
    node = Node(read.folder, read.settings)
    if isinstance(node.log, Schema):
        node.run("CREATE SCHEMA saved")
        for table in log_tables.metadata.tables:
            node.run(f"CREATE TABLE saved.{table} AS SELECT * FROM {table}")


def copy(node: Node, postgres: Server, how: str) -> Node:
    """Return the node on a copy of its database."""
    name = f"t{secrets.token_hex(6)}"
    old = psycopg.conninfo.conninfo_to_dict(str(node.settings.database))["dbname"]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(str(old)), sql.SQL(how)))
    node.folder.settings_file.unlink()
    node.folder.write(msgspec.structs.replace(node.settings, database=postgres.url(name)))
    return Node(node.folder, node.folder.load())


def said(command: Any, node: Node) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        command(node.folder.path)
    return out.getvalue()


def rebuilt(node: Node, progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Rebuild without verifying the ledger."""
    fingerprint = NodeKeys(open_vault(node.folder)).fingerprint
    with open_reader(node.folder.ledger) as reader, renewing(node.log) as renewal:
        verify_rebuild.rebuild(renewal, reader, progress, fingerprint=fingerprint)


def test_log_is_as_it_was_and_the_one_from_before_is_kept(node: Node) -> None:
    before = node.content()
    assert len(before["entries"]) >= 18
    assert before["details"]
    told = said(rebuild, node)
    assert f"holds {len(before['entries'])} entries and {len(before['details'])} sealed details" in told
    assert "remove it once" in told
    assert node.content() == before
    assert node.content(1) == before
    assert "nothing is wrong" in said(verify, node)
    said(rebuild, node)  # twice is as once
    assert node.content() == before
    assert node.content(2) == before
    with opened(node.demo):
        pass


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM entries",
        "DELETE FROM entries WHERE sequence = 5",
        "UPDATE entries SET outcome = 'permit', record = substr(record, 2)",
        "UPDATE checkpoints SET block = 0, position = 0",
        "UPDATE checkpoints SET block = 999999",
        "DELETE FROM checkpoints",
        "DROP INDEX entries_tx",
        "DROP TABLE entries",
    ],
)
def test_entries_that_were_changed_or_lost_come_again(node: Node, damage: str) -> None:
    before = node.content()
    node.run(damage)
    said(rebuild, node)
    assert node.content() == before
    assert "nothing is wrong" in said(verify, node)


def test_log_that_is_gone_is_made_again_without_its_details(node: Node) -> None:
    before = node.content()
    node.lose()
    told = said(rebuild, node)
    assert "0 sealed details" in told
    assert "before" not in told
    assert node.content() == {"entries": before["entries"], "details": []}
    assert "nothing is wrong" in said(verify, node)


@ON_FILES
def test_details_around_a_damaged_page_of_a_file_are_saved(node: Node) -> None:
    before, path = node.content(), node.folder.log
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        (size,) = db.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    sealed = next(value for value in max(before["details"]) if isinstance(value, bytes) and len(value) > 40)
    start = data.index(sealed[:40]) // size * size
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    told = said(rebuild, node)
    after = node.content()
    assert after["entries"] == before["entries"]
    assert set(after["details"]) <= set(before["details"])
    assert len(after["details"]) < len(before["details"])
    assert "could not be read" in told
    assert (node.folder.path / "log.db.before-1").read_bytes() == bytes(data)


@ON_FILES
def test_file_that_is_no_database_is_kept_and_replaced(node: Node) -> None:
    before, path = node.content()["entries"], node.folder.log
    for rest in ("-wal", "-shm"):
        path.with_name(f"log.db{rest}").unlink(missing_ok=True)
    path.write_bytes(b"no database at all" * 1000)
    assert "could not be read" in said(rebuild, node)
    assert node.content()["entries"] == before
    assert (node.folder.path / "log.db.before-1").read_bytes().startswith(b"no database")


MORE = (
    "INSERT INTO details SELECT decode(md5(n::text) || md5(n::text), 'hex'), n, "
    "decode(md5(n::text), 'hex'), false, decode(repeat(md5(n::text), 12), 'hex') "
    "FROM generate_series(1, 300) AS n"
)


@ON_POSTGRESQL
def test_details_on_all_but_the_damaged_pages_of_a_table_are_saved(node: Node, postgres: Server) -> None:
    node.run(MORE)
    before = node.content()
    pages = dict(node.run("SELECT (ctid::text::point)[0]::int, count(*) FROM details GROUP BY 1"))
    assert len(pages) > 8
    ((kind, _, number),) = (path.split("/") for (path,) in node.run("SELECT pg_relation_filepath('details')"))
    node = copy(node, postgres, "STRATEGY file_copy")  # of which the server has no page in memory
    (database,) = node.run("SELECT oid FROM pg_database WHERE datname = current_database()")[0]
    path = postgres.folder / "data" / kind / str(database) / number
    data = bytearray(path.read_bytes())
    for page in (3, 4, 7):
        data[page * 8192 : page * 8192 + 64] = b"\xff" * 64
    path.write_bytes(data)
    told = said(rebuild, node)
    after = node.content()
    assert "could not be read" in told
    assert after["entries"] == before["entries"]
    assert set(after["details"]) <= set(before["details"])
    assert len(after["details"]) == len(before["details"]) - sum(pages[page] for page in (3, 4, 7))


NOTHING, PAGE, ALL = (0, 0), (1, 60), (300, 400)
"""At least and at most, of that many details."""


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (
            "ALTER TABLE details ALTER sealed DROP NOT NULL; UPDATE details SET sealed = NULL WHERE n = 7",
            PAGE,
        ),
        (
            "DROP INDEX details_tx; INSERT INTO details SELECT * FROM details",
            NOTHING,
        ),
        ("COMMENT ON SCHEMA consentry_log IS 'Consentry 1'", NOTHING),
        ("COMMENT ON SCHEMA consentry_log IS NULL", NOTHING),
        ("ALTER TABLE details DROP COLUMN sealed", ALL),
        ("DROP TABLE details", ALL),
    ],
)
def test_schema_that_is_not_whole_gives_what_it_has_and_is_kept(
    node: Node, damage: str, lost: tuple[int, int]
) -> None:
    node.run(MORE)
    before = node.content()
    node.run(damage)
    told = said(rebuild, node)
    after = node.content()
    assert after["entries"] == before["entries"]
    assert set(after["details"]) <= set(before["details"])
    assert lost[0] <= len(before["details"]) - len(after["details"]) <= lost[1]
    assert ("could not be read" in told) == (lost != NOTHING)
    assert "schema consentry_log_before_1" in told


@pytest.mark.parametrize("after", [1, 5])
def test_rebuilding_that_was_interrupted_goes_on_where_it_was(
    node: Node, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    before = node.content()
    monkeypatch.setattr(verify_rebuild, "_BATCH", 2)
    steps: list[int] = []

    def interrupted(_part: str, done: int, _of: int) -> None:
        steps.append(done)
        if len(steps) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuilt(node, interrupted)
    assert node.content() == before, "the old log serves until the new one is complete"
    again: list[int] = []
    rebuilt(node, lambda _part, done, _of: again.append(done))
    assert again[0] > steps[-1]
    assert node.content() == before
    assert "nothing is wrong" in said(verify, node)


KILLED = """
import os, signal, sys
from pathlib import Path
from exchange.cli.node.rebuild import rebuild
from exchange.verify import rebuild as rebuilding
from exchange.store.log import renewal

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(place, name):
    before = getattr(place, name)
    setattr(place, name, lambda *given: die(before(*given)))

def arm(moment):
    rebuilding._BATCH = 2
    match moment:
        case "copied":
            rebuilding._add_entries = die
        case "adding":
            then_die(rebuilding, "_write")
        case "renaming":
            then_die(renewal._OfSchema, "_renamed")
            Path.rename = die

for line in sys.stdin:
    child = os.fork()
    if not child:
        folder, moment = line.strip().split("\t")
        arm(moment)
        rebuild(Path(folder))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def killed() -> Iterator[Callable[[Path, str], int]]:
    """Rebuilds a node's log, until a moment at which it is killed; tells how it ended."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", KILLED], text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def kill(folder: Path, moment: str) -> int:
            print(folder, moment, sep="\t", file=told, flush=True)
            return int(heard.readline())

        yield kill
        told.close()


@pytest.mark.parametrize("moment", ["copied", "adding", "renaming"])
def test_killed_at_any_moment_it_leaves_the_old_log_and_goes_on(
    node: Node, killed: Callable[[Path, str], int], moment: str
) -> None:
    before = node.content()
    assert killed(node.folder.path, moment) == -signal.SIGKILL
    assert node.content() == before
    assert node.is_fresh()
    _wait_for_the_lock(node)
    assert "nothing is wrong" in said(verify, node)
    said(rebuild, node)
    assert node.content() == before
    assert not node.is_fresh()
    assert "nothing is wrong" in said(verify, node)


def _wait_for_the_lock(node: Node) -> None:
    """Let the server notice that a process has ended."""
    end = time.monotonic() + 10
    while isinstance(node.log, Schema) and node.run("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_rebuilding_of_another_ledger_is_not_taken_up(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_rebuild, "_BATCH", 2)

    def interrupted(_part: str, _done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuilt(node, interrupted)
    if isinstance(node.log, Schema):
        node.run("UPDATE consentry_log_new.checkpoints SET block = 999999")
        fresh = "schema consentry_log_new"
    else:
        with closing(sqlite3.connect(node.log.with_name("log.db.new"))) as db, db:
            db.execute("UPDATE checkpoints SET block = 999999")
        fresh = r".*log\.db\.new"
    with pytest.raises(DamagedError, match=f"another ledger; remove {fresh}"):
        rebuilt(node)


def test_node_that_serves_is_left_alone(node: Node) -> None:
    with opened(node.demo), pytest.raises(InUseError):
        rebuild(node.folder.path)
    assert not node.is_fresh()


@ON_POSTGRESQL
def test_gateway_and_rebuilding_in_two_folders_keep_each_other_out(node: Node, tmp_path: Path) -> None:
    other = copied(node.folder.path, tmp_path / "other")
    with opened(other), pytest.raises(UnavailableError, match="another gateway"):
        rebuild(node.folder.path)
    assert not node.is_fresh()
    with renewing(node.log):
        with pytest.raises(UnavailableError, match="another gateway"), opened(other):
            pass
        with pytest.raises(UnavailableError, match="another gateway"):
            rebuild(other.folder.path)


@ON_POSTGRESQL
def test_rebuilding_that_lost_its_lock_does_not_take_the_place_of_a_log_that_went_on(
    node: Node, postgres: Server, people: tuple[Participant, ...], tmp_path: Path
) -> None:
    node = copy(node, postgres, "")
    other = copied(node.folder.path, tmp_path / "other")

    def serve_meanwhile() -> None:
        node.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        _wait_for_the_lock(node)
        with opened(other) as (http, _, _):
            Site(other, http, people).new_patient()

    with open_reader(node.folder.ledger) as reader, renewing(node.log) as renewal:
        serve_meanwhile()
        grown = node.content()
        fingerprint = NodeKeys(open_vault(node.folder)).fingerprint
        with pytest.raises(UnavailableError, match="could not be replaced"):
            verify_rebuild.rebuild(renewal, reader, lambda *_: None, fingerprint=fingerprint)
    assert node.content() == grown
    shutil.copy(other.folder.ledger, node.folder.ledger)
    said(rebuild, node)
    assert node.content() == grown


@ON_POSTGRESQL
def test_a_verify_under_way_is_not_shown_two_logs(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_LOCK_TIMEOUT", "50ms")
    before = node.content()
    assert isinstance(node.log, Schema)
    with psycopg.connect(node.log.url, options=f"-c search_path={node.log.name}") as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        reader.execute("SELECT count(*) FROM entries")
        with pytest.raises(UnavailableError, match="lock timeout"):
            rebuilt(node)
        assert reader.execute("SELECT * FROM entries ORDER BY 1, 2").fetchall() == before["entries"]
    said(rebuild, node)
    assert node.content() == before


def test_ledger_that_does_not_verify_gives_no_log(node: Node) -> None:
    before = node.content()
    with closing(sqlite3.connect(node.folder.ledger)) as db, db:
        db.execute("UPDATE versions SET value = x'7b7d' WHERE seq = 3")
    with pytest.raises(DamagedError, match="can't be rebuilt from this ledger"):
        rebuild(node.folder.path)
    assert node.content() == before
    assert not node.is_fresh()
