"""A node on PostgreSQL: what its tables tell, what verify finds, and who may open it beside another."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from exchange.demo.consortium import Demo, settings_for
from exchange.demo.nhanes import Participant
from exchange.demo.process import free_port
from exchange.errors import DamagedError, UnavailableError
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.settings import ConfigError
from tests.support.postgres_server import PASSWORD, Server
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import LAKE, POSTGRESQL, Site, consent, in_thread, opened

LEDGERS = (POSTGRESQL,)
CANARY = "Qzcanary5519"

TAMPERED = (
    ("consentry_records", "documents", "sealed"),
    ("consentry_records", "documents", "written"),
    ("consentry_records", "documents", "current"),
    ("consentry_records", "documents", "tokens"),
    ("consentry_records", "search_tokens", "token"),
    ("consentry_keys", "subject_keys", "wrapped"),
    ("consentry_records", "pairs", "pair"),
    ("consentry_records", "compiled_consents", "sealed"),
    ("consentry_records", "clients", "scopes"),
    ("consentry_log", "entries", "outcome"),
    ("consentry_log", "entries", "record"),
    ("consentry_log", "details", "sealed"),
    ("consentry_log", "checkpoints", "block"),
)


@pytest.fixture(scope="module")
def rest(new_node: Callable[[], Demo], people: tuple[Participant, ...]) -> Demo:
    """A node at rest, with a record and a consent that hold the canary."""
    demo = new_node()
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient = site.new_patient(name=[{"family": CANARY}])
        record = site.observation(patient)
        assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
        assert site.lake.get(f"Observation/{record['id']}").status_code == 200
        assert site.city.found("Patient", {"family": CANARY})
    return demo


@pytest.fixture
def connection(rest: Demo) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(rest.settings.database, autocommit=True) as connection:
        yield connection


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1_000
    return bytes([value[0] ^ 1]) + value[1:] if isinstance(value, bytes) else value[:-1] + "~"


def test_neither_tables_nor_settings_hold_a_plain_word_or_a_password(rest: Demo, postgres: Server) -> None:
    dump = [postgres.bin / "pg_dump", "-d", rest.settings.database]
    text = subprocess.run(dump, check=True, capture_output=True).stdout.decode()
    assert "COPY consentry_records.documents" in text
    for spelling in (CANARY, CANARY.lower(), CANARY.encode().hex()):
        assert spelling not in text
    for file in rest.folder.path.rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes()


@pytest.mark.parametrize(("schema", "table", "column"), TAMPERED)
def test_verify_names_a_changed_value(
    rest: Demo, connection: psycopg.Connection[Any], schema: str, table: str, column: str
) -> None:
    where = sql.Identifier(schema, table)
    name = sql.Identifier(column)
    # The other checkpoint is the mark of the log's index, which is made anew from the entries.
    which = sql.SQL("WHERE name = 'ledger'" if table == "checkpoints" else "")
    first = sql.SQL("SELECT ctid, {} FROM {} {} LIMIT 1").format(name, where, which)
    row = connection.execute(first).fetchone()
    assert row is not None
    change = sql.SQL("UPDATE {} SET {} = %s WHERE ctid = %s RETURNING ctid").format(where, name)
    changed = connection.execute(change, (other(row[1]), row[0])).fetchone()
    assert changed is not None
    try:
        assert findings(rest.folder)
    finally:
        connection.execute(change, (row[1], changed[0]))
    assert findings(rest.folder) == []


@pytest.mark.parametrize(
    "table", ["consentry_records.documents", "consentry_records.requested_consents", "consentry_log.entries"]
)
def test_verify_misses_rows_that_are_gone(
    rest: Demo, connection: psycopg.Connection[Any], table: str
) -> None:
    where = sql.Identifier(*table.split("."))
    connection.execute(sql.SQL("CREATE TEMP TABLE kept AS SELECT * FROM {}").format(where))
    connection.execute(sql.SQL("DELETE FROM {0} WHERE ctid = (SELECT min(ctid) FROM {0})").format(where))
    try:
        assert findings(rest.folder)
    finally:
        connection.execute(sql.SQL("DELETE FROM {}").format(where))
        connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM kept").format(where))
    assert findings(rest.folder) == []


@pytest.mark.parametrize("schema", ["consentry_records", "consentry_log"])
def test_a_schema_that_is_gone_is_missed_and_not_begun_anew(
    rest: Demo, connection: psycopg.Connection[Any], schema: str
) -> None:
    connection.execute(sql.SQL("ALTER SCHEMA {} RENAME TO away").format(sql.Identifier(schema)))
    try:
        with pytest.raises(DamagedError, match="is missing"), opened(rest):
            pass
        with pytest.raises(DamagedError, match="is missing"):
            findings(rest.folder)
    finally:
        connection.execute(sql.SQL("ALTER SCHEMA away RENAME TO {}").format(sql.Identifier(schema)))
    assert findings(rest.folder) == []


def test_a_second_gateway_on_the_same_database_is_refused(rest: Demo, tmp_path: Path) -> None:
    shutil.copytree(rest.folder.path, tmp_path / "node")
    second = replace(rest, folder=NodeFolder(tmp_path / "node"))
    with opened(rest), pytest.raises(UnavailableError, match="another gateway"), opened(second):
        pass
    with opened(second):  # as a standby takes over once the first has ended
        pass


def test_a_new_node_does_not_take_a_database_that_is_taken_and_leaves_it_as_it_is(
    rest: Demo, tmp_path: Path
) -> None:
    folder = NodeFolder(tmp_path / "new")
    settings = msgspec.structs.replace(settings_for(free_port()), database=rest.settings.database)
    with pytest.raises(
        ConfigError, match="`DROP SCHEMA consentry_records, consentry_log, consentry_keys CASCADE`"
    ):
        in_thread(initialise(folder, settings))
    assert list(folder.path.iterdir()) == []
    assert findings(rest.folder) == []
