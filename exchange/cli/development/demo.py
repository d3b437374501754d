"""`consentry demo`: a node with real people's data in one command, or its whole story without a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.errors import needs_extra
from exchange.cli.node.serve import run_gateway
from exchange.cli.options import Ledger


def demo(
    folder: Annotated[Path | None, typer.Option(help="The node's folder; demo-node, or demo-fabric.")] = None,
    ledger: Annotated[
        Ledger, typer.Option(help="A ledger in a file, or a Fabric network brought up beside the node.")
    ] = Ledger.EMBEDDED,
    people: Annotated[int, typer.Option(help="Survey participants to load.", min=1)] = 1200,
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8400,
    tell: Annotated[
        bool,
        typer.Option("--tour", help="Run the tour over HTTP and end; fails at the first surprise."),
    ] = False,
) -> None:
    """Run a node of a three-member consortium with real, public-domain health data (CDC NHANES).

    A second call serves the node that the first one made; remove the folder to start afresh. On Fabric the
    network lies in FOLDER-network and ends with the demo; `consentry network reset` removes it.
    """
    fabric = ledger is Ledger.FABRIC
    with needs_extra("demo"):
        from exchange.demo import showcase  # noqa: PLC0415 - the demo's packages are not installed everywhere

        if tell:
            showcase.tell(people, fabric=fabric)
            return
        folder = folder or Path("demo-fabric" if fabric else "demo-node")
        with showcase.prepared(folder, fabric=fabric, people=people, port=port, say=print) as made:
            if made.settings.port != port:
                print(f"this node listens on port {made.settings.port}")
            print(showcase.explanation(made), flush=True)
            run_gateway(folder, demo=showcase.account())
