"""`consentry rebuild`: the projection of the access log, made again from the ledger."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from exchange.cli.options import FOLDER
from exchange.errors import DamagedError
from exchange.ledger.embedded.identity import WriterLock
from exchange.node.checks import checked_ledger
from exchange.node.folder import NodeFolder
from exchange.node.identity.root_key_check import check_root_key
from exchange.node.keys import NodeKeys
from exchange.node.parts import open_vault
from exchange.runtime.progress import Stages
from exchange.store.engine import postgres
from exchange.store.engine.database import Database, read_format
from exchange.store.engine.format import FORMAT, OLDEST, check_format
from exchange.store.engine.place import Place
from exchange.store.log.renewal import renewing
from exchange.store.records.recorded_settings import records_root_key
from exchange.store.records.tables import metadata
from exchange.vault.errors import VaultError
from exchange.verify.rebuild import rebuild as build


def rebuild(folder: Annotated[Path, FOLDER]) -> None:
    """Build the access log anew from the ledger, which is verified first; the gateway must not be serving.

    Sealed details exist in the log alone: they are copied, and the previous log stays. Call it again if it
    was interrupted: it continues.
    """
    node = NodeFolder(folder)
    settings = node.load()
    records, place = node.places(settings)
    keys = NodeKeys(open_vault(node))
    _check_records(records, place, keys)
    with ExitStack() as stack, Stages() as stages:
        stack.callback(WriterLock(node.log).release)
        renewal = stack.enter_context(renewing(place))
        ledger = checked_ledger(stack, node, settings, stages.progress)
        if ledger.reader is None:
            raise DamagedError(f"{ledger.checked.finding}; the log can't be rebuilt from this ledger")
        done = build(renewal, ledger.reader, stages.progress, fingerprint=keys.fingerprint)
    print(f"{place} holds {done.entries} entries and {done.details} sealed details")
    if done.previous is not None:
        print(f"the log from before is {done.previous}; remove it once `consentry verify` finds nothing")
    if done.unread:
        print("some details in it could not be read: they are in that one still, or in a backup")


def _check_records(records: Place, log: Place, keys: NodeKeys) -> None:
    """Refuse a node with records of another format, as the new log has this release's, or another root key.

    Where there is no log, older records are no hindrance: their migration needs one.
    """
    found = read_format(records)
    there = log.exists() if isinstance(log, Path) else postgres.schema_exists(log)
    if there or not OLDEST <= found < FORMAT:
        check_format(found)
    if found == FORMAT:
        try:
            _check_root_key(records, keys)
        except VaultError:
            raise
        except DamagedError:  # the log does not depend on it
            return


def _check_root_key(records: Place, keys: NodeKeys) -> None:
    database = Database(records, metadata, durable=True)
    try:
        with database.engine.execution_options(read_only=True).connect() as connection:
            check_root_key(connection, records_root_key, keys, records)
    finally:
        database.close()
