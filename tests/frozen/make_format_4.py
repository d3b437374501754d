"""Makes the frozen nodes of format 4: `PYTHONPATH=CHECKOUT python tests/frozen/make_format_4.py CHECKOUT`.

CHECKOUT is the repository at commit 5dc700e, the last one before migrations; no other commit makes these
files. The nodes are made once: keys and ciphertext are random, so a second run makes others. Their content is
written to `format_4_*.json` by `facts.py`, from the databases alone.

One node has SQLite files, the other PostgreSQL; both have an embedded ledger, six patients with records of
many types, versions and deletions, consents that were granted, narrowed and revoked, one that waits to be
published, clients, tokens, refusals, readings by a patient and an officer, a member that was admitted later,
and a load that was stopped half way, with its journal and its files.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, NoReturn

CHECKOUT, HERE = Path(sys.argv[1]).resolve(), Path(__file__).parent
sys.path[:0] = [str(CHECKOUT / "tests" / "scenarios"), str(CHECKOUT / "tests"), str(CHECKOUT), str(HERE)]

import exchange.reading  # noqa: E402
import facts  # noqa: E402
import httpx  # noqa: E402
import msgspec  # noqa: E402
import postgres_server  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from exchange.config import Folder  # noqa: E402
from exchange.core.assertion import public_jwk  # noqa: E402
from exchange.core.clients import new_client  # noqa: E402
from exchange.core.errors import UnavailableError  # noqa: E402
from exchange.demo.client import write_key  # noqa: E402
from exchange.services.ingest import Ingest  # noqa: E402
from exchange.wiring import initialise, open_node  # noqa: E402
from scenario_site import CITY, LAKE, MISSING, RIDGE, Site, consent, in_thread, opened  # noqa: E402

from exchange.demo.consortium import MEMBERS, Demo, client_id, settings_for  # noqa: E402
from exchange.ledger.client import LedgerClient  # noqa: E402

PORT = 8431
NOW = 1_795_000_000_000


def record(kind: str, patient: str, subject: str = "subject", **elements: Any) -> dict[str, Any]:
    return {"resourceType": kind, subject: {"reference": f"Patient/{patient}"}} | elements


def coded(code: str, system: str = "http://snomed.info/sct") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def records_of(patient: str) -> list[dict[str, Any]]:
    terminology = "http://terminology.hl7.org/CodeSystem"
    condition = coded("active", f"{terminology}/condition-clinical")
    allergy = coded("active", f"{terminology}/allergyintolerance-clinical")
    ambulatory = {"system": f"{terminology}/v3-ActCode", "code": "AMB"}
    report = {"contentType": "text/plain", "data": "UmVwb3J0"}
    return [
        record("Condition", patient, code=coded("44054006"), clinicalStatus=condition),
        record("MedicationStatement", patient, status="active", medicationCodeableConcept=coded("372567009")),
        record("Encounter", patient, status="finished", **{"class": ambulatory}),
        record("AllergyIntolerance", patient, "patient", code=coded("227493005"), clinicalStatus=allergy),
        record(
            "Immunization",
            patient,
            "patient",
            status="completed",
            vaccineCode=coded("787859002"),
            occurrenceDateTime="2026-10-01",
        ),
        record("Procedure", patient, status="completed", code=coded("80146002")),
        record("DiagnosticReport", patient, status="final", code=coded("24323-8", "http://loinc.org")),
        record("DocumentReference", patient, status="current", content=[{"attachment": report}]),
        record("CarePlan", patient, status="active", intent="plan"),
        record(
            "ServiceRequest",
            patient,
            status="active",
            intent="order",
            code=coded("24323-8", "http://loinc.org"),
        ),
    ]


def done(answer: httpx.Response, *statuses: int) -> httpx.Response:
    assert answer.status_code in (statuses or (200, 201)), (str(answer.request.url), answer.text)
    return answer


def clinical_life(site: Site) -> list[str]:
    """Write, change and delete records of six patients."""
    city = site.city
    done(city.post("Practitioner", {"resourceType": "Practitioner", "name": [{"family": "Okafor"}]}))
    done(city.post("Location", {"resourceType": "Location", "name": "Ward 3"}))
    patients = [
        site.new_patient(
            name=[{"family": f"Frozen{n}", "given": ["Ada"]}], gender="female", birthDate=f"19{60 + n}-05-04"
        )
        for n in range(6)
    ]
    for patient in patients[:3]:
        for body in records_of(patient):
            done(city.post(body["resourceType"], body))
    for n, patient in enumerate(patients):
        kept = [site.observation(patient, code=code) for code in ("8867-4", "29463-7", "8302-2")]
        for times in range(n):
            kept[0]["valueQuantity"]["value"] = 80 + times
            kept[0] = done(city.put(f"Observation/{kept[0]['id']}", kept[0])).json()
        if n % 2:
            done(city.delete(f"Observation/{kept[1]['id']}"), 200, 204)
        if n == 3:  # deleted and brought back
            again = {name: value for name, value in kept[1].items() if name != "meta"}
            done(city.put(f"Observation/{kept[1]['id']}", again), 200, 201)
    shared = record("Observation", patients[0], status="final", code=coded("8867-4", "http://loinc.org"))
    shared["focus"] = [{"reference": f"Patient/{patients[1]}"}]
    done(city.post("Observation", shared))
    entries = [
        {
            "resource": record("Condition", patients[4], code=coded(code)),
            "request": {"method": "POST", "url": "Condition"},
        }
        for code in ("38341003", "195967001")
    ]
    done(city("POST", site.base, {"resourceType": "Bundle", "type": "transaction", "entry": entries}))
    return patients


def consents(site: Site, patients: list[str]) -> None:
    """Grant, narrow and revoke; the requests in between are permitted and refused."""
    city, lake, ridge = site.city, site.lake, site.ridge
    first, second, third, fourth = patients[:4]
    seen = [done(city.get(f"Observation?patient={one}")).json() for one in patients]
    records = [bundle["entry"][0]["resource"]["id"] for bundle in seen]
    done(lake.get(f"Observation/{records[0]}"), 404)
    done(lake.get(f"Patient/{MISSING}"), 404)
    granted = [
        done(site.patient(patient).post("Consent", consent(patient, *members))).json()
        for patient, members in (
            (first, (LAKE,)),
            (second, (LAKE, RIDGE)),
            (third, (RIDGE,)),
            (fourth, (LAKE,)),
        )
    ]
    for patient, identifier in zip(patients, records, strict=True):
        for caller in (lake, ridge):
            done(caller.get(f"Observation/{identifier}"), 200, 404)
            done(caller.get(f"Observation?patient={patient}"))
    narrowed = consent(second, LAKE, RIDGE, logical_id=granted[1]["id"])
    narrowed["provision"]["provision"] = [
        {"type": "deny", "code": [coded("8867-4", "http://loinc.org")]},
        {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]},
    ]
    done(site.patient(second).put(f"Consent/{granted[1]['id']}", narrowed))
    done(
        site.patient(third).put(
            f"Consent/{granted[2]['id']}",
            consent(third, RIDGE, status="inactive", logical_id=granted[2]["id"]),
        )
    )
    for patient in (second, third):
        for caller in (lake, ridge, site.system(RIDGE, "HRESCH"), site.system(LAKE, "TREAT", user="dr.lee")):
            done(caller.get(f"Condition?patient={patient}"))
            done(caller.get(f"Observation?patient={patient}"))
            done(caller.get(f"Patient/{patient}"), 200, 404)
    done(lake.get(f"Patient/{first}/$everything"))
    done(city.get(f"Observation/{records[5]}/_history"))


def readings(site: Site, patients: list[str]) -> None:
    done(site.patient(patients[0]).get("AuditEvent"))
    done(site.officer().get("AuditEvent?outcome=8&_count=200"), 200)
    done(site.officer("o.lind").get("AuditEvent"))
    done(site.lake.get("AuditEvent"), 403)


@contextmanager
def ledger_that_takes_no_terms() -> Iterator[None]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise UnavailableError("the ledger did not answer in time")

    kept = LedgerClient.file_terms
    LedgerClient.file_terms = fail  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        LedgerClient.file_terms = kept  # type: ignore[method-assign]


def waiting_consents(site: Site, patients: list[str]) -> None:
    """Store a revocation and another consent that the ledger does not take, and one that it need not."""
    first, patient, new = patients[0], patients[3], patients[5]
    held = site.patient(patient).found("Consent")[0]
    ended = consent(patient, LAKE, status="inactive", logical_id=held["id"])
    done(site.patient(patient).put(f"Consent/{held['id']}", ended), 503)
    done(site.patient(first).post("Consent", consent(first, LAKE, RIDGE)), 503)
    done(site.patient(new).post("Consent", consent(new, LAKE)), 201)


async def half_a_load(folder: Folder, export: Path) -> None:
    """Load the first part of `export` and stop."""
    for number in range(20):
        rows = [
            json.dumps({"resourceType": "Location", "id": f"l{number}-{n}", "name": f"Bed {n}"})
            for n in range(5)
        ]
        rows.append(json.dumps({"resourceType": "Patient", "id": f"p{number}", "gender": "other"}))
        if number == 1:
            rows.insert(2, '{"resourceType":"Location","id":"_","name":7}')
        path = export / f"{number:02}.ndjson"
        path.write_text("\n".join(rows) + "\n")
        os.utime(path, ns=(NOW * 1_000_000, NOW * 1_000_000))
    limits = exchange.reading.Limits(run_lines=3)
    with exchange.reading.Journal(folder.path / "load.journal") as journal:
        plan = exchange.reading.find([export], journal)
        async with (
            open_node(folder) as node,
            Ingest(
                msp_id=node.settings.msp_id,
                indexer=node.indexer,
                writing=node.gateway.writing,
                bundles=node.gateway.bundles,
                workers=1,
            ) as ingest,
            aclosing(ingest.load(exchange.reading.cut(plan, limits))) as loads,
        ):
            left = 11
            async for units in loads:
                journal.done(*units)
                left -= len(units)
                if left <= 0:
                    break


def make(root: Path, database: str | None) -> Demo:
    path = root / "node"
    folder, settings = Folder(path), msgspec.structs.replace(settings_for(PORT), database=database)
    in_thread(initialise(folder, settings))
    demo = Demo(folder, settings)
    (path / "clients").mkdir(mode=0o700)
    in_thread(register(demo))
    with opened(demo) as (http, _, _):
        site = Site(demo, http, ())
        patients = clinical_life(site)
        consents(site, patients)
        readings(site, patients)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "exchange.cli",
            "policy",
            "propose",
            str(path),
            "--admit",
            "PineMSP=Pine Hospital",
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        cwd=CHECKOUT,
    )
    export = root / "export"
    export.mkdir()
    in_thread(half_a_load(folder, export))
    with ledger_that_takes_no_terms(), opened(demo) as (http, _, _):
        waiting_consents(Site(demo, http, ()), patients)
    return demo


async def register(demo: Demo) -> None:
    async with open_node(demo.folder) as node:
        for name, member in [*((client_id(one), one) for one in MEMBERS), ("old-system", CITY)]:
            key = ec.generate_private_key(ec.SECP384R1())
            write_key(demo.folder.path / "clients" / f"{name}.pem", key)
            client = new_client(
                client_id=name,
                name=f"{member.name} records system",
                organization=member.msp_id,
                jwks=msgspec.json.encode({"keys": [public_jwk(key)]}),
                allowed=["system/*.cruds"],
                created=NOW,
                purpose="TREAT" if name == "old-system" else "",
            )
            await node.gateway.tokens.register(client)
        await node.gateway.tokens.disable("old-system")


def pack(root: Path, name: str) -> None:
    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if info.name.endswith((".lock", "-wal", "-shm")):
            return None
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    with (
        lzma.open(HERE / f"format_4_{name}.tar.xz", "wb", preset=9) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for part in sorted(root.iterdir()):
            tar.add(part, part.name, filter=plain)


def dumped(server: postgres_server.Server, url: str) -> str:
    """Return the two schemas as SQL, without what belongs to the server that they were on."""
    command = [
        server.bin / "pg_dump",
        "--no-owner",
        "--no-privileges",
        "-n",
        "consentry_records",
        "-n",
        "consentry_log",
        "-d",
        url,
    ]
    text = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    text = re.sub(r"^(--.*|SET .*|\\(un)?restrict .*)\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text)


def freeze(name: str, root: Path, read: Callable[[str], list[tuple[Any, ...]]], demo: Demo) -> None:
    found = facts.of_node(demo.folder.path, read)
    (HERE / f"format_4_{name}.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    pack(root, name)


def main() -> None:
    root = Path(tempfile.mkdtemp())
    demo = make(root, None)
    freeze("sqlite", root, facts.reading_files(demo.folder.path), demo)
    shutil.rmtree(root)
    root = Path(tempfile.mkdtemp())
    with postgres_server.running() as server:
        url = server.new_database()
        demo = make(root, url)
        (root / "schemas.sql").write_text(dumped(server, url))
        settings = demo.folder.settings_file
        settings.write_text(settings.read_text().replace(url, "postgresql://localhost/consentry"))
        freeze("postgresql", root, facts.reading_schemas(url), demo)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
