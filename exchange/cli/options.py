"""Options of several commands: the node's folder, and the kind of its ledger."""

from __future__ import annotations

import getpass
import os
from enum import StrEnum

import typer

BY = typer.Option(help="The operator, for the log; this system's user without it.", show_default=False)
FOLDER = typer.Argument(metavar="FOLDER", help="The node's folder.", show_default=False)


def operator_name() -> str:
    """Return the name of the system's user who calls the command, for the log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return f"uid {os.getuid()}"


class Ledger(StrEnum):
    """The kinds of ledger that a node can be on."""

    EMBEDDED = "embedded"
    FABRIC = "fabric"
