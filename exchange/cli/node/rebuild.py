"""`consentry rebuild`: the access log's projection once more from the ledger."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from exchange.cli.node.checking import Shown, checked_ledger
from exchange.cli.options import FOLDER
from exchange.errors import DamagedError
from exchange.ledger.embedded.identity import WriterLock
from exchange.node.settings import Folder
from exchange.store.engine.database import read_format
from exchange.store.engine.format import check_format
from exchange.store.log.renewal import renewing
from exchange.verify.rebuild import rebuild as build


def rebuild(folder: Annotated[Path, FOLDER]) -> None:
    """Build the access log anew from the ledger, which is verified first; the gateway must not be serving.

    Sealed details stand in the log alone: they are copied, and the log from before is kept. Call it again
    if it was interrupted: it goes on where it was.
    """
    place = Folder(folder)
    settings = place.load()
    records, listed = place.places(settings)
    check_format(
        read_format(records)
    )  # a new log is of this release's format, and belongs to no older records
    with ExitStack() as stack, Shown() as stages:
        stack.callback(WriterLock(place.log).release)
        renewal = stack.enter_context(renewing(listed))
        ledger, _, reader = checked_ledger(stack, place, settings, stages.progress)
        if reader is None:
            raise DamagedError(f"{ledger.finding}; the log can't be rebuilt from this ledger")
        done = build(renewal, reader, stages.progress)
    print(f"{listed} holds {done.entries} entries and {done.details} sealed details")
    if done.kept is not None:
        print(f"the log from before is {done.kept}; remove it once `consentry verify` finds nothing")
    if done.unread:
        print("some details in it could not be read: they are in that one still, or in a backup")
