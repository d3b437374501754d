"""`consentry load`: FHIR files into a node, in bulk, and on where an earlier run ended."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER
from exchange.ledger.errors import InUseError
from exchange.load import Journal, cut, find
from exchange.load.load import Ingest
from exchange.node.folder import NodeFolder
from exchange.node.open import open_node
from exchange.runtime.progress import Work

_SHOWN = 20


def load(
    folder: Annotated[Path, FOLDER],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="FHIR files or folders: JSON, NDJSON, packed or not."),
    ],
) -> None:
    """Load FHIR R4 files: resources, Bundles, NDJSON; .gz, .bz2 and .xz too.

    What is not valid R4 is named with its file and line, and the rest is loaded (exit code 1). A run that
    was interrupted goes on where it ended when it is called again.
    """
    if not asyncio.run(_load(NodeFolder(folder), paths)):
        raise SystemExit(1)


async def _load(folder: NodeFolder, paths: list[Path]) -> bool:
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path} does not exist; give a FHIR file or a folder of them")
    try:
        async with (
            open_node(folder) as node,
            Ingest(
                msp_id=node.settings.msp_id,
                indexer=node.indexer,
                writing=node.gateway.writing,
                conditions=node.gateway.conditions,
                workers=os.cpu_count() or 2,
            ) as ingest,
        ):
            return await _run(ingest, folder, paths)
    except InUseError:
        raise CommandError(
            f"{folder.path} is being served; end the gateway and load again, or POST Bundles to it"
        ) from None


async def _run(ingest: Ingest, folder: NodeFolder, paths: list[Path]) -> bool:
    stored = unchanged = faults = 0
    with Journal(folder.path / "load.journal") as journal:
        plan = find(paths, journal)
        for fault in plan.faults:
            faults += 1
            print(f"error: {fault}", file=sys.stderr)
        go_on = "call the same command again to go on"
        with Work("loading", total=plan.size, go_on=go_on, counted="resources") as work:
            async with aclosing(ingest.load(cut(plan))) as loads:
                async for units in loads:
                    journal.done(*units)
                    for unit in units:
                        stored += unit.stored
                        unchanged += unit.unchanged
                        for fault in unit.faults:
                            faults += 1
                            if faults <= _SHOWN:
                                print(f"error: {fault}", file=sys.stderr)
                        work.advance(unit.size, count=unit.stored + unit.unchanged)
                    if work.interrupted:
                        break
        if faults > _SHOWN:
            print(f"error: {faults - _SHOWN} more faults are not shown", file=sys.stderr)
    print(f"{stored} resources stored, {unchanged} unchanged, {faults} faults")
    return faults == 0 and not work.interrupted
