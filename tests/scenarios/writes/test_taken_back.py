"""Rows that are put back, removed, renumbered or cut off are found and named, by `verify` and at the start.

The attacker is one who can write to the databases and has no key, but has older copies of them, and knows
every structure: what is changed is brought into line with all that can be computed without a key.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.errors import DamagedError
from exchange.node.checks import check_to_serve
from exchange.node.folder import NodeFolder
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import LAKE, RIDGE, SCALE, Site, consent, copied, opened

SEEDS = range(max(3, round(6 * SCALE)))


@dataclass
class Twins:
    """A node at rest, and a copy of its records from before its last changes."""

    demo: Demo
    before: Path


@pytest.fixture(scope="module")
def twins(built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory) -> Twins:
    """A label, a deletion, a correction, and the end of a consent that nobody has asked for yet."""
    demo = copied(built, tmp_path_factory.mktemp("twins") / "node")
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient = site.new_patient()
        records = [site.observation(patient) for _ in range(4)]
        granted = site.patient(patient).post("Consent", consent(patient, LAKE, RIDGE)).json()["id"]
    before = demo.folder.path.with_name("before.db")
    at_rest(demo.folder)
    shutil.copy(demo.folder.records, before)
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}]}
        first, second, third, fourth = (f"Observation/{one['id']}" for one in records)
        assert site.city.put(first, records[0] | {"meta": label}).status_code == 200
        assert site.city.put(second, records[1] | {"status": "amended"}).status_code == 200
        assert site.city.delete(third).status_code == 204
        assert site.city.put(fourth, records[3] | {"status": "amended"}).status_code == 200
        assert site.city.put(fourth, records[3] | {"status": "cancelled"}).status_code == 200
        ended = consent(patient, LAKE, RIDGE, status="inactive", logical_id=granted)
        assert site.patient(patient).put(f"Consent/{granted}", ended).status_code == 200
        site.observation(patient)
        site.new_patient()
    at_rest(demo.folder)
    assert findings(demo.folder) == []
    check_to_serve(demo.folder, demo.settings)
    return Twins(demo, before)


def at_rest(folder: NodeFolder) -> None:
    """Bring the files of records and keys into one each, without a log beside it."""
    for path in (folder.records, folder.key_store):
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")


Change = Callable[[sqlite3.Connection, random.Random], None]


def take_back(db: sqlite3.Connection, sequence: int) -> None:
    """Remove the newest version of a record, as if it had never been written, and close the gap."""
    reference, version = db.execute(
        "SELECT reference, version FROM documents WHERE sequence = ?", (sequence,)
    ).fetchone()
    db.execute("DELETE FROM search_tokens WHERE sequence = ?", (sequence,))
    db.execute("DELETE FROM documents WHERE sequence = ?", (sequence,))
    previous = db.execute(
        "SELECT sequence, tokens FROM documents WHERE reference = ? AND version = ?", (reference, version - 1)
    ).fetchone()
    if previous is not None:
        at, tokens = previous
        db.execute("UPDATE documents SET current = 1 WHERE sequence = ?", (at,))
        db.executemany(
            "INSERT OR IGNORE INTO search_tokens VALUES (?, ?)",
            [(tokens[n : n + 16], at) for n in range(0, len(tokens), 16)],
        )
    (last,) = db.execute("SELECT max(sequence) FROM documents").fetchone()
    for number in range(sequence + 1, last + 1):
        renumber(db, number, number - 1)


def renumber(db: sqlite3.Connection, old: int, new: int) -> None:
    db.execute("UPDATE documents SET sequence = ? WHERE sequence = ?", (new, old))
    db.execute("UPDATE search_tokens SET sequence = ? WHERE sequence = ?", (new, old))


def newest(db: sqlite3.Connection, count: int) -> list[int]:
    """Return the rows that were written last and are current, the last first."""
    found = db.execute(
        "SELECT sequence FROM documents WHERE current ORDER BY sequence DESC LIMIT ?", (count,)
    )
    return [sequence for (sequence,) in found]


def one_taken_back(db: sqlite3.Connection, rng: random.Random) -> None:
    take_back(db, rng.choice(newest(db, 8)))


def several_taken_back(db: sqlite3.Connection, rng: random.Random) -> None:
    for sequence in sorted(rng.sample(newest(db, 8), rng.randint(2, 5)), reverse=True):
        take_back(db, sequence)


def cut_off_at_the_end(db: sqlite3.Connection, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 6)):
        take_back(db, db.execute("SELECT max(sequence) FROM documents").fetchone()[0])


def two_renumbered(db: sqlite3.Connection, rng: random.Random) -> None:
    one, other = rng.sample(newest(db, 8), 2)
    renumber(db, one, 1_000_000)
    renumber(db, other, one)
    renumber(db, 1_000_000, other)


def sums_put_back(db: sqlite3.Connection, _rng: random.Random) -> None:
    db.execute("INSERT OR REPLACE INTO written SELECT * FROM old.written")


def sums_removed(db: sqlite3.Connection, _rng: random.Random) -> None:
    db.execute("DELETE FROM written")


def one_sum_removed(db: sqlite3.Connection, rng: random.Random) -> None:
    chosen = rng.choice(db.execute("SELECT subject FROM written").fetchall())
    db.execute("DELETE FROM written WHERE subject = ?", chosen)


def consents_put_back(db: sqlite3.Connection, _rng: random.Random) -> None:
    """Take back the end of a consent, with its compiled form and what it granted."""
    (sequence,) = db.execute(
        "SELECT d.sequence FROM documents d JOIN old.compiled_consents o ON o.reference = d.reference "
        "WHERE d.current AND d.version > o.version"
    ).fetchone()
    take_back(db, sequence)
    db.execute("INSERT OR REPLACE INTO compiled_consents SELECT * FROM old.compiled_consents")
    db.execute("INSERT OR IGNORE INTO grants SELECT * FROM old.grants")
    sums_put_back(db, _rng)


def compiled_consents_put_back(db: sqlite3.Connection, _rng: random.Random) -> None:
    db.execute("INSERT OR REPLACE INTO compiled_consents SELECT * FROM old.compiled_consents")


def everything_put_back(db: sqlite3.Connection, _rng: random.Random) -> None:
    for (table,) in db.execute("SELECT name FROM old.sqlite_schema WHERE type = 'table'").fetchall():
        if not table.startswith("sqlite_"):
            db.execute(f"DELETE FROM {table}")
            db.execute(f"INSERT INTO {table} SELECT * FROM old.{table}")


def a_subject_removed(db: sqlite3.Connection, _rng: random.Random) -> None:
    db.execute("DELETE FROM subject_keys WHERE created = (SELECT max(created) FROM subject_keys)")


@pytest.mark.parametrize(
    ("change", "seeds"),
    [
        (one_taken_back, SEEDS),
        (several_taken_back, SEEDS),
        (cut_off_at_the_end, SEEDS[:3]),
        (two_renumbered, SEEDS),
        (sums_put_back, [0]),
        (sums_removed, [0]),
        (one_sum_removed, SEEDS[:3]),
        (consents_put_back, [0]),
        (compiled_consents_put_back, [0]),
        (everything_put_back, [0]),
        (a_subject_removed, [0]),
    ],
)
def test_what_was_taken_back_is_found_by_verify_and_at_the_start(
    twins: Twins, tmp_path: Path, change: Change, seeds: range
) -> None:
    folder = NodeFolder(tmp_path / "node")
    shutil.copytree(twins.demo.folder.path, folder.path)
    sound = {path: path.read_bytes() for path in (folder.records, folder.key_store)}
    for seed in seeds:
        put(sound)
        with closing(sqlite3.connect(folder.records)) as db, db:
            db.execute("ATTACH DATABASE ? AS old", (str(twins.before),))
            db.execute("ATTACH DATABASE ? AS keys", (str(folder.key_store),))
            change(db, random.Random(seed))
        assert any(path.read_bytes() != data for path, data in sound.items())
        with pytest.raises(DamagedError):
            check_to_serve(folder, folder.load())
        if seed == 0:
            assert findings(folder) != []
    put(sound)
    check_to_serve(folder, folder.load())


def put(files: dict[Path, bytes]) -> None:
    for path, data in files.items():
        path.write_bytes(data)


def test_what_was_taken_back_stays_found_after_more_was_written(
    twins: Twins, people: tuple[Participant, ...], tmp_path: Path
) -> None:
    folder = NodeFolder(tmp_path / "node")
    shutil.copytree(twins.demo.folder.path, folder.path)
    demo = Demo(folder, folder.load())
    with closing(sqlite3.connect(folder.records)) as db, db:
        db.execute("ATTACH DATABASE ? AS old", (str(twins.before),))
        everything_put_back(db, random.Random(0))
    with opened(demo) as (http, _, _):  # a process that did not check
        site = Site(demo, http, people)
        for _ in range(12):
            site.observation(site.new_patient())
    at_rest(folder)
    assert any(finding.startswith("FOUND writes: ") for finding in findings(folder))
