"""Resources a second from FHIR files to durable, encrypted and searchable, and where the time goes.

With a PostgreSQL database the same files are loaded into a node on it as well, behind the one on SQLite.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

import msgspec

from exchange.bench.database import empty, records_bytes
from exchange.bench.report import Row
from exchange.demo.consortium import settings_for
from exchange.load import cut, find
from exchange.load.load import BulkLoad
from exchange.node.folder import NodeFolder
from exchange.node.initialise import initialise
from exchange.node.open import open_node
from exchange.node.settings import ConfigError

_BUNDLES = Path("data") / "synthea-r4"


def measure(path: Path | None, database: str | None = None) -> list[Row]:
    """Load everything under `path` (the Synthea bundles, if they are there) into a new node.

    The URL of an empty `database` on PostgreSQL gives another node, whose rows are named after it.
    """
    source = path or _synthea()
    rows = _loaded(source, "ingest", None)
    if database is None:
        return rows
    theirs = _loaded(source, "postgresql", database)
    return [*rows, Row("postgresql.ratio", theirs[0].value / rows[0].value, "of SQLite's"), *theirs]


def _loaded(source: Path, name: str, database: str | None) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="consentry-bench-") as scratch, empty(database):
        return asyncio.run(_measure(NodeFolder(Path(scratch) / "node"), source, name, database))


def _synthea() -> Path:
    shared = Path(os.environ.get("CONSENTRY_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    source = shared / _BUNDLES
    if not source.is_dir():
        raise ConfigError(f"there are no bundles at {source}; name a folder of FHIR files with --path")
    return source


async def _measure(folder: NodeFolder, source: Path, name: str, database: str | None) -> list[Row]:
    await initialise(folder, msgspec.structs.replace(settings_for(8400), database=database))
    async with open_node(folder) as node:
        stored = faults = 0
        async with BulkLoad(
            msp_id=node.settings.msp_id,
            indexer=node.indexer,
            writing=node.gateway.writing,
            conditions=node.gateway.conditions,
            records=node.records,
        ) as ingest:
            before = time.process_time()
            started = time.perf_counter()
            async for batches in ingest.load(cut(find([source]))):
                stored += sum(batch.stored for batch in batches)
                faults += sum(len(batch.faults) for batch in batches)
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
        Row(f"{name}.per_s", stored / elapsed, "resources/s", ">= 3000" if database is None else ""),
        Row(f"{name}.resources", stored, "resources"),
        Row(f"{name}.faults", faults, "faults", "<= 0"),
        Row(f"{name}.seconds", elapsed, "s"),
        *(
            Row(f"{name}.{phase}_us", spent / each * 1e6, "µs of processor time a resource")
            for phase, spent in phases.items()
        ),
        Row(f"{name}.main_us", main / each * 1e6, "µs of processor time a resource, in the main process"),
        Row(f"{name}.bytes", _size(folder, database) / each, "bytes on disk a resource"),
    ]


def _size(folder: NodeFolder, database: str | None) -> int:
    if database is None:
        return sum(file.stat().st_size for file in folder.path.glob("records.db*"))
    return records_bytes(database)
