"""Options of several commands: the node's folder, the kind of its ledger, and the file for a token."""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial
from pathlib import Path

import typer

from exchange.cli.errors import CommandError

BY = typer.Option(help="The operator, for the log; this system's user without it.", show_default=False)
FOLDER = typer.Argument(metavar="FOLDER", help="The node's folder.", show_default=False)
OUT = typer.Option(
    help="A new file for the token, which its owner alone can read; without it the token is printed.",
    show_default=False,
)


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


@contextmanager
def handed_out(out: Path | None) -> Iterator[Callable[[str], None]]:
    """Print the token that is given inside, or write it to the new file `out`.

    The file is made first, so that no token is issued for a place that can't be written. A file that a
    shell made for the output (`> FILE`) is closed to others; a pipe has no other readers.

    Raises:
        CommandError: it can't be made.
    """
    if out is None:
        _close_redirection()
        yield print
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(
            f"{out} is there already, and no file is written over; give another name"
        ) from None
    except OSError as why:
        raise CommandError(f"{out} can't be made: {why.strerror}; give another place") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            yield partial(print, file=file)
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _close_redirection() -> None:
    with suppress(OSError):  # no descriptor, or another user's file
        descriptor = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
