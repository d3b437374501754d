"""The key store: without it nothing of a backup opens, and with it records of another day do."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exchange.demo.consortium import Demo
from exchange.errors import DamagedError
from exchange.node.checks import check_to_serve
from exchange.node.folder import NodeFolder
from exchange.node.identity.root_key_check import RootKeyError
from exchange.node.parts import open_vault
from exchange.node.settings import ConfigError
from exchange.vault.errors import VaultError
from exchange.vault.file import create_epoch_key
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import Site, copied, opened

DAY = ("records.db", "log.db", "ledger.db")


@pytest.fixture
def demo(built: Path, tmp_path: Path) -> Demo:
    return copied(built, tmp_path / "node")


def at_rest(folder: NodeFolder, *names: str) -> None:
    """Bring each database into one file, without a log beside it."""
    for name in names:
        with closing(sqlite3.connect(folder.path / name)) as db:
            db.execute("PRAGMA journal_mode = DELETE")


def cells(path: Path) -> list[bytes]:
    """Return every binary value of a database."""
    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = (row for table in tables for row in db.execute(f"SELECT * FROM {table}"))
        return [value for row in rows for value in row if isinstance(value, bytes)]


def test_no_value_in_a_backup_of_records_and_log_is_a_wrapped_key(demo: Demo) -> None:
    vault = open_vault(demo.folder)
    with closing(sqlite3.connect(demo.folder.key_store)) as db:
        stored = db.execute("SELECT subject, wrapped FROM subject_keys").fetchall()
    secrets = {token: vault.unwrap(wrapped, bound_to=token) for token, wrapped in stored}
    assert len(secrets) > 1
    for name in ("records.db", "log.db", "ledger.db"):
        data = (demo.folder.path / name).read_bytes()
        assert not any(wrapped in data or secrets[token] in data for token, wrapped in stored)
        for value in {one for one in cells(demo.folder.path / name) if len(one) >= 64}:
            for token in secrets:
                for open_ in (vault.unwrap, vault.unwrap_rooted):
                    with pytest.raises(VaultError):
                        open_(value, bound_to=token)


def test_a_node_without_its_key_store_opens_nothing_and_begins_none(demo: Demo) -> None:
    demo.folder.key_store.unlink()
    for check in (lambda: check_to_serve(demo.folder, demo.settings), lambda: findings(demo.folder)):
        with pytest.raises(ConfigError, match=r"keys\.db is missing; restore it.*no record opens without it"):
            check()
    assert not demo.folder.key_store.exists()


def test_records_of_yesterday_open_with_the_key_store_of_today(demo: Demo, tmp_path: Path) -> None:
    with opened(demo) as (http, _, _):
        patient = Site(demo, http, ()).new_patient()
    at_rest(demo.folder, *DAY, "keys.db")
    shutil.copytree(demo.folder.path, tmp_path / "yesterday")
    with opened(demo) as (http, _, _):
        later = Site(demo, http, ()).new_patient()
    at_rest(demo.folder, *DAY, "keys.db")
    for name in DAY:
        shutil.copy(tmp_path / "yesterday" / name, demo.folder.path / name)
    assert findings(demo.folder) == []
    check_to_serve(demo.folder, demo.settings)
    with opened(demo) as (http, _, _):
        site = Site(demo, http, ())
        assert site.city.get(f"Patient/{patient}").status_code == 200
        assert site.city.get(f"Patient/{later}").status_code == 404


def test_a_key_store_of_yesterday_is_found_to_lack_a_patient_of_today(demo: Demo, tmp_path: Path) -> None:
    at_rest(demo.folder, "keys.db")
    shutil.copy(demo.folder.key_store, tmp_path / "keys.db")
    with opened(demo) as (http, _, _):
        Site(demo, http, ()).new_patient()
    at_rest(demo.folder, "keys.db")
    shutil.copy(tmp_path / "keys.db", demo.folder.key_store)
    assert any("one is missing of which the ledger has entries" in one for one in findings(demo.folder))
    with pytest.raises(DamagedError, match="one is missing of which the ledger has entries"):
        check_to_serve(demo.folder, demo.settings)


@pytest.mark.parametrize("state", ["missing", "another"])
def test_an_epoch_key_that_is_not_the_key_stores_is_named_before_anything_is_sealed(
    demo: Demo, state: str
) -> None:
    before = demo.folder.key_store.read_bytes()
    demo.folder.root_key.with_name("epoch-1.key").unlink()
    create_epoch_key(demo.folder.root_key.parent, 2 if state == "missing" else 1)
    with pytest.raises(RootKeyError, match=rf"keys/epoch-1\.key is {state}"):
        check_to_serve(demo.folder, demo.settings)
    assert any(f"keys/epoch-1.key is {state}" in one for one in findings(demo.folder))
    assert demo.folder.key_store.read_bytes() == before
