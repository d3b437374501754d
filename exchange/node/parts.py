"""The parts of a node, opened one by one: vault and keys, databases, tokens, ledger.

This is the one place that chooses adapters: the vault, and the ledger. Commands open some of the parts
beside a gateway that serves the same node; `exchange.node.open` opens all of them, for itself alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path

from sqlalchemy import MetaData, Table

from exchange.auth.identity import NodeIdentity
from exchange.errors import DamagedError
from exchange.ledger.client import LedgerClient
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.embedded.identity import WriterLock
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.errors import GatewayError
from exchange.ledger.fabric.gateway.transactions import IN_FLIGHT, FabricTransactions
from exchange.ledger.port import Transactions
from exchange.node.folder import NodeFolder
from exchange.node.identity.recorded_identity import agreed, read_identity
from exchange.node.identity.root_key_check import check_epochs, check_root_key
from exchange.node.keys import NodeKeys
from exchange.node.settings import ConfigError, NodeSettings
from exchange.services.auth.client_commitments import ClientCommitments
from exchange.services.auth.identity_events import IdentityEvents
from exchange.services.auth.patient_status import PatientStatus
from exchange.services.auth.tokens import Tokens
from exchange.services.membership import Members
from exchange.services.sign_in.ceremonies import Ceremonies
from exchange.services.sign_in.door import PatientDoor
from exchange.services.sign_in.enrolment_codes import EnrolmentCodes
from exchange.services.sign_in.passkeys import Passkeys
from exchange.services.sign_in.sessions import Sessions
from exchange.store.engine.database import Database, OpenedBeside, read_format
from exchange.store.engine.format import check_format
from exchange.store.engine.place import Place
from exchange.store.keys.wrapped_keys import metadata as keys_metadata
from exchange.store.log import log_tables
from exchange.store.records.recorded_settings import records_root_key
from exchange.store.records.tables import metadata as records_metadata
from exchange.vault.file import FileVault, create_epoch_key
from exchange.vault.port import Vault


class NodeParts:
    """The parts of the node in `folder`; each is opened when it is first used, and closed with `stack`.

    Raises:
        VaultError: the root key can't be used.
        DamagedError: a database can't be opened.
    """

    def __init__(self, folder: NodeFolder, settings: NodeSettings, stack: ExitStack) -> None:
        self.folder = folder
        self.settings = settings
        self._stack = stack

    @cached_property
    def keys(self) -> NodeKeys:
        """Every key of the node."""
        return NodeKeys(open_vault(self.folder))

    @cached_property
    def recorded(self) -> NodeIdentity:
        """The settings that say who is who, as they are recorded."""
        with self.records.snapshot() as connection:
            return read_identity(connection, self.keys.operator_seal)

    @cached_property
    def agreed(self) -> NodeSettings:
        """The settings, with the members as recorded; a file that means somebody else is refused."""
        return agreed(self.settings, self.recorded)

    @cached_property
    def members(self) -> Members:
        """The members ever known, as they are recorded."""
        return Members(self.recorded.members)

    @cached_property
    def records(self) -> Database:
        """The database of records, with the key store beside it."""
        place = self.folder.places(self.settings)[0]
        keys = OpenedBeside(self.folder.keys_place(self.settings), keys_metadata)
        return self._database(place, records_metadata, records_root_key, durable=True, beside=keys)

    def open_log(self, *, exclusive: bool = False) -> Database:
        """Open the database of the log's projection; with `exclusive`, for this process alone."""
        place = self.folder.places(self.settings)[1]
        if exclusive:
            self._stack.callback(WriterLock(self.folder.log).release)
        table = log_tables.log_root_key
        return self._database(place, log_tables.metadata, table, durable=False, exclusive=exclusive)

    @cached_property
    def identity_events(self) -> IdentityEvents:
        """The events of identity, which wait in the database of records for the ledger."""
        return identity_events_of(self.recorded, self.keys)

    @cached_property
    def client_commitments(self) -> ClientCommitments:
        """The commitment of entries to the registered clients."""
        return ClientCommitments(
            msp_id=self.settings.msp_id,
            seal=self.keys.operator_seal,
            ring=self.keys.ring,
            references=self.keys.references,
        )

    @cached_property
    def tokens(self) -> Tokens:
        """The token service over the database of records."""
        return Tokens(
            self.records,
            self.members.by_msp,
            base_url=self.agreed.base_url,
            seal=self.keys.operator_seal,
            patients=PatientStatus(self.keys.references, self.keys.search_tokens),
            events=self.identity_events,
        )

    @cached_property
    def door(self) -> PatientDoor:
        """The sign-in of patients, over the database of records."""
        settings, seal, references = self.agreed, self.keys.operator_seal, self.keys.references
        codes = EnrolmentCodes(
            msp_id=settings.msp_id,
            records=self.records,
            seal=seal,
            references=references,
            events=self.identity_events,
        )
        sessions = Sessions(
            msp_id=settings.msp_id,
            records=self.records,
            seal=seal,
            references=references,
            tokens=self.tokens,
            events=self.identity_events,
        )
        passkeys = Passkeys(
            base_url=settings.base_url,
            name=settings.member.name,
            records=self.records,
            seal=seal,
            references=references,
            ceremonies=Ceremonies(seal),
            codes=codes,
            sessions=sessions,
            tokens=self.tokens,
            events=self.identity_events,
        )
        return PatientDoor(codes, passkeys, sessions)

    def _database(
        self,
        place: Place,
        tables: MetaData,
        root_key: Table,
        *,
        durable: bool,
        exclusive: bool = False,
        beside: OpenedBeside | None = None,
    ) -> Database:
        try:
            database = Database(place, tables, durable=durable, exclusive=exclusive, beside=beside)
        except UnicodeDecodeError:  # SQLite quotes a damaged schema in its message
            raise DamagedError(f"{place} can't be opened as a database (its schema is damaged)") from None
        self._stack.callback(database.close)
        with database.snapshot() as connection:
            check_root_key(connection, root_key, self.keys, place)
            if beside is not None:
                check_epochs(connection, self.keys, beside.place)
        return database


def identity_events_of(identity: NodeIdentity, keys: NodeKeys) -> IdentityEvents:
    """Return the events of the node with the recorded settings `identity`, whatever its file says."""
    return IdentityEvents(
        msp_id=identity.msp_id, base=identity.fhir_base, ring=keys.ring, references=keys.references
    )


@contextmanager
def open_parts(folder: NodeFolder) -> Iterator[NodeParts]:
    """Open parts of the node in `folder` on use, beside a gateway that may be serving it.

    Raises:
        ConfigError, FormatError: see `usable_settings`.
    """
    settings = usable_settings(folder)
    with ExitStack() as stack:
        yield NodeParts(folder, settings, stack)


def usable_settings(folder: NodeFolder) -> NodeSettings:
    """Return the settings of a complete node of this release's format.

    Raises:
        ConfigError: the folder is no node, its settings can't be used, or a database of it is missing.
        FormatError: a database is older, and can be migrated, or newer.
        DamagedError: a database is no database of a node.
        UnavailableError: a database can't be reached.
    """
    settings = folder.load()
    folder.check_files(settings)
    for place in folder.places(settings):
        check_format(read_format(place))
    folder.check_key_store(settings)
    check_format(read_format(folder.keys_place(settings)))
    return settings


def open_vault(folder: NodeFolder) -> Vault:
    """Return the vault with the node's root key.

    Raises:
        VaultError: the root key can't be used.
    """
    return FileVault(folder.root_key)


def ensure_epoch_key(folder: NodeFolder) -> None:
    """Have the vault of a node from before epoch keys make the first one."""
    if not open_vault(folder).epochs():
        create_epoch_key(folder.root_key.parent, 1)


@asynccontextmanager
async def open_ledger(folder: NodeFolder, settings: NodeSettings) -> AsyncIterator[LedgerClient]:
    """Open the typed client of the node's ledger.

    Raises:
        ConfigError, DamagedError, InUseError: see `open_transactions`.
    """
    ledger = ledger_client(open_transactions(folder, settings), settings)
    try:
        yield ledger
    finally:
        await ledger.close()


def ledger_client(transactions: Transactions, settings: NodeSettings, *, node: str = "") -> LedgerClient:
    """Return a client with as many transactions in flight as suit the kind of ledger; `node` as there."""
    in_flight = 1 if settings.ledger == "embedded" else IN_FLIGHT
    return LedgerClient(transactions, in_flight=in_flight, node=node)


def open_transactions(folder: NodeFolder, settings: NodeSettings) -> Transactions:
    """Open the way to the node's ledger; an embedded one that is not there is begun.

    Raises:
        ConfigError: the connection profile, or a file that it names, can't be used.
        DamagedError: the embedded ledger does not verify.
        InUseError: another process has it open.
    """
    path = folder.profile(settings)
    if path is None:
        return EmbeddedLedger.open(folder.ledger, key=folder.node_key, msp_id=settings.msp_id)
    with naming_profile(path):
        profile = Profile.read(path)
        if profile.msp_id != settings.msp_id:
            raise ConfigError(
                f"{path} is a profile of {profile.msp_id}, and this node is {settings.msp_id}'s; "
                "name its own in consentry.toml"
            )
        return FabricTransactions.open(profile, first_block=settings.first_block)


@contextmanager
def naming_profile(path: Path) -> Iterator[None]:
    """Name the connection profile at `path` in errors about it and its files.

    Raises:
        ConfigError: it, or a file that it names, can't be used.
    """
    try:
        yield
    except GatewayError as why:
        raise ConfigError(f"{why}; see to {path} and the files that it names") from None
