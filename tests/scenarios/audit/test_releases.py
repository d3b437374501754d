"""An entry says what was released: the records of an answer, nothing, a failure, or that it is not known."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import delete, func, select, update

from exchange.crypto.documents import seal_metadata
from exchange.crypto.release_notes import release_note
from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.demo.process import serving
from exchange.errors import UnavailableError
from exchange.ledger.client import LedgerClient
from exchange.node.checks import check_node
from exchange.node.folder import NodeFolder
from exchange.node.parts import open_parts
from exchange.services.access import releases
from exchange.store.keys import wrapped_keys
from exchange.store.log import log_tables
from tests.support.scenarios.ledger_reader import findings, witnessed
from tests.support.scenarios.scenario_site import (
    EVERY_STORE,
    LAKE,
    TX,
    Site,
    consent,
    observation,
    opened,
)

LEDGERS = EVERY_STORE
UNKNOWN = "not known"


@pytest.fixture
def demo(new_node: Callable[[], Demo]) -> Demo:
    return new_node()


@pytest.fixture
def site(demo: Demo, people: tuple[Participant, ...]) -> Iterator[Site]:
    with opened(demo) as (http, _, _):
        yield Site(demo, http, people)


def entry_of(site: Site, tx: str, patient: str) -> dict[str, Any]:
    """Return the AuditEvent of a patient's entry in the transaction."""
    (found,) = [one for one in site.patient(patient).found("AuditEvent") if one["id"].startswith(tx[:48])]
    return found


def told(site: Site, answer: Any, patient: str) -> tuple[str, str, list[str]]:
    """Return outcome, what came of the permission, and the records that were released."""
    event = entry_of(site, answer.headers[TX], patient)
    named = [one["what"]["reference"] for one in event["entity"] if one.get("name", "").endswith("released")]
    return event["outcome"], released(event), named


def released(event: dict[str, Any]) -> str:
    """Return what came of a permission, as an entry says it; empty where it says nothing of it."""
    details = [one for entity in event["entity"] for one in entity.get("detail", ())]
    return next((one["valueString"] for one in details if one["type"] == "released"), "")


def permitted(site: Site) -> tuple[str, dict[str, Any]]:
    """Return a patient that permits Lake Clinic to read, and a record."""
    patient = site.new_patient()
    record = site.observation(patient)
    assert site.patient(patient).post("Consent", consent(patient, LAKE)).status_code == 201
    return patient, record


def test_an_accounting_tells_a_disclosure_from_an_empty_search(site: Site) -> None:
    patient, record = permitted(site)
    place = f"Observation/{record['id']}"
    version = f"{place}/_history/1"
    lake = site.lake
    for path, expected in {
        place: ("0", "1 Observation", [version]),
        version: ("0", "1 Observation", [version]),
        f"{place}/_history": ("0", "1 Observation", [version]),
        f"Observation?patient={patient}": ("0", "1 Observation", [version]),
        f"Observation?patient={patient}&_sort=date": ("0", "1 Observation", [version]),
        f"Observation?patient={patient}&_summary=count": ("0", "nothing", []),
        f"Observation?patient={patient}&code=none": ("0", "nothing", []),
        f"Condition?patient={patient}": ("0", "nothing", []),
    }.items():
        answer = lake.get(path)
        assert answer.status_code == 200, path
        assert told(site, answer, patient) == expected, path
    everything = lake.get(f"Patient/{patient}/$everything")
    outcome, said, named = told(site, everything, patient)
    assert (outcome, said) == ("0", "1 Observation, 1 Patient")
    assert version in named


def test_what_an_answer_leaves_out_is_not_released(site: Site) -> None:
    patient, record = permitted(site)
    others = [site.observation(patient) for _ in range(3)]
    place = f"Observation/{record['id']}"
    version = site.lake.get(place).headers["ETag"]
    unchanged = site.lake.get(place, If_None_Match=version)
    assert unchanged.status_code == 304
    assert told(site, unchanged, patient) == ("0", "nothing", [])
    for query in (f"patient={patient}&_count=2", f"patient={patient}&_count=2&_sort=-date"):
        page = site.lake.get(f"Observation?{query}")
        shown = {entry["resource"]["id"] for entry in page.json()["entry"]}
        assert len(shown) == 2 < 1 + len(others)
        outcome, said, named = told(site, page, patient)
        assert (outcome, said) == ("0", "2 Observation")
        assert {one.split("/")[1] for one in named} == shown


def test_each_entry_of_a_bundle_has_what_it_released(site: Site) -> None:
    patient, record = permitted(site)
    place = f"Observation/{record['id']}"
    for kind in ("batch", "transaction"):
        entries = [
            {"request": {"method": "GET", "url": url}} for url in (place, f"Condition?patient={patient}")
        ]
        answer = site.lake.post("", {"resourceType": "Bundle", "type": kind, "entry": entries})
        assert answer.status_code == 200, answer.text
        said = []
        for one in answer.json()["entry"]:
            (extension,) = one["response"]["extension"]
            said.append(released(entry_of(site, extension["valueString"], patient)))
        assert said == ["1 Observation", "nothing"], kind


def test_a_record_of_two_patients_is_told_to_each_without_the_others_records(site: Site) -> None:
    (one, own), (two, theirs) = permitted(site), permitted(site)
    both = site.city.post("Observation", observation(one) | {"performer": [{"reference": f"Patient/{two}"}]})
    assert both.status_code == 201
    answer = site.city.get("Observation?_count=100")
    assert answer.status_code == 200
    for patient, mine, other in ((one, own, theirs), (two, theirs, own)):
        _, _, named = told(site, answer, patient)
        assert any(str(mine["id"]) in place for place in named)
        assert not any(str(other["id"]) in place for place in named)


def test_a_reading_of_the_log_is_told_with_its_number(site: Site) -> None:
    patient, record = permitted(site)
    assert site.lake.get(f"Observation/{record['id']}").status_code == 200
    page = site.officer().get("AuditEvent?_count=500")
    mine = [one for one in page.json()["entry"] if f"Patient/{patient}" in str(one["resource"]["entity"])]
    events = site.patient(patient).found("AuditEvent")
    readings = [one for one in events if "o.reyes" in str(one["agent"])]
    assert [released(one) for one in readings] == [f"{len(mine)} AuditEvent"]


def test_a_refusal_says_nothing_of_a_release(site: Site) -> None:
    patient = site.new_patient()
    record = site.observation(patient)
    answer = site.lake.get(f"Observation/{record['id']}")
    assert answer.status_code == 404
    assert told(site, answer, patient) == ("4", "", [])


def test_a_permission_without_an_answer_is_a_failure_with_its_names(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, record = permitted(site)
    lake = site.system(LAKE, user="Practitioner/l1")
    place = f"Observation/{record['id']}"
    assert lake.get(place).status_code == 200

    async def away(_asked: Any) -> None:
        raise UnavailableError("the log can't be written")

    with monkeypatch.context() as broken:
        node: Any = site.http
        broken.setattr(node.node.gateway.reading._enforcement._details, "_work", away)
        assert lake.get(place).status_code == 503
    (failed,) = [one for one in site.patient(patient).found("AuditEvent") if one["outcome"] == "8"]
    assert failed["outcomeDesc"].endswith("; not released, the answer failed")
    assert "Practitioner/l1" in str(failed["agent"])
    assert place in str(failed["entity"])
    officer = site.officer()
    ids = {
        wanted: {one["id"] for one in officer.found(f"AuditEvent?patient={patient}&outcome={wanted}")}
        for wanted in ("0", "4", "8", "0,8")
    }
    assert ids["8"] == {failed["id"]}
    assert ids["0"]
    assert failed["id"] not in ids["0"]
    assert not ids["4"]
    assert ids["0,8"] >= ids["0"] | ids["8"]


def test_a_search_finds_the_answers_that_had_a_record(site: Site) -> None:
    patient, record = permitted(site)
    place = f"Observation/{record['id']}"
    found = site.lake.get(f"Observation?patient={patient}").headers[TX]
    missed = site.lake.get(f"Condition?patient={patient}").headers[TX]
    events = [one["id"][:48] for one in site.officer().found(f"AuditEvent?entity={place}")]
    assert found[:48] in events
    assert missed[:48] not in events


def test_a_connection_that_is_lost_released_nothing(demo: Demo, people: tuple[Participant, ...]) -> None:
    with serving(demo.folder.path, demo.settings.base_url), httpx.Client(timeout=60) as http:
        site = Site(demo, http, people)
        patient, record = permitted(site)
        place = urlsplit(f"{site.base}/Observation/{record['id']}")
        token = site.lake.token()
        head = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
        for _ in range(5):
            with socket.create_connection((place.hostname, place.port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(head.encode())
        time.sleep(1)
        events = site.patient(patient).found("AuditEvent")
        reads = [one for one in events if f"Observation/{record['id']}" in str(one["entity"])]
        lost = [one for one in reads if one["outcome"] == "8"]
        assert len(lost) >= 1
        assert all(one["outcomeDesc"].endswith("; not released, the answer failed") for one in lost)


def test_a_process_that_ends_at_once_leaves_it_unknown_and_never_nothing(
    demo: Demo, people: tuple[Participant, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient, record = permitted(site)

        async def killed(_self: releases.ReleaseNotes) -> None:
            pass

        with monkeypatch.context() as at_once:
            at_once.setattr(releases.ReleaseNotes, "note_all", killed)
            answer = site.lake.get(f"Observation/{record['id']}")
            node: Any = site.http
            node.node.gateway.reading._enforcement._releases._ended.clear()
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        event = entry_of(site, answer.headers[TX], patient)
        assert released(event) == UNKNOWN
        assert event["outcome"] == "0"  # it counts as a disclosure
    assert findings(demo.folder) == []
    assert gaps(demo.folder).not_noted >= 1


def test_a_note_that_the_ledger_could_not_take_follows(
    demo: Demo, people: tuple[Participant, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise UnavailableError("the ledger is away")

    with opened(demo) as (http, _, _), monkeypatch.context() as broken:
        site = Site(demo, http, people)
        patient, record = permitted(site)
        broken.setattr(LedgerClient, "note_releases", away)
        answer = site.lake.get(f"Observation/{record['id']}")
        assert told(site, answer, patient)[1] == "1 Observation"
    assert late(demo) > 0
    assert findings(demo.folder) == []  # a note that waits is no finding
    with opened(demo) as (http, _, _):
        ends = time.monotonic() + 20
        while late(demo) and time.monotonic() < ends:
            time.sleep(0.2)
    assert late(demo) == 0
    assert findings(demo.folder) == []


def test_a_gateway_that_ends_while_it_notes_notes_all_the_same(
    demo: Demo, people: tuple[Participant, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    note_releases, hanging = LedgerClient.note_releases, threading.Event()

    async def hanging_first(self: LedgerClient, roots: Sequence[str]) -> Any:
        if not hanging.is_set():
            hanging.set()
            await asyncio.Event().wait()
        return await note_releases(self, roots)

    before = gaps(demo.folder).not_noted
    with opened(demo) as (http, _, _), monkeypatch.context() as slow:
        site = Site(demo, http, people)
        patient, record = permitted(site)
        slow.setattr(LedgerClient, "note_releases", hanging_first)
        answer = site.lake.get(f"Observation/{record['id']}")
        assert hanging.wait(20)
    assert gaps(demo.folder).not_noted == before
    with opened(demo) as (http, _, _):
        assert released(entry_of(Site(demo, http, people), answer.headers[TX], patient)) == "1 Observation"
    assert findings(demo.folder) == []


def test_a_note_that_another_one_replaced_is_found(demo: Demo, people: tuple[Participant, ...]) -> None:
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        patient, record = permitted(site)
        assert site.lake.get(f"Observation/{record['id']}").status_code == 200
    assert findings(demo.folder) == []
    with open_parts(demo.folder) as parts:
        log = parts.open_log()
        with log.engine.begin() as connection:
            noted = select(log_tables.details).where(log_tables.details.c.released.is_not(None))
            token = parts.keys.references.subject(patient)
            rows = [row for row in connection.execute(noted) if row.subject == token]
            with parts.records.engine.connect() as records:
                keys = parts.keys.ring.open(token, wrapped_keys.find(records, [token])[token])
            other = release_note((), failed=False)
            row = next(
                row for row in rows if releases.open_release(keys, row.tx, row.n, row.released) != other
            )
            sealed = seal_metadata(keys, f"release/{row.tx}/{row.n}".encode(), other.encoded())
            place = (log_tables.details.c.tx == row.tx) & (log_tables.details.c.n == row.n)
            connection.execute(update(log_tables.details).where(place).values(released=sealed))
    (finding,) = findings(demo.folder)
    assert "says what the ledger has not" in finding


def test_verify_counts_the_entries_that_have_no_name(demo: Demo, people: tuple[Participant, ...]) -> None:
    with opened(demo) as (http, _, _):
        site = Site(demo, http, people)
        permitted(site)
    assert gaps(demo.folder).nameless == 0
    with open_parts(demo.folder) as parts, parts.open_log().engine.begin() as connection:
        own = log_tables.entries.c.custodian == demo.settings.msp_id
        entries = connection.execute(
            select(func.count()).select_from(log_tables.entries).where(own)
        ).scalar_one()
        connection.execute(delete(log_tables.details))
        connection.execute(delete(log_tables.terms))
    assert findings(demo.folder) == []
    assert gaps(demo.folder).nameless == entries


def gaps(folder: NodeFolder) -> Any:
    return check_node(folder, lambda *_: None).gaps


def late(demo: Demo) -> int:
    with witnessed(demo.folder).open_log() as connection:
        return int(
            connection.execute(select(func.count()).select_from(log_tables.late_releases)).scalar_one()
        )
