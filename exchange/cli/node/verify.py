"""`consentry verify`: everything recomputed, and the first finding of each part."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from exchange.cli.errors import CommandError, fail
from exchange.cli.node.ledger import spelt_node, told
from exchange.cli.options import FOLDER
from exchange.ledger.embedded.verify import PinnedBlock
from exchange.node.checks import CheckedNode, check_node
from exchange.node.folder import NodeFolder
from exchange.runtime.progress import Stages

_PINNED = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")
_NOUN = {
    "ledger": "ledger values",
    "settings": "members with entries",
    "log": "log entries",
    "writes": "versions against the entries of writes",
    "details": "sealed details",
    "log index": "indexed entries",
    "releases": "notes of releases",
    "consents": "subjects' keys and consents",
    "documents": "document versions",
    "clients": "registered clients",
}


def verify(
    folder: Annotated[Path, FOLDER],
    replay: Annotated[
        bool, typer.Option("--replay", help="Run every transaction again; on Fabric that is always done.")
    ] = False,
    noted: Annotated[
        list[str] | None,
        typer.Option(
            help="A pinned block of an earlier run, as NUMBER:HASH; once for each.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Check the ledger, the log, what was written, consents, documents and clients, also beside a gateway.

    Exit code 0: nothing is wrong. 3: the first finding of each part is named.
    """
    pinned = tuple(pinned_block(text) for text in noted or ())
    with Stages() as stages:
        node = check_node(NodeFolder(folder), stages.progress, replay=replay, pinned=pinned)
    findings = [part.finding for part in node.parts if part.finding is not None]
    if as_json:
        print(msgspec.json.encode(_report(node)).decode())
        if findings:
            raise typer.Exit(3)
        return
    for finding in findings:
        print(f"FOUND {finding}")
    if findings:
        fail("the node does not verify; do not serve it: restore a backup and keep this copy", code=3)
    print(f"nothing is wrong: {_summary(node)}")
    for block in node.report.ran_back:
        print(
            f"note: block {block} is older than the one before it: this machine's clock was ahead before, "
            "or behind then"
        )
    if node.gaps is not None and node.gaps.nameless:
        print(f"note: {node.gaps.nameless} entries of this hospital have no name: their details are lost")
    if node.gaps is not None and node.gaps.not_noted:
        print(
            f"note: of {node.gaps.not_noted} permitted entries it is not known whether anything was released"
        )
    for one in node.other_nodes:
        print(f"note: another node of this organisation, {spelt_node(one.node)}, {told(one)}")
    if any(one.retired < one.pairs for one in node.other_nodes):
        print("if it is lost, retire its pairs: `consentry ledger retire`")


def _report(node: CheckedNode) -> dict[str, Any]:
    """Return all that the check came to, for programs."""
    return {
        "parts": [
            {
                "part": part.part,
                "count": part.count,
                "finding": None if part.finding is None else str(part.finding),
            }
            for part in node.parts
        ],
        "blocks": node.report.blocks,
        "replayed": node.report.replayed,
        "unreplayable": node.report.unreplayable,
        "ran_back": list(node.report.ran_back),
        "nameless": None if node.gaps is None else node.gaps.nameless,
        "other_nodes": node.other_nodes,
        "not_noted": None if node.gaps is None else node.gaps.not_noted,
    }


def pinned_block(text: str) -> PinnedBlock:
    """Return the block that NUMBER:HASH names.

    Raises:
        CommandError: it names none.
    """
    found = _PINNED.fullmatch(text)
    if found is None:
        raise CommandError(f"--noted {text!r} is no NUMBER:HASH; `consentry verify` prints one that is")
    return PinnedBlock(int(found[1]), found[2])


def _summary(node: CheckedNode) -> str:
    report = node.report
    counts = ", ".join(f"{part.count} {_NOUN[part.part]}" for part in node.parts)
    replayed = f", {report.replayed} transactions replayed" if report.replayed else ""
    if report.unreplayable:
        replayed += f", {report.unreplayable} not replayed"
    first = f"; first block is {report.first.block}:{report.first.hash}" if report.first else ""
    tip = f"; newest block is {report.tip.block}:{report.tip.hash}" if report.tip else ""
    return f"{report.blocks} blocks, {counts}{replayed}{first}{tip}"
