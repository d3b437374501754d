"""A gateway whose PostgreSQL fails in the middle of things: it refuses, keeps nothing by halves, and goes on.

The server itself fails, by its own errors: its disk is full, somebody holds a lock, an administrator ends a
connection. One thing can't be brought about from there: a commit that is kept while its answer is lost.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.node.folder import NodeFolder
from exchange.store.engine import postgres
from exchange.store.engine.place import Schema
from tests.support.scenarios.ledger_reader import findings
from tests.support.scenarios.scenario_site import (
    LAKE,
    POSTGRESQL,
    Site,
    consent,
    fresh_id,
    is_outcome,
    observation,
    opened,
)

LEDGERS = (POSTGRESQL,)


@pytest.fixture(scope="module")
def demo(new_node: Callable[[], Demo]) -> Demo:
    return new_node()


@pytest.fixture(scope="module")
def site(demo: Demo, people: tuple[Participant, ...]) -> Iterator[Site]:
    """The node, which waits for no lock for long; nothing may be wrong with it when all is over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "_LOCK_TIMEOUT", "300ms")
        with opened(demo) as (http, _, _):
            yield Site(demo, http, people)
    assert findings(demo.folder) == []


@pytest.fixture(scope="module")
def connection(demo: Demo) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(str(demo.settings.database), autocommit=True) as connection:
        yield connection


@pytest.fixture
def patient(site: Site) -> str:
    """A patient with a record, who permits Lake Clinic to read."""
    patient = site.new_patient()
    site.observation(patient)
    assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    return patient


def seen(site: Site, patient: str) -> httpx.Response:
    return site.lake.get(f"Observation?patient={patient}")


def until_answered(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Return the first answer that is no 503; those have to say when to ask again."""
    end = time.monotonic() + 10
    while (answer := call()).status_code == 503:
        assert is_refused(answer)
        assert time.monotonic() < end
        time.sleep(0.05)
    return answer


def is_refused(answer: httpx.Response) -> bool:
    """Check whether a refusal says that the database is away, and when to ask again."""
    said = is_outcome(answer, 503)
    return said["issue"][0]["code"] == "transient" and answer.headers["retry-after"].isdecimal()


def end_connections(connection: psycopg.Connection[Any]) -> None:
    """End all connections of gateways, as an administrator would."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'consentry' AND datname = current_database()"
    )


def test_entries_that_the_server_lost_in_a_crash_come_again_without_a_restart(
    site: Site, patient: str, connection: psycopg.Connection[Any]
) -> None:
    # Commits to the log do not wait for the disk: the state from before a few of them is what a server may
    # come back with, rows and checkpoint alike.
    site.officer().get("AuditEvent?_count=1")  # the projection has caught up
    held = connection.execute(
        "SELECT block, position FROM consentry_log.checkpoints WHERE name = 'ledger'"
    ).fetchone()
    last = connection.execute("SELECT max(sequence) FROM consentry_log.entries").fetchone()
    assert held is not None
    assert last is not None
    for _ in range(5):
        assert seen(site, patient).status_code == 200
    before = site.officer().found("AuditEvent", {"_count": "500"})
    with connection.transaction():
        connection.execute("DELETE FROM consentry_log.entries WHERE sequence > %s", last)
        connection.execute(
            "UPDATE consentry_log.checkpoints SET block = %s, position = %s WHERE name = 'ledger'", held
        )
    after = site.officer().found("AuditEvent", {"_count": "500"})
    assert {event["id"] for event in before} < {event["id"] for event in after}
    assert findings(site.demo.folder) == []


IMMEDIATE = (
    "CREATE TRIGGER failing BEFORE INSERT OR UPDATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION failing()"
)
AT_COMMIT = (
    "CREATE CONSTRAINT TRIGGER failing AFTER INSERT OR UPDATE ON {} DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION failing()"
)
DISK_FULL, CANCELED, DEADLOCK = "53100", "57014", "40P01"


@contextmanager
def failing(connection: psycopg.Connection[Any], trigger: str, table: str, code: str) -> Iterator[None]:
    """Have the server refuse every write to `table`, with the SQLSTATE `code`."""
    connection.execute(
        "CREATE OR REPLACE FUNCTION failing() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$"
    )
    connection.execute(trigger.format(table).encode())
    try:
        yield
    finally:
        connection.execute(f"DROP TRIGGER failing ON {table}".encode())


@pytest.mark.parametrize(
    ("trigger", "table", "code"),
    [
        (IMMEDIATE, "consentry_records.documents", DISK_FULL),
        (AT_COMMIT, "consentry_records.documents", DISK_FULL),
        (IMMEDIATE, "consentry_records.search_tokens", CANCELED),
        (AT_COMMIT, "consentry_records.search_tokens", DEADLOCK),
    ],
)
def test_a_write_that_the_server_refuses_keeps_nothing_and_the_next_goes_on(
    site: Site, patient: str, connection: psycopg.Connection[Any], trigger: str, table: str, code: str
) -> None:
    kept = site.observation(patient)
    names = [fresh_id() for _ in range(3)]
    with failing(connection, trigger, table, code):
        for name in names:
            assert is_refused(site.city.put(f"Observation/{name}", observation(patient, id=name)))
        changed = kept | {"status": "amended"}
        assert is_refused(site.city.put(f"Observation/{kept['id']}", changed))
        assert site.city.get(f"Observation/{kept['id']}").json() == kept, "reading goes on meanwhile"
    for name in names:
        assert site.city.get(f"Observation/{name}").status_code == 404
    assert site.city.put(f"Observation/{kept['id']}", changed).headers["etag"] == 'W/"2"'


@pytest.mark.parametrize("trigger", [IMMEDIATE, AT_COMMIT])
def test_nothing_is_released_while_the_log_takes_no_details(
    site: Site, patient: str, connection: psycopg.Connection[Any], trigger: str
) -> None:
    assert seen(site, patient).json()["entry"]
    with failing(connection, trigger, "consentry_log.details", DISK_FULL):
        assert is_refused(seen(site, patient))
        assert is_refused(site.officer().get("AuditEvent"))
    assert seen(site, patient).json()["entry"]


@pytest.mark.parametrize("table", ["documents", "compiled_consents", "outbox", "requested_consents"])
def test_a_revocation_that_the_server_refuses_holds_once_it_was_acknowledged(
    site: Site, patient: str, connection: psycopg.Connection[Any], table: str
) -> None:
    assert seen(site, patient).json()["entry"]
    [held] = site.patient(patient).found("Consent", {"patient": patient})
    revoked = consent(patient, LAKE, status="inactive", logical_id=held["id"])
    caller = site.patient(patient)
    with failing(connection, IMMEDIATE, f"consentry_records.{table}", DISK_FULL):
        caller.put(f"Consent/{held['id']}", revoked)
        during = seen(site, patient)
        assert during.status_code in {200, 503}
    assert until_answered(lambda: caller.put(f"Consent/{held['id']}", revoked)).status_code == 200
    assert not seen(site, patient).json().get("entry")


@pytest.mark.parametrize("schema", ["consentry_records", "consentry_log"])
def test_a_lock_that_somebody_holds_refuses_for_as_long_as_they_do(
    site: Site, patient: str, connection: psycopg.Connection[Any], schema: str
) -> None:
    assert seen(site, patient).json()["entry"]
    with held(connection, schema):
        if schema == "consentry_log":
            assert is_refused(seen(site, patient))
        else:
            assert is_refused(site.city.post("Observation", observation(patient)))
            assert seen(site, patient).json()["entry"]
    assert until_answered(lambda: seen(site, patient)).json()["entry"]
    assert site.city.post("Observation", observation(patient)).status_code == 201


@contextmanager
def held(connection: psycopg.Connection[Any], schema: str) -> Iterator[None]:
    """Keep other sessions from writing to the schema."""
    key = (postgres._key("write", Schema("", schema)),)
    connection.execute("SELECT pg_advisory_lock(%s)", key)
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", key)


def test_connections_that_were_ended_while_nothing_was_asked_are_not_noticed(
    site: Site, patient: str, connection: psycopg.Connection[Any]
) -> None:
    for _ in range(2):
        end_connections(connection)
        assert seen(site, patient).status_code == 200
        end_connections(connection)
        assert site.city.post("Observation", observation(patient)).status_code == 201


def test_a_gateway_whose_place_was_taken_releases_nothing_until_it_has_the_log_again(
    new_node: Callable[[], Demo], people: tuple[Participant, ...], tmp_path: Path
) -> None:
    demo = new_node()
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient = site.new_patient()
        site.observation(patient)
        assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    shutil.copytree(demo.folder.path, tmp_path / "other")
    other = replace(demo, folder=NodeFolder(tmp_path / "other"))
    url = str(demo.settings.database)
    with psycopg.connect(url, autocommit=True) as connection, opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        site.lake.token()
        end_connections(connection)
        with opened(other):
            details = connection.execute("SELECT count(*) FROM consentry_log.details").fetchone()
            for _ in range(3):
                assert is_refused(seen(site, patient))
            assert connection.execute("SELECT count(*) FROM consentry_log.details").fetchone() == details
        assert until_answered(lambda: seen(site, patient)).json()["entry"]
    assert findings(demo.folder) == []


class LostAnswer:
    """The next commit of a writing transaction of `schema` is kept, and its answer lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, schema: str) -> None:
        self.happened = False
        commit = psycopg.Connection.commit

        def lossy(connection: psycopg.Connection[Any]) -> None:
            asked = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL, current_schema()"
            writes = not self.happened and connection.execute(asked).fetchone() == (True, schema)
            commit(connection)
            if writes:
                self.happened = True
                connection.close()
                raise psycopg.OperationalError("the connection was lost")

        monkeypatch.setattr(psycopg.Connection, "commit", lossy)


def test_a_revocation_whose_commit_got_no_answer_is_in_force(
    site: Site, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(site, patient).json()["entry"]
    caller = site.patient(patient)
    [held] = caller.found("Consent", {"patient": patient})
    revoked = consent(patient, LAKE, status="inactive", logical_id=held["id"])
    with monkeypatch.context() as patch:
        lost = LostAnswer(patch, "consentry_records")
        assert is_refused(caller.put(f"Consent/{held['id']}", revoked))
        assert lost.happened
    assert caller.get(f"Consent/{held['id']}").headers["etag"] == 'W/"2"', "it was kept"
    assert not until_answered(lambda: seen(site, patient)).json().get("entry")


def test_a_projection_whose_commit_got_no_answer_goes_on_behind_it(
    site: Site, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lost = LostAnswer(patch, "consentry_log")
        seen(site, patient)
        until_answered(lambda: site.officer().get("AuditEvent?_count=1"))
        assert lost.happened
    assert findings(site.demo.folder) == []
