"""`consentry load`: FHIR files into a node, in bulk, and on where an earlier run ended."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER
from exchange.ledger.errors import InUseError
from exchange.load import LoadFault, cut, find
from exchange.load.load import BulkLoad
from exchange.node.folder import NodeFolder
from exchange.node.open import open_node
from exchange.runtime.progress import TrackedWork


def load(
    folder: Annotated[Path, FOLDER],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="FHIR files or folders: JSON, NDJSON, compressed or not."),
    ],
    same_ids: Annotated[
        bool, typer.Option(help="Records of another server with an id of this node are the same records.")
    ] = False,
) -> None:
    """Load FHIR R4 files: resources, Bundles, NDJSON; .gz, .bz2 and .xz too.

    Resources that are not valid R4 are named with file and line, and the rest is loaded (exit code 1). A
    run that was interrupted goes on where it ended when it is called again.
    """
    if not asyncio.run(_load(NodeFolder(folder), paths, same_ids=same_ids)):
        raise SystemExit(1)


async def _load(folder: NodeFolder, paths: list[Path], *, same_ids: bool) -> bool:
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path} does not exist; give a FHIR file or a folder of them")
    try:
        async with (
            open_node(folder) as node,
            BulkLoad(
                msp_id=node.settings.msp_id,
                indexer=node.indexer,
                writing=node.gateway.writing,
                conditions=node.gateway.conditions,
                records=node.records,
                workers=os.cpu_count() or 2,
                same_ids=same_ids,
            ) as bulk,
        ):
            return await _run(bulk, paths)
    except InUseError:
        raise CommandError(
            f"{folder.path} is being served; end the gateway and load again, or POST Bundles to it"
        ) from None


async def _run(bulk: BulkLoad, paths: list[Path]) -> bool:
    stored = unchanged = 0
    plan = find(paths, await bulk.positions())
    shown = _Shown()
    shown.add(plan.faults)
    go_on = "call the same command again to go on"
    with TrackedWork("loading", total=plan.size, go_on=go_on, counted="resources") as work:
        async with aclosing(bulk.load(cut(plan))) as loads:
            async for batches in loads:
                for batch in batches:
                    stored += batch.stored
                    unchanged += batch.unchanged
                    shown.add(batch.faults)
                    work.advance(batch.size, count=batch.stored + batch.unchanged)
                if work.interrupted:
                    break
    print(f"{stored} resources stored, {unchanged} unchanged, {shown.count} faults")
    return shown.count == 0 and not work.interrupted


class _Shown:
    """Counts faults and prints each."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, faults: Iterable[LoadFault]) -> None:
        for fault in faults:
            self.count += 1
            print(f"error: {fault}", file=sys.stderr)
