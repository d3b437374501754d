"""Resources a second from FHIR files to durable, encrypted and searchable, and where the time goes."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from exchange.bench.report import Row
from exchange.cli.errors import CommandError
from exchange.config import Folder
from exchange.demo.consortium import settings_for
from exchange.reading import find
from exchange.services.ingest import Ingest, load_all
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
        raise CommandError(f"there are no bundles at {source}; name a folder of FHIR files with --path")
    return source


async def _measure(folder: Folder, source: Path) -> list[Row]:
    await initialise(folder, settings_for(8400))
    async with open_node(folder) as node:
        ingest = Ingest(
            msp_id=node.settings.msp_id,
            indexer=node.indexer,
            writing=node.gateway.writing,
            bundles=node.gateway.bundles,
        )
        stored = faults = 0
        try:
            await ingest.warm_up()
            started = time.perf_counter()
            async for _, loaded in load_all(ingest, find([source])):
                stored += loaded.stored
                faults += len(loaded.faults)
            elapsed = time.perf_counter() - started
        finally:
            await asyncio.to_thread(ingest.close)
    spent = ingest.seconds
    return [
        Row("ingest.per_s", stored / elapsed, "resources/s", ">= 3000"),
        Row("ingest.resources", stored, "resources"),
        Row("ingest.faults", faults, "faults", "<= 0"),
        Row("ingest.seconds", elapsed, "s"),
        Row("ingest.check_us", spent.check / max(1, stored) * 1e6, "µs a resource (workers: decode)"),
        Row("ingest.index_us", spent.index / max(1, stored) * 1e6, "µs a resource (workers: index)"),
        Row("ingest.seal_us", spent.seal / max(1, stored) * 1e6, "µs a resource (encrypt)"),
        Row("ingest.write_us", spent.write / max(1, stored) * 1e6, "µs a resource (write, flush)"),
        Row("ingest.bytes", _size(folder) / max(1, stored), "bytes on disk a resource"),
    ]


def _size(folder: Folder) -> int:
    return sum(file.stat().st_size for file in folder.path.glob("records.db*"))
