"""Reads of one Observation over HTTP: decided, durably logged and decrypted, against no protection at all.

With a PostgreSQL database a node on it takes its turns as well.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from exchange.bench import http, plain
from exchange.bench.database import empty
from exchange.bench.report import Row, percentile
from exchange.demo.consortium import LAKE, Demo, build, permit_consent
from exchange.demo.nhanes import participants
from exchange.demo.process import await_ready, free_port, serving

CONNECTIONS = (1, 16, 64)
_ROUNDS = 3
_PEOPLE = 20
_UPDATES = 200
_SHARING = 16  # connections
_READS, _ALONE = 4_000, 300
_INDEXED_SECONDS = 8.0  # the index looks for entries every five


def measure(*, seconds: float, database: str | None = None) -> list[Row]:
    """Measure every number of connections on all servers, in turns; rows are medians of the rounds.

    The bytes of an access are those of the embedded ledger and its log. The URL of an empty `database` on
    PostgreSQL gives another node, whose rows are named after it.
    """
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch:
        grown = _bytes(Path(scratch))
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch, ExitStack() as stack:
        servers = {"access": _gateway(stack, Path(scratch) / "node", None)}
        stack.enter_context(empty(database))
        if database is not None:
            servers["postgresql"] = _gateway(stack, Path(scratch) / "other", database)
        path, body = servers["access"].path, servers["access"].body
        plain.create(Path(scratch) / "plain.db", {path.removeprefix("/fhir/"): body})
        port = stack.enter_context(_unprotected(Path(scratch) / "plain.db"))
        servers["plain"] = _Server(port, path, "", body)
        updated = _updates(servers["access"])
        return [*_rounds(servers, seconds / _ROUNDS), updated, *grown]


@dataclass(frozen=True, slots=True)
class _Server:
    """A server with one Observation: port and path, the token to read with, and the body that comes.

    `own_token` is the custodian's, to write with.
    """

    port: int
    path: str
    token: str
    body: bytes
    own_token: str = ""


def _gateway(stack: ExitStack, folder: Path, database: str | None) -> _Server:
    """Serve a gateway until `stack` ends, with a patient that permits Lake Clinic to read."""
    demo = asyncio.run(build(folder, free_port(), _PEOPLE, database=database))
    person = next(iter(participants(1)))
    observation = next(str(r["id"]) for r in person.records if r["resourceType"] == "Observation")
    path = f"/fhir/Observation/{observation}"
    stack.enter_context(serving(demo.folder.path, demo.settings.base_url))
    with httpx.Client(timeout=30) as client:
        token, body = _permit(demo, client, str(person.patient["id"]), path)
        own = demo.client(demo.settings.member).token(client)
    return _Server(demo.settings.port, path, token, body, own)


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


def _updates(server: _Server) -> Row:
    """Measure one update after the other of a record, by the custodian's own system."""
    taken = []
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
        headers = {"Authorization": f"Bearer {server.own_token}", "Content-Type": "application/fhir+json"}
        record = json.loads(server.body)
        for round_ in range(_UPDATES + _UPDATES // 10):
            body = json.dumps(record | {"note": [{"text": f"round {round_}"}]})
            started = time.perf_counter()
            client.put(server.path, content=body, headers=headers).raise_for_status()
            if round_ >= _UPDATES // 10:  # the first ones warm the server up
                taken.append(time.perf_counter() - started)
    return Row("access.update_p50_ms", percentile(taken, 0.5) * 1000, "ms", "<= 3")


def _rounds(servers: Mapping[str, _Server], seconds: float) -> list[Row]:
    rates: dict[tuple[str, int], list[float]] = {}
    taken: dict[tuple[str, int], list[float]] = {}
    for round_ in range(_ROUNDS + 1):
        for connections in CONNECTIONS:
            for name, server in servers.items():
                found = asyncio.run(
                    http.measure(
                        server.port,
                        server.path,
                        token=server.token,
                        connections=connections,
                        seconds=seconds if round_ else min(seconds, 0.5),
                    )
                )
                if round_:  # the first round warms the servers up
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
    if "postgresql" in servers:
        ratio = median(rates["postgresql", 64]) / median(rates["access", 64])
        rows.append(Row("postgresql.ratio_64", ratio, "of SQLite's"))
    for name in servers:
        for connections in CONNECTIONS:
            times = taken[name, connections]
            rows += [
                Row(f"{name}.per_s_{connections}", median(rates[name, connections]), "requests/s"),
                Row(f"{name}.p50_ms_{connections}", percentile(times, 0.5) * 1000, "ms"),
                Row(f"{name}.p99_ms_{connections}", percentile(times, 0.99) * 1000, "ms"),
            ]
    return rows


def _bytes(scratch: Path) -> list[Row]:
    """Measure the growth of ledger and log over reads of many patients' records, on a node in `scratch`.

    Some share their transactions, others come alone. The gateway is ended before each look at its files, so
    that they are complete: the newest notes of releases are written, the log's index has caught up, and no
    write-ahead log lies beside them.
    """
    demo = asyncio.run(build(scratch / "bytes", free_port(), _PEOPLE))
    with serving(demo.folder.path, demo.settings.base_url), httpx.Client(timeout=30) as client:
        paths = _each_permitted(demo, client)
    together = _growth(demo, [paths[n % len(paths)] for n in range(_READS)], _SHARING)
    alone = _growth(demo, [paths[n % len(paths)] for n in range(_ALONE)], 1)
    return [
        Row("access.bytes_each", together, "bytes", "<= 1300"),
        Row("access.bytes_alone", alone, "bytes"),
    ]


def _each_permitted(demo: Demo, client: httpx.Client) -> list[str]:
    """Have each patient permit Lake Clinic to read, and read once; return the records' paths."""
    city, lake = demo.client(demo.settings.member), demo.client(LAKE)
    paths = []
    for person in participants(_PEOPLE):
        patient = str(person.patient["id"])
        city.call(client, "POST", "Consent", permit_consent(patient, LAKE)).raise_for_status()
        kinds = (record for record in person.records if record["resourceType"] == "Observation")
        path = f"Observation/{next(kinds)['id']}"
        lake.call(client, "GET", path).raise_for_status()
        paths.append(f"/fhir/{path}")
    return paths


def _growth(demo: Demo, paths: list[str], connections: int) -> float:
    before = _size(demo)
    with serving(demo.folder.path, demo.settings.base_url):
        with httpx.Client(timeout=30) as client:
            token = demo.client(LAKE).token(client)
        asyncio.run(http.replay(demo.settings.port, paths, token=token, connections=connections))
        time.sleep(_INDEXED_SECONDS)
    return (_size(demo) - before) / len(paths)


def _size(demo: Demo) -> int:
    folder = demo.folder.path
    return sum(path.stat().st_size for name in ("ledger", "log") for path in folder.glob(f"{name}.db*"))
