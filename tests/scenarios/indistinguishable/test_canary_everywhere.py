"""Unmistakable strings go in wherever a patient's words can; they come out to permitted readers alone.

The gateway is a process of its own. Afterwards every file of its folder (databases, write-ahead logs,
journal), its log, its metrics and all of its refusals are searched for each canary, in several spellings.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from exchange.demo.consortium import Demo
from exchange.demo.nhanes import Participant
from exchange.demo.process import await_ready, end, free_port
from tests.support.scenarios.scenario_site import LAKE, Site, consent, copied

FAMILY, GIVEN, NOTE, IDENTIFIER, SEARCHED, CONSENT, BROKEN, LOADED, ADDRESS, LOGICAL = (
    f"Qz{word}canary7731" for word in
    ("Family", "Given", "Note", "Ident", "Search", "Consent", "Broken", "Loaded", "Addr", "Logical")
)  # fmt: skip
CANARIES = (FAMILY, GIVEN, NOTE, IDENTIFIER, SEARCHED, CONSENT, BROKEN, LOADED, ADDRESS, LOGICAL)


@dataclass
class Exposed:
    """Everything that a stranger could get hold of after a day with canaries."""

    folder: Path
    log: Path
    metrics: bytes = b""
    refusals: list[httpx.Response] = field(default_factory=list)
    journal: Path = Path()
    files: dict[str, bytes] = field(default_factory=dict)


def spellings(canary: str) -> Iterator[bytes]:
    """Return the bytes under which a canary could hide."""
    for text in (canary, canary.lower(), canary.upper()):
        yield text.encode()
        yield text.encode("utf-16-le")
        yield text.encode().hex().encode()
        for shift in range(3):  # base64 depends on where in the text it begins
            yield base64.b64encode(b"x" * shift + text.encode())[4:-4]


def sightings(data: bytes) -> list[str]:
    return [canary for canary in CANARIES if any(text in data for text in spellings(canary))]


@pytest.fixture(scope="module")
def exposed(
    built: Path, people: tuple[Participant, ...], tmp_path_factory: pytest.TempPathFactory
) -> Exposed:
    place = tmp_path_factory.mktemp("canary")
    demo = copied(built, place / "node")
    settings = demo.folder.settings_file
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f"metrics_port = {free_port()}\n{text}", encoding="utf-8")
    demo = Demo(demo.folder, demo.folder.load())
    exposed = Exposed(demo.folder.path, place / "gateway.log")
    bundle = place / "export.ndjson"
    lines = [
        {"resourceType": "Patient", "id": LOADED, "name": [{"family": LOADED}]},
        {"resourceType": "Patient", "id": "x", "name": [{"family": 7, "text": BROKEN}]},
        {"resourceType": "Observation", "status": BROKEN, "code": {"text": BROKEN}},
    ]
    torn = f'{{"resourceType": "{BROKEN}'
    bundle.write_text("\n".join([*map(json.dumps, lines), torn]), encoding="utf-8")
    loaded = subprocess.run(
        [sys.executable, "-m", "exchange.cli", "load", str(demo.folder.path), str(bundle)],
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert loaded.returncode == 1, loaded.stderr
    exposed.files["what the load said"] = loaded.stdout + loaded.stderr
    with exposed.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "exchange.cli", "serve", str(demo.folder.path)], stdout=log, stderr=log
        )
    try:
        await_ready(process, f"{demo.settings.base_url}/health")
        with httpx.Client(timeout=60) as http:
            live(Site(demo, http, people), exposed)
        # While it serves, and as a killed process leaves them: the write-ahead logs are not merged yet.
        exposed.files |= {f"{name}, serving": data for name, data in contents(exposed.folder).items()}
    finally:
        end(process)
    exposed.files |= contents(exposed.folder)
    return exposed


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def live(site: Site, exposed: Exposed) -> None:
    """Store, search, permit, refuse and fail, with a canary in every place that takes text."""
    patient = site.new_patient(
        name=[{"family": FAMILY, "given": [GIVEN]}],
        identifier=[{"system": "urn:mrn", "value": IDENTIFIER}],
        address=[{"city": ADDRESS}],
    )
    named = site.city.put(f"Patient/{LOGICAL}", {"resourceType": "Patient", "id": LOGICAL})
    assert named.status_code == 201, named.text
    record = site.observation(patient, note=[{"text": NOTE}])
    told = consent(patient, LAKE) | {
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{CONSENT}</div>'}
    }
    granted = site.patient(patient).post("Consent", told)
    assert granted.status_code == 201, granted.text
    assert NOTE in site.lake.get(f"Observation/{record['id']}").text  # it is there for a permitted reader
    assert FAMILY in site.city.get(f"Patient?family={FAMILY}&address-city={ADDRESS}").text
    site.lake.get(f"Patient?name={SEARCHED}&identifier=urn:mrn|{IDENTIFIER}")
    site.officer().get(f"AuditEvent?patient=Patient/{patient}")
    refuse = exposed.refusals.append
    for caller in (site.city, site.lake, site.ridge):
        refuse(caller.get(f"Patient/{SEARCHED}"))
        refuse(caller.get(f"Observation?nonsense={SEARCHED}"))
        refuse(caller.get(f"Observation?date={SEARCHED}"))
        refuse(caller.get(f"Observation?value-quantity={SEARCHED}"))
        refuse(caller.get(f"{SEARCHED}/1"))
        refuse(caller.get(f"Observation?_page={SEARCHED}"))
        refuse(caller.post("Patient", {"resourceType": "Patient", "gender": BROKEN}))
        refuse(caller.post("Patient", {"resourceType": "Patient", "birthDate": BROKEN, BROKEN: 1}))
        refuse(caller.post("Patient", f'{{"resourceType":"Patient","name":"{BROKEN}'.encode()))
        refuse(caller.post("Patient", f'{{"resourceType":"{BROKEN}"}}'.encode()))
        refuse(caller.post("Patient", b'{"resourceType":"Patient","id":"\xff' + BROKEN.encode() + b'"}'))
        refuse(caller.put(f"Patient/{BROKEN}_", {"resourceType": "Patient", "id": f"{BROKEN}_"}))
        refuse(caller.post("Consent", told | {"status": BROKEN}))
        entry = {"request": {"method": "GET", "url": f"{BROKEN}/x?y"}, "fullUrl": BROKEN}
        refuse(caller.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}))
        refuse(caller.delete(f"Observation/{record['id']}", If_Match=BROKEN))
        refuse(caller.post("Patient", {"resourceType": "Patient"}, If_None_Exist=f"nonsense={BROKEN}"))
    refuse(site.bearer(f"cst_{SEARCHED}").get("Patient/x"))
    form = {"grant_type": SEARCHED, "client_assertion": BROKEN}
    refuse(site.http.post(f"{site.demo.settings.base_url}/auth/token", data=form))
    assert site.http.get(f"{site.demo.settings.base_url}/metrics").status_code == 404
    exposed.metrics = site.http.get(f"http://127.0.0.1:{site.demo.settings.metrics_port}/metrics").content


def test_no_file_of_the_node_and_no_word_of_a_load_holds_one(exposed: Exposed) -> None:
    assert any(name.startswith("records.db-wal") for name in exposed.files)
    for name, data in exposed.files.items():
        assert sightings(data) == [], name


def test_the_log_of_the_process_holds_none(exposed: Exposed) -> None:
    assert sightings(exposed.log.read_bytes()) == []


def test_the_metrics_are_not_on_the_public_address_and_hold_none(exposed: Exposed) -> None:
    assert b"consentry_" in exposed.metrics
    assert sightings(exposed.metrics) == []


def test_no_refusal_repeats_what_was_sent(exposed: Exposed) -> None:
    for answer in exposed.refusals:
        if answer.status_code == 200:
            continue  # a search that finds nothing: its self link is the caller's own
        assert 400 <= answer.status_code < 500, answer.text
        assert sightings(answer.content) == [], f"{answer.request.method} {answer.request.url}: {answer.text}"
        headers = " ".join(f"{name}: {value}" for name, value in answer.headers.items())
        assert sightings(headers.encode()) == []


def test_a_canary_would_be_seen() -> None:
    hidden = base64.b64encode(b"{" + FAMILY.encode() + b"}").strip(b"=")
    for data in (FAMILY.encode(), b"x" + FAMILY.upper().encode(), hidden, FAMILY.encode().hex().encode()):
        assert sightings(b"..." + data + b"...") == [FAMILY]
    assert sightings(zlib.compress(b"nothing")) == []
