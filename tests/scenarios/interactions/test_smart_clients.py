"""Two programs that sign in by themselves, as plain SMART clients: they know nothing of this gateway.

`smart-fetch` is what research teams copy an EHR's records with: here it crawls, patient by patient, what
the patients have permitted. `sekmet` plays a hospital's system against another one's FHIR interface.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from exchange.auth.assertions import public_jwk
from exchange.auth.clients import new_client
from exchange.auth.principal import Member
from exchange.node.parts import open_parts
from tests.support.scenarios.scenario_site import CITY, LAKE, Site, consent, in_thread

pytest.importorskip("smart_fetch", reason="smart-fetch is not installed (extra `test`)")
pytest.importorskip("sekmet", reason="sekmet-fhir is not installed (extra `test`)")

Key = ec.EllipticCurvePrivateKey
Register = Callable[[Member], tuple[str, Key]]


@pytest.fixture(scope="module")
def register(served: Site) -> Register:
    """Registers a plain client of a member, while the gateway serves."""

    def register(member: Member) -> tuple[str, Key]:
        key = ec.generate_private_key(ec.SECP384R1())
        client = new_client(
            client_id=f"plain-{member.organization}",
            name="plain SMART client",
            organization=member.msp_id,
            jwks=msgspec.json.encode({"keys": [public_jwk(key)]}),
            allowed=["system/*.cruds"],
            created=time.time_ns() // 1_000_000,
            purpose="TREAT",
        )

        async def add() -> None:
            with open_parts(served.demo.folder) as parts:
                await parts.tokens.clients.register(client)

        in_thread(add())
        return client.client_id, key

    return register


def run(folder: Path, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Return the traces of a client program in `folder`."""
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"} | environment,
    )


@pytest.fixture(scope="module")
def crawl(
    served: Site, register: Register, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, list[dict[str, Any]]]]:
    """Crawls as Lake Clinic's client; the resources of each type that it wrote."""
    folder = tmp_path_factory.mktemp("crawl")
    client, key = register(LAKE)
    names = {name: value for name, value in public_jwk(key).items() if name in {"kid", "alg"}}
    private = ECKey.import_key(key).as_dict(private=True) | names | {"key_ops": ["sign"]}
    (folder / "keys.jwks").write_text(json.dumps({"keys": [private]}))

    def crawl(out: str, *options: str) -> dict[str, list[dict[str, Any]]]:
        done = run(
            folder,
            "smart-fetch",
            *("crawl", out, "--fhir-url", served.base, "--smart-client-id", client),
            *("--smart-key", "keys.jwks", "--no-compression", "--no-default-filters", *options),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (folder / out / "error").exists(), done.stdout
        return {
            path.stem: [json.loads(line) for line in path.read_text().splitlines()]
            for path in sorted((folder / out).glob("*.ndjson"))
            if path.stem != "log"
        }

    return crawl


def test_smart_fetch_copies_what_was_permitted_and_nothing_else(served: Site, crawl: Any) -> None:
    people = [served.new_patient() for _ in range(4)]
    records = {person: served.observation(person)["id"] for person in people}
    for person in people[:2]:
        assert served.city.post("Consent", consent(person, LAKE)).status_code == 201
    written = crawl("all", "--id-list", ",".join(people), "--type", "Patient,Observation,Condition")
    assert {one["id"] for one in written["Patient"]} == set(people[:2])
    assert {one["id"] for one in written["Observation"]} == {records[person] for person in people[:2]}
    assert written.get("Condition", []) == []
    entries = served.patient(people[0]).found("AuditEvent", {"outcome": "0"})
    assert any(LAKE.organization in json.dumps(entry["agent"]) for entry in entries)


def test_smart_fetch_fetches_what_came_since(served: Site, crawl: Any) -> None:
    person = served.new_patient()
    assert served.city.post("Consent", consent(person, LAKE)).status_code == 201
    served.observation(person)
    time.sleep(1)
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    time.sleep(1)  # it asks for what came after that second
    newer = served.observation(person)
    crawl("first", "--id-list", person, "--type", "Patient,Observation")
    newest = ("--since", since, "--since-mode", "updated")
    written = crawl("since", "--source-dir", "first", "--type", "Observation", *newest)
    assert [one["id"] for one in written["Observation"]] == [newer["id"]]


SCENARIOS = (
    "adt_admit_transfer_discharge",
    "adt_merge_update",
    "appointment_book_cancel",
    "billing_claim",
    "clinical_documentation",
    "conformance_smoke",
    "lab_order_to_result",
    "medication_order_dispense",
    "rad_order_imaging_report",
)
NOT_SUPPORTED = ("chained parameters are not supported", "included records are not supported")
"""The failures that a step may have: `_include` and chaining are not supported, and say so."""


def test_a_hospitals_system_registers_admits_orders_prescribes_and_bills(
    served: Site, register: Register, tmp_path: Path
) -> None:
    client, key = register(CITY)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    sign_in = {
        "type": "smart",
        "client_id": client,
        "private_key_path": str(tmp_path / "key.pem"),
        "kid": public_jwk(key)["kid"],
        "alg": "ES384",
        "scope": "system/*.cruds",
    }
    settings = {
        "data_dir": str(tmp_path / "data"),
        "peers": {"gateway": {"base_url": served.base, "auth": sign_in}},
    }
    (tmp_path / "settings.yaml").write_text(json.dumps(settings))
    done = run(
        tmp_path,
        "sekmet",
        *("scenario", "run", *SCENARIOS, "--peer", "gateway", "--no-serve", "--report-dir", "reports"),
        SEKMET_CONFIG=str(tmp_path / "settings.yaml"),
    )
    [report] = (tmp_path / "reports").glob("*/results.json")
    scenarios = json.loads(report.read_text())
    assert len(scenarios) == len(SCENARIOS), done.stdout
    steps = [step for scenario in scenarios for step in scenario["steps"]]
    passed = [step for step in steps if step["status"] == "passed"]
    failed = [step for step in steps if step["status"] not in {"passed", "skipped"}]
    assert [one for one in failed if not any(why in json.dumps(one) for why in NOT_SUPPORTED)] == []
    assert len(passed) > 80
