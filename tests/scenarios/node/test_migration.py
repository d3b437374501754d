"""A node of the release before opens after `consentry migrate`, and holds all that it held."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from exchange.cli.node.load import load
from exchange.cli.node.migrate import migrate
from exchange.cli.node.rebuild import rebuild
from exchange.cli.node.verify import verify
from exchange.cli.options import operator_name
from exchange.demo.consortium import CITY, LAKE, Demo
from exchange.errors import FormatError, UnavailableError
from exchange.ledger.errors import InUseError
from exchange.load.positions import fingerprint
from exchange.node.folder import NodeFolder
from exchange.node.open import open_node
from exchange.node.settings import ConfigError
from exchange.store.engine.format import FORMAT
from tests.frozen import facts
from tests.support.frozen_nodes import expected, thawed
from tests.support.scenarios.scenario_site import Site, opened

ENGINES = ("sqlite", "postgresql")
REFUSED = rf"this node is of format 4, this release reads {FORMAT}: run `consentry migrate FOLDER`"
NOW = facts.QUERIES | facts.RENAMED


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def frozen(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> NodeFolder:
    """Return the node of format 4."""
    server = request.getfixturevalue("postgres") if engine == "postgresql" else None
    return NodeFolder(thawed(tmp_path / "frozen", server))


def said(command: Callable[..., None], *arguments: Any, **options: Any) -> str:
    """Return the output of a command."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        command(*arguments, **options)
    return out.getvalue()


def reading(folder: NodeFolder) -> facts.Read:
    database = folder.load().database
    return facts.reading_files(folder.path) if database is None else facts.reading_schemas(database)


def held(folder: NodeFolder) -> dict[str, Any]:
    """Return the facts about a node of this release, but for the journal that it has no more."""
    return {
        "tables": facts.of_tables(reading(folder), NOW),
        "ledger": facts.of_ledger(folder.ledger),
        "terms": facts.terms(folder.ledger),
    }


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


async def _open(folder: NodeFolder) -> None:
    async with open_node(folder):
        pass


@pytest.fixture
def migrated(frozen: NodeFolder) -> NodeFolder:
    assert f"is of format {FORMAT} now; it was of 4" in said(migrate, frozen.path)
    return frozen


def test_a_node_of_the_format_before_is_refused_with_what_to_do_and_left_as_it_is(
    frozen: NodeFolder, engine: str
) -> None:
    for command in (
        lambda: asyncio.run(_open(frozen)),
        lambda: verify(frozen.path),
        lambda: rebuild(frozen.path),
    ):
        with pytest.raises(FormatError, match=REFUSED):
            command()
    assert facts.of_node(frozen.path, reading(frozen)) == expected(engine)


def test_a_migrated_node_holds_what_it_held_to_the_byte_and_verifies(
    migrated: NodeFolder, engine: str
) -> None:
    now, before = held(migrated), without(expected(engine), "journal")
    closed = now["tables"].pop("grants")
    assert now["tables"].pop("pairs") == now["tables"].pop("notes") == []  # each pair opens anew
    was = {name: before["tables"].pop(name) for name in ("pairs", "notes", "grants")}
    towards = [[recipient, subject] for subject, recipient, *_ in was["pairs"]]
    assert sorted(closed) == sorted([*was["grants"], *(one for one in towards if one not in was["grants"])])
    was = {subject: created for subject, _, created in before["tables"].pop("subjects")}
    assert dict(now["tables"].pop("subjects")) == was  # each key is wrapped anew
    assert now == before
    kept = reading(migrated)('SELECT fingerprint, lines, "offset", finished FROM records.load_positions')
    assert {
        fingerprint: {"lines": lines, "offset": offset, "whole": bool(finished)}
        for fingerprint, lines, offset, finished in kept
    } == {
        file: {"lines": 0, "offset": 0, "whole": False} | end
        for file, end in expected(engine)["journal"].items()
    }
    assert said(verify, migrated.path, replay=True).startswith("nothing is wrong: ")
    assert migrated.load().format == FORMAT


def test_a_migrated_node_serves_its_records_publishes_what_waited_and_goes_on(
    migrated: NodeFolder, engine: str
) -> None:
    before = expected(engine)
    assert len(before["tables"]["filings"]) == 2
    demo = Demo(migrated, migrated.load())
    with opened(demo) as (http, _, _):
        site = Site(demo, http, ())
        patients = [one["id"] for one in site.city.found("Patient") if "name" in one]
        assert len(patients) == 6
        assert site.city.found(f"Condition?patient={patients[0]}")
        (observation, *_) = site.city.found("Observation", {"_sort": "_lastUpdated"})
        assert site.city.get(f"Observation/{observation['id']}/_history").status_code == 200
        seen = {
            caller.msp_id: sum(
                bool(site.system(caller).found(f"Observation?patient={one}")) for one in patients
            )
            for caller in (CITY, LAKE)
        }
        assert seen == {CITY.msp_id: 6, LAKE.msp_id: 3}  # the revocation that waited is in force
        events = site.officer().found("AuditEvent?_count=200")
        [recorded] = [one for one in events if "recorded for the first time" in str(one["entity"])]
        assert f"member {LAKE.msp_id} listed as {LAKE.name}" in str(recorded["entity"])
        assert recorded["agent"][0]["who"]["identifier"]["value"] == operator_name()
        assert len(events) > len(before["tables"]["entries"])
        assert site.new_patient()
    assert facts.of_tables(reading(migrated), NOW)["filings"] == []
    assert said(verify, migrated.path, replay=True).startswith("nothing is wrong: ")


def test_a_load_that_was_stopped_before_goes_on_after(frozen: NodeFolder) -> None:
    export = frozen.path.parent / "export"
    done = relocated(frozen.journal, sorted(export.iterdir()))
    said(migrate, frozen.path)
    stored = re.fullmatch(
        r"(\d+) resources stored, 0 unchanged, 0 faults\n", said(load, frozen.path, [export])
    )
    assert stored is not None
    assert done + int(stored[1]) == 121  # the one that was refused was read before
    assert said(load, frozen.path, [export]) == "0 resources stored, 0 unchanged, 0 faults\n"


def relocated(journal: Path, files: list[Path]) -> int:
    """Name `files`, in their order, in the journal; return how many documents it has as read."""
    header, *lines = journal.read_bytes().splitlines(keepends=True)
    names: dict[str, str] = {}
    done = 0
    for n, line in enumerate(lines):
        entry = msgspec.json.decode(line)["done"]
        if entry["file"] not in names:
            names[entry["file"]] = fingerprint(files[len(names)])
        done += entry["items"]
        entry["file"] = names[entry["file"]]
        framed = msgspec.json.encode(entry)
        lines[n] = msgspec.json.encode({"check": zlib.crc32(framed), "done": msgspec.Raw(framed)}) + b"\n"
    journal.write_bytes(header + b"".join(lines))
    return done


def test_migrating_again_changes_nothing(migrated: NodeFolder) -> None:
    before = held(migrated), migrated.settings_file.read_bytes()
    assert "is of format" in (again := said(migrate, migrated.path))
    assert again.endswith("already\n")
    assert (held(migrated), migrated.settings_file.read_bytes()) == before


def test_settings_keep_all_that_stood_in_them(frozen: NodeFolder) -> None:
    before = frozen.settings_file.read_text().splitlines()
    said(migrate, frozen.path)
    after = frozen.settings_file.read_text().splitlines()
    assert after == [before[0], f"format = {FORMAT}", *before[1:]]


async def test_a_node_that_is_open_is_not_migrated(frozen: NodeFolder, engine: str, tmp_path: Path) -> None:
    said(migrate, frozen.path)
    async with open_node(frozen):
        with pytest.raises(InUseError):
            migrate(frozen.path)
        if engine == "postgresql":  # from another folder, as a standby has one
            shutil.copytree(frozen.path, tmp_path / "standby")
            with pytest.raises(UnavailableError, match="another gateway"):
                migrate(tmp_path / "standby")


def test_a_node_of_a_newer_format_is_refused(migrated: NodeFolder) -> None:
    newer = rf"of format {FORMAT + 1}, this release reads {FORMAT}: install the release that made it"
    text = migrated.settings_file.read_text()
    migrated.settings_file.write_text(text.replace(f"format = {FORMAT}", f"format = {FORMAT + 1}\nnew = 1"))
    for command in (lambda: asyncio.run(_open(migrated)), lambda: migrate(migrated.path)):
        with pytest.raises(FormatError, match=newer):
            command()
    migrated.settings_file.write_text(text)
    _mark(migrated, FORMAT + 1)
    for command in (lambda: asyncio.run(_open(migrated)), lambda: migrate(migrated.path)):
        with pytest.raises(FormatError, match=newer):
            command()


def test_settings_from_before_a_migration_are_read_with_its_databases(frozen: NodeFolder) -> None:
    kept = frozen.settings_file.read_bytes()
    said(migrate, frozen.path)
    frozen.settings_file.write_bytes(kept)
    asyncio.run(_open(frozen))


def test_a_database_that_is_missing_is_named(frozen: NodeFolder, engine: str) -> None:
    frozen.ledger.unlink()
    with pytest.raises(ConfigError, match=r"ledger\.db is missing"):
        migrate(frozen.path)


def test_a_node_without_its_log_gets_one_and_is_migrated_then(frozen: NodeFolder, engine: str) -> None:
    if engine == "sqlite":
        for file in frozen.path.glob("log.db*"):
            file.unlink()
        with pytest.raises(ConfigError, match="consentry rebuild"):
            migrate(frozen.path)
    else:
        with psycopg.connect(str(frozen.load().database)) as server:
            server.execute("DROP SCHEMA consentry_log CASCADE")
    said(rebuild, frozen.path)
    said(migrate, frozen.path)
    asyncio.run(_open(frozen))


def _mark(folder: NodeFolder, number: int) -> None:
    """Say that the records are of format `number`."""
    database = folder.load().database
    if database is None:
        with contextlib.closing(sqlite3.connect(folder.records)) as connection:
            connection.execute(f"PRAGMA user_version = {number}")
    else:
        with psycopg.connect(database) as server:
            server.execute(f"COMMENT ON SCHEMA consentry_records IS 'Consentry {number}'")
