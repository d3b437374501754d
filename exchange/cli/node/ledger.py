"""`consentry ledger`: the gateways of this organisation that opened pairs on the ledger, and their end."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chaincode.access.model import RecordedAction
from chaincode.consent.model import Pair
from exchange.cli.errors import CommandError
from exchange.cli.options import BY, FOLDER, operator_name
from exchange.ledger.errors import RefusedError
from exchange.node.admin.client import ledger_or_gateways
from exchange.node.checks import checked_ledger, other_nodes
from exchange.node.folder import NodeFolder
from exchange.node.identity.root_key_check import spelt
from exchange.node.parts import NodeParts, open_parts
from exchange.runtime.progress import Stages
from exchange.verify.other_nodes import UNNAMED, OpenedPairs, summaries

app = typer.Typer(
    help="Show which nodes of this organisation opened pairs on the ledger; retire those of a lost one.",
    no_args_is_help=True,
)
_UNNAMED = "unnamed"
_NODE = re.compile(r"[0-9a-f]{20}")


@app.command("nodes")
def nodes(folder: Annotated[Path, FOLDER]) -> None:
    """List the nodes of this organisation that opened pairs on the ledger, by their root keys' fingerprints.

    The ledger is verified first. Nodes of releases that named none are listed together, as `unnamed`.
    """
    with _opened(NodeFolder(folder)) as (parts, found):
        print(f"{spelt(parts.keys.fingerprint)}  this node")
        for one in summaries(found):
            print(f"{spelt_node(one.node)}  {told(one)}")


@app.command("retire")
def retire(
    folder: Annotated[Path, FOLDER],
    node: Annotated[
        str,
        typer.Argument(metavar="NODE", help="The lost node, as `ledger nodes` lists it.", show_default=False),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    by: Annotated[str, BY] = "",
) -> None:
    """Retire the pairs that a lost node of this organisation opened, once the ledger is verified.

    The ledger permits nothing under them any more. No record and no other member's pair is changed.

    Example: consentry ledger retire ./node 1f2e-3d4c-5b6a-7988-a7b6
    """
    place = NodeFolder(folder)
    name = UNNAMED if node == _UNNAMED else node.replace("-", "").lower()
    if name and _NODE.fullmatch(name) is None:
        raise CommandError(f"{node!r} is no fingerprint; `consentry ledger nodes {folder}` lists them")
    with _opened(place) as (parts, found):
        if name == parts.keys.name:
            raise CommandError("that is this node: its pairs are in use")
        pairs = found.get(name, {})
        left = [one for one, pair in pairs.items() if not pair.retired]
        if not left:
            why = "are retired already" if pairs else "are not on the ledger"
            raise CommandError(f"pairs that {node} opened {why}; `consentry ledger nodes {folder}` lists all")
        [summary] = summaries({name: pairs})
        print(f"{spelt_node(name)} of {parts.settings.msp_id}: {told(summary)}")
        print(_EFFECT)
        _ask(yes)
        asyncio.run(_retire(parts, name, left, by or operator_name()))
    print(f"retired {len(left)} pairs")


_EFFECT = (
    "Their retirement is an entry in the access log. Nothing is permitted under them any more, until a node "
    "that has their patients' keys opens them again, with all that the patients attested. So a node that is "
    "not lost, or is found again, goes on by itself. This node opens pairs of its own for its patients."
)


def spelt_node(node: str) -> str:
    """Return the name of a node as it is printed."""
    return spelt(bytes.fromhex(node)) if node else _UNNAMED


def told(one: OpenedPairs) -> str:
    """Return a line about the pairs that a node opened."""
    first, last = (
        datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d") for at in (one.first, one.last)
    )
    return f"opened {one.pairs} pairs, {first} to {last}; {one.retired} of them are retired"


@contextmanager
def _opened(folder: NodeFolder) -> Iterator[tuple[NodeParts, Mapping[str, Mapping[str, Pair]]]]:
    """Yield the node's parts, and the pairs of other nodes on its verified ledger.

    Raises:
        CommandError: the ledger does not verify.
    """
    with ExitStack() as stack:
        parts = stack.enter_context(open_parts(folder))
        with Stages() as stages:
            ledger = checked_ledger(stack, folder, parts.settings, stages.progress)
        if ledger.reader is None:
            raise CommandError(
                f"the ledger does not verify: {ledger.checked.finding}; call `consentry verify`"
            )
        yield parts, other_nodes(parts).by_node(ledger.reader.pairs(), doubtful=True)


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nothing is retired without an answer; call it at a terminal, or with --yes")
    if not typer.confirm("Retire them?"):
        raise CommandError("nothing is retired")


async def _retire(parts: NodeParts, node: str, pairs: list[str], by: str) -> None:
    said = f"pairs retired: {len(pairs)} of node {spelt_node(node)}"
    events = parts.identity_events
    await parts.records.write(lambda c: events.put_of_operator(c, RecordedAction.PAIRS_RETIRED, by, said))
    async with ledger_or_gateways(parts.folder, parts.settings) as ledger:
        try:
            await ledger.retire_pairs(pairs, node)
        except RefusedError as refused:
            raise CommandError(
                f"the ledger refuses: {refused.reason}; call `consentry ledger nodes` again"
            ) from None
