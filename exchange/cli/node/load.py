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
from exchange.node.admin.client import GatewaysLoad
from exchange.node.folder import NodeFolder
from exchange.node.open import Node, open_node
from exchange.runtime.progress import TrackedWork

_GO_ON = "call the same command again to go on"


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
    run that was interrupted goes on where it ended when it is called again. Beside a gateway that serves the
    node, the gateway loads them: its user must be able to read the files.
    """
    if not asyncio.run(_load(NodeFolder(folder), paths, same_ids=same_ids)):
        raise SystemExit(1)


async def _load(folder: NodeFolder, paths: list[Path], *, same_ids: bool) -> bool:
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path} does not exist; give a FHIR file or a folder of them")
    try:
        async with open_node(folder) as node, _bulk(node, same_ids=same_ids) as bulk:
            return await _run(bulk, paths)
    except InUseError:
        return await _run_beside(folder, paths, same_ids=same_ids)


def _bulk(node: Node, *, same_ids: bool) -> BulkLoad:
    return BulkLoad(
        msp_id=node.settings.msp_id,
        indexer=node.indexer,
        writing=node.gateway.writing,
        conditions=node.gateway.conditions,
        records=node.records,
        workers=os.cpu_count() or 2,
        same_ids=same_ids,
    )


async def _run(bulk: BulkLoad, paths: list[Path]) -> bool:
    plan = find(paths, await bulk.positions())
    shown = _Shown()
    shown.add(plan.faults)
    with TrackedWork("loading", total=plan.size, go_on=_GO_ON, counted="resources") as work:
        async with aclosing(bulk.load(cut(plan))) as loads:
            async for batches in loads:
                for batch in batches:
                    shown.count(batch.stored, batch.unchanged, batch.faults)
                    shown.tell(batch.notices)
                    work.advance(batch.size, count=batch.stored + batch.unchanged)
                if work.interrupted:
                    break
    return shown.end() and not work.interrupted


async def _run_beside(folder: NodeFolder, paths: list[Path], *, same_ids: bool) -> bool:
    """Have the gateway that serves the node load the files."""
    shown = _Shown()
    async with GatewaysLoad(folder, paths, same_ids=same_ids).begun() as (planned, outcomes):
        shown.add(planned.faults)
        with TrackedWork("loading", total=planned.size, go_on=_GO_ON, counted="resources") as work:
            async with aclosing(outcomes) as loads:
                async for batch in loads:
                    shown.count(batch.stored, batch.unchanged, batch.faults)
                    shown.tell(batch.notices)
                    work.advance(batch.size, count=batch.stored + batch.unchanged)
                    if work.interrupted:
                        break
    return shown.end() and not work.interrupted


class _Shown:
    """Prints each fault, counts the outcomes, and prints the sums at the end."""

    def __init__(self) -> None:
        self._stored = self._unchanged = self._faults = 0

    def add(self, faults: Iterable[LoadFault | str]) -> None:
        for fault in faults:
            self._faults += 1
            print(f"error: {fault}", file=sys.stderr)

    def count(self, stored: int, unchanged: int, faults: Iterable[LoadFault | str]) -> None:
        self._stored += stored
        self._unchanged += unchanged
        self.add(faults)

    def tell(self, notices: Iterable[LoadFault | str]) -> None:
        for notice in notices:
            print(f"notice: {notice}", file=sys.stderr)

    def end(self) -> bool:
        """Print the sums; whether there was no fault."""
        print(f"{self._stored} resources stored, {self._unchanged} unchanged, {self._faults} faults")
        return self._faults == 0
