"""`consentry rebuild`: the access log's projection once more from the ledger."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from exchange.cli.checking import Shown, checked_ledger
from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER
from exchange.config import Folder
from exchange.core.errors import DamagedError
from exchange.ledger.embedded.identity import WriterLock
from exchange.services.rebuilding import rebuild as build


def rebuild(folder: Annotated[Path, FOLDER]) -> None:
    """Build log.db anew from the ledger, which is verified first; the gateway must not be serving.

    Sealed details stand in log.db alone: they are copied, and the file from before is kept. Call it again
    if it was interrupted: it goes on where it was.
    """
    place = Folder(folder)
    settings = place.load()
    if settings.database is not None:
        raise CommandError(
            "the log of a node on PostgreSQL comes from the database's backup; its gateway adds what is newer"
        )
    with ExitStack() as stack, Shown() as stages:
        lock = WriterLock(place.log)
        stack.callback(lock.release)
        ledger, _, reader = checked_ledger(stack, place, settings, stages.progress)
        if reader is None:
            raise DamagedError(f"{ledger.finding}; the log can't be rebuilt from this ledger")
        done = build(place.log, reader, stages.progress)
    print(f"{place.log} holds {done.entries} entries and {done.details} sealed details")
    if done.kept is not None:
        print(f"the file from before is {done.kept}; remove it once `consentry verify` finds nothing")
    if done.unread:
        print("some details in it could not be read: they are in that file still, or in a backup")
