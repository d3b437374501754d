"""The waits of one client while another does its worst: each hostile case in turn, against a steady reader.

A reader of another member reads one permitted Observation, one request after the other on a few connections
that pause between requests, as a ward's software does. Each case runs for as long as it is measured, from a
process of its own, and repeats itself as fast as it is answered. The first row is the worst of all cases.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.auth.assertions import ASSERTION_TYPE, sign_assertion
from exchange.bench.report import Row, percentile
from exchange.client.system import SystemClient
from exchange.demo.consortium import LAKE, RIDGE, Demo, build, permit_consent
from exchange.demo.nhanes import participants
from exchange.demo.process import free_port, serving

TARGET = "<= 250"
_PEOPLE = 20
_READERS = 4
_PAUSE = 0.01
_FLOOD = 32
_FORM = "application/x-www-form-urlencoded"
_FHIR = "application/fhir+json"
_MIB = 1 << 20

_Sent = tuple[str, str, bytes, dict[str, str]]
"""Method, path, body and headers of one request."""


def measure(*, seconds: float) -> list[Row]:
    """Measure the reads of others, alone and during every case, for `seconds` each."""
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch, ExitStack() as stack:
        demo = asyncio.run(build(Path(scratch) / "node", free_port(), _PEOPLE))
        stack.enter_context(serving(demo.folder.path, demo.settings.base_url))
        with httpx.Client(timeout=60) as http:
            lake, path = _permitted(demo, http)
            ridge = demo.client(RIDGE)
            tokens = {"lake": lake.token(http), "ridge": ridge.token(http)}

        def read() -> list[float]:
            return asyncio.run(_read(demo, path, tokens["lake"], seconds))

        waits = {"alone": read()}
        for name, requests in cases(demo, ridge, tokens["ridge"]).items():
            waits[name] = _beside(Path(scratch) / name, demo.settings.port, requests(), read)
    rows = [
        Row(f"hostile.{name}_p99_ms", percentile(found, 0.99) * 1e3, "ms") for name, found in waits.items()
    ]
    worst = max(row.value for row in rows if "alone" not in row.name)
    return [Row("hostile.read_p99_ms", worst, "ms, of others, in the worst case", TARGET), *rows]


def _permitted(demo: Demo, http: httpx.Client) -> tuple[SystemClient, str]:
    """Return Lake Clinic's client, and the path of an Observation that it may read."""
    person = next(iter(participants(1)))
    observation = next(str(r["id"]) for r in person.records if r["resourceType"] == "Observation")
    city, lake = demo.client(demo.settings.member), demo.client(LAKE)
    city.call(http, "POST", "Consent", permit_consent(str(person.patient["id"]), LAKE)).raise_for_status()
    lake.call(http, "GET", f"Observation/{observation}").raise_for_status()
    return lake, f"/fhir/Observation/{observation}"


async def _read(demo: Demo, path: str, token: str, seconds: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def reader(http: httpx.AsyncClient) -> None:
        while (began := time.perf_counter()) < end:
            answer = await http.get(path, headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()
            taken.append(time.perf_counter() - began)
            await asyncio.sleep(_PAUSE)

    async with httpx.AsyncClient(base_url=demo.settings.base_url, timeout=60) as http:
        await asyncio.gather(*(reader(http) for _ in range(_READERS)))
    return taken


def _beside(file: Path, port: int, requests: list[_Sent], read: Callable[[], list[float]]) -> list[float]:
    """Return what `read` measures while a process of its own repeats `requests`, which it finds in `file`."""
    sent = [[method, path, body.decode("latin-1"), headers] for method, path, body, headers in requests]
    file.write_text(json.dumps(sent), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange.bench.hostile", str(file), str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        process.stdout.readline()  # it has begun
        return read()
    finally:
        process.kill()
        process.wait()
        file.unlink()


def cases(demo: Demo, client: SystemClient, token: str) -> Mapping[str, Callable[[], list[_Sent]]]:
    """Return the cases by name, each with the requests that it repeats; `client` has no permission."""
    known = {"Authorization": f"Bearer {token}", "Content-Type": _FHIR}
    refused = ",".join(f"a{n}$lt9.87654321" for n in range(256))
    longest = ",".join(f"lt9.8765{n:04d}" for n in range(256))
    names = [f"{n:x}" for n in range(2_000)]
    parts = "&".join("patient=" + ",".join(names[at : at + 250]) for at in range(0, 2_000, 250))
    junk = {"grant_type": "client_credentials", "scope": "system/*.rs"}

    def batch(url: str, entries: int) -> bytes:
        entry = {"request": {"method": "GET", "url": url}}
        return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [entry] * entries}).encode()

    def assertions() -> list[_Sent]:
        signed = sign_assertion(
            ec.generate_private_key(ec.SECP384R1()),  # not the one that is registered
            client_id=client.client_id,
            token_url=demo.settings.token_url,
            organization_id=client.organization,
            purpose="TREAT",
        )
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed, **junk}
        body = httpx.Request("POST", "http://x", data=form).content
        return [("POST", "/auth/token", body, {"Content-Type": _FORM})] * _FLOOD

    return {
        "refused_search": lambda: [
            ("GET", f"/fhir/Observation?combo-code-value-quantity={refused}", b"", known)
        ],
        "longest_form": lambda: (
            [
                (
                    "POST",
                    "/fhir/Observation/_search",
                    f"value-quantity={longest}".encode(),
                    known | {"Content-Type": _FORM},
                )
            ]
            * 4
        ),
        "batch_of_searches": lambda: [
            ("POST", "/fhir", batch(f"Observation?combo-code-value-quantity={refused}", 500), known)
        ],
        "batch_of_names": lambda: [("POST", "/fhir", batch(f"Observation?{parts}", 25), known)],
        "batch_of_reads": lambda: [("POST", "/fhir", batch("Patient/nobody", 2_000), known)],
        "large_bodies": lambda: [("POST", "/fhir", b"[" * (16 * _MIB), known)] * 2,
        "refused_reads": lambda: [("GET", "/fhir/Patient/nobody", b"", known)] * _FLOOD,
        "flood_without_token": lambda: [("GET", "/fhir/Patient/1", b"", {})] * _FLOOD,
        "junk_assertions": assertions,
    }


async def flood(requests: list[_Sent], port: int) -> None:
    """Repeat each of the requests on a connection of its own, until this process ends."""

    async def one(http: httpx.AsyncClient, sent: _Sent) -> None:
        method, path, body, headers = sent
        while True:
            with suppress(httpx.TransportError):
                await http.request(method, path, content=body, headers=headers)

    limits = httpx.Limits(max_connections=len(requests))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits) as http:
        print("begun", flush=True)
        await asyncio.gather(*(one(http, sent) for sent in requests))


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    asyncio.run(flood([(m, p, b.encode("latin-1"), h) for m, p, b, h in found], int(sys.argv[2])))
