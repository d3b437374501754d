"""`consentry verify`: recompute everything, name the first thing that is wrong."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from sqlalchemy import MetaData

from exchange.cli.errors import fail
from exchange.cli.node import FOLDER
from exchange.config import Folder
from exchange.core.errors import DamagedError
from exchange.crypto.keys import KeyRing
from exchange.crypto.references import References
from exchange.ledger.embedded.identity import load_node_key
from exchange.ledger.embedded.reader import open_reader
from exchange.services.custody import Custody
from exchange.services.verification import check_documents, check_ledger, check_log
from exchange.store import log
from exchange.store.database import Database
from exchange.store.records import metadata
from exchange.vault.file import FileVault
from exchange.wiring import member_references


def verify(
    folder: Annotated[Path, FOLDER],
    replay: Annotated[
        bool, typer.Option("--replay", help="Run every transaction again through the contracts as well.")
    ] = False,
) -> None:
    """Check the ledger, the access log, consents and every document; a running gateway does not mind.

    Exit code 0: nothing is wrong. 3: the first finding of each part is named.
    """
    place = Folder(folder)
    settings = place.load()
    place.check_files()
    public = load_node_key(place.node_key).public_key()
    vault = FileVault(place.root_key)
    with ExitStack() as stack, _Shown() as stages:
        ledger, report = check_ledger(place.ledger, public, stages.progress, replay=replay)
        checked = [ledger]
        records = _database(stack, place.records, metadata, durable=True)
        entries = _database(stack, place.log, log.metadata, durable=False)
        if ledger.finding is None:  # what does not verify is no witness against the rest
            reader = stack.enter_context(open_reader(place.ledger))
            custody = Custody(
                msp_id=settings.msp_id,
                records=records,
                entries=entries,
                ledger=reader,
                ring=KeyRing(vault),
                references=References(vault.derive("references")),
                members=member_references(settings),
            )
            checked.append(check_log(reader, entries, stages.progress))
            checked.append(custody.check_details(stages.progress))
            checked.append(custody.check_consents(stages.progress))
        checked.append(check_documents(records, KeyRing(vault), stages.progress))
    for part in checked:
        if part.finding is not None:
            print(f"FOUND {part.finding}")
    if any(part.finding is not None for part in checked):
        fail("the node does not verify; do not serve it: restore a backup and keep this copy", code=3)
    counts = ", ".join(f"{part.count} {_NOUN[part.part]}" for part in checked)
    replayed = f", {report.replayed} transactions replayed" if replay else ""
    tip = f"; newest block {report.tip.block} is {report.tip.hash[:16]}" if report.tip else ""
    print(f"nothing is wrong: {report.blocks} blocks, {counts}{replayed}{tip}")


def _database(stack: ExitStack, path: Path, tables: MetaData, *, durable: bool) -> Database:
    try:
        database = Database(path, tables, durable=durable)
    except UnicodeDecodeError:  # SQLite quotes a damaged schema in its message
        raise DamagedError(f"{path} can't be opened as a database (its schema is damaged)") from None
    stack.callback(database.close)
    return database


class _Shown:
    """Progress of the parts on a terminal; nothing where there is none."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def progress(self, part: str, done: int, of: int) -> None:
        """Show how far `part` is."""
        if part not in self._tasks:
            self._tasks[part] = self._bars.add_task(part, total=of)
        self._bars.update(self._tasks[part], completed=done, total=of)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


_NOUN = {
    "ledger": "ledger values",
    "log": "log entries",
    "details": "sealed details",
    "consents": "subjects' keys and consents",
    "documents": "document versions",
}
