"""`consentry verify`: recompute everything, name the first thing that is wrong."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.errors import fail
from exchange.cli.node.checking import Shown, checked_ledger, database, noted_block
from exchange.cli.options import FOLDER
from exchange.crypto.keys import KeyRing
from exchange.crypto.operator_seal import OperatorSeal
from exchange.crypto.references import References
from exchange.node.formats import check_formats
from exchange.node.settings import Folder
from exchange.services.membership import Members
from exchange.store.log import log_tables
from exchange.store.records.tables import metadata
from exchange.vault.file import FileVault
from exchange.verify.consents import Custody
from exchange.verify.node import check_clients, check_documents, check_log


def verify(
    folder: Annotated[Path, FOLDER],
    replay: Annotated[
        bool, typer.Option("--replay", help="Run every transaction again; on Fabric that is always done.")
    ] = False,
    noted: Annotated[
        list[str] | None,
        typer.Option(help="A block seen before, as NUMBER:HASH; once for each.", show_default=False),
    ] = None,
) -> None:
    """Check the ledger, the access log, consents, documents and clients; a gateway that serves does not mind.

    Exit code 0: nothing is wrong. 3: the first finding of each part is named.
    """
    place, seen = Folder(folder), tuple(noted_block(text) for text in noted or ())
    settings = place.load()
    place.check_files(settings)
    check_formats(place, settings)
    vault = FileVault(place.root_key)
    with ExitStack() as stack, Shown() as stages:
        ledger, report, reader = checked_ledger(
            stack, place, settings, stages.progress, replay=replay, noted=seen
        )
        checked = [ledger]
        kept, listed = place.places(settings)
        records = database(stack, kept, metadata, durable=True)
        entries = database(stack, listed, log_tables.metadata, durable=False)
        if reader is not None:
            custody = Custody(
                msp_id=settings.msp_id,
                records=records,
                entries=entries,
                ledger=reader,
                ring=KeyRing(vault),
                references=References(vault.derive("references")),
                members=Members(settings.members).references,
            )
            checked.append(check_log(reader, entries, stages.progress))
            checked.append(custody.check_details(stages.progress))
            checked.append(custody.check_consents(stages.progress))
        checked.append(check_documents(records, KeyRing(vault), stages.progress))
        checked.append(check_clients(records, OperatorSeal(vault.derive("operator")), stages.progress))
    for part in checked:
        if part.finding is not None:
            print(f"FOUND {part.finding}")
    if any(part.finding is not None for part in checked):
        fail("the node does not verify; do not serve it: restore a backup and keep this copy", code=3)
    counts = ", ".join(f"{part.count} {_NOUN[part.part]}" for part in checked)
    replayed = f", {report.replayed} transactions replayed" if report.replayed else ""
    first = f"; first block is {report.first.block}:{report.first.hash}" if report.first else ""
    tip = f"; newest block is {report.tip.block}:{report.tip.hash}" if report.tip else ""
    print(f"nothing is wrong: {report.blocks} blocks, {counts}{replayed}{first}{tip}")


_NOUN = {
    "ledger": "ledger values",
    "log": "log entries",
    "details": "sealed details",
    "consents": "subjects' keys and consents",
    "documents": "document versions",
    "clients": "registered clients",
}
