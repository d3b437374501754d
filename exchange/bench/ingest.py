"""Resources a second from FHIR files to durable, encrypted and searchable, and where the time goes."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from exchange.bench.report import Row
from exchange.config import ConfigError, Folder
from exchange.demo.consortium import settings_for
from exchange.reading import cut, find
from exchange.services.ingest import Ingest
from exchange.wiring import initialise, open_node

_BUNDLES = Path("data") / "synthea-r4"


def measure(path: Path | None) -> list[Row]:
    """Load everything under `path` (the Synthea bundles, if they are there) into a new node."""
    source = path or _synthea()
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch:
        return asyncio.run(_measure(Folder(Path(scratch) / "node"), source))


def _synthea() -> Path:
    shared = Path(os.environ.get("CONSENTRY_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    source = shared / _BUNDLES
    if not source.is_dir():
        raise ConfigError(f"there are no bundles at {source}; name a folder of FHIR files with --path")
    return source


async def _measure(folder: Folder, source: Path) -> list[Row]:
    await initialise(folder, settings_for(8400))
    async with open_node(folder) as node:
        stored = faults = 0
        async with Ingest(
            msp_id=node.settings.msp_id,
            indexer=node.indexer,
            writing=node.gateway.writing,
            bundles=node.gateway.bundles,
        ) as ingest:
            before = time.process_time()
            started = time.perf_counter()
            async for units in ingest.load(cut(find([source]))):
                stored += sum(unit.stored for unit in units)
                faults += sum(len(unit.faults) for unit in units)
            elapsed = time.perf_counter() - started
            main = time.process_time() - before
        writing = node.gateway.writing
        phases = {
            "read": ingest.seconds.read,
            "check": ingest.seconds.check,
            "index": ingest.seconds.index,
            "encrypt": writing.seconds_sealing,
            "write": writing.seconds_storing,
        }
    each = max(1, stored)
    return [
        Row("ingest.per_s", stored / elapsed, "resources/s", ">= 3000"),
        Row("ingest.resources", stored, "resources"),
        Row("ingest.faults", faults, "faults", "<= 0"),
        Row("ingest.seconds", elapsed, "s"),
        *(
            Row(f"ingest.{phase}_us", spent / each * 1e6, "µs of processor time a resource")
            for phase, spent in phases.items()
        ),
        Row("ingest.main_us", main / each * 1e6, "µs of processor time a resource, in the main process"),
        Row("ingest.bytes", _size(folder) / each, "bytes on disk a resource"),
    ]


def _size(folder: Folder) -> int:
    return sum(file.stat().st_size for file in folder.path.glob("records.db*"))
