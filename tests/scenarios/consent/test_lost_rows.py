"""Rows about pairs that are removed while the gateway serves keep no revocation from the other hospital."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
import pytest

from exchange.auth.principal import Member
from exchange.node.parts import open_parts
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import EVERY_STORE, LAKE, RIDGE, Site, consent

LEDGERS = EVERY_STORE

TABLES = [("pairs",), ("pairs", "requested_consents", "grants")]


def lose(site: Site, tables: tuple[str, ...], member: Member, patient: str) -> None:
    """Delete the rows of `tables` about `patient` towards `member`, over a connection of one's own."""
    with open_parts(site.demo.folder) as parts:
        subject = parts.keys.references.subject(patient).hex()
    literal = f"X'{subject}'" if site.demo.settings.database is None else f"'\\x{subject}'"
    about = f"subject = {literal} AND recipient = '{member.msp_id}'"
    statements = [f"DELETE FROM {table} WHERE {about}" for table in tables]
    if site.demo.settings.database is None:
        with closing(sqlite3.connect(site.demo.folder.records, timeout=20)) as db, db:
            for statement in statements:
                db.execute(statement)
    else:
        with psycopg.connect(
            site.demo.settings.database, options="-c search_path=consentry_records"
        ) as server:
            for statement in statements:
                server.execute(statement)


@pytest.mark.parametrize("tables", TABLES, ids="+".join)
@pytest.mark.parametrize("by", ["end", "change", "denial"])
def test_what_a_patient_takes_back_is_refused_right_after_the_answer(
    site: Site, tables: tuple[str, ...], by: str
) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    caller = site.patient(patient)
    name = caller.post("Consent", consent(patient, LAKE)).json()["id"]
    assert caller.post("Consent", consent(patient, RIDGE)).status_code == 201
    assert (site.lake.get(record).status_code, site.ridge.get(record).status_code) == (200, 200)
    lose(site, tables, LAKE, patient)
    if by == "end":
        answer = caller.put(f"Consent/{name}", consent(patient, LAKE, status="inactive", logical_id=name))
    elif by == "change":
        answer = caller.put(f"Consent/{name}", consent(patient, RIDGE, logical_id=name))
    else:
        answer = caller.post("Consent", consent(patient, LAKE, type="deny"))
    assert answer.is_success, answer.text
    assert site.lake.get(record).status_code == 404
    assert site.lake.found("Observation", {"patient": patient}) == []
    assert site.ridge.get(record).status_code == 200


def test_what_was_lost_is_there_again_after_an_end(site: Site) -> None:
    patient = site.new_patient()
    record = f"Observation/{site.observation(patient)['id']}"
    caller = site.patient(patient)
    name = caller.post("Consent", consent(patient, LAKE)).json()["id"]
    assert site.lake.get(record).status_code == 200
    lose(site, TABLES[-1], LAKE, patient)
    for status, seen in (("inactive", 404), ("active", 200), ("inactive", 404)):
        body = consent(patient, LAKE, status=status, logical_id=name)
        assert caller.put(f"Consent/{name}", body).status_code == 200
        assert site.lake.get(record).status_code == seen
    assert findings(site.demo.folder) == []
