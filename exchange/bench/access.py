"""Reads of one Observation over HTTP: decided, durably logged and decrypted, against no protection at all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from exchange.bench import http, plain
from exchange.bench.report import Row, median, percentile
from exchange.demo.consortium import LAKE, Demo, build, permit_consent
from exchange.demo.nhanes import participants
from exchange.demo.process import await_ready, free_port, serving

CONNECTIONS = (1, 16, 64)
_ROUNDS = 3
_PEOPLE = 20


def measure(*, seconds: float) -> list[Row]:
    """Rounds of every number of connections on both servers, taken in turns; medians of the rounds."""
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch:
        return _measure(Path(scratch), seconds / _ROUNDS)


def _measure(scratch: Path, seconds: float) -> list[Row]:
    demo = asyncio.run(build(scratch / "node", free_port(), _PEOPLE))
    person = next(iter(participants(1)))
    observation = next(str(r["id"]) for r in person.records if r["resourceType"] == "Observation")
    path = f"/fhir/Observation/{observation}"
    with serving(demo.folder.path, demo.settings.base_url), httpx.Client(timeout=30) as client:
        token, body = _permit(demo, client, str(person.patient["id"]), path)
        plain.create(scratch / "plain.db", {path.removeprefix("/fhir/"): body})
        with _unprotected(scratch / "plain.db") as port:
            return _rounds(demo.settings.port, port, path, token, seconds)


def _permit(demo: Demo, client: httpx.Client, patient: str, path: str) -> tuple[str, bytes]:
    city, lake = demo.client(demo.settings.member), demo.client(LAKE)
    granted = city.call(client, "POST", "Consent", permit_consent(patient, LAKE))
    granted.raise_for_status()
    read = lake.call(client, "GET", path.removeprefix("/fhir/"))
    read.raise_for_status()
    return lake.token(client), read.content


@contextmanager
def _unprotected(database: Path) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange.bench.plain", str(database), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_ready(process, f"http://127.0.0.1:{port}/fhir/none/none", expect=404)
        yield port
    finally:
        process.terminate()
        process.wait()


def _rounds(ours: int, theirs: int, path: str, token: str, seconds: float) -> list[Row]:
    rates: dict[tuple[str, int], list[float]] = {}
    taken: dict[tuple[str, int], list[float]] = {}
    for round_ in range(_ROUNDS + 1):
        for connections in CONNECTIONS:
            for name, port, bearer in (("access", ours, token), ("plain", theirs, "")):
                found = asyncio.run(
                    http.measure(
                        port,
                        path,
                        token=bearer,
                        connections=connections,
                        seconds=seconds if round_ else min(seconds, 0.5),
                    )
                )
                if round_:  # the first round warms both servers up
                    rates.setdefault((name, connections), []).append(found.per_second)
                    taken.setdefault((name, connections), []).extend(found.seconds)
    rows = [
        Row(
            "access.ratio_64",
            median(rates["access", 64]) / median(rates["plain", 64]),
            "of the unprotected route",
            ">= 0.3333",
        ),
        Row("access.alone_p50_ms", percentile(taken["access", 1], 0.5) * 1000, "ms", "<= 5"),
    ]
    for name in ("access", "plain"):
        for connections in CONNECTIONS:
            times = taken[name, connections]
            rows += [
                Row(f"{name}.per_s_{connections}", median(rates[name, connections]), "requests/s"),
                Row(f"{name}.p50_ms_{connections}", percentile(times, 0.5) * 1000, "ms"),
                Row(f"{name}.p99_ms_{connections}", percentile(times, 0.99) * 1000, "ms"),
            ]
    return rows
