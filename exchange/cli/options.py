"""Options of several commands: the node's folder, and the kind of its ledger."""

from __future__ import annotations

from enum import StrEnum

import typer

FOLDER = typer.Argument(metavar="FOLDER", help="The node's folder.", show_default=False)


class Ledger(StrEnum):
    """The kinds of ledger that a node can be on."""

    EMBEDDED = "embedded"
    FABRIC = "fabric"
