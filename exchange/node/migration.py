"""Brings a node to this release's format.

The databases decide (`exchange.store.engine.format`). Their change is one transaction; the steps after it,
the number in the settings and the new name of a file that is no longer read, are done by the next call where
this one was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy import Connection, text

from exchange.ledger.embedded.identity import WriterLock
from exchange.node.folder import NodeFolder
from exchange.node.identity.recorded_identity import SettingsRecord, identity_of
from exchange.node.identity.root_key_check import (
    OPENS_NOTHING,
    check_epochs,
    prove_root_key,
    record_root_key,
)
from exchange.node.keys import NodeKeys
from exchange.node.parts import ensure_epoch_key, identity_events_of, open_vault
from exchange.node.settings import NodeSettings
from exchange.node.settings_file import set_format
from exchange.store.engine.format import FORMAT, KEYS_FROM
from exchange.store.engine.place import flush_folder
from exchange.store.keys import wrapped_keys
from exchange.store.log import log_tables
from exchange.store.migrations.revision import NodeDatabase, Revision
from exchange.store.migrations.upgrade import Migrated
from exchange.store.migrations.upgrade import migrate as migrate_databases
from exchange.store.records.recorded_settings import records_root_key
from exchange.vault.errors import VaultError

_KEPT_JOURNAL = "load.journal.before-5"
_RECORDED_FROM = 7
"""The format from which on the settings that say who is who are recorded."""
_CHECKED_FROM = 8
"""The format from which on each database has the check value of the root key."""
_SUBJECTS_BEFORE = text("SELECT subject, wrapped, created FROM subjects")
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
        places = {
            NodeDatabase.RECORDS: records,
            NodeDatabase.LOG: log,
            NodeDatabase.KEYS: folder.keys_place(settings),
        }
        steps = _Steps(folder, settings, by)
        done = migrate_databases(places, folder.path, told, begin=steps.begin, finish=steps.finish)
        if settings.format != FORMAT:
            set_format(folder.settings_file, FORMAT)
            flush_folder(folder.path)
        _put_journal_away(folder)
    return done


class _Steps:
    """The work on the databases of one migration that needs the node's keys."""

    def __init__(self, folder: NodeFolder, settings: NodeSettings, by: str) -> None:
        self._settings = settings
        self._by = by
        self._vault = open_vault(folder)
        self._keys = NodeKeys(self._vault)
        self._folder = folder
        self._wrapped: list[tuple[bytes, bytes, int]] = []

    def begin(self, connection: Connection, database: NodeDatabase, before: int) -> None:
        """Take the subjects' keys out of records from before the key store.

        Raises:
            VaultError: the root key is another node's.
        """
        if database is not NodeDatabase.RECORDS or before >= KEYS_FROM:
            return
        ensure_epoch_key(self._folder)
        for token, wrapped, created in connection.execute(_SUBJECTS_BEFORE):
            try:
                secret = self._vault.unwrap_rooted(wrapped, bound_to=token)
            except VaultError:
                raise VaultError(OPENS_NOTHING) from None
            self._wrapped.append((token, self._vault.wrap(secret, bound_to=token), created))

    def finish(self, connection: Connection, database: NodeDatabase, before: int) -> None:
        """Fill the tables that earlier formats did not have.

        Raises:
            VaultError: the root key is another node's.
        """
        keys = self._keys
        if database is NodeDatabase.KEYS:
            wrapped_keys.add_subjects(connection, self._wrapped)
            if not before:
                wrapped_keys.record_epochs(connection, keys.epochs())
            check_epochs(connection, keys, self._folder.keys_place(self._settings))
            prove_root_key(connection, keys)
            return
        if database is NodeDatabase.RECORDS and before < _RECORDED_FROM:
            self._open_directory()
            identity = identity_of(self._settings)
            events = identity_events_of(identity, keys)
            SettingsRecord(keys.operator_seal, events, self._by).begin(connection, identity)
        if before < _CHECKED_FROM:
            record_root_key(connection, _ROOT_KEYS[database], keys)

    def _open_directory(self) -> None:
        """Open the keys under which the settings become an entry, before they are in the key store."""
        directory = self._keys.references.directory
        for token, wrapped, _ in self._wrapped:
            if token == directory:
                self._keys.ring.open(token, wrapped)


def _put_journal_away(folder: NodeFolder) -> None:
    if folder.journal.exists():
        folder.journal.rename(folder.path / _KEPT_JOURNAL)
        flush_folder(folder.path)
