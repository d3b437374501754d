"""Brings a node to this release's format.

The databases decide (`exchange.store.engine.format`). Their change is one transaction; the steps after it,
the number in the settings and the new name of a file that is no longer read, are done by the next call where
this one was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy import Connection

from exchange.ledger.embedded.identity import WriterLock
from exchange.node.folder import NodeFolder
from exchange.node.identity.recorded_identity import SettingsRecord, identity_of
from exchange.node.identity.root_key_check import prove_root_key, record_root_key
from exchange.node.keys import NodeKeys
from exchange.node.parts import identity_events_of, open_vault
from exchange.node.settings import NodeSettings
from exchange.node.settings_file import set_format
from exchange.store.engine.format import FORMAT
from exchange.store.engine.place import flush_folder
from exchange.store.log import log_tables
from exchange.store.migrations.revision import NodeDatabase, Revision
from exchange.store.migrations.upgrade import Migrated
from exchange.store.migrations.upgrade import migrate as migrate_databases
from exchange.store.records.recorded_settings import records_root_key

_KEPT_JOURNAL = "load.journal.before-5"
_RECORDED_FROM = 7
"""The format from which on the settings that say who is who are recorded."""
_CHECKED_FROM = 8
"""The format from which on each database has the check value of the root key."""
_ROOT_KEYS = {NodeDatabase.RECORDS: records_root_key, NodeDatabase.LOG: log_tables.log_root_key}


def migrate(folder: NodeFolder, told: Callable[[Revision], None], *, by: str) -> Migrated:
    """Bring the node in `folder`, which no process has open, to this release's format; idempotent.

    `by` is the operator, by whose name the settings that it records are an entry of the access log.

    Raises:
        ConfigError: the folder is no node, or a database of it is missing.
        FormatError: the node is newer than this release, or too old.
        DamagedError: a database is no database of a node.
        InUseError: another process has the node open.
        UnavailableError: the database can't be reached, or another process has it open.
        VaultError: the root key is missing, or another node's.
    """
    settings = folder.load()
    folder.check_files(settings)
    with ExitStack() as stack:
        if settings.ledger == "embedded":
            stack.callback(WriterLock(folder.ledger).release)
        stack.callback(WriterLock(folder.log).release)
        records, log = folder.places(settings)
        done = migrate_databases(records, log, folder.path, told, _finish(folder, settings, by))
        if settings.format != FORMAT:
            set_format(folder.settings_file, FORMAT)
            flush_folder(folder.path)
        _put_journal_away(folder)
    return done


def _finish(
    folder: NodeFolder, settings: NodeSettings, by: str
) -> Callable[[Connection, NodeDatabase, int], None]:
    keys, identity = NodeKeys(open_vault(folder)), identity_of(settings)
    recorded = SettingsRecord(keys.operator_seal, identity_events_of(identity, keys), by)

    def finish(connection: Connection, database: NodeDatabase, before: int) -> None:
        if database is NodeDatabase.RECORDS:
            prove_root_key(connection, keys)
            if before < _RECORDED_FROM:
                recorded.begin(connection, identity)
        if before < _CHECKED_FROM:
            record_root_key(connection, _ROOT_KEYS[database], keys)

    return finish


def _put_journal_away(folder: NodeFolder) -> None:
    if folder.journal.exists():
        folder.journal.rename(folder.path / _KEPT_JOURNAL)
        flush_folder(folder.path)
