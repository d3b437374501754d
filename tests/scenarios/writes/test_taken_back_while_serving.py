"""Rows that are taken back under a gateway that serves: no later answer releases anything on their word.

The attacker can write to the database, has no key, and kept older copies of every row. After each attack all
that could be released is asked for: every answer is the truth, or a refusal that says what is wrong. Then the
rows are brought back, and everything is answered again.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from exchange.demo.consortium import Demo
from tests.support.scenarios.scenario_site import (
    EVERY_STORE,
    LAKE,
    RIDGE,
    SCALE,
    Caller,
    Site,
    consent,
    is_outcome,
)

LEDGERS = EVERY_STORE

TABLES = {
    "documents": ("sequence",),
    "search_tokens": ("token", "sequence"),
    "written": ("subject",),
    "subject_keys": ("subject",),
    "compiled_consents": ("subject", "reference"),
    "pairs": ("subject", "recipient"),
    "requested_consents": ("subject", "recipient", "reference"),
    "grants": ("recipient", "subject"),
}
"""The tables that an attack changes, with their primary keys."""

PSYCHIATRY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}

Rows = dict[str, list[tuple[Any, ...]]]


class Attacker:
    """One who writes to the database of records behind the gateway's back."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._postgres = bool(demo.settings.database)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection whose changes are committed at the end."""
        if self._postgres:
            with psycopg.connect(self._demo.settings.database) as connection:
                connection.execute("SET search_path TO consentry_records, consentry_keys")
                yield connection
        else:
            connection = sqlite3.connect(self._demo.folder.records, timeout=30)
            connection.execute("ATTACH DATABASE ? AS keys", (str(self._demo.folder.key_store),))
            try:
                with connection:
                    yield connection
            finally:
                connection.close()

    def run(self, connection: Any, statement: str, *values: Any) -> Any:
        """Run one statement, written with question marks."""
        return connection.execute(statement.replace("?", "%s") if self._postgres else statement, values)

    def rows(self) -> Rows:
        """Return a copy of every row."""
        with self.connected() as connection:
            return {
                table: list(self.run(connection, f"SELECT * FROM {table}").fetchall()) for table in TABLES
            }

    def put(self, rows: Rows) -> None:
        """Put the tables back to `rows`."""
        with self.connected() as connection:
            for table, kept in rows.items():
                self.run(connection, f"DELETE FROM {table}")
                for row in kept:
                    self.run(connection, f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", *row)


Attack = Callable[[Attacker, Rows, Rows, random.Random], None]
"""Changes the rows, given those of now, and those of an earlier moment."""


def whole_tables(attacker: Attacker, _now: Rows, before: Rows, rng: random.Random) -> None:
    """Put one, some or all tables back."""
    chosen = rng.sample(sorted(TABLES), rng.randint(1, len(TABLES)))
    attacker.put({table: before[table] for table in chosen})


def everything(attacker: Attacker, _now: Rows, before: Rows, _rng: random.Random) -> None:
    attacker.put(before)


def a_row_removed(attacker: Attacker, now: Rows, _before: Rows, rng: random.Random) -> None:
    """Remove a row of any table."""
    table = rng.choice([name for name in TABLES if now[name]])
    columns = TABLES[table]
    with attacker.connected() as connection:
        names = ", ".join(columns)
        keys = attacker.run(connection, f"SELECT {names} FROM {table} ORDER BY {names}").fetchall()
        test = " AND ".join(f"{name} = ?" for name in columns)
        attacker.run(connection, f"DELETE FROM {table} WHERE {test}", *rng.choice(keys))


def a_version_taken_back(attacker: Attacker, _now: Rows, _before: Rows, rng: random.Random) -> None:
    """Make an earlier version of a record the current one, with or without removing the newest."""
    with attacker.connected() as connection:
        newest = attacker.run(
            connection, "SELECT reference, version, sequence FROM documents WHERE current AND version > 1"
        ).fetchall()
        if not newest:
            return
        reference, version, sequence = rng.choice(sorted(newest))
        attacker.run(connection, "DELETE FROM search_tokens WHERE sequence = ?", sequence)
        if rng.random() < 0.5:
            attacker.run(connection, "DELETE FROM documents WHERE sequence = ?", sequence)
        elif rng.random() < 0.8:
            attacker.run(connection, "UPDATE documents SET current = false WHERE sequence = ?", sequence)
        older = rng.randint(1, version - 1)
        attacker.run(
            connection,
            "UPDATE documents SET current = true WHERE reference = ? AND version = ?",
            reference,
            older,
        )
        ((at, tokens),) = attacker.run(
            connection,
            "SELECT sequence, tokens FROM documents WHERE reference = ? AND version = ?",
            reference,
            older,
        ).fetchall()
        for start in range(0, len(tokens), 16):
            attacker.run(
                connection, "INSERT INTO search_tokens VALUES (?, ?)", tokens[start : start + 16], at
            )


def two_renumbered(attacker: Attacker, _now: Rows, _before: Rows, rng: random.Random) -> None:
    """Exchange the numbers of two rows."""
    with attacker.connected() as connection:
        found = attacker.run(connection, "SELECT sequence FROM documents ORDER BY sequence DESC LIMIT 12")
        one, other = rng.sample([row[0] for row in found.fetchall()], 2)
        for old, new in ((one, 10**9), (other, one), (10**9, other)):
            for table in ("documents", "search_tokens"):
                attacker.run(connection, f"UPDATE {table} SET sequence = ? WHERE sequence = ?", new, old)


ATTACKS: tuple[Attack, ...] = (whole_tables, everything, a_row_removed, a_version_taken_back, two_renumbered)


@dataclass
class Truth:
    """A record as it should be answered: its versions, from the first on; None is a deletion."""

    kind: str
    patient: str
    versions: list[dict[str, Any] | None] = field(default_factory=list)

    @property
    def place(self) -> str:
        first = self.versions[0]
        assert first is not None
        return f"{self.kind}/{first['id']}"


class Serving(RuleBasedStateMachine):
    """A gateway that serves, the hospital that writes, and the attacker."""

    site: Site

    def __init__(self) -> None:
        super().__init__()
        self.attacker = Attacker(self.site.demo)
        self.records: list[Truth] = []
        self.consents: dict[str, Truth] = {}
        self.kept: list[Rows] = []
        self.released = 0

    @initialize()
    def begin(self) -> None:
        self.patients = [self.site.new_patient() for _ in range(2)]
        self.kept.append(self.attacker.rows())
        for patient in self.patients:
            self.records.append(Truth("Observation", patient, [self.site.observation(patient)]))

    @rule(which=st.integers(0, 1))
    def observe(self, which: int) -> None:
        patient = self.patients[which]
        self.records.append(Truth("Observation", patient, [self.site.observation(patient)]))

    @rule(
        which=st.integers(0, 99),
        labelled=st.booleans(),
        status=st.sampled_from(["amended", "final", "cancelled"]),
    )
    def update(self, which: int, labelled: bool, status: str) -> None:
        record = self.records[which % len(self.records)]
        last = next(one for one in reversed(record.versions) if one is not None)
        meta = {"meta": {"security": [PSYCHIATRY]}} if labelled else {}
        body = {name: value for name, value in last.items() if name != "meta"} | meta | {"status": status}
        answer = self.site.city.put(record.place, body)
        assert answer.status_code in (200, 201), answer.text
        if answer.json() != record.versions[-1]:  # equal content makes no version
            record.versions.append(answer.json())

    @rule(which=st.integers(0, 99))
    def delete(self, which: int) -> None:
        record = self.records[which % len(self.records)]
        if record.versions[-1] is not None:
            assert self.site.city.delete(record.place).status_code == 204
            record.versions.append(None)

    @rule(which=st.integers(0, 1), active=st.booleans())
    def consent(self, which: int, active: bool) -> None:
        patient = self.patients[which]
        status = "active" if active else "inactive"
        caller = self.site.patient(patient)
        if patient in self.consents:
            known = self.consents[patient]
            logical_id = known.place.partition("/")[2]
            body = consent(patient, LAKE, RIDGE, status=status, logical_id=logical_id)
            answer = caller.put(known.place, body)
        else:
            known = self.consents[patient] = Truth("Consent", patient)
            answer = caller.post("Consent", consent(patient, LAKE, RIDGE, status=status))
        assert answer.status_code in (200, 201), answer.text
        known.versions.append(answer.json())

    @rule()
    def keep(self) -> None:
        self.kept.append(self.attacker.rows())

    @rule(attack=st.sampled_from(ATTACKS), seed=st.integers(0, 2**16), at=st.integers(0, 99))
    def attacked(self, attack: Attack, seed: int, at: int) -> None:
        now = self.attacker.rows()
        attack(self.attacker, now, self.kept[at % len(self.kept)], random.Random(seed))
        changed = self.attacker.rows()
        try:
            self.ask_for_everything()
            self.writes_build_on_nothing_older(changed["documents"] != now["documents"])
        finally:
            self.attacker.put(now)

    @invariant()
    def everything_is_answered(self) -> None:
        if self.records:
            assert self.ask_for_everything() == 0

    def ask_for_everything(self) -> int:
        """Check every answer against the truth, and return how many are refused as damaged."""
        refused = 0
        for record in [*self.records, *self.consents.values()]:
            refused += self.read(self.site.city, record, permitted=True, gone=410)
            refused += self.history(record)
        for record in self.records:
            given = self.consents.get(record.patient)
            permitted = (
                given is not None and bool(given.versions[-1]) and given.versions[-1]["status"] == "active"
            )
            for member in (self.site.lake, self.site.ridge):
                refused += self.read(member, record, permitted=permitted)
        for patient in self.patients:
            refused += self.search(patient)
        return refused

    def read(self, caller: Caller, record: Truth, *, permitted: bool, gone: int = 404) -> int:
        answer = caller.get(record.place)
        if answer.status_code == 503:
            return self.damaged(answer)
        if answer.status_code == 200:
            assert permitted
            assert answer.json() == record.versions[-1]
        elif permitted:
            assert record.versions[-1] is None
            assert answer.status_code == gone
        else:
            assert answer.status_code in (404, 403)
        return 0

    def history(self, record: Truth) -> int:
        answer = self.site.city.get(f"{record.place}/_history")
        if answer.status_code == 503:
            return self.damaged(answer)
        assert answer.status_code == 200, answer.text
        found = [entry.get("resource") for entry in answer.json()["entry"]]
        assert found == list(reversed(record.versions))
        return 0

    def search(self, patient: str) -> int:
        answer = self.site.city.get("Observation", {"patient": patient})
        if answer.status_code == 503:
            return self.damaged(answer)
        newest = [record.versions[-1] for record in self.records if record.patient == patient]
        found = [entry["resource"] for entry in answer.json().get("entry", ())]
        assert all(one in newest for one in found)
        return 0

    def writes_build_on_nothing_older(self, is_attacked: bool) -> None:
        """A change of a record that was taken back is refused; nothing is stored."""
        if not is_attacked:
            return
        for record in self.records:
            answer = self.site.city.get(record.place)
            if answer.status_code == 503:
                body = next(one for one in reversed(record.versions) if one is not None)
                assert self.site.city.put(record.place, body).status_code == 503
                return

    def damaged(self, answer: Any) -> int:
        issue = is_outcome(answer, 503)["issue"][0]
        assert "consentry verify" in issue["diagnostics"], issue
        return 1


def test_nothing_is_released_on_the_word_of_rows_that_were_taken_back(site: Site) -> None:
    class OnSite(Serving):
        pass

    OnSite.site = site
    run_state_machine_as_test(
        OnSite,
        settings=settings(max_examples=max(3, round(8 * SCALE)), stateful_step_count=12, deadline=None),
    )


@pytest.mark.parametrize("member", [LAKE, RIDGE], ids=lambda member: member.msp_id)
def test_a_revoked_grant_that_is_put_back_opens_no_pair(site: Site, member: Any) -> None:
    attacker = Attacker(site.demo)
    patient = site.new_patient()
    record = site.observation(patient)
    granted = site.patient(patient).post("Consent", consent(patient, member)).json()["id"]
    before = attacker.rows()
    ended = consent(patient, member, status="inactive", logical_id=granted)
    assert site.patient(patient).put(f"Consent/{granted}", ended).status_code == 200
    now = attacker.rows()
    attacker.put({"compiled_consents": before["compiled_consents"], "grants": before["grants"]})
    answer = site.system(member).get(f"Observation/{record['id']}")
    assert answer.status_code in (404, 503)
    attacker.put(now)
    assert site.system(member).get(f"Observation/{record['id']}").status_code == 404


def test_each_attack_on_versions_is_noticed_at_once(site: Site) -> None:
    attacker = Attacker(site.demo)
    patient = site.new_patient()
    record = site.observation(patient)
    place = f"Observation/{record['id']}"
    before = attacker.rows()
    labelled = site.city.put(place, record | {"meta": {"security": [PSYCHIATRY]}}).json()
    now = attacker.rows()
    for _ in range(2):  # as it was read for the first time, and as it is known
        attacker.put({table: before[table] for table in ("documents", "search_tokens")})
        assert "versions of a record" in is_outcome(site.city.get(place), 503)["issue"][0]["diagnostics"]
        is_outcome(site.city.get("Observation", {"patient": patient}), 503)
        attacker.put({table: now[table] for table in ("documents", "search_tokens")})
        assert site.city.get(place).json() == labelled


def test_an_older_version_that_was_taken_away_is_missed_where_it_is_asked_for(site: Site) -> None:
    attacker = Attacker(site.demo)
    record = site.observation(site.new_patient())
    place = f"Observation/{record['id']}"
    for status in ("amended", "cancelled"):
        newest = site.city.put(place, record | {"status": status}).json()
    now = attacker.rows()
    second = sorted(row[0] for row in now["documents"])[-2]  # the sequence of its second version
    with attacker.connected() as connection:
        attacker.run(connection, "DELETE FROM documents WHERE sequence = ?", second)
    assert site.city.get(place).json() == newest
    for address in (f"{place}/_history/2", f"{place}/_history"):
        issue = is_outcome(site.city.get(address), 503)["issue"][0]
        assert "consentry verify" in issue["diagnostics"]
    attacker.put({"documents": now["documents"]})
    assert site.city.get(f"{place}/_history/2").status_code == 200
