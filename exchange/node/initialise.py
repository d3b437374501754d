"""Makes a new node: its folder, settings, keys and databases, and on a new ledger the founding policy."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from chaincode.errors import ConflictError
from chaincode.policy.model import Policy
from exchange.errors import DamagedError
from exchange.ledger.client import LedgerClient
from exchange.ledger.consortium_policy import founding_policy
from exchange.ledger.embedded import EmbeddedLedger
from exchange.ledger.errors import RefusedError
from exchange.ledger.fabric.channel import survey
from exchange.ledger.fabric.gateway.connection import Profile
from exchange.ledger.fabric.gateway.transactions import FabricTransactions
from exchange.node.folder import SCHEMAS, NodeFolder
from exchange.node.identity.recorded_identity import identity_of, record
from exchange.node.identity.root_key_check import (
    RootKeyError,
    check_epochs,
    check_root_key,
    record_root_key,
)
from exchange.node.keys import NodeKeys
from exchange.node.open import open_node
from exchange.node.parts import naming_profile, open_ledger, open_parts, open_vault
from exchange.node.settings import ConfigError, NodeSettings, check
from exchange.runtime.private_files import sync_folder
from exchange.store.engine import postgres
from exchange.store.engine.database import Database
from exchange.store.engine.place import Place, Schema
from exchange.store.keys.wrapped_keys import metadata as keys_metadata
from exchange.store.keys.wrapped_keys import record_epochs, subject_keys
from exchange.store.log import log_tables
from exchange.store.migrations.create import create_keys, create_log, create_records
from exchange.store.records import clients, documents
from exchange.store.records.recorded_settings import records_root_key
from exchange.store.records.tables import metadata as records_metadata
from exchange.vault.file import create_vault


@dataclass(frozen=True, slots=True)
class SurveyedChannel:
    """A channel as its peer describes it: the own MSP id, the first block's hash, the members' MSP ids."""

    msp_id: str
    first_block: str
    members: tuple[str, ...]


async def initialise(folder: NodeFolder, settings: NodeSettings) -> None:
    """Make a new node in `folder`: settings, keys, and on a new ledger the founding policy.

    The members' Organization resources are its first records, so that consents can name them. If a step
    fails, the folder is empty again. Where it was cut off, the next call goes on: every step finds what the
    one before it left. So it does where a step failed after the channel had entries of the node, which its
    keys alone explain.

    Raises:
        ConfigError: the folder is in use, was begun with other settings, the settings can't be used, or the
            channel has another policy.
        UnavailableError: the ledger can't be reached.
    """
    check(settings)
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = NodeFolder(folder.path, unfinished=True)
    is_new = not making.unfinished.exists()
    if is_new:
        _check_free(making)
    with _claimed(making):
        making.close_to_others()
        if not making.settings_file.exists():
            making.write(settings)
        _check_same(making.load(), settings)
        made: list[Place] = []
        explains_entries = False
        try:
            with _claimed_database(making, settings):
                if is_new:
                    _make_room(making, settings)
                _make_keys(making, settings)
                await _found(making, settings)
                _make_databases(making, settings, made)
                _record(making, settings)
                explains_entries = settings.ledger == "fabric"
                async with open_node(making) as node:
                    await node.membership.introduce()
        except BaseException:
            if is_new and not explains_entries:
                _remove(making, made)
            raise
        making.unfinished.unlink()
        sync_folder(making.path)


@contextmanager
def _claimed(folder: NodeFolder) -> Iterator[None]:
    """Mark `folder` as a node that is not complete, and keep others from making it.

    Raises:
        ConfigError: another process is making it.
    """
    descriptor = os.open(folder.unfinished, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another process is making {folder.path}; wait for it") from None
        yield
    finally:
        os.close(descriptor)


def _claimed_database(folder: NodeFolder, settings: NodeSettings) -> AbstractContextManager[None]:
    place = folder.places(settings)[0]
    return postgres.making(place) if isinstance(place, Schema) else nullcontext()


def _check_free(folder: NodeFolder) -> None:
    if folder.settings_file.exists():
        raise ConfigError(f"{folder.path} is a node already; choose another folder")
    if any(folder.path.iterdir()):
        raise ConfigError(f"{folder.path} is not empty; choose a new folder")


def _make_room(folder: NodeFolder, settings: NodeSettings) -> None:
    """Remove the schemas of an `init` that was killed, and whose folder is gone, if they hold nothing.

    Raises:
        ConfigError: they hold something, or are another program's.
    """
    keys = folder.keys_place(settings)
    there = [
        place
        for place in (*folder.places(settings), keys)
        if isinstance(place, Schema) and postgres.schema_exists(place)
    ]
    for place in there:
        try:
            rows = postgres.count_rows(place, _KEPT)
        except DamagedError as why:
            raise ConfigError(f"{why}; name a database of its own") from None
        if rows > (place == keys):  # the directory's keys are there before its first record
            raise ConfigError(_TAKEN.format(place))
    for place in there:
        postgres.remove(place)


_KEPT = (
    documents.documents.name,
    clients.clients.name,
    log_tables.details.name,
    subject_keys.name,
)
"""The tables with rows that keys of a node alone explain; an `init` fills them last."""

_TAKEN = (
    "there is a {} already, which holds records, clients or names of another node; name a database of its "
    "own. If that node's folder is gone with its keys, and in no backup, nothing opens them any more: "
    f"`DROP SCHEMA {', '.join(SCHEMAS)} CASCADE`, then call init again"
)


def _check_same(begun: NodeSettings, settings: NodeSettings) -> None:
    """Refuse to go on with a node that was begun with other settings."""
    fields = NodeSettings.__struct_fields__
    other = [name for name in fields if getattr(begun, name) != getattr(settings, name)]
    if other:
        raise ConfigError(
            f"a node was begun here with another {' and '.join(other)}, and is not complete; call `consentry "
            "init` with the same options as then, or write those that are meant into consentry.toml"
        )


def _make_keys(folder: NodeFolder, settings: NodeSettings) -> None:
    """Make all keys of the node, or none: with a part of them nothing could go on."""
    keys = folder.root_key.parent
    if keys.exists():
        return
    partial = keys.with_name("keys.unfinished")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(mode=0o700)
    create_vault(partial / folder.root_key.name)
    if settings.ledger == "embedded":
        EmbeddedLedger.create_key(partial / folder.node_key.name)
    partial.rename(keys)
    sync_folder(folder.path)


def _make_databases(folder: NodeFolder, settings: NodeSettings, made: list[Place]) -> None:
    """Make those of the databases that are not there yet; each is in `made` from then on.

    Raises:
        ConfigError: a database is another node's.
    """
    keys = NodeKeys(open_vault(folder))
    records, entries = folder.places(settings)

    def begin_records(connection: Connection) -> None:
        create_records(connection)
        record_root_key(connection, records_root_key, keys)

    def begin_log(connection: Connection) -> None:
        create_log(connection)
        record_root_key(connection, log_tables.log_root_key, keys)

    def begin_keys(connection: Connection) -> None:
        create_keys(connection)
        record_epochs(connection, keys.epochs())

    for place, tables, root_key, begin in (
        (folder.keys_place(settings), keys_metadata, None, begin_keys),
        (records, records_metadata, records_root_key, begin_records),
        (entries, log_tables.metadata, log_tables.log_root_key, begin_log),
    ):
        database = Database(place, tables, durable=True, begin=begin)
        try:
            with database.snapshot() as connection:
                if root_key is None:
                    check_epochs(connection, keys, place)
                else:
                    check_root_key(connection, root_key, keys, place)
        except RootKeyError:
            raise ConfigError(_TAKEN.format(place)) from None
        finally:
            database.close()
        made.append(place)


def _record(folder: NodeFolder, settings: NodeSettings) -> None:
    with open_parts(folder) as parts, parts.records.transaction() as connection:
        record(connection, parts.keys.operator_seal, identity_of(settings))


def _remove(folder: NodeFolder, made: Iterable[Place]) -> None:
    for place in made:
        if isinstance(place, Schema):
            postgres.remove(place)
    for file in folder.path.iterdir():  # nothing was here before
        shutil.rmtree(file) if file.is_dir() else file.unlink()


async def _found(folder: NodeFolder, settings: NodeSettings) -> None:
    """Found the policy, unless the ledger has one: then check that this node can be on it."""
    async with open_ledger(folder, settings) as ledger:
        found = (await ledger.read_policy()).policy
        if found is None:
            policy = _founding(settings, (member.msp_id for member in settings.members))
            try:
                await ledger.found_policy(policy)
            except RefusedError as refused:
                if not isinstance(refused.reason, ConflictError):
                    raise
                found = (await ledger.read_policy()).policy  # another member's node was quicker
        if found is not None:
            _check_policy(found, settings)


def _founding(settings: NodeSettings, members: Iterable[str]) -> Policy:
    # An embedded ledger has one caller: no other could ever approve a change of its policy.
    voters = (settings.msp_id,) if settings.ledger == "embedded" else ()
    return founding_policy(members, voters=voters)


def _check_policy(found: Policy, settings: NodeSettings) -> None:
    # A majority adopted any later version; one member alone could have set the first.
    if found.version == 1 and found != _founding(settings, found.members):
        raise ConfigError("the channel was founded on another policy; don't join it before you know why")
    if settings.msp_id not in found.members:
        raise ConfigError(
            f"the channel's policy does not name {settings.msp_id}; "
            "have a majority of its members adopt one that does"
        )


async def survey_channel(path: Path) -> SurveyedChannel:
    """Ask the peer of the connection profile at `path` for the facts of its channel.

    Members are those of the policy in force; before one is founded, the organisations on the channel.

    Raises:
        ConfigError: the profile, or a file that it names, can't be used.
        UnavailableError: the peer can't be reached, or refuses.
    """
    with naming_profile(path):
        profile = Profile.read(path)
        facts = await survey(profile)
        ledger = LedgerClient(FabricTransactions.open(profile))
    try:
        found = (await ledger.read_policy()).policy
    finally:
        await ledger.close()
    return SurveyedChannel(
        profile.msp_id, facts.first_block, facts.members if found is None else found.members
    )
