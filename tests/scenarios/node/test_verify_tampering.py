"""`consentry verify` names what was changed in any file of a node, or the change is shown to mean nothing.

Every column of every table of the four databases is tried, with a few of the changes that its kind of value
can have; then random bytes of the files themselves. Changes that verify can't find are listed in
`MEANINGLESS` and `UNPROTECTED`, and `docs/threat-model.md` says the same. CONSENTRY_TEST_SCALE widens both.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.errors import DamagedError, FormatError, UnavailableError
from exchange.node.checks import check_node
from exchange.node.folder import NodeFolder
from exchange.node.settings import ConfigError
from exchange.store.records import jobs
from exchange.verify.release_checks import LogGaps
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import LAKE, SCALE, Site, consent, copied, opened

DATABASES = ("records", "log", "ledger", "keys")

MEANINGLESS = {
    ("keys", "subject_keys", "created"): "when a subject was first seen; nothing reads it",
    ("records", "pairs", "opened"): "opening again finds the pair open and files what holds",
    ("log", "checkpoints", "name"): "a checkpoint that is not found makes the projection start anew",
}
"""Columns whose change alters no decision, no record and no entry."""

UNPROTECTED = (
    {
        ("records", table, column)
        for table, columns in {
            "access_tokens": ("digest", "client_id", "principal", "expires", "holder"),
            "used_assertions": ("client_id", "jti", "expires"),
            "jobs": tuple(column.name for column in jobs.jobs.c),
        }.items()
        for column in columns
    }
    | {("log", "late_releases", column) for column in ("tx", "n")}
    | {("log", "searches", "entries")}
)
"""Changed, such a token opens nothing any more; a used assertion that is taken away is as if never used.
The words of a search are shown beside as many entries of its transaction as the row says.

A job is work to be done and no evidence: with other sealed bytes it fails; its state may be put back.
"""

CHECKPOINT = ("log", "checkpoints", "block")
"""Blocks without entries, such as those of release notes, may be read again or left out."""

NOTE = ("log", "details", "released")
"""The note of what was released; without it an entry says that it is not known."""

ROWS_EACH = max(1, round(SCALE))
CHANGES_EACH = round(3 * SCALE)
OFFSETS_EACH = max(1, round(SCALE))
FILE_FLIPS = max(1, round(20 * SCALE))


@pytest.fixture(scope="module")
def small(built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A node at rest with every kind of row: versions, deletions, consents in force and ended, a log."""
    demo = copied(built, tmp_path_factory.mktemp("small") / "node")
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        for name in ("a", "b"):
            patient = site.new_patient(name=[{"family": name * 3}])
            record = site.observation(patient)
            granted = site.patient(patient).post("Consent", consent(patient, LAKE)).json()["id"]
            assert site.lake.get(f"Observation/{record['id']}").status_code == 200
            assert (
                site.city.put(f"Observation/{record['id']}", record | {"status": "amended"}).status_code
                == 200
            )
            assert site.city.delete(f"Observation/{site.observation(patient)['id']}").status_code == 204
            if name == "b":
                ended = consent(patient, LAKE, status="inactive") | {"id": granted}
                assert site.patient(patient).put(f"Consent/{granted}", ended).status_code == 200
                assert site.lake.get(f"Observation/{record['id']}").status_code == 404
        assert site.city.get("Observation", {"code": "8867-4"}).status_code == 200  # of several patients
        assert site.officer().get("AuditEvent").status_code == 200
        found = site.officer().get("AuditEvent", {"entity": f"Observation/{record['id']}"})
        assert found.json()["entry"]  # and the index is complete
    for name in DATABASES:  # one file each, no log beside it
        with sqlite3.connect(path_of(demo.folder, name)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
        db.close()
    assert findings(demo.folder) == []
    return demo


def path_of(folder: NodeFolder, database: str) -> Path:
    return folder.path / f"{database}.db"


def changed(value: Any, rng: random.Random) -> Iterator[Any]:
    """Return other values in place of `value`, of the same kind and of another."""
    if isinstance(value, int):
        yield from (value ^ (1 << bit) for bit in (0, 1, 4, 16, 40))
        yield -value - 1
    elif isinstance(value, bytes | str):
        data = value if isinstance(value, bytes) else value.encode()
        places = {0, len(data) - 1, *(rng.randrange(len(data)) for _ in range(OFFSETS_EACH))} if data else ()
        for at in places:
            flipped = bytearray(data)
            flipped[at] ^= rng.randrange(1, 128) if isinstance(value, bytes) else 1
            yield bytes(flipped) if isinstance(value, bytes) else flipped.decode(errors="replace")
        yield data[:-1] if isinstance(value, bytes) else value[:-1]
        yield value + (b"\0" if isinstance(value, bytes) else "x")
    else:
        yield 1
    yield None


def cells(path: Path, rng: random.Random) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """Yield (table, column, row's identity, new value) for a few rows of every column of every table."""
    with sqlite3.connect(path) as db:
        db.row_factory = sqlite3.Row
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (table,) in tables.fetchall():
            described = db.execute(f"PRAGMA table_info({table})").fetchall()
            identity = [column["name"] for column in described if column["pk"]] or ["rowid"]
            also = "rowid, " if identity == ["rowid"] else ""
            rows = db.execute(f"SELECT {also}* FROM {table}").fetchall()
            chosen = rows[-1:] + rng.sample(rows[:-1], min(ROWS_EACH, len(rows) - 1)) if rows else []
            for row in chosen:
                where = {name: row[name] for name in identity}
                if where == {"name": "terms"}:  # the mark of the log's index
                    continue
                for column in described:
                    before = row[column["name"]]
                    others = {repr(v): v for v in changed(before, rng) if v != before}
                    for value in rng.sample([*others.values()], min(CHANGES_EACH, len(others))):
                        yield table, column["name"], where, value
    db.close()


def write(path: Path, table: str, column: str, where: dict[str, Any], value: Any) -> bool:
    """Change one cell behind the program's back; whether the database took it."""
    test = " AND ".join(f"{name} IS ?" for name in where)
    db = sqlite3.connect(path)
    try:
        with db:
            return (
                db.execute(f"UPDATE {table} SET {column} = ? WHERE {test}", (value, *where.values())).rowcount
                == 1
            )
    except sqlite3.IntegrityError:
        return False  # the schema refuses it: a number twice, an empty column, another type
    finally:
        db.close()


def after_the_last_entry(folder: NodeFolder) -> range:
    """Return the blocks from that of the last entry on: a checkpoint at any of them leaves no entry out."""
    with (
        closing(sqlite3.connect(path_of(folder, "log"))) as log,
        closing(sqlite3.connect(path_of(folder, "ledger"))) as ledger,
    ):
        (last,) = log.execute("SELECT max(block) FROM entries").fetchone()
        (tip,) = ledger.execute("SELECT max(number) FROM blocks").fetchone()
    return range(last, tip + 1)


@pytest.mark.parametrize("database", DATABASES)
def test_a_change_of_any_column_is_named(small: Demo, tmp_path: Path, database: str) -> None:
    shutil.copytree(small.folder.path, tmp_path / "node")
    folder = NodeFolder(tmp_path / "node")
    path, sound = path_of(folder, database), path_of(small.folder, database).read_bytes()
    tried: dict[tuple[str, str, str], int] = {}
    unnoticed = []
    for table, column, where, value in cells(path_of(small.folder, database), random.Random(database)):
        place = database, table, column
        if not write(path, table, column, where, value):
            continue
        tried[place] = tried.get(place, 0) + 1
        if not findings(folder) and place not in MEANINGLESS and place not in UNPROTECTED:
            if place == NOTE and value is None:  # as after a kill: counted
                assert check_node(folder, lambda *_: None).gaps == LogGaps(nameless=0, not_noted=1)
            elif place != CHECKPOINT or value not in after_the_last_entry(folder):
                unnoticed.append((place, where, value))
        path.write_bytes(sound)
    assert unnoticed == []
    assert len(tried) > 4
    assert findings(folder) == []


OLDEST = "DELETE FROM {0} WHERE rowid = (SELECT min(rowid) FROM {0})"


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("records", OLDEST.format("documents")),
        ("keys", "DELETE FROM subject_keys WHERE subject = (SELECT min(subject) FROM subject_keys)"),
        ("keys", "DELETE FROM epoch_keys"),
        ("records", "DELETE FROM search_tokens WHERE sequence = (SELECT max(sequence) FROM search_tokens)"),
        ("records", "DELETE FROM pairs"),
        ("records", "DELETE FROM compiled_consents"),
        ("records", "DELETE FROM requested_consents"),
        ("log", OLDEST.format("entries")),
        ("log", "DELETE FROM entries WHERE sequence = (SELECT max(sequence) FROM entries)"),
        ("log", "DELETE FROM checkpoints"),
        ("log", "DELETE FROM words WHERE id = (SELECT min(id) FROM words)"),
        ("log", "DELETE FROM terms WHERE sequence = (SELECT min(sequence) FROM terms)"),
        ("log", "DELETE FROM terms WHERE term < 0 AND sequence = (SELECT max(sequence) FROM terms)"),
        ("log", "DELETE FROM details WHERE tx = (SELECT tx FROM entries WHERE sequence = 3)"),
        ("ledger", OLDEST.format("blocks")),
        ("ledger", OLDEST.format("transactions")),
        ("ledger", OLDEST.format("versions")),
    ],
)
def test_rows_that_are_gone_are_missed(small: Demo, tmp_path: Path, database: str, statement: str) -> None:
    shutil.copytree(small.folder.path, tmp_path / "node")
    folder = NodeFolder(tmp_path / "node")
    db = sqlite3.connect(path_of(folder, database))
    with db:
        assert db.execute(statement).rowcount > 0
    db.close()
    assert findings(folder)


@pytest.mark.parametrize("database", DATABASES)
def test_a_file_that_is_gone_is_missed_and_not_begun_anew(small: Demo, tmp_path: Path, database: str) -> None:
    shutil.copytree(small.folder.path, tmp_path / "node")
    folder = NodeFolder(tmp_path / "node")
    path_of(folder, database).unlink()
    with pytest.raises(ConfigError, match="is missing; restore it"):
        findings(folder)
    assert not path_of(folder, database).exists()


def test_an_older_state_of_consents_is_found(small: Demo, tmp_path: Path) -> None:
    # An attacker who puts back the rows from before a revocation must not be able to hide it.
    shutil.copytree(small.folder.path, tmp_path / "node")
    folder = NodeFolder(tmp_path / "node")
    db = sqlite3.connect(folder.records)
    with db:
        for table in ("pairs", "requested_consents"):
            assert db.execute(f"DELETE FROM {table} WHERE recipient = ?", (LAKE.msp_id,)).rowcount > 0
    db.close()
    assert any("no row says whose it is" in found for found in findings(folder))


@pytest.mark.parametrize("database", DATABASES)
def test_a_flipped_byte_of_the_file_is_named_or_changes_no_row(
    small: Demo, tmp_path: Path, database: str
) -> None:
    shutil.copytree(small.folder.path, tmp_path / "node")
    folder, rng = NodeFolder(tmp_path / "node"), random.Random()
    path, sound = path_of(folder, database), path_of(small.folder, database).read_bytes()
    before = protected(path, database)
    for _ in range(FILE_FLIPS):
        data = bytearray(sound)
        at = rng.randrange(len(data))
        data[at] ^= rng.randrange(1, 256)
        path.write_bytes(data)
        if not checked(folder):
            assert protected(path, database) == before, f"byte {at} of {database}.db"


def checked(folder: NodeFolder) -> bool:
    """Check whether verify, or opening the files for it, refuses the node."""
    try:
        return bool(findings(folder))
    except (DamagedError, FormatError, UnavailableError):
        return True


def protected(path: Path, database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, except the columns that are listed above."""
    db = sqlite3.connect(path)
    # A damaged schema has types of any bytes.
    db.text_factory = lambda raw: raw.decode(errors="backslashreplace")
    try:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = {}
        for table in sorted(names):
            columns = [column[1] for column in db.execute(f"PRAGMA table_info({table})")]
            kept = [c for c in columns if (database, table, c) not in MEANINGLESS.keys() | UNPROTECTED]
            if kept and not table.startswith("sqlite"):
                rows[table] = sorted(db.execute(f"SELECT {', '.join(kept)} FROM {table}"), key=repr)
        return rows
    finally:
        db.close()


@pytest.mark.parametrize("column", ["sealed", "digest", "tokens", "written"])
def test_a_tampered_document_is_not_released(small: Demo, people: Any, tmp_path: Path, column: str) -> None:
    demo = copied(small.folder.path, tmp_path / "node")
    db = sqlite3.connect(demo.folder.records)
    with db:
        number, value = db.execute(
            f"SELECT sequence, {column} FROM documents WHERE current LIMIT 1"
        ).fetchone()
        changed_value = value + 1 if column == "written" else bytes([value[0] ^ 1]) + value[1:]
        db.execute(f"UPDATE documents SET {column} = ?", (changed_value,))
    db.close()
    assert number
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient = people[0].patient["id"]
        for path in (f"Patient/{patient}", f"Patient/{patient}/_history", f"Patient?_id={patient}"):
            answer = site.city.get(path)
            assert answer.status_code == 503, f"{path}: {answer.text}"
            assert answer.json()["resourceType"] == "OperationOutcome"
            assert "retry-after" in answer.headers


def test_a_term_too_many_is_named_and_a_rebuilt_log_is_whole(small: Demo, tmp_path: Path) -> None:
    shutil.copytree(small.folder.path, tmp_path / "node")
    folder = NodeFolder(tmp_path / "node")
    db = sqlite3.connect(folder.log)
    with db:
        db.execute(
            "INSERT INTO terms SELECT term, 1 FROM terms WHERE sequence > 1 AND term NOT IN "
            "(SELECT term FROM terms WHERE sequence = 1) LIMIT 1"
        )
    db.close()
    [found] = findings(folder)
    assert found.startswith("FOUND log index: entry ")
    assert "run `consentry rebuild`" in found
