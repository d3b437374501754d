"""`consentry rebuild`: the log comes again from the ledger, and its details survive."""

from __future__ import annotations

import io
import shutil
import sqlite3
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from scenario_site import LAKE, Site, consent, copied, opened

from exchange.cli.rebuild import rebuild
from exchange.cli.verify import verify
from exchange.config import Folder
from exchange.core.errors import DamagedError
from exchange.demo.nhanes import Participant
from exchange.ledger.embedded.reader import open_reader
from exchange.ledger.errors import InUseError
from exchange.services import rebuilding


@pytest.fixture(scope="module")
def read(built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed node with permits and denials in its log, and details of them."""
    demo = copied(built, tmp_path_factory.mktemp("read") / "node")
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
    return demo.folder.path


@pytest.fixture
def folder(read: Path, tmp_path: Path) -> Folder:
    shutil.copytree(read, tmp_path / "node")
    return Folder(tmp_path / "node")


def said(command: Any, folder: Folder) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        command(folder.path)
    return out.getvalue()


def content(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as db:
        return {
            table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("entries", "details")
        }


def test_log_is_as_it_was_and_the_file_from_before_is_kept(folder: Folder) -> None:
    before = content(folder.log)
    assert len(before["entries"]) >= 18
    assert before["details"]
    told = said(rebuild, folder)
    assert f"holds {len(before['entries'])} entries and {len(before['details'])} sealed details" in told
    assert content(folder.log) == before
    assert content(folder.path / "log.db.before-1") == before
    assert "nothing is wrong" in said(verify, folder)
    said(rebuild, folder)  # twice is as once
    assert content(folder.log) == before
    assert (folder.path / "log.db.before-2").exists()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM entries",
        "DELETE FROM entries WHERE sequence = 5",
        "UPDATE entries SET outcome = 'permit', record = replace(record, 'deny', 'permit')",
        "UPDATE checkpoints SET block = 0, position = 0",
        "UPDATE checkpoints SET block = 999999",
        "DELETE FROM checkpoints",
        "DROP INDEX entries_tx",
    ],
)
def test_entries_that_were_changed_or_lost_come_again(folder: Folder, damage: str) -> None:
    before = content(folder.log)
    with closing(sqlite3.connect(folder.log)) as db, db:
        db.execute(damage)
    said(rebuild, folder)
    assert content(folder.log) == before
    assert "nothing is wrong" in said(verify, folder)


def test_file_that_is_gone_is_made_again_without_its_details(folder: Folder) -> None:
    before = content(folder.log)
    folder.log.unlink()
    told = said(rebuild, folder)
    assert "0 sealed details" in told
    assert "before" not in told
    assert content(folder.log) == {"entries": before["entries"], "details": []}
    assert "nothing is wrong" in said(verify, folder)


def test_details_around_a_damaged_page_are_saved(folder: Folder) -> None:
    before = content(folder.log)
    with closing(sqlite3.connect(folder.log)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        (size,) = db.execute("PRAGMA page_size").fetchone()
    data = bytearray(folder.log.read_bytes())
    sealed = next(value for value in max(before["details"]) if isinstance(value, bytes) and len(value) > 40)
    start = data.index(sealed[:40]) // size * size
    data[start : start + size] = bytes(size)
    folder.log.write_bytes(data)
    told = said(rebuild, folder)
    after = content(folder.log)
    assert after["entries"] == before["entries"]
    assert set(after["details"]) <= set(before["details"])
    assert len(after["details"]) < len(before["details"])
    assert "could not be read" in told
    assert (folder.path / "log.db.before-1").read_bytes() == bytes(data)


def test_file_that_is_no_database_is_kept_and_replaced(folder: Folder) -> None:
    before = content(folder.log)["entries"]
    for rest in ("-wal", "-shm"):
        folder.log.with_name(f"log.db{rest}").unlink(missing_ok=True)
    folder.log.write_bytes(b"no database at all" * 1000)
    assert "could not be read" in said(rebuild, folder)
    assert content(folder.log)["entries"] == before
    assert (folder.path / "log.db.before-1").read_bytes().startswith(b"no database")


@pytest.mark.parametrize("after", [1, 2, 5])
def test_rebuilding_that_was_interrupted_goes_on_where_it_was(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    before = content(folder.log)
    monkeypatch.setattr(rebuilding, "_BATCH", 2)
    steps: list[int] = []

    def interrupted(_part: str, done: int, _of: int) -> None:
        steps.append(done)
        if len(steps) == after:
            raise KeyboardInterrupt

    with open_reader(folder.ledger) as reader:
        with pytest.raises(KeyboardInterrupt):
            rebuilding.rebuild(folder.log, reader, interrupted)
        assert content(folder.log) == before, "the old file serves until the new one is complete"
        again: list[int] = []
        rebuilding.rebuild(folder.log, reader, lambda _part, done, _of: again.append(done))
    assert again[0] > steps[-1]
    assert content(folder.log) == before
    assert "nothing is wrong" in said(verify, folder)


def test_rebuilding_of_another_ledger_is_not_taken_up(
    folder: Folder, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_BATCH", 2)

    def interrupted(_part: str, _done: int, _of: int) -> None:
        raise KeyboardInterrupt

    with open_reader(folder.ledger) as reader:
        with pytest.raises(KeyboardInterrupt):
            rebuilding.rebuild(folder.log, reader, interrupted)
        with closing(sqlite3.connect(folder.path / "log.db.new")) as db, db:
            db.execute("UPDATE checkpoints SET block = 999999")
        with pytest.raises(DamagedError, match=r"another ledger; remove log\.db\.new"):
            rebuilding.rebuild(folder.log, reader, interrupted)


def test_node_that_serves_is_left_alone(built: Path, tmp_path: Path) -> None:
    demo = copied(built, tmp_path / "node")
    with opened(demo), pytest.raises(InUseError):
        rebuild(demo.folder.path)
    assert not (demo.folder.path / "log.db.new").exists()


def test_ledger_that_does_not_verify_gives_no_log(folder: Folder) -> None:
    before = content(folder.log)
    shutil.copy(folder.ledger, folder.path / "spare")
    with closing(sqlite3.connect(folder.ledger)) as db, db:
        db.execute("UPDATE versions SET value = x'7b7d' WHERE seq = 3")
    with pytest.raises(DamagedError, match="can't be rebuilt from this ledger"):
        rebuild(folder.path)
    assert content(folder.log) == before
