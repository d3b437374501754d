"""What several commands take: the node's folder, and the kind of its ledger."""

from __future__ import annotations

import re
from enum import StrEnum

import typer

FOLDER = typer.Argument(metavar="FOLDER", help="The node's folder.", show_default=False)


class Ledger(StrEnum):
    """The kinds of ledger that a node can be on."""

    EMBEDDED = "embedded"
    FABRIC = "fabric"


def slug(name: str) -> str:
    """`name` as the logical id of an Organization resource; empty where no letter of it may stand in one."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64]
