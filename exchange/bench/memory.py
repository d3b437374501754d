"""Memory of a serving node after loading many resources."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import httpx

from exchange.bench.report import Row
from exchange.demo.consortium import CITY, build
from exchange.demo.nhanes import participants
from exchange.demo.process import free_port, serving

_MIB = 1024 * 1024
_READS = 500


def measure(resources: int) -> list[Row]:
    """Load at least `resources`, serve them, read a few hundred, and measure the process."""
    people = count = 0
    for participant in participants():
        people += 1
        count += 1 + len(participant.records)
        if count >= resources:
            break
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch:
        demo = asyncio.run(build(Path(scratch) / "node", free_port(), people))
        with (
            serving(demo.folder.path, demo.settings.base_url) as process,
            httpx.Client(timeout=60) as http,
        ):
            before = _resident(process.pid)
            city = demo.client(CITY)
            for at, participant in enumerate(participants(people)):
                if at >= _READS:
                    break
                found = city.call(http, "GET", f"Observation?patient={participant.patient['id']}&_count=50")
                found.raise_for_status()
            return [
                Row("memory.serving_mib", _resident(process.pid) / _MIB, "MiB resident", "<= 400"),
                Row("memory.started_mib", before / _MIB, "MiB resident"),
                Row("memory.resources", count, "resources"),
            ]


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the process's memory can't be read")
